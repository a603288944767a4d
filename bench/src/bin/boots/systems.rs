//! What QEMU needs to start each system.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use genpack_bench::peers::Mmdebstrap;
use genpack_bench::{Builder, stdout_of};
use genpack_qemu::Card;

/// Bytes of the disk with the peer's system.
const DISK: u64 = 512 << 20;

/// What QEMU needs to start a system without firmware.
pub struct Parts {
    /// The kernel.
    pub kernel: PathBuf,
    /// Its initramfs.
    pub initrd: PathBuf,
    /// The disk with the system.
    pub disk: PathBuf,
    /// Kernel parameters.
    pub cmdline: String,
}

impl Parts {
    /// Takes them off an image of ours.
    pub fn of_image(image: &Path, work: &Path) -> Result<Parts> {
        let card = Card::open(image)?;
        let (kernel, initrd) = (work.join("vmlinuz"), work.join("initramfs.img"));
        fs::write(&kernel, card.read("boot/a/vmlinuz")?)?;
        fs::write(&initrd, card.read("boot/a/initramfs.img")?)?;
        card.close()?;
        Ok(Parts {
            kernel,
            initrd,
            disk: image.to_path_buf(),
            cmdline: "genpack.slot=a".into(),
        })
    }

    /// Puts a system that has live-boot where live-boot looks for it.
    pub fn of_tree(by_hand: &Mmdebstrap, work: &Path) -> Result<Parts> {
        let disk = work.join("live.img");
        File::create(&disk)?.set_len(DISK)?;
        stdout_of(Command::new("mkfs.fat").args(["-F", "32"]).arg(&disk))?;
        stdout_of(Command::new("mmd").arg("-i").arg(&disk).arg("::live"))?;
        let mut copy = Command::new("mcopy");
        copy.arg("-i").arg(&disk).arg(by_hand.system()?);
        stdout_of(copy.arg("::live/filesystem.squashfs"))?;
        let boot = by_hand.tree().join("boot");
        Ok(Parts {
            kernel: file_beginning(&boot, "vmlinuz-")?,
            initrd: file_beginning(&boot, "initrd.img-")?,
            disk,
            cmdline: "boot=live".into(),
        })
    }
}

/// Returns the only file of `folder` whose name begins with `prefix`.
fn file_beginning(folder: &Path, prefix: &str) -> Result<PathBuf> {
    let entries = fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))?;
    for entry in entries {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(prefix) {
            return Ok(entry.path());
        }
    }
    bail!("{} has no {prefix}*", folder.display())
}
