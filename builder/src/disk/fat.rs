//! The FAT32 file system of a disk image.

use super::{Content, DiskImage, PARTITION_START, SECTOR, dot_entries, storage::Storage};
use anyhow::{Context, Result, bail, ensure};
use chrono::{DateTime, Datelike, Timelike};
use fatfs::{FatType, FileSystem, FormatVolumeOptions, FsOptions, TimeProvider};
use std::{
    collections::{BTreeSet, HashMap},
    fs::{self, File},
    io::{self, Read, Seek, Write},
    path::Path,
};

/// Smallest partition on which the 65,525 clusters of 4 KiB fit that make a FAT a FAT32 (Microsoft's FAT
/// specification 1.03, "FAT type determination"), with their table.
const MIN_SIZE: u64 = 257 << 20;
/// Largest file in bytes that FAT32 can hold (the same, "DIR_FileSize").
pub const LARGEST_FILE: u64 = u32::MAX as u64;
/// 1980-01-01, the first day that FAT knows, in seconds since 1970.
const FAT_BEGIN: u32 = 315_532_800;
/// Where the boot sector and its copy keep the number of sectors before the partition (BPB_HiddSec).
const HIDDEN_SECTORS: [usize; 2] = [28, 6 * SECTOR as usize + 28];
/// Bytes that are copied at once.
const CHUNK: usize = 1 << 20;

/// A volume of which it is known that everything fits.
pub(super) struct Volume<'a> {
    image: &'a DiskImage,
    cluster: u64,
    /// Bytes of all files.
    total: u64,
    /// All folders, parents first.
    folders: BTreeSet<&'a str>,
}

impl<'a> Volume<'a> {
    /// Checks whether the image can be made.
    pub fn plan(image: &'a DiskImage) -> Result<Self> {
        ensure!(
            image.partition_size >= MIN_SIZE,
            "a FAT32 partition needs at least {} MiB, not {} MiB: make the image larger",
            MIN_SIZE >> 20,
            image.partition_size >> 20
        );
        let label = image.volume_label.as_bytes();
        ensure!(
            (1..=11).contains(&label.len())
                && label
                    .iter()
                    .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || *b == b'_'),
            "the volume label {:?} is not 1 to 11 capital letters, digits or underscores",
            image.volume_label
        );
        let mut volume = Self {
            image,
            cluster: cluster_size(image.partition_size),
            total: 0,
            folders: BTreeSet::new(),
        };
        volume.check_files()?;
        Ok(volume)
    }

    fn check_files(&mut self) -> Result<()> {
        let mut names = HashMap::new();
        let mut needed = 0;
        for (path, content) in &self.image.files {
            if let Some(other) = names.insert(path.to_lowercase(), path) {
                bail!(
                    "{path} and {other} are the same file on FAT, which takes capital and small letters for equal"
                );
            }
            let size = content
                .size()
                .with_context(|| format!("cannot read the content of {path}"))?;
            ensure!(
                size <= LARGEST_FILE,
                "{path} has {} MiB, but a file on FAT32 must be smaller than 4 GiB: leave something out of it, or \
                 compress it harder",
                size >> 20
            );
            self.total += size;
            needed += size.next_multiple_of(self.cluster);
            self.folders
                .extend(path.match_indices('/').map(|(end, _)| &path[..end]));
        }
        // A folder takes a cluster, or more when it has many entries; each FAT has four bytes a cluster.
        needed +=
            self.folders.len() as u64 * self.cluster + head_size(self.image.partition_size, self.cluster);
        ensure!(
            needed <= self.image.partition_size,
            "the files need {} MiB, but the partition has {} MiB: make the image larger",
            needed.div_ceil(1 << 20),
            self.image.partition_size >> 20
        );
        Ok(())
    }

    /// Formats the partition in `file` and writes all files.
    pub fn write(&self, file: &File, progress: &mut dyn FnMut(u64, u64)) -> Result<()> {
        let image = self.image;
        let head = head_size(image.partition_size, self.cluster) as usize;
        let mut storage = Storage::new(file, PARTITION_START, image.partition_size, head);
        fatfs::format_volume(&mut storage, self.format_options())?;
        for offset in HIDDEN_SECTORS {
            let hidden = (PARTITION_START / SECTOR) as u32;
            storage.head()[offset..offset + 4].copy_from_slice(&hidden.to_le_bytes());
        }
        // fatfs asks for a static clock. These few bytes for each image stay until the program ends.
        let clock: &'static Clock = Box::leak(Box::new(Clock::at(image.epoch)));
        self.make_folders(&mut storage, clock)?;
        self.write_files(&mut storage, clock, progress)?;
        Ok(storage.finish()?)
    }

    fn make_folders(&self, storage: &mut Storage, clock: &'static Clock) -> Result<()> {
        let volume = open(storage, clock)?;
        for folder in &self.folders {
            volume
                .root_dir()
                .create_dir(folder)
                .with_context(|| format!("folder {folder}"))?;
        }
        volume.unmount()?;
        dot_entries::mend(storage, self.folders.len(), self.cluster)
    }

    fn write_files(
        &self,
        storage: &mut Storage,
        clock: &'static Clock,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<()> {
        let volume = open(storage, clock)?;
        let mut done = 0;
        for (path, content) in &self.image.files {
            let mut target = volume
                .root_dir()
                .create_file(path)
                .with_context(|| path.clone())?;
            let step = |count| {
                done += count;
                progress(done, self.total);
            };
            content.copy_to(&mut target, step).with_context(|| path.clone())?;
            target.flush().with_context(|| path.clone())?;
        }
        // Counts the free clusters, so that the next system need not.
        volume.stats()?;
        Ok(volume.unmount()?)
    }

    fn format_options(&self) -> FormatVolumeOptions {
        let mut label = [b' '; 11];
        label[..self.image.volume_label.len()].copy_from_slice(self.image.volume_label.as_bytes());
        FormatVolumeOptions::new()
            .fat_type(FatType::Fat32)
            .bytes_per_cluster(self.cluster as u32)
            .sectors_per_track(63)
            .heads(255)
            .volume_id(self.image.volume_id)
            .volume_label(label)
    }
}

