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

use genpack_spec::facts::Facts;
use genpack_spec::settings::Settings;
use genpack_spec::text::Text;

use crate::image_files::ImageFiles;
pub(crate) use accounts::merge as merge_accounts;
pub use identity::Identity;
pub use locale::layout_and_variant;
pub use time::clock_floor;

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
    plan
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
