//! What builds keep for the next one, in the user's cache folder.
//!
//! Every entry is a file or folder whose name is the hash of all that it was made from. It is made in `partial/` and
//! renamed when it is whole, so an interrupted build leaves nothing that a later one could take for finished.

pub mod command;

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result, bail};
use nix::fcntl::{Flock, FlockArg};

use crate::limit::Limit;
use crate::{hash, room};

/// Where what is not whole yet lies.
const PARTIAL: &str = "partial";
/// Says how large the cache may be.
const LIMIT_VARIABLE: &str = "GENPACK_CACHE_LIMIT";
const DEFAULT_LIMIT: Limit = Limit::of(10_000_000_000);

/// What is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Kind {
    /// Package lists, and what APT makes of them.
    Lists,
    /// Files of packages, each named after the SHA-256 of its content (`HASH.deb`).
    Packages,
    /// Trees of installed packages, as tar files.
    Trees,
    /// What scripts did to a tree, as tar files.
    Layers,
    /// Initramfs, and indexes of kernels' modules.
    Initramfs,
    /// Compressed blocks of system images.
    Blocks,
    /// Finished images.
    Images,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Kind; 7] = [
        Kind::Lists,
        Kind::Packages,
        Kind::Trees,
        Kind::Layers,
        Kind::Initramfs,
        Kind::Blocks,
        Kind::Images,
    ];

    /// The folder of this kind, and its name for people.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Lists => "lists",
            Kind::Packages => "packages",
            Kind::Trees => "trees",
            Kind::Layers => "layers",
            Kind::Initramfs => "initramfs",
            Kind::Blocks => "blocks",
            Kind::Images => "images",
        }
    }
}

/// The cache of one user.
#[derive(Debug, Clone)]
pub struct Cache {
    folder: PathBuf,
    limit: Limit,
}

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// When it was used last.
    pub used: SystemTime,
    /// Bytes on disk.
    pub bytes: u64,
    /// Its kind.
    pub kind: Kind,
    /// Where it is.
    pub path: PathBuf,
}

/// A build that uses the cache. While there is one, nobody clears `partial/`.
pub struct InUse {
    _lock: Flock<File>,
}

impl Cache {
    /// Finds the cache (XDG Base Directory Specification) and its limit, without making anything.
    ///
    /// # Errors
    /// When no folder is known, or `GENPACK_CACHE_LIMIT` is not a size.
    pub fn of_user() -> Result<Cache> {
        let variable = |name: &str| {
            std::env::var_os(name)
                .map(PathBuf::from)
                .filter(|path| path.is_absolute())
        };
        let Some(base) =
            variable("XDG_CACHE_HOME").or_else(|| variable("HOME").map(|home| home.join(".cache")))
        else {
            bail!("neither HOME nor XDG_CACHE_HOME says where downloads may be kept");
        };
        let limit = Limit::from_environment(LIMIT_VARIABLE)?.unwrap_or(DEFAULT_LIMIT);
        Ok(Cache::at(base.join("genpack"), limit))
    }

    /// Returns the cache in `folder`, which need not exist.
    pub fn at(folder: PathBuf, limit: Limit) -> Cache {
        Cache { folder, limit }
    }

    /// Returns its folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Returns its limit.
    pub fn limit(&self) -> Limit {
        self.limit
    }

    /// Returns the folder of a kind, which need not exist.
    pub fn folder_of(&self, kind: Kind) -> PathBuf {
        self.folder.join(kind.name())
    }

    /// Begins to use the cache: makes its folders, and removes what builds that are no more have left unfinished.
    pub fn enter(&self) -> Result<InUse> {
        self.make_folders()
            .map_err(|error| io::Error::from(error.kind()))
            .with_context(|| {
                format!(
                    "downloads can't be kept in {}; XDG_CACHE_HOME names another place",
                    self.folder.display()
                )
            })?;
        self.discard_partial();
        let lock = self.lock(FlockArg::LockShared).context("locking the cache")?;
        Ok(InUse { _lock: lock })
    }

    fn make_folders(&self) -> io::Result<()> {
        fs::create_dir_all(self.folder.join(PARTIAL))?;
        Kind::ALL
            .iter()
            .try_for_each(|kind| fs::create_dir_all(self.folder_of(*kind)))
    }

    fn lock(&self, how: FlockArg) -> io::Result<Flock<File>> {
        let file = File::create(self.folder.join("lock"))?;
        Flock::lock(file, how).map_err(|(_, errno)| errno.into())
    }

    /// Empties `partial/`, unless a build is under way. Packages in there that have come whole become entries: whoever
    /// interrupts a download does not begin it again.
    pub fn discard_partial(&self) {
        if !self.folder.is_dir() {
            return;
        }
        if let Ok(_alone) = self.lock(FlockArg::LockExclusiveNonblock) {
            for entry in fs::read_dir(self.folder.join(PARTIAL))
                .into_iter()
                .flatten()
                .flatten()
            {
                self.keep_whole_packages(&entry.path());
                // What can't be removed is in nobody's way.
                let _ = remove(&entry.path());
            }
        }
    }

