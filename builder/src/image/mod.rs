//! Finished images, read without mounting anything and without root: a disk image with its card, or a `system.img` alone.

mod card;
mod folders;
mod guard;
mod partition;
pub mod system;
#[cfg(test)]
pub(crate) mod tests;

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use genpack_spec::image::ImageInfo;
use genpack_spec::layout;
use genpack_spec::layout::card::SYSTEM_IMG;

use crate::blueprint::InputError;
use crate::packages::Contents;
pub use card::{CardContent, CardFile};
use system::System;

/// How a SquashFS begins (kernel: `fs/squashfs/squashfs_fs.h`).
const SQUASHFS: &[u8; 4] = b"hsqs";

/// An image, open.
pub struct Image {
    /// Its file.
    pub path: PathBuf,
    /// The card; none of a `system.img` alone.
    pub card: Option<CardContent>,
    /// The operating system, of the first slot that has one.
    pub system: System,
    // The copy that `system` reads.
    _copy: Option<tempfile::NamedTempFile>,
}

impl Image {
    /// Opens a disk image or a `system.img`.
    ///
    /// # Errors
    /// When there is none, when it is neither, or when it is damaged; each says which file.
    pub fn open(path: &Path) -> Result<Image> {
        let open = || format!("opening {}", path.display());
        let mut file = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => bail!(InputError::plain(format!(
                "there is no image {}; make one with: genpack build",
                path.display()
            ))),
            file => file.with_context(open)?,
        };
        if file.metadata().with_context(open)?.is_dir() {
            bail!(InputError::plain(format!(
                "{} is a folder; name a disk image or a {SYSTEM_IMG}",
                path.display()
            )));
        }
        let mut magic = Vec::new();
        Read::by_ref(&mut file)
            .take(4)
            .read_to_end(&mut magic)
            .with_context(open)?;
        file.seek(SeekFrom::Start(0)).with_context(open)?;
        if magic == SQUASHFS {
            let system = System::open(file).with_context(|| format!("{} is damaged", path.display()))?;
            return Ok(Image {
                path: path.to_path_buf(),
                card: None,
                system,
                _copy: None,
            });
        }
        let (card, copy) = card::read(file, path)?;
        let system = System::open(copy.reopen()?)
            .with_context(|| format!("boot/{}/{SYSTEM_IMG} of {} is damaged", card.slot, path.display()))?;
        Ok(Image {
            path: path.to_path_buf(),
            card: Some(card),
            system,
            _copy: Some(copy),
        })
    }

    /// Returns what the image says about itself; nothing when genpack did not make it.
    pub fn info(&self) -> Result<Option<ImageInfo>> {
        self.json(layout::IMAGE_INFO)
    }

    /// Returns the list of packages; nothing when the image has none.
    pub fn contents(&self) -> Result<Option<Contents>> {
        self.json(layout::PACKAGES)
    }

    /// Reads one of genpack's own files in the system.
    pub fn json<T: serde::de::DeserializeOwned>(&self, path: &str) -> Result<Option<T>> {
        let relative = Path::new(path.trim_start_matches('/'));
        let Some(content) = self.system.read(relative)? else {
            return Ok(None);
        };
        let value = serde_json::from_slice(&content);
        value.with_context(|| format!("reading {path} of {}", self.path.display()))
    }
}
