//! The card in a disk image: a FAT partition, read by `fatfs`, which believes whatever stands there. What this module asks of
//! it has an end, however damaged the partition is.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::Path;
use std::rc::Rc;

use anyhow::{Context, Result, bail, ensure};
use fatfs::{FileSystem, FsOptions};
use genpack_spec::layout;
use genpack_spec::layout::card::SYSTEM_IMG;
use mbrman::MBRHeader;
use tempfile::NamedTempFile;

use super::guard::guarded;
use super::partition::Partition;
use crate::blueprint::InputError;
use crate::hash;

/// Bytes of a sector, which is what an MBR counts in.
const SECTOR: u64 = 512;
/// Types of FAT partitions in an MBR.
const FAT_TYPES: [u8; 6] = [0x01, 0x04, 0x06, 0x0b, 0x0c, 0x0e];
/// Folder of the card with the boot slots.
const SLOTS: &str = "boot";
/// How deep folders may lie in folders. A path of FAT has 260 signs at most.
const DEEPEST: usize = 130;
/// Most files and folders that are looked at.
const MOST_ENTRIES: usize = 100_000;
/// Most that is read of one folder: 2 MiB of entries (Microsoft FAT specification 1.03, section 6), and as much again for
/// following its clusters.
const LARGEST_FOLDER: u64 = 4 << 20;

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
    /// The slot that [`super::Image::system`] is of.
    pub slot: String,
    /// Where the disk image has something else, in bytes, by what that is.
    pub beside: BTreeMap<String, Range<u64>>,
}

impl CardContent {
    /// Returns the file that [`super::Image::system`] is.
    pub fn system(&self) -> Option<&CardFile> {
        self.files.get(&format!("{SLOTS}/{}/{SYSTEM_IMG}", self.slot))
    }
}

/// A file on the card.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct CardFile {
    /// Length in bytes.
    pub bytes: u64,
    /// SHA-256 in hexadecimal.
    pub sha256: String,
}

/// Reads the card, and copies the system of its first slot to where it can be read at any place: FAT is a list of clusters, which
/// has to be followed from its beginning.
///
/// # Errors
/// When there is none, or it is damaged.
pub fn read(mut file: File, path: &Path) -> Result<(CardContent, NamedTempFile)> {
    let opening = || format!("opening {}", path.display());
    let disk_bytes = file.metadata().with_context(opening)?.len();
    let no_card = || {
        InputError::plain(format!(
            "{} is neither a disk image of genpack's nor a {SYSTEM_IMG}",
            path.display()
        ))
    };
    let Ok(table) = MBRHeader::read_from(&mut file) else {
        bail!(no_card());
    };
    let fat = table
        .iter()
        .find(|(_, partition)| FAT_TYPES.contains(&partition.sys));
    let Some((_, fat)) = fat else {
        bail!(no_card());
    };
    let (start, partition_bytes) = (
        u64::from(fat.starting_lba) * SECTOR,
        u64::from(fat.sectors) * SECTOR,
    );
    let mut card = CardContent {
        disk_bytes,
        partition_bytes,
        free_bytes: 0,
        files: BTreeMap::new(),
        slot: String::new(),
        beside: beside(&table, start),
    };
    let mut copy = NamedTempFile::new_in(crate::build::temporary_folder())
        .context("making a temporary file for the system image")?;
    guarded(|| read_partition(file, start, &mut card, &mut copy))
        .with_context(|| format!("{} is damaged: its card can't be read", path.display()))?;
    if card.slot.is_empty() {
        bail!(no_card());
    }
    Ok((card, copy))
}

/// What is in front of the first partition, and the partitions that are not the card, which begins at `card`.
fn beside(table: &MBRHeader, card: u64) -> BTreeMap<String, Range<u64>> {
    let used = table.iter().filter(|(_, partition)| partition.is_used());
    let partitions = used.map(|(number, partition)| {
        let name = match u32::try_from(number) {
            Ok(layout::DATA_PARTITION) => "data partition".to_string(),
            _ => format!("partition {number}"),
        };
        let start = u64::from(partition.starting_lba) * SECTOR;
        (name, start..start + u64::from(partition.sectors) * SECTOR)
    });
    let mut parts: BTreeMap<_, _> = partitions.collect();
    let first = parts.values().map(|part| part.start).min().unwrap_or_default();
    parts.retain(|_, part| part.start != card);
    parts.insert("partition table and boot code".into(), 0..first);
    parts
}

fn read_partition(file: File, start: u64, card: &mut CardContent, copy: &mut NamedTempFile) -> Result<()> {
    let allowance = Rc::new(Cell::new(u64::MAX));
    let partition = Partition::new(file, start, card.partition_bytes, allowance.clone());
    let system = FileSystem::new(partition, FsOptions::new())?;
    let stats = system.stats()?;
    card.free_bytes = u64::from(stats.free_clusters()) * u64::from(stats.cluster_size());
    // Files share nothing, so all of them together are not longer than the partition.
    let mut room = card.partition_bytes;
    let mut entries = 0;
    let mut todo = vec![(String::new(), 0, system.root_dir())];
    while let Some((folder, depth, content)) = todo.pop() {
        ensure!(
            depth <= DEEPEST,
            "its folder {folder} is too deep; does it contain itself?"
        );
        allowance.set(LARGEST_FOLDER);
        let mut found = Vec::new();
        for entry in content.iter() {
            found.push(entry.with_context(|| format!("reading its folder /{folder}"))?);
            entries += 1;
            ensure!(
                entries <= MOST_ENTRIES,
                "there seem to be more than {MOST_ENTRIES} files and folders"
            );
        }
        allowance.set(u64::MAX);
        for entry in found {
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
                todo.push((inside, depth + 1, entry.to_dir()));
                continue;
            }
            let Some(left) = room.checked_sub(entry.len()) else {
                bail!("with {inside}, its files are longer than the partition");
            };
            room = left;
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
            let (bytes, sha256) = hash::copy(&mut entry.to_file(), &mut target)
                .with_context(|| format!("reading its file {inside}"))?;
            ensure!(
                bytes == entry.len(),
                "of its file {inside}, {bytes} of {} bytes are there",
                entry.len()
            );
            card.files.insert(inside, CardFile { bytes, sha256 });
        }
    }
    Ok(())
}
