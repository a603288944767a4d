//! What is on a disk or partition, and mounting it for a moment.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount as mount_device, umount2};

use super::uevents::Device;

/// A stick that is mounted; it is let go of when dropped.
#[derive(Debug)]
pub struct Medium {
    folder: PathBuf,
}

impl Medium {
    /// Returns where its files are.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Drop for Medium {
    fn drop(&mut self) {
        // One that was pulled out meanwhile can still be forgotten. systemd may have been faster with that.
        let unmounted =
            umount2(&self.folder, MntFlags::empty()).or_else(|_| umount2(&self.folder, MntFlags::MNT_DETACH));
        if let Err(error) = unmounted
            && error != Errno::EINVAL
        {
            log::error!("{} stays mounted: {error}", self.folder.display());
        }
    }
}

/// Lets go of a stick that an earlier life of the agent left at `target` when it was killed.
pub fn let_go(target: &Path) {
    while umount2(target, MntFlags::MNT_DETACH).is_ok() {
        log::warn!("A stick was still mounted at {}.", target.display());
    }
}

/// A file system that computers write on sticks. Others are not mounted, because the kernel's code for them was not made for
/// media of strangers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FileSystem {
    Fat,
    ExFat,
}

/// Mounts a stick at `target`, read-only; none when it is something else. `card` is where the card is mounted, which is no
/// stick.
pub fn mount(device: &Device, target: &Path, card: &Path) -> Result<Option<Medium>> {
    let place = Path::new("/sys").join(device.place.trim_start_matches('/'));
    let node = Path::new("/dev").join(&device.name);
    if !is_stick(&place) || is_card(&node, card) || is_the_disk_again(&place) {
        return Ok(None);
    }
    let mut sector = [0; 512];
    let read = File::open(&node).and_then(|mut file| file.read_exact(&mut sector));
    // A card reader without a card.
    if matches!(&read, Err(error) if error.raw_os_error() == Some(Errno::ENOMEDIUM as i32)) {
        return Ok(None);
    }
    read.with_context(|| format!("reading {}", node.display()))?;
    let (kind, options) = match file_system(&sector) {
        Some(FileSystem::Fat) => ("vfat", "utf8=1,fmask=0177,dmask=0077,tz=UTC"),
        Some(FileSystem::ExFat) => ("exfat", "fmask=0177,dmask=0077"),
        None => return Ok(None),
    };
    fs::create_dir_all(target).with_context(|| format!("making {}", target.display()))?;
    let flags = MsFlags::MS_RDONLY | MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount_device(Some(&node), target, Some(kind), flags, Some(options))
        .with_context(|| format!("mounting {}", node.display()))?;
    Ok(Some(Medium {
        folder: target.to_path_buf(),
    }))
}

/// Whether a device is one that people plug in: on USB, or with a medium that can be taken out. `place` is its folder below
/// `/sys`; that of a partition is in that of its disk.
fn is_stick(place: &Path) -> bool {
    let on_usb = place
        .components()
        .any(|part| part.as_os_str().to_string_lossy().starts_with("usb"));
    let removable =
        |folder: &Path| fs::read_to_string(folder.join("removable")).is_ok_and(|text| text.trim() == "1");
    on_usb || removable(place) || place.parent().is_some_and(removable)
}

/// Whether a partition begins where its disk does. `mkfs.fat` puts such an entry into the boot sector of a stick without
/// partitions (its option `--mbr`), so that the kernel shows one file system twice.
fn is_the_disk_again(place: &Path) -> bool {
    fs::read_to_string(place.join("start")).is_ok_and(|text| text.trim() == "0")
}

fn is_card(node: &Path, card: &Path) -> bool {
    match (fs::metadata(node), fs::metadata(card)) {
        (Ok(node), Ok(card)) => node.rdev() == card.dev(),
        _ => false,
    }
}

