//! `[user NAME]`: accounts of the image changed, and new ones made.

use std::collections::{BTreeMap, BTreeSet};

use genpack_spec::facts::Facts;
use genpack_spec::settings::User;
use genpack_spec::text;
use genpack_spec::text::Text;
use genpack_spec::types::UserName;
use sha2::{Digest, Sha256};

use super::accounts::{Row, Table};
use super::{Entry, Kind, Owner, Plan};
use crate::image_files::{ImageFile, ImageFiles, USUAL_SHELLS};

/// Numbers of people's accounts (login.defs(5), `UID_MIN` and `UID_MAX`); below are those of the system's programs, above
/// those that systemd gives out and `nobody`.
const PEOPLE: std::ops::RangeInclusive<u32> = 1000..=60000;

/// The first number of accounts made here, and how many there may be. Away from 1000, where blueprints begin.
const MADE_HERE: (u32, u32) = (10_000, 50_000);

/// Fields of passwd(5) and, where they have it, of the other files.
mod field {
    pub(super) const PASSWORD: usize = 1;
    pub(super) const UID: usize = 2;
    /// In group(5).
    pub(super) const GID: usize = 2;
    /// In passwd(5).
    pub(super) const PRIMARY_GID: usize = 3;
    /// In group(5) and gshadow(5).
    pub(super) const MEMBERS: usize = 3;
    pub(super) const SHELL: usize = 6;
}

/// Adds what the sections ask for, and returns the users whose sections hold.
pub(super) fn apply(
    users: &BTreeMap<UserName, User>,
    image: &ImageFiles,
    facts: &Facts,
    plan: &mut Plan,
) -> BTreeSet<UserName> {
    let mut applied = BTreeSet::new();
    if users.is_empty() {
        return applied;
    }
    let (Some(passwd), Some(shadow), Some(group)) = (&image.passwd, &image.shadow, &image.group) else {
        plan.problems.push(text!(
            "The users of system.ini could not be set up, because this image has no list of users of the usual form."
        ));
        return applied;
    };
    let mut files = Accounts {
        passwd: Table::parse(&passwd.content),
        shadow: Table::parse(&shadow.content),
        group: Table::parse(&group.content),
        gshadow: image.gshadow.as_ref().map(|file| Table::parse(&file.content)),
    };
    for (name, user) in users {
        match files.apply(name, user, image, facts, plan) {
            Ok(()) => drop(applied.insert(name.clone())),
            Err(problem) => plan.problems.push(problem),
        }
    }
    let changed = [
        ("/etc/group", group, Some(files.group)),
        (
            "/etc/gshadow",
            image.gshadow.as_ref().unwrap_or(group),
            files.gshadow,
        ),
        // The hash before the account, so that an account is never there without it.
        ("/etc/shadow", shadow, Some(files.shadow)),
        ("/etc/passwd", passwd, Some(files.passwd)),
    ];
    for (path, old, table) in changed {
        let content = table.map(|table| table.content());
        if let Some(content) = content.filter(|content| *content != old.content) {
            plan.entries.push(in_place_of(path, old, content));
        }
    }
    applied
}

/// A file with new content and the mode and owner of the old one.
fn in_place_of(path: &str, old: &ImageFile, content: Vec<u8>) -> Entry {
    super::file(path, old.mode, content).owned_by(old.owner)
}

struct Accounts {
    passwd: Table,
    shadow: Table,
    group: Table,
    gshadow: Option<Table>,
}

impl Accounts {
    /// The error is why the section does not hold at all.
    fn apply(
        &mut self,
        name: &UserName,
        user: &User,
        image: &ImageFiles,
        facts: &Facts,
        plan: &mut Plan,
    ) -> Result<(), Text> {
        let row = match self.passwd.find(name.as_str()) {
            Some(row) if self.is_changeable(row, name, facts) => row,
            Some(_) => {
                return Err(text!(
                    "The user {user} belongs to a program of the device, so system.ini does not change it.",
                    user = name
                ));
            }
            None => self.make(name, user, image, plan)?,
        };
        if let Some(hash) = &user.password_hash {
            self.set_password(row, name, hash.reveal());
        }
        if let Some(shell) = &user.shell {
            match image.shells.contains(shell) {
                true => self.passwd.set(row, field::SHELL, shell),
                false => plan.problems.push(text!(
                    "The user {user} keeps its shell, because this device has no {shell}.",
                    user = name,
                    shell
                )),
            }
        }
        for group in &user.groups {
            match self.group.find(group.as_str()) {
                Some(row) => self.join(row, group, name),
                None => plan.problems.push(text!(
                    "The user {user} does not belong to the group {group}, because this device has none of that name.",
                    user = name,
                    group
                )),
            }
        }
        Ok(())
    }

