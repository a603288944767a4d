//! Finished images, read without mounting anything and without root: a disk image with its card, or a `system.img` alone.

mod partition;
pub mod system;
#[cfg(test)]
pub(crate) mod tests;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use fatfs::{FileSystem, FsOptions};
use genpack_spec::image::ImageInfo;
use genpack_spec::layout;
use genpack_spec::layout::card::SYSTEM_IMG;
use mbrman::MBR;

use crate::blueprint::InputError;
use crate::hash;
use crate::packages::Contents;
use partition::Partition;
use system::System;

/// How a SquashFS begins (kernel: `fs/squashfs/squashfs_fs.h`).
const SQUASHFS: &[u8; 4] = b"hsqs";
/// Types of FAT partitions in an MBR.
const FAT_TYPES: [u8; 6] = [0x01, 0x04, 0x06, 0x0b, 0x0c, 0x0e];
/// Folder of the card with the boot slots.
const SLOTS: &str = "boot";

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

/// What is on the card of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CardContent {
    /// Length of the disk image in bytes, and of its partition.
    pub disk_bytes: u64,
    /// Length of the partition in bytes.
    pub partition_bytes: u64,
    /// How many bytes of the partition are free.
    pub free_bytes: u64,
    /// All files by their path, with length and SHA-256.
    pub files: BTreeMap<String, CardFile>,
    /// The slot that [`Image::system`] is of.
    pub slot: String,
}

/// A file on the card.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct CardFile {
    /// Length in bytes.
    pub bytes: u64,
    /// SHA-256 in hexadecimal.
    pub sha256: String,
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
        let (card, copy) = read_card(file, path)?;
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

/// Reads the card, and copies the system of its first slot to where it can be read at any place: FAT is a list of clusters, which
/// has to be followed from its beginning.
fn read_card(mut file: File, path: &Path) -> Result<(CardContent, tempfile::NamedTempFile)> {
    let reading = || format!("reading the card of {}", path.display());
    let disk_bytes = file.metadata().with_context(reading)?.len();
    let no_card = || {
        InputError::plain(format!(
            "{} is neither a disk image of genpack's nor a {SYSTEM_IMG}",
            path.display()
        ))
    };
    let Ok(table) = MBR::read_from(&mut file, 512) else {
        bail!(no_card());
    };
    let fat = table
        .iter()
        .find(|(_, partition)| FAT_TYPES.contains(&partition.sys));
    let Some((_, fat)) = fat else {
        bail!(no_card());
    };
    let (start, partition_bytes) = (u64::from(fat.starting_lba) * 512, u64::from(fat.sectors) * 512);
    let partition = Partition::new(file, start, partition_bytes);
    let system = FileSystem::new(partition, FsOptions::new()).with_context(reading)?;
    let stats = system.stats().with_context(reading)?;
    let mut card = CardContent {
        disk_bytes,
        partition_bytes,
        free_bytes: u64::from(stats.free_clusters()) * u64::from(stats.cluster_size()),
        files: BTreeMap::new(),
        slot: String::new(),
    };
    let mut copy = tempfile::NamedTempFile::new_in(crate::build::temporary_folder())
        .context("making a temporary file for the system image")?;
    let root = system.root_dir();
    let mut todo = vec![String::new()];
    while let Some(folder) = todo.pop() {
        let entries = match folder.is_empty() {
            true => root.clone(),
            false => root.open_dir(&folder).with_context(reading)?,
        };
        let entries: Result<Vec<_>, _> = entries.iter().collect();
        for entry in entries.with_context(reading)? {
            let name = entry.file_name();
            if name == "." || name == ".." {
                continue;
            }
            let inside = if folder.is_empty() {
                name
            } else {
                format!("{folder}/{name}")
            };
            if entry.is_dir() {
                todo.push(inside);
                continue;
            }
            let slot = inside
                .strip_prefix(SLOTS)
                .and_then(|rest| rest.strip_suffix(SYSTEM_IMG));
            let slot = slot.map(|slot| slot.trim_matches('/').to_string());
            // Slots have one letter; the first one's system is looked into.
            let is_better = slot
                .as_ref()
                .is_some_and(|slot| card.slot.is_empty() || *slot < card.slot);
            let mut target: Box<dyn Write> = match is_better {
                true => {
                    copy.as_file().set_len(0)?;
                    copy.as_file_mut().seek(SeekFrom::Start(0))?;
                    card.slot = slot.unwrap_or_default();
                    Box::new(copy.as_file())
                }
                false => Box::new(io::sink()),
            };
            let read = hash::copy(&mut entry.to_file(), &mut target);
            let (bytes, sha256) = read.with_context(|| format!("reading {inside} of {}", path.display()))?;
            card.files.insert(inside, CardFile { bytes, sha256 });
        }
    }
    if card.slot.is_empty() {
        bail!(no_card());
    }
    Ok((card, copy))
}