/// Returns the file system that a first sector tells of (Microsoft's FAT specification of 2005, page 15; exFAT specification,
/// 3.1).
fn file_system(sector: &[u8; 512]) -> Option<FileSystem> {
    if sector[510..] != [0x55, 0xaa] {
        return None;
    }
    let has = |at: usize, name: &[u8]| sector[at..].starts_with(name);
    if has(3, b"EXFAT   ") {
        Some(FileSystem::ExFat)
    } else if has(82, b"FAT32   ") || has(54, b"FAT16   ") || has(54, b"FAT12   ") || has(54, b"FAT     ") {
        Some(FileSystem::Fat)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn formatted(arguments: &[&str]) -> [u8; 512] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("stick");
        File::create(&path).unwrap().set_len(64 << 20).unwrap();
        let (program, arguments) = arguments.split_first().unwrap();
        let status = Command::new(program).args(arguments).arg(&path).output().unwrap();
        assert!(status.status.success(), "{status:?}");
        fs::read(path).unwrap()[..512].try_into().unwrap()
    }

    #[test]
    fn what_other_programs_format_is_known() {
        for bits in ["12", "16", "32"] {
            assert_eq!(
                file_system(&formatted(&["mkfs.fat", "-F", bits])),
                Some(FileSystem::Fat)
            );
        }
        // A disk with partitions: they appear by themselves.
        let partitioned = formatted(&["sh", "-c", "echo , | sfdisk -q \"$0\""]);
        assert_eq!(
            (&partitioned[510..], file_system(&partitioned)),
            (&[0x55, 0xaa][..], None)
        );
        let mut exfat = [0; 512];
        exfat[3..11].copy_from_slice(b"EXFAT   ");
        assert_eq!(file_system(&exfat), None);
        exfat[510..].copy_from_slice(&[0x55, 0xaa]);
        assert_eq!(file_system(&exfat), Some(FileSystem::ExFat));
    }

    #[test]
    fn a_disk_of_the_machine_is_no_stick() {
        let dir = tempfile::tempdir().unwrap();
        let disk = dir.path().join("devices/pci/block/sda");
        fs::create_dir_all(disk.join("sda1")).unwrap();
        fs::write(disk.join("removable"), "0\n").unwrap();
        assert!(!is_stick(&disk) && !is_stick(&disk.join("sda1")));
        fs::write(disk.join("removable"), "1\n").unwrap();
        assert!(is_stick(&disk) && is_stick(&disk.join("sda1")));
        assert!(is_stick(Path::new("/sys/devices/pci/usb1/1-1/block/sdb/sdb1")));
    }

    #[test]
    fn a_partition_that_is_all_of_the_disk_is_not_looked_at_again() {
        let dir = tempfile::tempdir().unwrap();
        // Disks have no such file.
        assert!(!is_the_disk_again(dir.path()));
        fs::write(dir.path().join("start"), "2048\n").unwrap();
        assert!(!is_the_disk_again(dir.path()));
        fs::write(dir.path().join("start"), "0\n").unwrap();
        assert!(is_the_disk_again(dir.path()));
    }

    #[test]
    fn what_an_earlier_life_left_mounted_is_let_go_of() {
        let dir = tempfile::tempdir().unwrap();
        let_go(&dir.path().join("never-there"));
        for _ in 0..2 {
            let mounted = Command::new("mount")
                .args(["-t", "tmpfs", "stick"])
                .arg(dir.path())
                .status();
            assert!(mounted.unwrap().success());
            fs::write(dir.path().join("x"), "").unwrap();
        }
        let_go(dir.path());
        assert!(!dir.path().join("x").exists());
    }

    #[test]
    fn what_has_gone_meanwhile_is_an_error_or_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let gone = Device {
            name: "sdz9".into(),
            place: "/devices/usb1/block/sdz/sdz9".into(),
        };
        assert!(mount(&gone, &dir.path().join("stick"), dir.path()).is_err());
        assert!(!dir.path().join("stick").exists());
    }
}
