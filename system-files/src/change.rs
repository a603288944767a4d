//! Files of a running system that follow a change of settings: what two plans differ in, and making it so.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::files::Roots;
use crate::image_files::ImageFiles;
use crate::plan::{ACCOUNTS, Entry, Kind, Owner, Plan, merge_accounts, recorded};
use genpack_spec::layout;

/// Something to be done at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// What the new settings ask for takes the place of whatever is there.
    Make(Entry),
    /// What the image has is there again, or nothing.
    Restore(String),
    /// Of a file of accounts, only the lines that differ between the old and the new content change.
    Merge {
        /// Absolute path in the running system.
        path: String,
        /// Content that the old settings asked for.
        old: Vec<u8>,
        /// Content that the new settings ask for.
        new: Vec<u8>,
    },
}

impl Change {
    /// Returns the path that changes.
    pub fn path(&self) -> &str {
        match self {
            Change::Make(entry) => &entry.path,
            Change::Restore(path) | Change::Merge { path, .. } => path,
        }
    }
}

/// Returns what leads from one plan to another, in the order in which it is to be done. Both are for the same image.
pub fn changes(old: &Plan, new: &Plan, image: &ImageFiles) -> Vec<Change> {
    let by_path = |plan: &Plan| -> BTreeMap<String, Entry> {
        let entries = plan.entries.iter().cloned();
        entries.map(|entry| (entry.path.clone(), entry)).collect()
    };
    let (before, after) = (by_path(old), by_path(new));
    let mut changes = Vec::new();
    let mut done = BTreeSet::new();
    for path in new.entries.iter().chain(&old.entries).map(|entry| &entry.path) {
        if !done.insert(path) || before.get(path) == after.get(path) {
            continue;
        }
        let content = |entry: Option<&Entry>| match entry.map(|entry| &entry.kind) {
            Some(Kind::File { content, .. }) => content.clone(),
            _ => image.content(path),
        };
        changes.extend(match after.get(path) {
            _ if ACCOUNTS.contains(&path.as_str()) => Some(Change::Merge {
                path: path.clone(),
                old: content(before.get(path)),
                new: content(after.get(path)),
            }),
            Some(entry) => Some(Change::Make(entry.clone())),
            // A person's home folder, with all that is in it, is not ours to take away.
            None if is_home(path, &before) => None,
            None => Some(Change::Restore(path.clone())),
        });
    }
    changes
}

/// Returns what makes a plan hold in a system that still has what was written before, whatever the settings were then: files of
/// settings that the plan does not speak of are the image's again. Of files of accounts, only those lines change that the
/// settings, or another image, have changed since; what programs and people have added stays.
pub fn at_start(plan: &Plan, image: &ImageFiles, roots: &Roots<'_>) -> Vec<Change> {
    let content = |path: &str| {
        let planned = plan.entries.iter().find(|entry| entry.path == path);
        match planned.map(|entry| &entry.kind) {
            Some(Kind::File { content, .. }) => content.clone(),
            _ => image.content(path),
        }
    };
    // What was recorded last may be damaged or gone; then nothing but the image is known to be of the past.
    let before = |path: &str| match roots.read(&recorded(path)) {
        Ok(Some(Entry {
            kind: Kind::File { content, .. },
            ..
        })) => content,
        _ => image.content(path),
    };
    // Without the image's own accounts there is nothing to compare with, and those that are there stay.
    let known = ACCOUNTS.iter().filter(|path| !content(path).is_empty());
    let accounts = known.map(|path| Change::Merge {
        path: (*path).to_string(),
        old: before(path),
        new: content(path),
    });
    let planned = |path: &str| plan.entries.iter().any(|entry| entry.path == path);
    let restored = layout::FILES_OF_SETTINGS
        .iter()
        .filter(|path| !planned(path))
        .map(|path| Change::Restore((*path).to_string()));
    let made = plan
        .entries
        .iter()
        .filter(|entry| !ACCOUNTS.contains(&entry.path.as_str()))
        .map(|entry| Change::Make(entry.clone()));
    accounts.chain(restored).chain(made).collect()
}