    fn keep_whole_packages(&self, draft: &Path) {
        for file in fs::read_dir(draft).into_iter().flatten().flatten() {
            let (name, path) = (file.file_name(), file.path());
            let Some((name, hash)) = name
                .to_str()
                .and_then(|name| Some((name, name.strip_suffix(".deb")?)))
            else {
                continue;
            };
            if hash::file(&path).is_ok_and(|content| content == hash) {
                // What can't be kept is fetched again.
                let _ = self.keep(Kind::Packages, name, &path);
            }
        }
    }

    /// Returns an entry, if there is one, and marks it as used.
    pub fn find(&self, kind: Kind, name: &str) -> Option<PathBuf> {
        let path = self.folder_of(kind).join(name);
        let entry = File::open(&path).ok()?;
        // A cache that somebody else owns serves as well.
        let _ = entry.set_modified(SystemTime::now());
        Some(path)
    }

    /// Returns a place for something unfinished, which is gone with the value.
    pub fn draft(&self) -> Result<tempfile::TempDir> {
        tempfile::Builder::new()
            .tempdir_in(self.folder.join(PARTIAL))
            .map_err(|error| io::Error::from(error.kind()))
            .with_context(|| format!("making a folder in {}", self.folder.display()))
    }

    /// Makes a finished file or folder, which lies in a draft, an entry. A file replaces one of the same name; a folder that is
    /// there already stays, because its content is the same.
    pub fn keep(&self, kind: Kind, name: &str, made: &Path) -> Result<PathBuf> {
        let path = self.folder_of(kind).join(name);
        let keep = || -> io::Result<()> {
            // Whole also after a power cut: a name on the disk comes after what it names.
            sync(made)?;
            // What came from elsewhere has a time of its own, and would be the first to go.
            File::open(made)?.set_modified(SystemTime::now())?;
            match fs::rename(made, &path) {
                Err(error) if matches!(error.raw_os_error(), Some(libc::ENOTEMPTY | libc::EEXIST)) => Ok(()),
                outcome => outcome,
            }
        };
        keep().with_context(|| format!("keeping {}", path.display()))?;
        Ok(path)
    }

    /// Returns all entries, those first that were used longest ago.
    pub fn entries(&self) -> Vec<Entry> {
        let mut entries = Vec::new();
        for kind in Kind::ALL {
            for found in fs::read_dir(self.folder_of(kind)).into_iter().flatten().flatten() {
                // Another build may have removed it already.
                if let Ok(metadata) = found.metadata() {
                    entries.push(Entry {
                        used: metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH),
                        bytes: room::taken(&found.path()),
                        kind,
                        path: found.path(),
                    });
                }
            }
        }
        entries.sort();
        entries
    }

    /// Removes entries, those first that were used longest ago, until the limit is kept. Package lists stay: without
    /// them nothing can be chosen when no mirror is there. While a build is under way, which may need any entry, nothing is
    /// removed: the last one does it.
    pub fn trim(&self) {
        let Ok(_alone) = self.lock(FlockArg::LockExclusiveNonblock) else {
            return;
        };
        let entries = self.entries();
        let mut bytes: u64 = entries.iter().map(|entry| entry.bytes).sum();
        for entry in entries.iter().filter(|entry| entry.kind != Kind::Lists) {
            if bytes <= self.limit.bytes() {
                break;
            }
            if self.remove_entry(&entry.path).is_ok() {
                bytes -= entry.bytes;
            }
        }
    }

    /// Removes all entries of these kinds, and returns how many bytes that gives back.
    pub fn clear(&self, kinds: &[Kind]) -> Result<u64> {
        let mut freed = 0;
        for entry in self.entries().iter().filter(|entry| kinds.contains(&entry.kind)) {
            self.remove_entry(&entry.path)
                .with_context(|| format!("removing {}", entry.path.display()))?;
            freed += entry.bytes;
        }
        Ok(freed)
    }

    /// Removes an entry at once: a folder of which only half is gone would be taken for a whole one.
    fn remove_entry(&self, path: &Path) -> io::Result<()> {
        let gone = self
            .folder
            .join(PARTIAL)
            .join(path.file_name().unwrap_or_default());
        remove(&gone)?;
        match fs::rename(path, &gone) {
            Ok(()) => remove(&gone),
            // Somebody else has removed it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// Writes a file, or a folder with all that is in it, to the disk.
fn sync(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        for entry in fs::read_dir(path)? {
            sync(&entry?.path())?;
        }
    }
    File::open(path)?.sync_all()
}

/// Removes what is at `path`, if there is something.
fn remove(path: &Path) -> io::Result<()> {
    let outcome = fs::symlink_metadata(path).and_then(|metadata| match metadata.is_dir() {
        true => fs::remove_dir_all(path),
        false => fs::remove_file(path),
    });
    match outcome {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
