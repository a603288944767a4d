//! Writes a raw disk image that BIOS and UEFI start alike: one FAT32 partition, with GRUB before it and on it, and
//! behind it, if wanted, a partition for data.
//!
//! Nothing is mounted and no privilege is needed. The same input gives the same bytes. The file is sparse: only what
//! is used takes space.

mod data;
mod dot_entries;
mod fat;
pub mod grub;
mod storage;
#[cfg(test)]
mod tests;

pub use data::DataPartition;
pub use fat::LARGEST_FILE;

use anyhow::{Context, Result, ensure};
use genpack_spec::layout;
use mbrman::{BOOT_ACTIVE, BOOT_INACTIVE, CHS, MBR, MBRPartitionEntry};
use std::{
    fs::File,
    io::{Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

/// Size of a sector in bytes; the only one that BIOS boot knows.
const SECTOR: u64 = 512;
/// Where the partition starts, in bytes from the start of the disk: what every partitioning program does today, and
/// room enough for GRUB.
pub const PARTITION_START: u64 = 1 << 20;
/// MBR type "FAT32, addressed by LBA". UEFI takes it for its system partition on removable media, and Windows, unlike
/// with 0xef, shows it to the person.
const FAT32_LBA: u8 = 0x0c;
/// Bytes of code in an MBR, before disk signature and partition table.
const BOOT_CODE: usize = 440;

/// What a disk image is made of.
#[derive(Clone, Debug)]
pub struct DiskImage {
    /// Size of the FAT partition in bytes, a multiple of 512. The image is larger by [`PARTITION_START`] and by the data
    /// partition.
    pub partition_size: u64,
    /// The FAT volume ID, by which GRUB and the kernel command line name the partition: see [`volume_uuid`].
    pub volume_id: u32,
    /// The name that a file manager shows: up to 11 capital letters, digits or underscores.
    pub volume_label: String,
    /// Paths on the partition, with `/` between folders, and what is in them. Folders are made as needed.
    pub files: Vec<(String, Content)>,
    /// Time of all files, in seconds since 1970; FAT begins in 1980.
    pub epoch: u32,
    /// What starts the machine under BIOS; none for images that only UEFI or firmware of a board starts.
    pub boot: Option<BootCode>,
    /// The number by which operating systems tell disks apart.
    pub disk_signature: u32,
    /// The partition for data, from the end of the FAT partition to that of the image.
    pub data: Option<DataPartition>,
}

impl DiskImage {
    /// Where the FAT partition ends, in bytes from the start of the disk.
    fn partition_end(&self) -> u64 {
        PARTITION_START + self.partition_size
    }

    fn data_size(&self) -> u64 {
        self.data.as_ref().map_or(0, |data| data.size)
    }
}

/// Content of a file on the partition.
#[derive(Clone, Debug)]
pub enum Content {
    /// These bytes.
    Bytes(Vec<u8>),
    /// A copy of this file.
    File(PathBuf),
}

/// GRUB for BIOS.
#[derive(Clone, Debug)]
pub struct BootCode {
    /// GRUB's `boot.img`, of which the first 440 bytes are used: it loads the sector after the MBR, as it is.
    pub boot_img: Vec<u8>,
    /// `core.img` as [`grub::image`] makes it. It goes from the second sector up to the partition.
    pub core_img: Vec<u8>,
}

/// The form in which GRUB's `search --fs-uuid`, `blkid` and udev show a FAT volume ID: `ABCD-1234`.
pub fn volume_uuid(volume_id: u32) -> String {
    format!("{:04X}-{:04X}", volume_id >> 16, volume_id & 0xffff)
}

/// Writes the disk image to `output`, which is created or overwritten; `progress` is told the bytes of file content
/// that are written and their total.
///
/// # Errors
/// When the files do not fit onto the partition or FAT32 cannot hold one of them, when `core.img` does not fit before
/// the partition, and when a file cannot be read or the image cannot be written. What has been written by then is
/// left behind; write to a temporary name and rename it.
pub fn write(output: &Path, image: &DiskImage, progress: &mut dyn FnMut(u64, u64)) -> Result<()> {
    let context = || format!("cannot write the disk image {}", output.display());
    let sectors = (image.partition_end() + image.data_size()) / SECTOR;
    ensure!(
        image.partition_size.is_multiple_of(SECTOR),
        "the partition's size is not a multiple of {SECTOR} bytes"
    );
    ensure!(
        u32::try_from(sectors).is_ok(),
        "an MBR disk image cannot be larger than 2 TiB"
    );
    let volume = fat::Volume::plan(image)?;
    let mut file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(output)
        .with_context(context)?;
    file.set_len(sectors * SECTOR).with_context(context)?;
    write_mbr(&mut file, image).with_context(context)?;
    volume.write(&file, progress).with_context(context)?;
    match &image.data {
        Some(data) => data
            .format(output, image.partition_end(), image.epoch)
            .with_context(context),
        None => Ok(()),
    }
}

fn write_mbr(file: &mut File, image: &DiskImage) -> Result<()> {
    let mut mbr = MBR::new_from(file, SECTOR as u32, image.disk_signature.to_le_bytes())?;
    let start = (PARTITION_START / SECTOR) as u32;
    let sectors = (image.partition_size / SECTOR) as u32;
    mbr[1] = MBRPartitionEntry {
        boot: BOOT_ACTIVE,
        first_chs: chs(start),
        sys: FAT32_LBA,
        last_chs: chs(start + sectors - 1),
        starting_lba: start,
        sectors,
    };
    if let Some(data) = &image.data {
        let (start, sectors) = (start + sectors, (data.size / SECTOR) as u32);
        mbr[layout::DATA_PARTITION as usize] = MBRPartitionEntry {
            boot: BOOT_INACTIVE,
            first_chs: chs(start),
            sys: layout::DATA_PARTITION_TYPE,
            last_chs: chs(start + sectors - 1),
            starting_lba: start,
            sectors,
        };
    }
    if let Some(boot) = &image.boot {
        let code = boot
            .boot_img
            .get(..BOOT_CODE)
            .context("GRUB's boot.img is shorter than an MBR's code")?;
        mbr.header.bootstrap_code.copy_from_slice(code);
        let room = (PARTITION_START - SECTOR) as usize;
        ensure!(
            boot.core_img.len() <= room,
            "GRUB's core.img has {} bytes, but there is room for {room} before the partition: use fewer modules",
            boot.core_img.len()
        );
        file.seek(SeekFrom::Start(SECTOR))?;
        file.write_all(&boot.core_img)?;
    }
    Ok(mbr.write_into(file)?)
}

/// The old cylinder-head-sector address, in the geometry that BIOSes invent for large disks; the highest value stands
/// for all that it cannot express.
fn chs(lba: u32) -> CHS {
    let (heads, sectors) = (255, 63);
    match lba / (heads * sectors) {
        cylinder @ 0..=1023 => CHS::new(
            cylinder as u16,
            (lba / sectors % heads) as u8,
            (lba % sectors) as u8 + 1,
        ),
        _ => CHS::new(1023, 254, 63),
    }
}
