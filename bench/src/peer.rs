//! What one would do without genpack: mmdebstrap, mksquashfs, and Debian's live-boot to start the result.

use std::fs::File;
use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::boot::Parts;
use crate::{file_beginning, mirror, timed};

/// The peer's system.
pub struct Peer {
    /// Seconds for tree, SquashFS and initramfs.
    pub seconds: f64,
    /// Size of the initramfs in bytes.
    pub initramfs: u64,
    /// Size of the SquashFS in bytes.
    pub system: u64,
    /// What to boot.
    pub parts: Parts,
}

/// Builds it in `work`.
pub fn build(work: &Path, packages: &[String], suite: &str) -> Result<Peer> {
    let (tree, squashfs, disk) = (
        work.join("peer"),
        work.join("filesystem.squashfs"),
        work.join("peer.img"),
    );
    let include = format!(
        "--include={},linux-image-cloud-amd64,live-boot",
        packages.join(",")
    );
    let mut mmdebstrap = Command::new("mmdebstrap");
    mmdebstrap
        .args(["--variant=minbase", "--quiet", &include, suite])
        .arg(&tree)
        .arg(mirror()?);
    let mut mksquashfs = Command::new("mksquashfs");
    mksquashfs.arg(&tree).arg(&squashfs).args([
        "-comp",
        "zstd",
        "-Xcompression-level",
        "15",
        "-quiet",
        "-no-progress",
    ]);
    mksquashfs.args(["-e", "boot"]);
    let seconds = timed(&mut mmdebstrap)? + timed(&mut mksquashfs)?;

    File::create(&disk)?.set_len(512 << 20)?;
    timed(Command::new("mkfs.fat").args(["-F", "32"]).arg(&disk))?;
    timed(Command::new("mmd").arg("-i").arg(&disk).arg("::live"))?;
    timed(
        Command::new("mcopy")
            .arg("-i")
            .arg(&disk)
            .arg(&squashfs)
            .arg("::live/"),
    )?;
    let initrd = file_beginning(&tree.join("boot"), "initrd.img-")?;
    Ok(Peer {
        seconds,
        initramfs: std::fs::metadata(&initrd)?.len(),
        system: std::fs::metadata(&squashfs)?.len(),
        parts: Parts {
            kernel: file_beginning(&tree.join("boot"), "vmlinuz-")?,
            initrd,
            disk,
            cmdline: "boot=live".into(),
        },
    })
}
