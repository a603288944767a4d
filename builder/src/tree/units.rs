//! Units of a tree: files, other names, and what only appears while the machine starts.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use super::rooted::Rooted;

/// Folders of units below a system's root; what is in an earlier one wins (systemd.unit(5)).
pub const UNIT_FOLDERS: [&str; 3] = [
    "etc/systemd/system",
    "usr/local/lib/systemd/system",
    "usr/lib/systemd/system",
];
/// Folders of programs that make units while the machine starts (systemd.generator(7)).
const GENERATOR_FOLDERS: [&str; 3] = [
    "etc/systemd/system-generators",
    "usr/local/lib/systemd/system-generators",
    "usr/lib/systemd/system-generators",
];
/// Sockets that systemd-ssh-generator(8) makes.
const SSH_SOCKETS: [&str; 3] = [
    "sshd-unix-export.socket",
    "sshd-unix-local.socket",
    "sshd-vsock.socket",
];

/// Returns the names of all units: those that there are files of, and those that systemd's own generators make.
pub fn names(root: &Rooted) -> Vec<String> {
    let files = files(root).into_iter().map(|(name, _)| name);
    // Without an ending, a name would be taken for that of a service.
    let mut names: Vec<_> = files.filter(|name| name.contains('.')).collect();
    for generator in generators(root) {
        match generator.as_str() {
            "systemd-ssh-generator" => names.extend(SSH_SOCKETS.map(String::from)),
            // systemd-sysv-generator(8)
            "systemd-sysv-generator" => {
                names.extend(root.names("etc/init.d".as_ref()).iter().map(|script| {
                    let name = script.strip_suffix(".sh").unwrap_or(script);
                    format!("{name}.service")
                }))
            }
            _ => {}
        }
    }
    names
}

/// Whether the machine may have more units than [`names`] says: generators of others make what they like.
pub fn may_be_generated(root: &Rooted) -> bool {
    generators(root).iter().any(|name| !name.starts_with("systemd-"))
}

fn generators(root: &Rooted) -> Vec<String> {
    GENERATOR_FOLDERS
        .iter()
        .flat_map(|folder| root.names(folder.as_ref()))
        .collect()
}

/// Returns every name of a unit that is only another name of a second one, with that one's: `sshd.service` is a link to
/// `ssh.service`.
pub fn aliases(root: &Rooted) -> BTreeMap<String, String> {
    let mut links = BTreeMap::new();
    for (name, link) in files(root) {
        links.entry(name).or_insert(link);
    }
    let alias = |(name, link): (String, Option<PathBuf>)| {
        let target = link?.file_name()?.to_str()?.to_string();
        // What has no ending is no unit: a masked unit is a link to /dev/null.
        (target.contains('.') && target != name).then_some((name, target))
    };
    links.into_iter().filter_map(alias).collect()
}

/// Returns the names of all unit files, with what those lead to that are links. Of two with one name the first counts.
pub fn files(root: &Rooted) -> Vec<(String, Option<PathBuf>)> {
    let mut files = Vec::new();
    for folder in UNIT_FOLDERS {
        let (_folder, entries) = root.entries(folder.as_ref()).unwrap_or_default();
        for entry in entries {
            let is_file = entry.file_type().is_ok_and(|kind| !kind.is_dir());
            if let (true, Ok(name)) = (is_file, entry.file_name().into_string()) {
                files.push((name, fs::read_link(entry.path()).ok()));
            }
        }
    }
    files
}

/// Reads a unit file: `key=value` in any section, with lines that a backslash continues.
pub fn parse(text: &str) -> Vec<(String, String)> {
    let joined = text.replace("\\\n", " ");
    let lines = joined
        .lines()
        .map(str::trim)
        .filter(|line| !line.starts_with(['#', ';', '[']));
    let settings = lines.filter_map(|line| line.split_once('='));
    settings
        .map(|(key, value)| (key.trim().to_string(), value.trim().to_string()))
        .collect()
}

/// Returns the template of an instance: `getty@.service` of `getty@tty1.service`.
pub fn template_of(name: &str) -> Option<String> {
    let (prefix, rest) = name.split_once('@')?;
    let (_, ending) = rest.rsplit_once('.')?;
    Some(format!("{prefix}@.{ending}"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn aliases_lead_to_units_and_masks_nowhere() {
        let root = tempfile::tempdir().unwrap();
        let vendor = root.path().join(UNIT_FOLDERS[2]);
        fs::create_dir_all(&vendor).unwrap();
        fs::write(vendor.join("ssh.service"), "").unwrap();
        symlink("ssh.service", vendor.join("sshd.service")).unwrap();
        symlink("/dev/null", vendor.join("masked.service")).unwrap();
        // What an administrator has made of it goes first.
        let etc = root.path().join(UNIT_FOLDERS[0]);
        fs::create_dir_all(&etc).unwrap();
        symlink("/usr/lib/systemd/system/own-web.service", etc.join("web.service")).unwrap();
        symlink("nginx.service", vendor.join("web.service")).unwrap();
        symlink("/usr/lib/systemd/system/ssh.service", etc.join("ssh.service")).unwrap();
        fs::write(etc.join("syslog.service"), "").unwrap();
        symlink("rsyslog.service", vendor.join("syslog.service")).unwrap();
        let pair = |alias: &str, unit: &str| (alias.to_string(), unit.to_string());
        let want = [
            pair("sshd.service", "ssh.service"),
            pair("web.service", "own-web.service"),
        ];
        assert_eq!(aliases(&Rooted::open(root.path()).unwrap()), want.into());
    }

    #[test]
    fn generators_make_units() {
        let root = tempfile::tempdir().unwrap();
        let make = |path: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        };
        make("usr/lib/systemd/system/nginx.service");
        make("usr/lib/systemd/system/README");
        make("etc/init.d/from-long-ago");
        make("etc/init.d/clock.sh");
        let rooted = Rooted::open(root.path()).unwrap();
        let names = || names(&rooted).into_iter().collect::<BTreeSet<_>>();
        assert_eq!(names(), ["nginx.service".into()].into());
        make("usr/lib/systemd/system-generators/systemd-sysv-generator");
        let want = ["clock.service", "from-long-ago.service", "nginx.service"];
        assert_eq!(names(), want.map(String::from).into());
        make("etc/systemd/system-generators/systemd-ssh-generator");
        assert!(names().contains("sshd-vsock.socket"));
        assert!(!may_be_generated(&rooted));
        make("usr/lib/systemd/system-generators/podman-system-generator");
        assert!(may_be_generated(&rooted));
    }
}
