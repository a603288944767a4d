//! Whom a container runs as: its `User`, looked up in its own files.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::service::text_of;
use crate::tree::rooted::Rooted;

/// Numbers of an account of a container image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// The user's number.
    pub uid: u32,
    /// The number of the user's group.
    pub gid: u32,
    /// Numbers of further groups.
    pub groups: BTreeSet<u32>,
    /// The user's home in the image.
    pub home: String,
}

impl User {
    /// Finds a user by what an image's `User` says: `user`, `uid`, `user:group`, `uid:gid`, and mixtures (OCI image
    /// specification, "Image Configuration"). Nothing stands for root. Without a group it is the one of `/etc/passwd`, with
    /// those of `/etc/group`.
    ///
    /// # Errors
    /// When a name is not in the image's `/etc/passwd` or `/etc/group`.
    pub fn find(said: &str, root: &Rooted) -> Result<User, String> {
        let (name, group) = match said.split_once(':') {
            Some((name, group)) => (name, Some(group).filter(|group| !group.is_empty())),
            None => (said, None),
        };
        let name = if name.is_empty() { "0" } else { name };
        let (passwd, groups) = (text_of(root, "etc/passwd")?, text_of(root, "etc/group")?);
        let number: Option<u32> = name.parse().ok();
        // NAME:PASSWORD:UID:GID:COMMENT:HOME:SHELL (passwd(5))
        let account = lines(&passwd).find(|fields| {
            fields.len() > 5 && (fields[0] == name || (number.is_some() && fields[2].parse().ok() == number))
        });
        let unknown = |what: &str, name: &str, file: &str| {
            format!("its User is {said:?}, and there is no {what} {name:?} in its /etc/{file}")
        };
        let number_of = |fields: &[&str], index: usize| fields.get(index).and_then(|text| text.parse().ok());
        let uid = account
            .as_ref()
            .and_then(|fields| number_of(fields, 2))
            .or(number)
            .ok_or_else(|| unknown("user", name, "passwd"))?;
        let own_group = account.as_ref().and_then(|fields| number_of(fields, 3));
        // NAME:PASSWORD:GID:MEMBERS (group(5))
        let gid = match group {
            None => own_group.unwrap_or(0),
            Some(group) => lines(&groups)
                .find(|fields| fields[0] == group)
                .and_then(|fields| number_of(&fields, 2))
                .or_else(|| group.parse().ok())
                .ok_or_else(|| unknown("group", group, "group"))?,
        };
        let is_member = |fields: &Vec<&str>| {
            let name = account.as_ref().map(|account| account[0]);
            fields
                .get(3)
                .is_some_and(|members| members.split(',').any(|member| Some(member) == name))
        };
        let further = match group {
            Some(_) => BTreeSet::new(),
            None => lines(&groups)
                .filter(is_member)
                .filter_map(|fields| number_of(&fields, 2))
                .filter(|further| *further != gid)
                .collect(),
        };
        let home = account
            .as_ref()
            .map(|fields| fields[5])
            .filter(|home| !home.is_empty());
        Ok(User {
            uid,
            gid,
            groups: further,
            home: home.unwrap_or("/").to_string(),
        })
    }
}

fn lines(text: &str) -> impl Iterator<Item = Vec<&str>> {
    text.lines().map(|line| line.split(':').collect())
}
