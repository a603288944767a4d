//! Steps 3 and 4: which partition is the card, and mounting it.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;
use genpack_spec::cmdline::{Cmdline, Slot};
use genpack_spec::layout;
use genpack_spec::layout::card::slot_dir;
use genpack_spec::status::BootFailure;
use genpack_spec::text;
use genpack_spec::text::Text;
use nix::mount::MsFlags;

use crate::devices::Devices;
use crate::fat::{self, Fat};
use crate::{failure, log, mounts};

/// For so long only the partition that the kernel command line names will do; then others may.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long to wait for a card at all. USB sticks behind slow hubs take up to half a minute.
const DEADLINE: Duration = Duration::from_secs(60);

/// The card, found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootPartition {
    /// Its device node.
    pub device: String,
    /// What its boot sector says.
    pub fat: Fat,
}

/// How sure we are that a partition is the one; the lowest wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Match {
    Uuid,
    Label,
    AnyFat,
}

/// Finds the card and mounts it read-only. Waits for devices that are slow to appear.
pub fn find_and_mount(devices: &Devices, cmdline: &Cmdline) -> Result<BootPartition, BootFailure> {
    let begun = Instant::now();
    let mut unreadable = None;
    loop {
        let patient = cmdline.boot.is_some() && begun.elapsed() < PATIENCE;
        let found = block_devices(Path::new("/sys/class/block"), Path::new("/dev"));
        for (kind, candidate) in ranked(&found, cmdline.boot.as_deref()) {
            if kind != Match::Uuid && patient {
                break;
            }
            match mount(&candidate.device) {
                Ok(()) if kind == Match::Uuid || has_slot(cmdline.slot) => return Ok(candidate),
                Ok(()) => {
                    mounts::unmount(layout::BOOT_MOUNT).unwrap_or_else(|e| log::warn(&format!("{e:#}")))
                }
                Err(error) => {
                    log::warn(&format!("{error:#}"));
                    if kind != Match::AnyFat {
                        unreadable = Some(Text::verbatim(error.root_cause()));
                    }
                }
            }
        }
        let limit = if patient { PATIENCE } else { DEADLINE };
        match limit.checked_sub(begun.elapsed()) {
            Some(left) if !left.is_zero() => devices.wait(left),
            _ if patient => {}
            _ => {
                let seen: Vec<_> = found.into_iter().map(|(device, _)| device).collect();
                log::warn(&format!("no boot partition among: {}", seen.join(", ")));
                return Err(unreadable.map_or(BootFailure::CardMissing, BootFailure::CardUnreadable));
            }
        }
    }
}

/// Mounts the card read-only. `utf8` lets names keep every character; only root may read what may hold secrets.
pub fn mount(device: &str) -> Result<()> {
    let flags = MsFlags::MS_RDONLY | MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mounts::mount(
        device,
        layout::BOOT_MOUNT,
        "vfat",
        flags,
        "utf8=1,fmask=0177,dmask=0077,tz=UTC",
    )
}

/// Mounts the card again after [`crate::fsck`] had it.
pub fn mount_again(device: &str) -> Result<(), BootFailure> {
    mount(device).map_err(failure::during(text!("mounting the card again")))
}

fn has_slot(slot: Slot) -> bool {
    Path::new(layout::BOOT_MOUNT)
        .join(slot_dir(slot))
        .join(layout::card::SYSTEM_IMG)
        .exists()
}

/// Returns every disk and partition with what its first sector says, by name. Disks that aren't real (loop
/// devices, RAM disks) can't be the card.
fn block_devices(sys: &Path, dev: &Path) -> Vec<(String, Option<Fat>)> {
    let entries = fs::read_dir(sys).into_iter().flatten().flatten();
    let mut names: Vec<_> = entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.retain(|name| {
        !["loop", "ram", "zram"]
            .iter()
            .any(|prefix| name.starts_with(prefix))
    });
    names.sort();
    let identify = |device: &Path| {
        let mut sector = [0; fat::SECTOR];
        File::open(device)
            .and_then(|mut file| file.read_exact(&mut sector))
            .ok()?;
        fat::identify(&sector)
    };
    names
        .into_iter()
        .map(|name| {
            let device = dev.join(name);
            (device.display().to_string(), identify(&device))
        })
        .collect()
}

fn ranked(found: &[(String, Option<Fat>)], uuid: Option<&str>) -> Vec<(Match, BootPartition)> {
    let mut ranked: Vec<_> = found
        .iter()
        .filter_map(|(device, fat)| {
            let fat = fat.clone()?;
            let kind = match uuid {
                Some(uuid) if uuid.eq_ignore_ascii_case(&fat.uuid) => Match::Uuid,
                _ if fat.label == layout::BOOT_LABEL => Match::Label,
                _ => Match::AnyFat,
            };
            Some((
                kind,
                BootPartition {
                    device: device.clone(),
                    fat,
                },
            ))
        })
        .collect();
    ranked.sort_by_key(|(kind, _)| *kind);
    ranked
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fat(uuid: &str, label: &str) -> Option<Fat> {
        Some(Fat {
            uuid: uuid.into(),
            label: label.into(),
            dirty: false,
        })
    }

    #[test]
    fn the_named_partition_comes_first_then_the_label_then_any_fat() {
        let found = [
            ("/dev/sda".to_string(), None),
            ("/dev/sda1".to_string(), fat("0000-0001", "WINDOWS")),
            ("/dev/sdb1".to_string(), fat("0000-0002", "GENPACK")),
            ("/dev/sdc1".to_string(), fat("ABCD-1234", "OTHER")),
        ];
        let order = |uuid| {
            ranked(&found, uuid)
                .into_iter()
                .map(|(_, p)| p.device)
                .collect::<Vec<_>>()
        };
        assert_eq!(order(Some("abcd-1234")), ["/dev/sdc1", "/dev/sdb1", "/dev/sda1"]);
        assert_eq!(order(None), ["/dev/sdb1", "/dev/sda1", "/dev/sdc1"]);
    }

    #[test]
    fn unreal_disks_are_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["loop0", "ram1", "zram0", "vda", "vda1"] {
            fs::create_dir_all(dir.path().join("sys").join(name)).unwrap();
        }
        let names: Vec<_> = block_devices(&dir.path().join("sys"), Path::new("/nonexistent"));
        let want = [
            ("/nonexistent/vda".to_string(), None),
            ("/nonexistent/vda1".to_string(), None),
        ];
        assert_eq!(names, want);
    }
}
