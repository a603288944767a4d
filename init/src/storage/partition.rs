//! Which partition is the data partition, and its room on the disk.
//!
//! It is the one of our number on the disk of the card, with our label. A disk that somebody else plugs in may have a
//! partition of the same label; it is never looked at.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use genpack_spec::layout;

use super::mbr;

// Numbers and layout of the kernel's `include/uapi/linux/blkpg.h`.
const BLKPG: u64 = 0x1269;
const BLKPG_RESIZE_PARTITION: i32 = 3;
/// sysfs counts in sectors of this size, whatever the disk's own are.
const SYSFS_SECTOR: u64 = 512;

#[repr(C)]
struct BlkpgPartition {
    start: i64,
    length: i64,
    number: i32,
    device_name: [u8; 64],
    volume_name: [u8; 64],
}

#[repr(C)]
struct BlkpgArgument {
    operation: i32,
    flags: i32,
    data_length: i32,
    data: *const BlkpgPartition,
}

nix::ioctl_write_ptr_bad!(blkpg, BLKPG, BlkpgArgument);

/// The disk that has the card, in sysfs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disk {
    sys: PathBuf,
    dev: PathBuf,
}

/// The data partition as the kernel sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// Its device node.
    pub device: PathBuf,
    /// Its size in bytes.
    pub bytes: u64,
    /// Whether it can't be written, for example because of the switch on an SD card.
    pub read_only: bool,
}

impl Disk {
    /// Returns the disk of a partition, which is named by its device node; none when that is a whole disk. `sys` and `dev`
    /// are where sysfs and the device nodes are.
    pub fn of_partition(device: &str, sys: &Path, dev: &Path) -> Result<Option<Disk>> {
        let name = Path::new(device).file_name().context("a device without a name")?;
        let link = sys.join("class/block").join(name);
        // The kernel has partitions as folders in that of their disk.
        let place = fs::canonicalize(&link).with_context(|| format!("reading {}", link.display()))?;
        if !place.join("partition").exists() {
            return Ok(None);
        }
        Ok(place.parent().map(|disk| Disk {
            sys: disk.to_path_buf(),
            dev: dev.to_path_buf(),
        }))
    }

    /// Returns the data partition, once the kernel has it.
    pub fn data_partition(&self) -> Result<Option<Partition>> {
        let entries = fs::read_dir(&self.sys).with_context(|| format!("reading {}", self.sys.display()))?;
        for entry in entries.flatten() {
            let place = entry.path();
            if number(&place.join("partition")) != Some(u64::from(layout::DATA_PARTITION)) {
                continue;
            }
            let size = number(&place.join("size")).context("a partition without a size")?;
            return Ok(Some(Partition {
                device: self.dev.join(entry.file_name()),
                bytes: size * SYSFS_SECTOR,
                read_only: number(&place.join("ro")).is_some_and(|flag| flag != 0),
            }));
        }
        Ok(None)
    }

    /// Whether the partition table has a data partition.
    pub fn has_data_partition(&self) -> Result<bool> {
        Ok(mbr::has_data_partition(&self.first_sector()?))
    }

    /// Makes the data partition reach to the end of the disk when there is free room behind it, in the table first and then in
    /// the kernel. After a power cut the next start finds the larger table, and all that is left is the file system.
    pub fn enlarge_data_partition(&self) -> Result<()> {
        let own_sector = number(&self.sys.join("queue/logical_block_size"));
        let size = number(&self.sys.join("size"));
        let (Some(512), Some(size)) = (own_sector, size) else {
            return Ok(());
        };
        let Some((table, start, sectors)) = mbr::enlarged(&self.first_sector()?, size) else {
            return Ok(());
        };
        let node = self.node()?;
        let mut disk = OpenOptions::new()
            .write(true)
            .open(&node)
            .with_context(|| format!("opening {}", node.display()))?;
        disk.write_all(&table)
            .and_then(|()| disk.sync_all())
            .context("writing the partition table")?;
        let partition = BlkpgPartition {
            start: (start * SYSFS_SECTOR) as i64,
            length: (sectors * SYSFS_SECTOR) as i64,
            number: layout::DATA_PARTITION as i32,
            device_name: [0; 64],
            volume_name: [0; 64],
        };
        let argument = BlkpgArgument {
            operation: BLKPG_RESIZE_PARTITION,
            flags: 0,
            data_length: size_of::<BlkpgPartition>() as i32,
            data: &partition,
        };
        // SAFETY: the descriptor is open; `argument` and `partition` have the kernel's layout and live until it returns.
        #[allow(unsafe_code)]
        unsafe { blkpg(disk.as_raw_fd(), &argument) }
            .context("telling the kernel the partition's new size")?;
        Ok(())
    }

    pub(super) fn first_sector(&self) -> Result<[u8; mbr::SECTOR]> {
        let node = self.node()?;
        let mut sector = [0; mbr::SECTOR];
        File::open(&node)
            .and_then(|mut disk| disk.read_exact(&mut sector))
            .with_context(|| format!("reading {}", node.display()))?;
        Ok(sector)
    }

    fn node(&self) -> Result<PathBuf> {
        match self.sys.file_name() {
            Some(name) => Ok(self.dev.join(name)),
            None => bail!("a disk without a name"),
        }
    }
}

/// Returns the number in a file of sysfs.
fn number(path: &Path) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use std::mem::{offset_of, size_of};
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn the_layout_is_the_kernels() {
        assert_eq!(size_of::<BlkpgPartition>(), 152);
        assert_eq!(offset_of!(BlkpgPartition, number), 16);
        assert_eq!(offset_of!(BlkpgArgument, data), 16);
    }

    #[test]
    fn the_data_partition_is_on_the_disk_of_the_card() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        fs::create_dir_all(root.join("class/block")).unwrap();
        for (disk, partition, number) in [
            ("mmcblk0", "mmcblk0p1", "1"),
            ("mmcblk0", "mmcblk0p2", "2"),
            ("sda", "sda1", "1"),
            ("sdb", "sdb2", "2"),
        ] {
            let place = root.join("devices/x/block").join(disk).join(partition);
            fs::create_dir_all(&place).unwrap();
            fs::write(place.join("partition"), format!("{number}\n")).unwrap();
            fs::write(place.join("size"), "131072\n").unwrap();
            fs::write(place.join("ro"), "0\n").unwrap();
            symlink(&place, root.join("class/block").join(partition)).unwrap();
            let _ = symlink(place.parent().unwrap(), root.join("class/block").join(disk));
        }
        let disk = |device: &str| Disk::of_partition(device, root, Path::new("/dev")).unwrap();
        let card = disk("/dev/mmcblk0p1").unwrap();
        let data = card.data_partition().unwrap().unwrap();
        assert_eq!(data.device, Path::new("/dev/mmcblk0p2"));
        assert_eq!((data.bytes, data.read_only), (64 << 20, false));
        assert_eq!(card.node().unwrap(), Path::new("/dev/mmcblk0"));
        // Another disk's is not it.
        assert_eq!(disk("/dev/sda1").unwrap().data_partition().unwrap(), None);
        // A file system without a partition table.
        assert_eq!(disk("/dev/sdb"), None);
    }
}
