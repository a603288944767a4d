//! Who may log in over SSH, and how. Off is a matter of [`super::services`].

use std::collections::{BTreeMap, BTreeSet};

use genpack_spec::layout;
use genpack_spec::settings::{Ssh, User};
use genpack_spec::types::{AuthorizedKey, UserName};

use super::{Entry, file};

/// sshd takes the first value that it finds and reads the folder in the order of names (sshd_config(5)), so this comes
/// before the drop-in of the image, `10-genpack.conf`. There root stays with keys, whatever password it has.
const PASSWORD_LOGIN: &str = "/etc/ssh/sshd_config.d/05-genpack-password.conf";

/// `applied` are the users whose sections hold.
pub(super) fn entries(
    ssh: &Ssh,
    users: &BTreeMap<UserName, User>,
    applied: &BTreeSet<UserName>,
) -> Vec<Entry> {
    let mut keys: BTreeMap<&str, Vec<&AuthorizedKey>> = BTreeMap::new();
    keys.insert("root", ssh.keys.iter().collect());
    for (name, user) in users.iter().filter(|(name, _)| applied.contains(*name)) {
        keys.entry(name.as_str()).or_default().extend(&user.ssh_keys);
    }
    let mut entries: Vec<Entry> = keys
        .into_iter()
        .filter(|(_, keys)| !keys.is_empty())
        .map(|(name, keys)| {
            let lines: String = keys.into_iter().map(|key| format!("{key}\n")).collect();
            // Readable by all: sshd reads it as the user, and it holds no secret.
            file(
                format!("{}/{name}", layout::SSH_AUTHORIZED_KEYS_DIR),
                0o644,
                lines,
            )
        })
        .collect();
    if ssh.password_login == Some(true) {
        entries.push(file(PASSWORD_LOGIN, 0o644, "PasswordAuthentication yes\n"));
    }
    entries
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ me";

    fn plan(ssh: &str, users: &str, applied: &[&str]) -> Vec<Entry> {
        let applied = applied.iter().map(|name| name.parse().unwrap()).collect();
        entries(
            &serde_json::from_str(ssh).unwrap(),
            &serde_json::from_str(users).unwrap(),
            &applied,
        )
    }

    #[test]
    fn keys_of_both_kinds_of_section_come_together() {
        let ssh = format!(r#"{{"keys": ["{KEY} too"]}}"#);
        let users = format!(
            r#"{{"root": {{"ssh_keys": ["{KEY}"]}}, "anna": {{"ssh_keys": ["{KEY}"]}}, "lp": {{"ssh_keys": ["{KEY}"]}}}}"#
        );
        assert_eq!(
            plan(&ssh, &users, &["anna", "root"]),
            [
                file(
                    "/run/genpack/ssh/authorized_keys.d/anna",
                    0o644,
                    format!("{KEY}\n")
                ),
                file(
                    "/run/genpack/ssh/authorized_keys.d/root",
                    0o644,
                    format!("{KEY} too\n{KEY}\n")
                ),
            ]
        );
    }

    #[test]
    fn passwords_are_for_those_who_ask_and_never_for_root() {
        assert!(plan(r#"{"password_login": false}"#, "{}", &[]).is_empty());
        let want = file(PASSWORD_LOGIN, 0o644, "PasswordAuthentication yes\n");
        assert_eq!(plan(r#"{"password_login": true}"#, "{}", &[]), [want]);

        // What the image says must come later in the order of names, and keep root out.
        let folder = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../rootfs-overlay/etc/ssh/sshd_config.d"
        );
        let names = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name());
        let first = names.min().unwrap();
        assert!(PASSWORD_LOGIN.rsplit('/').next().unwrap() < first.to_str().unwrap());
        let image = fs::read_to_string(format!("{folder}/10-genpack.conf")).unwrap();
        assert!(image.contains("\nPermitRootLogin prohibit-password\n"), "{image}");
        assert!(image.contains("authorized_keys.d/%u\n"), "{image}");
    }
}