fn is_home(path: &str, entries: &BTreeMap<String, Entry>) -> bool {
    Path::new(path).ancestors().any(|place| {
        place
            .to_str()
            .and_then(|place| entries.get(place))
            .is_some_and(|entry| matches!(entry.kind, Kind::Folder { .. }))
    })
}

/// Does one thing after the other, and returns the paths that are not as before, and what failed: paths with the reason.
/// What already is as it shall be is left alone. `image` is where the image's own files are. The record of a file of accounts
/// comes after the file itself, and only if that could be changed.
pub fn carry_out(
    changes: &[Change],
    roots: &Roots<'_>,
    image: &Path,
) -> (Vec<String>, Vec<(String, io::Error)>) {
    let (mut changed, mut failed) = (Vec::new(), Vec::new());
    // What stands in a home folder that is there already is its owner's.
    let mut homes: Vec<String> = Vec::new();
    let is_record = |change: &&Change| change.path().starts_with(layout::ACCOUNTS_BASE_DIR);
    let (records, others): (Vec<_>, Vec<_>) = changes.iter().partition(is_record);
    for change in others.into_iter().chain(records) {
        if let Change::Make(entry) = change {
            let of_failed = |(path, _): &(String, io::Error)| recorded(path) == entry.path;
            if is_record(&change) && failed.iter().any(of_failed) {
                continue;
            }
            if matches!(entry.kind, Kind::Folder { .. }) && is_owners(entry, roots) {
                homes.push(format!("{}/", entry.path));
                continue;
            }
            if homes.iter().any(|home| entry.path.starts_with(home)) {
                continue;
            }
        }
        match carry_out_one(change, roots, image) {
            Ok(true) => changed.push(change.path().to_string()),
            Ok(false) => {}
            Err(error) => failed.push((change.path().to_string(), error)),
        }
    }
    (changed, failed)
}

/// Whether a folder is there, and whose it shall be.
fn is_owners(folder: &Entry, roots: &Roots<'_>) -> bool {
    let there = roots.read(&folder.path).ok().flatten();
    there.is_some_and(|there| matches!(there.kind, Kind::Folder { .. }) && there.owner == folder.owner)
}

/// Returns whether there was something to do.
fn carry_out_one(change: &Change, roots: &Roots<'_>, image: &Path) -> io::Result<bool> {
    let entry = match change {
        Change::Make(entry) => entry.clone(),
        Change::Restore(path) => of_image(path, image)?,
        Change::Merge { path, old, new } => {
            let Some(mut current) = roots.read(path)? else {
                return Ok(false);
            };
            let Kind::File { content, .. } = &mut current.kind else {
                return Err(io::Error::other("it is not an ordinary file"));
            };
            *content = merge_accounts(content, old, new);
            current
        }
    };
    let there = roots.read(&entry.path)?;
    if there.as_ref() == Some(&entry) || (there.is_none() && entry.kind == Kind::Absent) {
        return Ok(false);
    }
    roots.make(&entry)?;
    Ok(true)
}

/// Returns what the image has at a path.
fn of_image(path: &str, image: &Path) -> io::Result<Entry> {
    let absent = Entry {
        path: path.to_string(),
        owner: Owner::default(),
        kind: Kind::Absent,
    };
    // What is made at each start is not the image's.
    if path.starts_with("/run/") {
        return Ok(absent);
    }
    let place = image.join(path.trim_start_matches('/'));
    Ok(entry_at(path, &place)?.unwrap_or(absent))
}

/// Returns what is at a place, as the entry that would make it; none when nothing is there.
pub(crate) fn entry_at(path: &str, place: &Path) -> io::Result<Option<Entry>> {
    let metadata = match fs::symlink_metadata(place) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mode = metadata.mode() & 0o7777;
    let (owner, kind) = if metadata.is_symlink() {
        let target = fs::read_link(place)?.to_string_lossy().into_owned();
        (Owner::default(), Kind::Link { target })
    } else {
        let owner = Owner {
            uid: metadata.uid(),
            gid: metadata.gid(),
        };
        let kind = match metadata.is_file() {
            true => Kind::File {
                mode,
                content: fs::read(place)?,
            },
            false => Kind::Folder { mode },
        };
        (owner, kind)
    };
    Ok(Some(Entry {
        path: path.to_string(),
        owner,
        kind,
    }))
}

#[cfg(test)]
mod tests;
