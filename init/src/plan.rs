//! What the settings come to in files, as data: everything that must hold before the system starts.

use genpack_spec::layout;
use genpack_spec::settings::Settings;
use genpack_spec::types::Hostname;

/// A file or link of the running system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Absolute path in the running system.
    pub path: String,
    /// What is there.
    pub kind: Kind,
}

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A file, with its permission bits.
    File {
        /// Permission bits.
        mode: u32,
        /// Content.
        content: String,
    },
    /// A symbolic link.
    Link {
        /// Its target.
        target: String,
    },
}

/// Returns the files that `settings` and the device's identity ask for.
pub fn plan(settings: &Settings, hostname: &Hostname, machine_id: &str, ssh_host_key: &str) -> Vec<Entry> {
    let mut entries = vec![
        file("/etc/hostname", 0o644, format!("{hostname}\n")),
        file("/etc/hosts", 0o644, hosts(hostname)),
        file("/etc/machine-id", 0o444, format!("{machine_id}\n")),
        file(layout::SSH_HOST_KEY, 0o600, ssh_host_key.to_string()),
    ];
    if let Some(zone) = &settings.system.timezone {
        entries.push(link("/etc/localtime", format!("..{}/{zone}", layout::ZONEINFO)));
    }
    if !settings.ssh.keys.is_empty() {
        let lines = settings.ssh.keys.iter().map(|key| format!("{key}\n")).collect();
        entries.push(file(layout::SSH_AUTHORIZED_KEYS, 0o644, lines));
    }
    // Off must hold before anything starts; what is to be on is started by the config agent.
    for (unit, _) in settings.services.iter().filter(|(_, on)| !**on) {
        entries.push(link(
            &format!("{}/{unit}", layout::UNIT_MASK_DIR),
            "/dev/null".into(),
        ));
    }
    entries
}

fn hosts(hostname: &Hostname) -> String {
    let names = match hostname.short() {
        short if short == hostname.as_str() => short.to_string(),
        short => format!("{hostname} {short}"),
    };
    format!("127.0.0.1 localhost\n127.0.1.1 {names}\n::1 localhost ip6-localhost ip6-loopback\n")
}

fn file(path: &str, mode: u32, content: String) -> Entry {
    Entry {
        path: path.to_string(),
        kind: Kind::File { mode, content },
    }
}

fn link(path: &str, target: String) -> Entry {
    Entry {
        path: path.to_string(),
        kind: Kind::Link { target },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(json: &str) -> Vec<Entry> {
        let settings = serde_json::from_str(json).unwrap();
        plan(&settings, &"kitchen.example.org".parse().unwrap(), "0123", "KEY")
    }

    #[test]
    fn without_settings_only_the_identity_is_written() {
        let paths: Vec<_> = entries("{}").into_iter().map(|e| e.path).collect();
        assert_eq!(
            paths,
            [
                "/etc/hostname",
                "/etc/hosts",
                "/etc/machine-id",
                layout::SSH_HOST_KEY
            ]
        );
    }

    #[test]
    fn a_qualified_name_is_known_by_its_first_label_too() {
        let entries = entries("{}");
        let Kind::File { content, .. } = &entries[1].kind else {
            panic!("not a file")
        };
        assert!(
            content.contains("127.0.1.1 kitchen.example.org kitchen\n"),
            "{content}"
        );
    }

    #[test]
    fn each_setting_has_its_file() {
        let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ me";
        let entries = entries(&format!(
            r#"{{"system": {{"timezone": "Asia/Tokyo"}}, "ssh": {{"keys": ["{key}"]}},
                "services": {{"nginx.service": false, "cron.service": true}}}}"#
        ));
        assert_eq!(
            entries[4..],
            [
                link("/etc/localtime", "../usr/share/zoneinfo/Asia/Tokyo".into()),
                file(layout::SSH_AUTHORIZED_KEYS, 0o644, format!("{key}\n")),
                link("/run/systemd/system.control/nginx.service", "/dev/null".into()),
            ]
        );
    }
}
