//! Every file of a tree, who brought it, and where links lead.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use genpack_spec::layout;

use super::database::Database;
use crate::tree::links::{self, Place};

/// Where a shell looks for commands.
const COMMAND_FOLDERS: [&str; 4] = ["usr/local/sbin", "usr/local/bin", "usr/sbin", "usr/bin"];

/// What is at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A folder.
    Folder,
    /// A file; whether it can be executed.
    File {
        /// Somebody may execute it.
        executable: bool,
    },
    /// A link, with its target as it stands there.
    Link(PathBuf),
    /// A device, pipe or socket.
    Other,
}

/// The files of a tree by their path relative to it.
#[derive(Debug, Clone, Default)]
pub struct Listing {
    entries: BTreeMap<PathBuf, Kind>,
    owners: BTreeMap<PathBuf, String>,
    by_name: BTreeMap<String, Vec<PathBuf>>,
}

/// Returns whether a path relative to a tree is in a container, whose files use one another and none of the system's.
pub fn is_foreign(path: &Path) -> bool {
    path.starts_with(layout::CONTAINER_ROOT.trim_start_matches('/'))
}

impl Listing {
    /// Reads a tree, without what is mounted in it at run time, and without the files of a container.
    pub fn of(root: &Path, database: &Database) -> Result<Listing> {
        let mut listing = Listing::default();
        let mut todo = vec![PathBuf::new()];
        while let Some(folder) = todo.pop() {
            let reading = || format!("reading {}", root.join(&folder).display());
            for entry in fs::read_dir(root.join(&folder)).with_context(reading)? {
                let entry = entry.with_context(reading)?;
                let path = folder.join(entry.file_name());
                if is_foreign(&path) {
                    continue;
                }
                let kind = entry.file_type().with_context(reading)?;
                let kind = if kind.is_dir() {
                    todo.push(path.clone());
                    Kind::Folder
                } else if kind.is_symlink() {
                    Kind::Link(fs::read_link(entry.path()).with_context(reading)?)
                } else if kind.is_file() {
                    let mode = entry.metadata().with_context(reading)?.permissions().mode();
                    Kind::File {
                        executable: mode & 0o111 != 0,
                    }
                } else {
                    Kind::Other
                };
                listing.entries.insert(path, kind);
            }
        }
        // In the order of their paths, whatever the one in which a file system has them.
        for (path, kind) in &listing.entries {
            if *kind != Kind::Folder {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                let places = listing.by_name.entry(name.into_owned()).or_default();
                places.push(path.clone());
            }
        }
        for package in database.packages.values() {
            for file in &package.files {
                if listing
                    .entries
                    .get(file)
                    .is_some_and(|kind| *kind != Kind::Folder)
                {
                    listing.owners.insert(file.clone(), package.name.clone());
                }
            }
        }
        Ok(listing)
    }

    /// Returns whether something is at a path.
    pub fn contains(&self, path: &Path) -> bool {
        self.entries.contains_key(path)
    }

    /// Returns all paths with what is there.
    pub fn entries(&self) -> impl Iterator<Item = (&Path, &Kind)> {
        self.entries.iter().map(|(path, kind)| (path.as_path(), kind))
    }

    /// Returns what is at a path.
    pub fn kind(&self, path: &Path) -> Option<&Kind> {
        self.entries.get(path)
    }

    /// Returns the files that packages brought.
    pub fn owned(&self) -> impl Iterator<Item = &Path> {
        self.owners.keys().map(PathBuf::as_path)
    }

    /// Returns the package that brought a file.
    pub fn owner(&self, path: &Path) -> Option<&str> {
        self.owners.get(path).map(String::as_str)
    }

    /// Returns the files and links of this name, whatever their folder.
    pub fn named(&self, name: &str) -> &[PathBuf] {
        self.by_name.get(name).map_or(&[], Vec::as_slice)
    }

    /// Returns what a shell would start as this command.
    pub fn command(&self, name: &str) -> Option<PathBuf> {
        let places = COMMAND_FOLDERS.iter().map(|folder| Path::new(folder).join(name));
        places.into_iter().find(|path| self.contains(path))
    }

    /// Follows a path, absolute or relative to the tree, to its end. Returns the links on the way and what is there; nothing
    /// when it leads nowhere.
    pub fn follow(&self, path: &Path) -> Option<Vec<PathBuf>> {
        let look = |place: &Path| match self.entries.get(place) {
            None => Place::Nowhere,
            Some(Kind::Link(to)) => Place::Link(to.clone()),
            Some(_) => Place::End,
        };
        let (mut way, end) = links::follow(path, look).ok()?;
        way.push(end);
        Some(way)
    }

    /// Returns whether one of the links or files on the way to the end of `path` is in `gone`.
    pub fn leads_into(&self, path: &Path, gone: &BTreeSet<PathBuf>) -> bool {
        self.follow(path)
            .is_some_and(|way| way.iter().any(|place| gone.contains(place)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_followed_inside_the_tree() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        for folder in ["usr/bin", "etc/alternatives"] {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        fs::write(root.join("usr/bin/mawk"), "").unwrap();
        for (to, link) in [
            ("usr/bin", "bin"),
            ("/bin/mawk", "etc/alternatives/awk"),
            ("../../etc/alternatives/awk", "usr/bin/awk"),
            ("circle", "circle"),
        ] {
            std::os::unix::fs::symlink(to, root.join(link)).unwrap();
        }
        let listing = Listing::of(root, &Database::default()).unwrap();
        let way = listing.follow(Path::new("/bin/awk")).unwrap();
        let way: Vec<_> = way.iter().map(|path| path.to_str().unwrap()).collect();
        assert_eq!(
            way,
            [
                "bin",
                "usr/bin/awk",
                "etc/alternatives/awk",
                "bin",
                "usr/bin/mawk"
            ]
        );
        assert_eq!(listing.follow(Path::new("/bin/nawk")), None);
        assert_eq!(listing.follow(Path::new("circle")), None);
        assert_eq!(listing.command("awk"), Some("usr/bin/awk".into()));
    }
}