    /// Whether an account of the image is one that a person logs in to.
    fn is_changeable(&self, row: Row, name: &UserName, facts: &Facts) -> bool {
        let uid = self.passwd.number(row, field::UID);
        let of_a_person = uid.is_some_and(|uid| PEOPLE.contains(&uid));
        let root = name.as_str() == "root" && uid == Some(0);
        root || of_a_person || facts.users.iter().flatten().any(|user| user == name)
    }

    fn set_password(&mut self, row: Row, name: &UserName, hash: &str) {
        self.passwd.set(row, field::PASSWORD, "x");
        match self.shadow.find(name.as_str()) {
            Some(row) => self.shadow.set(row, field::PASSWORD, hash),
            // No date of the last change: nothing expires (shadow(5)).
            None => self.shadow.push(&format!("{name}:{hash}::0:99999:7:::")),
        }
    }

    fn join(&mut self, row: Row, group: &UserName, name: &UserName) {
        self.group.add_member(row, field::MEMBERS, name.as_str());
        if let Some(gshadow) = &mut self.gshadow
            && let Some(row) = gshadow.find(group.as_str())
        {
            gshadow.add_member(row, field::MEMBERS, name.as_str());
        }
    }

    /// Makes an ordinary account without a password, with a group and a home folder of its own.
    fn make(
        &mut self,
        name: &UserName,
        user: &User,
        image: &ImageFiles,
        plan: &mut Plan,
    ) -> Result<Row, Text> {
        if user.password_hash.is_none() && user.ssh_keys.is_empty() {
            return Err(text!(
                "There is no user {user} on this device; one is made when its section has a password or an SSH key.",
                user = name
            ));
        }
        let uid = self.free_number(name).ok_or_else(|| {
            text!(
                "The user {user} could not be made, because the device has too many users.",
                user = name
            )
        })?;
        let gid = match self.group.find(name.as_str()) {
            None => {
                self.group.push(&format!("{name}:x:{uid}:"));
                if let Some(gshadow) = &mut self.gshadow {
                    gshadow.push(&format!("{name}:!::"));
                }
                uid
            }
            // A group of the system's programs, such as sudo or disk, is never given away with a name.
            Some(row) => self
                .group
                .number(row, field::GID)
                .filter(|gid| PEOPLE.contains(gid))
                .ok_or_else(|| {
                    text!(
                        "The user {user} could not be made, because that is the name of a group of the device.",
                        user = name
                    )
                })?,
        };
        let shell = USUAL_SHELLS
            .into_iter()
            .find(|shell| image.shells.contains(*shell))
            .unwrap_or(USUAL_SHELLS[1]);
        let home = format!("/home/{name}");
        self.passwd.push(&format!("{name}:x:{uid}:{gid}::{home}:{shell}"));
        // `*` is no password at all; `!` would be a locked account, which some programs refuse whatever the key.
        self.shadow.push(&format!("{name}:*::0:99999:7:::"));
        let owner = Owner { uid, gid };
        plan.entries.push(Entry {
            path: home.clone(),
            owner,
            kind: Kind::Folder { mode: 0o700 },
        });
        for (file_name, file) in &image.skeleton {
            let path = format!("{home}/{file_name}");
            plan.entries
                .push(super::file(path, file.mode, file.content.clone()).owned_by(owner));
        }
        self.passwd
            .find(name.as_str())
            .ok_or_else(|| text!("The user {user} could not be made.", user = name))
    }

    /// Returns a number that no user and no group has. It comes from the name alone, so that it is the same at each start
    /// whoever else is in the file: files that outlive a start keep their owner.
    fn free_number(&self, name: &UserName) -> Option<u32> {
        let (first, count) = MADE_HERE;
        let digest = Sha256::digest(name.as_str());
        let start = digest
            .iter()
            .take(4)
            .fold(0, |number, byte| number << 8 | u32::from(*byte));
        let candidates = (0..count).map(|step| first + (start % count + step) % count);
        let taken = |number: u32| {
            self.passwd.has_number(field::UID, number)
                || self.passwd.has_number(field::PRIMARY_GID, number)
                || self.group.has_number(field::GID, number)
        };
        candidates.into_iter().find(|number| !taken(*number))
    }
}

#[cfg(test)]
mod tests;