fn open<'s, 'a>(
    storage: &'s mut Storage<'a>,
    clock: &'static Clock,
) -> io::Result<FileSystem<&'s mut Storage<'a>>> {
    storage.rewind()?;
    FileSystem::new(storage, FsOptions::new().time_provider(clock))
}

impl Content {
    fn size(&self) -> io::Result<u64> {
        Ok(match self {
            Content::Bytes(bytes) => bytes.len() as u64,
            Content::File(path) => fs::metadata(path).map_err(|error| named(path, error))?.len(),
        })
    }

    /// Copies the content, telling how many bytes at each step.
    fn copy_to(&self, target: &mut dyn Write, mut step: impl FnMut(u64)) -> Result<()> {
        match self {
            Content::Bytes(bytes) => {
                target.write_all(bytes)?;
                step(bytes.len() as u64);
            }
            Content::File(path) => {
                let mut source = File::open(path).map_err(|error| named(path, error))?;
                let mut buffer = vec![0; CHUNK];
                loop {
                    let count = source.read(&mut buffer).map_err(|error| named(path, error))?;
                    if count == 0 {
                        break;
                    }
                    target.write_all(&buffer[..count])?;
                    step(count as u64);
                }
            }
        }
        Ok(())
    }
}

fn named(path: &Path, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

/// 4 KiB up to 8 GiB and then as Microsoft's table has it, so that no table of clusters gets over 8 MiB.
fn cluster_size(partition: u64) -> u64 {
    (4 << 10) * partition.div_ceil(8 << 30).next_power_of_two().min(8)
}

/// Bytes before the first cluster, or slightly more: boot sectors and two tables.
fn head_size(partition: u64, cluster: u64) -> u64 {
    (64 << 10) + 2 * 4 * (partition / cluster)
}

/// A clock that stands still.
#[derive(Debug)]
struct Clock(fatfs::DateTime);

impl Clock {
    fn at(epoch: u32) -> Self {
        let time = DateTime::from_timestamp(epoch.max(FAT_BEGIN).into(), 0).unwrap_or_default();
        Self(fatfs::DateTime {
            date: fatfs::Date {
                year: time.year() as u16,
                month: time.month() as u16,
                day: time.day() as u16,
            },
            time: fatfs::Time {
                hour: time.hour() as u16,
                min: time.minute() as u16,
                sec: time.second() as u16,
                millis: 0,
            },
        })
    }
}

impl TimeProvider for Clock {
    fn get_current_date(&self) -> fatfs::Date {
        self.0.date
    }

    fn get_current_date_time(&self) -> fatfs::DateTime {
        self.0
    }
}
