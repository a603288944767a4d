//! What can be known of `files/` before there is a system to copy it to.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::Findings;
use crate::blueprint::{BUILD_SCRIPTS_DIR, Blueprint, Problem};
use crate::tree::changes::TRANSIENT;
use crate::tree::scripts::Runner;

/// Files that the device writes itself, with the reason.
const WRITTEN_BY_THE_DEVICE: [(&str, &str); 4] = [
    (
        "etc/hostname",
        "PID 1 writes it at every start; the name is `hostname` in system.ini",
    ),
    ("etc/hosts", "PID 1 writes it at every start"),
    ("etc/machine-id", "every device has its own"),
    (
        "etc/resolv.conf",
        "it is a link to what the network gives; name servers are `dns` in system.ini",
    ),
];

/// Looks at the folder, which need not exist, for all forms of the blueprint.
pub fn check(folder: &Path, blueprints: &[Blueprint]) -> Findings {
    let mut check = Check {
        found: Findings::default(),
        root: folder,
        blueprints,
    };
    match fs::metadata(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Ok(metadata) if !metadata.is_dir() => check.mistake(folder, "it is not a folder"),
        _ => check.folder(Path::new("")),
    }
    check.found
}

struct Check<'a> {
    found: Findings,
    root: &'a Path,
    blueprints: &'a [Blueprint],
}

impl Check<'_> {
    fn mistake(&mut self, path: &Path, why: &str) {
        let problem = Problem::plain(format!("{}: {why}", path.display()));
        self.found.mistakes.push(problem);
    }

    /// Returns what is in a folder, sorted by name.
    fn entries(&mut self, folder: &Path) -> Vec<PathBuf> {
        let read = fs::read_dir(folder).and_then(Iterator::collect::<io::Result<Vec<_>>>);
        match read {
            Ok(entries) => {
                let mut paths: Vec<_> = entries.iter().map(fs::DirEntry::path).collect();
                paths.sort();
                paths
            }
            Err(error) => {
                self.mistake(folder, &format!("it can't be read: {error}"));
                Vec::new()
            }
        }
    }

    fn folder(&mut self, relative: &Path) {
        for path in self.entries(&self.root.join(relative)) {
            let relative = relative.join(path.file_name().unwrap_or_default());
            let kind = match fs::symlink_metadata(&path) {
                Ok(metadata) => metadata.file_type(),
                Err(error) => {
                    self.mistake(&path, &format!("it can't be read: {error}"));
                    continue;
                }
            };
            if let Some((_, why)) = WRITTEN_BY_THE_DEVICE
                .iter()
                .find(|(place, _)| relative == Path::new(place))
            {
                self.mistake(&path, &format!("this place belongs to the device: {why}"));
            } else if TRANSIENT.iter().any(|place| relative == Path::new(place)) {
                self.outside(&path, kind.is_dir());
            } else if relative == Path::new(BUILD_SCRIPTS_DIR) {
                match kind.is_dir() {
                    true => self.scripts(&path),
                    false => self.mistake(
                        &path,
                        "it is not a folder; scripts for the build are in one of this name",
                    ),
                }
            } else if kind.is_dir() {
                self.folder(&relative);
            } else if !kind.is_file() && !kind.is_symlink() {
                self.mistake(&path, "it is neither a file nor a folder nor a link");
            }
        }
    }

    fn outside(&mut self, path: &Path, is_folder: bool) {
        let place = path.file_name().unwrap_or_default().display();
        let why = format!("what is in /{place} is made at every start, and is no part of a system");
        if !is_folder {
            self.mistake(path, &why);
        }
        if is_folder && let Some(first) = self.entries(path).first() {
            self.mistake(first, &why);
        }
    }

    fn scripts(&mut self, folder: &Path) {
        for path in self.entries(folder) {
            if path.is_dir() {
                self.user_of(&path);
                for inner in self.entries(&path) {
                    match inner.is_dir() {
                        true => self.mistake(&inner, "folders of a user's scripts have no folders inside"),
                        false => self.script(&inner),
                    }
                }
            } else {
                self.script(&path);
            }
        }
    }

    fn script(&mut self, path: &Path) {
        match fs::metadata(path) {
            Err(error) => self.mistake(path, &format!("it can't be read: {error}")),
            Ok(metadata) => {
                if Runner::of(path, &metadata).is_none() {
                    self.mistake(
                        path,
                        "nothing says how to run it; make it executable, or call it .sh or .py",
                    );
                }
            }
        }
    }

    /// Scripts in a folder run as the user of that name.
    fn user_of(&mut self, folder: &Path) {
        let name = folder.file_name().unwrap_or_default();
        let has = |blueprint: &&Blueprint| blueprint.users.iter().any(|user| name == OsStr::new(&user.name));
        if name == "root" || self.blueprints.iter().all(|blueprint| has(&blueprint)) {
            return;
        }
        let lacking: Vec<_> = self
            .blueprints
            .iter()
            .filter(|blueprint| !has(blueprint))
            .collect();
        let place = match lacking.iter().find_map(|blueprint| blueprint.variant.as_ref()) {
            Some(variant) if lacking.len() < self.blueprints.len() => format!("the variant {variant}"),
            _ => "the blueprint".to_string(),
        };
        self.found.warnings.push(Problem::plain(format!(
            "{}: no user of {place} is called {}; a package has to make it",
            folder.display(),
            name.display()
        )));
    }
}
