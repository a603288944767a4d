//! GRUB's two start files, made by the host's `grub-mkimage`: one for BIOS, one for UEFI.

use super::volume_uuid;
use crate::command;
use anyhow::{Context, Result, ensure};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Where GRUB finds the rest of itself and its `grub.cfg`, on the partition.
const PREFIX: &str = "/boot/grub";
/// Where Debian keeps GRUB's modules.
const HOST_MODULES: &str = "/usr/lib/grub";

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

    /// The Debian package that brings the modules.
    fn package(self) -> &'static str {
        match self {
            Platform::BiosPc => "grub-pc-bin",
            Platform::UefiX86_64 => "grub-efi-amd64-bin",
        }
    }

    /// The module that this platform needs beside the common ones: disks, or the screen.
    fn own_module(self) -> &'static str {
        match self {
            Platform::BiosPc => "biosdisk",
            Platform::UefiX86_64 => "efi_gop",
        }
    }

    /// The folder where Debian installs the modules.
    pub fn host_modules(self) -> PathBuf {
        Path::new(HOST_MODULES).join(self.name())
    }

    /// Reads a file from the folder of modules.
    fn read(self, modules: &Path, name: &str) -> Result<Vec<u8>> {
        let path = modules.join(name);
        fs::read(&path).with_context(|| {
            format!(
                "cannot read GRUB's {}: is the Debian package {} installed?",
                path.display(),
                self.package()
            )
        })
    }
}

/// The commands that an image runs first: look for the partition by its volume ID and go on with its `grub.cfg`.
pub fn early_config(volume_id: u32) -> String {
    format!(
        "search --no-floppy --fs-uuid --set=root {}\nset prefix=($root){PREFIX}\n",
        volume_uuid(volume_id)
    )
}

/// Makes a GRUB image from the modules in `modules` (see [`Platform::host_modules`]) that runs `early_config` first.
///
/// # Errors
/// When GRUB's modules or `grub-mkimage` are missing, naming the package, or when that fails.
pub fn image(platform: Platform, modules: &Path, early_config: &str) -> Result<Vec<u8>> {
    platform.read(modules, "moddep.lst")?;
    let work = tempfile::tempdir().context("cannot make a temporary folder for GRUB")?;
    let (config, output) = (work.path().join("early.cfg"), work.path().join("image"));
    fs::write(&config, early_config).with_context(|| format!("cannot write {}", config.display()))?;
    let mut mkimage = Command::new("grub-mkimage");
    mkimage.args(["-O", platform.name(), "-p", PREFIX]);
    mkimage
        .arg("-d")
        .arg(modules)
        .arg("-c")
        .arg(&config)
        .arg("-o")
        .arg(&output);
    mkimage.args(MODULES).arg(platform.own_module());
    command::run(&mut mkimage)?;
    let image = fs::read(&output).context("cannot read what grub-mkimage made")?;
    ensure!(!image.is_empty(), "grub-mkimage made an empty image");
    Ok(image)
}

/// Makes both parts that start a PC under BIOS.
///
/// # Errors
/// As [`image`].
pub fn boot_code(modules: &Path, early_config: &str) -> Result<super::BootCode> {
    Ok(super::BootCode {
        boot_img: Platform::BiosPc.read(modules, "boot.img")?,
        core_img: image(Platform::BiosPc, modules, early_config)?,
    })
}
