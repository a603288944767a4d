//! GRUB's two start files, made by the base's `grub-mkimage`: one for BIOS, one for UEFI.

use super::volume_uuid;
use crate::tools::Tools;
use anyhow::{Context, Result, ensure};
use std::fs;

/// Where GRUB finds the rest of itself and its `grub.cfg`, on the partition.
const PREFIX: &str = "/boot/grub";
/// Where Debian keeps GRUB's modules, in the tree of tools.
const ALL_MODULES: &str = "usr/lib/grub";

/// Modules on every platform: find the partition, read `grub.cfg`, show a menu on screen and serial line, start Linux,
/// and keep boot counters in `grubenv`. GRUB loads no further ones, as the partition has none.
const MODULES: [&str; 22] = [
    "normal",
    "linux",
    "serial",
    "terminal",
    "search",
    "search_label",
    "search_fs_uuid",
    "search_fs_file",
    "fat",
    "part_gpt",
    "part_msdos",
    "configfile",
    "echo",
    "minicmd",
    "test",
    "regexp",
    "all_video",
    "boot",
    "loadenv",
    "sleep",
    "halt",
    "reboot",
];

/// A kind of firmware.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Platform {
    /// PC BIOS: the image is `core.img`.
    BiosPc,
    /// 64-bit UEFI on x86: the image is a program, `BOOTX64.EFI`.
    UefiX86_64,
}

impl Platform {
    /// GRUB's name for it.
    fn name(self) -> &'static str {
        match self {
            Platform::BiosPc => "i386-pc",
            Platform::UefiX86_64 => "x86_64-efi",
        }
    }

    /// The module that this platform needs beside the common ones: disks, or the screen.
    fn own_module(self) -> &'static str {
        match self {
            Platform::BiosPc => "biosdisk",
            Platform::UefiX86_64 => "efi_gop",
        }
    }

    /// The folder of its modules, in the tree of tools.
    fn modules(self) -> String {
        format!("{ALL_MODULES}/{}", self.name())
    }

    /// Reads a file from the folder of modules.
    fn read(self, tools: &Tools, name: &str) -> Result<Vec<u8>> {
        let path = tools.path(&self.modules()).join(name);
        fs::read(&path).with_context(|| format!("reading GRUB's {}", path.display()))
    }
}

/// The commands that an image runs first: look for the partition by its volume ID and go on with its `grub.cfg`.
pub fn early_config(volume_id: u32) -> String {
    format!(
        "search --no-floppy --fs-uuid --set=root {}\nset prefix=($root){PREFIX}\n",
        volume_uuid(volume_id)
    )
}

/// Makes a GRUB image that runs `early_config` first.
///
/// # Errors
/// When the tools have no GRUB for the platform, or `grub-mkimage` fails.
pub fn image(platform: Platform, tools: &Tools, early_config: &str) -> Result<Vec<u8>> {
    platform.read(tools, "moddep.lst")?;
    let work = tempfile::tempdir().context("cannot make a temporary folder for GRUB")?;
    let (config, output) = (work.path().join("early.cfg"), work.path().join("image"));
    fs::write(&config, early_config).with_context(|| format!("cannot write {}", config.display()))?;
    tools.run("grub-mkimage", |mkimage| {
        mkimage.args(["-O", platform.name(), "-p", PREFIX]);
        mkimage.arg("-d").arg(tools.path(&platform.modules()));
        mkimage.arg("-c").arg(&config).arg("-o").arg(&output);
        mkimage.args(MODULES).arg(platform.own_module())
    })?;
    let image = fs::read(&output).context("cannot read what grub-mkimage made")?;
    ensure!(!image.is_empty(), "grub-mkimage made an empty image");
    Ok(image)
}

/// Makes both parts that start a PC under BIOS.
///
/// # Errors
/// As [`image`].
pub fn boot_code(tools: &Tools, early_config: &str) -> Result<super::BootCode> {
    Ok(super::BootCode {
        boot_img: Platform::BiosPc.read(tools, "boot.img")?,
        core_img: image(Platform::BiosPc, tools, early_config)?,
    })
}
