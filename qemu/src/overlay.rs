//! Disk image files: what format they have, and copy-on-write overlays of them.

use crate::error::{Error, Result};
use crate::process::{QEMU_IMG, run};
use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// The format of a disk image file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// The bytes of the disk, as they are.
    Raw,
    /// QEMU's copy-on-write format.
    Qcow2,
}

impl Format {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Format::Raw => "raw",
            Format::Qcow2 => "qcow2",
        }
    }
}

/// A disk image file with its format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disk {
    pub(crate) path: PathBuf,
    pub(crate) format: Format,
}

impl Disk {
    /// An image of a known format; the file is not looked at.
    pub fn new(path: impl Into<PathBuf>, format: Format) -> Disk {
        let path = path.into();
        // An absolute path also keeps QEMU from taking a colon in a file name for a protocol.
        let path = std::path::absolute(&path).unwrap_or(path);
        Disk { path, format }
    }

    /// An image whose format its first bytes tell: qcow2, and everything else raw.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn detect(path: impl AsRef<Path>) -> Result<Disk> {
        let path = path.as_ref();
        let mut magic = Vec::new();
        File::open(path)
            .and_then(|file| file.take(4).read_to_end(&mut magic))
            .map_err(Error::io(format!("reading the disk image {}", path.display())))?;
        let format = if magic == b"QFI\xfb" {
            Format::Qcow2
        } else {
            Format::Raw
        };
        Ok(Disk::new(path, format))
    }
}

/// A copy-on-write overlay of an image, in a temporary folder that is removed when the overlay is dropped.
///
/// The base is only read; it must neither change nor move while the overlay is in use.
#[derive(Debug)]
pub struct Overlay {
    path: PathBuf,
    _folder: TempDir,
}

impl Overlay {
    /// An overlay of `base`, which may be raw, qcow2 or itself an overlay.
    ///
    /// # Errors
    /// When `base` cannot be read, `qemu-img` is missing, or there is no space.
    pub fn create(base: impl AsRef<Path>) -> Result<Overlay> {
        let base = Disk::detect(base)?;
        let folder = tempfile::tempdir().map_err(Error::io("making a folder for a disk overlay"))?;
        let path = folder.path().join("overlay.qcow2");
        let args: [&OsStr; 9] = [
            "create".as_ref(),
            "-q".as_ref(),
            "-f".as_ref(),
            "qcow2".as_ref(),
            "-F".as_ref(),
            base.format.name().as_ref(),
            "-b".as_ref(),
            base.path.as_ref(),
            path.as_ref(),
        ];
        run(QEMU_IMG, args)?;
        Ok(Overlay {
            path,
            _folder: folder,
        })
    }

    /// The overlay as a disk for a [`Machine`](crate::Machine).
    pub fn disk(&self) -> Disk {
        Disk::new(&self.path, Format::Qcow2)
    }

    /// Has `qemu-img check` look for damage and leaks in the overlay's own structures.
    ///
    /// # Errors
    /// When there are any, with what `qemu-img` says.
    pub fn check(&self) -> Result<()> {
        let args: [&OsStr; 3] = ["check".as_ref(), "-q".as_ref(), self.path.as_ref()];
        run(QEMU_IMG, args)
    }

    /// Writes what the disk now holds, base and changes together, to a sparse raw image.
    ///
    /// # Errors
    /// When a machine still uses the overlay, or the file cannot be written.
    pub fn flatten(&self, raw: impl AsRef<Path>) -> Result<()> {
        let args: [&OsStr; 5] = [
            "convert".as_ref(),
            "-O".as_ref(),
            "raw".as_ref(),
            self.path.as_ref(),
            raw.as_ref().as_ref(),
        ];
        run(QEMU_IMG, args)
    }
}

impl AsRef<Path> for Overlay {
    fn as_ref(&self) -> &Path {
        &self.path
    }
}
