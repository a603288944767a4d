//! What the settings come to in files, as data: everything that must hold before the system starts.
//!
//! Each module has one concern: it takes settings, and what it needs to know of the image, and gives entries. What can't
//! be done as the settings say becomes a sentence for the person, never a file by halves.

mod accounts;
mod identity;
mod locale;
mod logging;
mod login;
mod own;
mod proxy;
mod services;
mod ssh;
mod time;
mod users;

use genpack_spec::facts::{Facts, Feature};
use genpack_spec::layout;
use genpack_spec::settings::Settings;
use genpack_spec::text::Text;

use crate::image_files::ImageFiles;
pub(crate) use accounts::merge as merge_accounts;
pub use identity::Identity;
pub use locale::layout_and_variant;
pub use time::clock_floor;

/// Files with a line for each account. Programs may have added lines of their own.
pub(crate) const ACCOUNTS: [&str; 4] = ["/etc/group", "/etc/gshadow", "/etc/shadow", "/etc/passwd"];

/// Something that must hold at a path of the running system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Absolute path in the running system.
    pub path: String,
    /// Whom it belongs to; links belong to root.
    pub owner: Owner,
    /// What is there.
    pub kind: Kind,
}

/// Numbers of a user and a group; root's by default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Owner {
    /// Number of the user.
    pub uid: u32,
    /// Number of the group.
    pub gid: u32,
}

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A file.
    File {
        /// Permission bits.
        mode: u32,
        /// Content.
        content: Vec<u8>,
    },
    /// A symbolic link.
    Link {
        /// Its target.
        target: String,
    },
    /// A folder; what is in it stays.
    Folder {
        /// Permission bits.
        mode: u32,
    },
    /// Nothing: a file of the image that must not be there.
    Absent,
}

/// What is to be done.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// In the order in which they are to be made.
    pub entries: Vec<Entry>,
    /// What can't be done, as whole sentences.
    pub problems: Vec<Text>,
}

/// Returns what `settings` ask for on a device of this identity with this image. Passwords are hashed already: a plain
/// one is not applied.
pub fn plan(settings: &Settings, identity: &Identity<'_>, image: &ImageFiles, facts: &Facts) -> Plan {
    let mut plan = Plan::default();
    plan.entries.extend(identity.entries());
    plan.entries.extend(locale::entries(&settings.system));
    plan.entries.extend(login::entries(&settings.system));
    plan.entries.extend(logging::entries(&settings.system));
    let applied = users::apply(&settings.user, image, facts, &mut plan);
    plan.entries
        .extend(ssh::entries(&settings.ssh, &settings.user, &applied));
    plan.entries.extend(services::entries(settings));
    plan.entries.extend(time::entries(&settings.time));
    plan.entries.extend(proxy::entries(&settings.proxy));
    own::apply(&facts.settings, &settings.own, image, &mut plan);
    record_accounts(image, facts, &mut plan);
    plan
}

/// Has copies kept of the files of accounts as the plan has them, on images where what is written may outlive a start: see
/// [`crate::change::at_start`].
fn record_accounts(image: &ImageFiles, facts: &Facts, plan: &mut Plan) {
    let features = facts.features.as_ref();
    if !features.is_some_and(|features| features.contains(&Feature::Storage)) {
        return;
    }
    for path in ACCOUNTS {
        let planned = plan
            .entries
            .iter()
            .find_map(|entry| match (&entry.path, &entry.kind) {
                (entry, Kind::File { content, .. }) if entry == path => Some(content.clone()),
                _ => None,
            });
        let content = planned.unwrap_or_else(|| image.content(path));
        if !content.is_empty() {
            plan.entries.push(file(recorded(path), 0o600, content));
        }
    }
}

/// Returns where the copy of a file of accounts is.
pub(crate) fn recorded(path: &str) -> String {
    let name = path.rsplit('/').next().unwrap_or(path);
    format!("{}/{name}", layout::ACCOUNTS_BASE_DIR)
}

fn file(path: impl Into<String>, mode: u32, content: impl Into<Vec<u8>>) -> Entry {
    Entry {
        path: path.into(),
        owner: Owner::default(),
        kind: Kind::File {
            mode,
            content: content.into(),
        },
    }
}

fn link(path: impl Into<String>, target: impl Into<String>) -> Entry {
    Entry {
        path: path.into(),
        owner: Owner::default(),
        kind: Kind::Link {
            target: target.into(),
        },
    }
}

fn absent(path: impl Into<String>) -> Entry {
    Entry {
        path: path.into(),
        owner: Owner::default(),
        kind: Kind::Absent,
    }
}

impl Entry {
    fn owned_by(self, owner: Owner) -> Entry {
        Entry { owner, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Everything that a plan can put outside `/run` is known to [`layout::FILES_OF_SETTINGS`], so that an earlier start's can
    /// be taken back.
    #[test]
    fn no_file_is_forgotten_when_what_is_written_is_kept() {
        let settings = serde_json::from_str(
            r#"{"system": {"timezone": "Asia/Tokyo", "locale": "ja_JP.UTF-8", "keyboard": "jp", "autologin": true,
                "debug": true}, "ssh": {"enabled": false, "password_login": true, "keys": []},
                "user": {"anna": {"password_hash": {"secret": "$6$salt$aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}}}, "services": {"nginx.service": false},
                "time": {"ntp": ["ntp.example.org"]}, "proxy": {"http": "http://proxy:3128"}}"#,
        )
        .unwrap();
        let hostname = "kitchen".parse().unwrap();
        let timezone = "Asia/Tokyo".parse().unwrap();
        let identity = Identity {
            hostname: &hostname,
            machine_id: "0123",
            ssh_host_key: "KEY",
            timezone: Some(&timezone),
        };
        let table = |content: &str| {
            Some(crate::image_files::ImageFile {
                content: content.into(),
                mode: 0o644,
                owner: Owner::default(),
            })
        };
        let image = ImageFiles {
            passwd: table("root:x:0:0::/root:/bin/sh\n"),
            shadow: table("root:*::::::\n"),
            group: table("root:x:0:\n"),
            ..ImageFiles::default()
        };
        let facts = Facts {
            features: Some([Feature::Storage].into()),
            ..Facts::default()
        };
        let plan = plan(&settings, &identity, &image, &facts);
        let paths: Vec<&str> = plan.entries.iter().map(|entry| entry.path.as_str()).collect();
        for path in &paths {
            let known = path.starts_with("/run/")
                || path.starts_with("/home/")
                || path.starts_with(layout::ACCOUNTS_BASE_DIR)
                || ACCOUNTS.contains(path)
                || layout::FILES_OF_SETTINGS.contains(path);
            assert!(known, "{path} would stay when its setting goes");
        }
        for path in layout::FILES_OF_SETTINGS {
            assert!(paths.contains(&path), "{path} is no file of settings");
        }
        assert!(paths.contains(&"/var/lib/genpack/accounts/shadow"), "{paths:?}");
    }

    #[test]
    fn without_settings_only_the_identity_is_written() {
        let hostname = "kitchen".parse().unwrap();
        let identity = Identity {
            hostname: &hostname,
            machine_id: "0123",
            ssh_host_key: "KEY",
            timezone: None,
        };
        let plan = plan(
            &Settings::default(),
            &identity,
            &ImageFiles::default(),
            &Facts::default(),
        );
        assert_eq!(plan.entries, identity.entries());
        assert!(plan.problems.is_empty());
    }
}
