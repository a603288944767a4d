//! Writing to the card so that pulling it, or the plug, at any moment leaves the old file or the new one.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result};
use nix::mount::{MsFlags, mount};

/// One change of the card. Paths are relative to its root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The file has this content.
    Write {
        /// Which file.
        path: String,
        /// What is in it.
        content: Vec<u8>,
    },
    /// The file is not there.
    Remove {
        /// Which file.
        path: String,
    },
}

/// The mounted boot partition.
#[derive(Debug, Clone)]
pub struct Card {
    root: PathBuf,
}

impl Card {
    /// Returns the card mounted at `root`.
    pub fn at(root: impl Into<PathBuf>) -> Card {
        Card { root: root.into() }
    }

    /// Returns where the card is mounted.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Reads a file of the card; none when it is not there.
    pub fn read(&self, path: &str) -> Result<Option<Vec<u8>>> {
        let path = self.root.join(path);
        match fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("reading {}", path.display())),
        }
    }

    /// Writes a file of the card, and makes the folders that it needs: a temporary file, fsync, rename, fsync of
    /// the folder. The card is writable only meanwhile; when the whole returns, what was written is on the medium.
    ///
    /// FAT has no journal. The rename can't mix two contents, but a power cut within it can leave both names or lose
    /// the new one until the next check of the file system; the old content is not touched.
    pub fn write(&self, path: &str, bytes: &[u8]) -> Result<()> {
        let _writable = Writable::make(&self.root)?;
        let path = self.root.join(path);
        atomic_write(&path, bytes).with_context(|| format!("writing {}", path.display()))
    }

    /// Reads a file of at most `limit` bytes; none when there is none, an error when there is something else.
    pub fn read_bounded(&self, path: &str, limit: usize) -> io::Result<Option<Vec<u8>>> {
        let file = match File::open(self.root.join(path)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file?,
        };
        let mut bytes = Vec::new();
        file.take(limit as u64 + 1).read_to_end(&mut bytes)?;
        match bytes.len() > limit {
            true => Err(io::ErrorKind::FileTooLarge.into()),
            false => Ok(Some(bytes)),
        }
    }

    /// Carries out steps, each as [`Card::write`] does, in their order; ends at the first that fails.
    pub fn carry_out(&self, steps: &[Step]) -> Result<()> {
        if steps.is_empty() {
            return Ok(());
        }
        let _writable = Writable::make(&self.root)?;
        steps.iter().try_for_each(|step| step.carry_out(&self.root))
    }
}

impl Step {
    /// Carries it out below a folder that can be written.
    pub(crate) fn carry_out(&self, root: &Path) -> Result<()> {
        match self {
            Step::Write { path, content } => {
                let path = root.join(path);
                atomic_write(&path, content).with_context(|| format!("writing {}", path.display()))
            }
            Step::Remove { path } => {
                let path = root.join(path);
                remove(&path).with_context(|| format!("removing {}", path.display()))
            }
        }
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed.and_then(|()| File::open(path.parent().unwrap_or(Path::new("/")))?.sync_all()),
    }
}

fn atomic_write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(folder)?;
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".new");
    let temporary = folder.join(name);
    let written = File::create(&temporary)
        .and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()
        })
        .and_then(|()| fs::rename(&temporary, path))
        .and_then(|()| File::open(folder)?.sync_all());
    if written.is_err() {
        // The error of the write is the one to tell; a leftover here is found and replaced by the next write.
        let _ = fs::remove_file(&temporary);
    }
    written
}

/// The time during which the card can be written; read-only again when dropped.
struct Writable<'a> {
    root: &'a Path,
    _alone: MutexGuard<'static, ()>,
}

/// Writers of one program take turns: the end of one write would make the card read-only under the other.
static TURN: Mutex<()> = Mutex::new(());

const RESTRICTIONS: MsFlags = MsFlags::MS_NOSUID
    .union(MsFlags::MS_NODEV)
    .union(MsFlags::MS_NOEXEC);

impl<'a> Writable<'a> {
    fn make(root: &'a Path) -> Result<Writable<'a>> {
        let alone = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        remount(root, MsFlags::empty()).context("making the card writable (is it locked or worn out?)")?;
        Ok(Writable { root, _alone: alone })
    }
}

impl Drop for Writable<'_> {
    fn drop(&mut self) {
        if let Err(error) = remount(self.root, MsFlags::MS_RDONLY) {
            eprintln!("genpack: the card stays writable: {error}");
        }
    }
}

fn remount(root: &Path, flags: MsFlags) -> nix::Result<()> {
    mount(
        None::<&str>,
        root,
        None::<&str>,
        MsFlags::MS_REMOUNT | RESTRICTIONS | flags,
        None::<&str>,
    )
}
