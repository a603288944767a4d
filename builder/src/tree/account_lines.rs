//! What happened to the files of accounts, line by line, so that it can be done to another system's files.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::rooted::Rooted;

/// The files of accounts (passwd(5), shadow(5), group(5), gshadow(5), subuid(5)).
pub const FILES: [&str; 6] = [
    "etc/group",
    "etc/gshadow",
    "etc/passwd",
    "etc/shadow",
    "etc/subgid",
    "etc/subuid",
];

/// The files of accounts of one tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountLines(BTreeMap<&'static str, Vec<String>>);

/// Lines that came and went.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineChanges(BTreeMap<String, Change>);

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Change {
    removed: Vec<String>,
    added: Vec<String>,
}

impl AccountLines {
    /// Reads the files of a tree; one that is not there has no lines.
    pub fn of(root: &Rooted) -> AccountLines {
        let lines = |file: &&'static str| {
            let text = root.text_or_empty(file.as_ref());
            (*file, text.lines().map(String::from).collect())
        };
        AccountLines(FILES.iter().map(lines).collect())
    }

    /// Returns what is different in `later`.
    pub fn changes(&self, later: &AccountLines) -> LineChanges {
        let mut changes = BTreeMap::new();
        for (file, before) in &self.0 {
            let after = &later.0[file];
            let without = |from: &[String], other: &[String]| -> Vec<String> {
                from.iter()
                    .filter(|line| !other.contains(line))
                    .cloned()
                    .collect()
            };
            let change = Change {
                removed: without(before, after),
                added: without(after, before),
            };
            if change != Change::default() {
                changes.insert(file.to_string(), change);
            }
        }
        LineChanges(changes)
    }
}

impl LineChanges {
    /// Whether a line for `name` came to `file`.
    pub fn adds(&self, file: &str, account: &str) -> bool {
        let change = self.0.get(file);
        change.is_some_and(|change| change.added.iter().any(|line| name(line) == account))
    }

    /// Does the changes to the files of a tree. A line for a name that has one already replaces that.
    pub fn apply(&self, root: &Rooted) -> Result<()> {
        for (file, change) in &self.0 {
            let text = root
                .text(file.as_ref())
                .with_context(|| format!("reading /{file}"))?
                .unwrap_or_default();
            let goes = |line: &str| {
                change.removed.iter().any(|removed| removed == line)
                    || change.added.iter().any(|added| name(added) == name(line))
            };
            let stays = text.lines().filter(|line| !goes(line));
            let lines = stays.chain(change.added.iter().map(String::as_str));
            let text: String = lines.map(|line| format!("{line}\n")).collect();
            // In place, so that owner and mode stay.
            root.write(file.as_ref(), text)
                .with_context(|| format!("writing /{file}"))?;
        }
        Ok(())
    }
}

fn name(line: &str) -> &str {
    line.split(':').next().unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn another_systems_accounts_stay() {
        let (build, image) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let write = |dir: &tempfile::TempDir, text: &str| {
            fs::create_dir_all(dir.path().join("etc")).unwrap();
            fs::write(dir.path().join("etc/group"), text).unwrap();
        };
        write(&build, "root:x:0:\nadm:x:4:\ncompiler:x:99:\nold:x:7:\n");
        let of_build = || AccountLines::of(&Rooted::open(build.path()).unwrap());
        let before = of_build();
        write(&build, "root:x:0:\nadm:x:4:op\ncompiler:x:99:\nop:x:1000:\n");
        let changes = before.changes(&of_build());
        write(&image, "root:x:0:\nadm:x:4:\nold:x:7:\nweb:x:33:\n");
        changes.apply(&Rooted::open(image.path()).unwrap()).unwrap();
        assert_eq!(
            fs::read_to_string(image.path().join("etc/group")).unwrap(),
            "root:x:0:\nweb:x:33:\nadm:x:4:op\nop:x:1000:\n"
        );
        assert!(!image.path().join("etc/passwd").exists());
    }
}
