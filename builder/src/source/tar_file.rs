//! A tar file with a whole Linux system. Only the kernel, and the tools that make an image, come from Debian.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::compressed::{self, Measured};
use super::debian::Debian;
use super::unpack::{self, Kind, UnpackError};
use super::{InstalledPackage, Origin, Part, Source, Wanted};
use crate::blueprint::InputError;
use crate::hash;
use crate::lock::Lock;
use crate::progress::Stage;
use crate::tree::rooted::Rooted;

/// Raised when the way in which the file is unpacked changes.
const FORMAT: u32 = 2;
/// A tar file ends with two blocks of zeros (POSIX.1-2024, pax, "ustar Interchange Format").
const END: u64 = 1024;
/// What an appliance needs of its system: where it may be, and what that is.
const NEEDED: [(&[&str], &str); 8] = [
    (
        &["sbin/init"],
        "/sbin/init, which PID 1 hands over to (Debian: systemd-sysv)",
    ),
    (
        &["usr/lib/systemd/systemd", "lib/systemd/systemd"],
        "systemd (Debian: systemd)",
    ),
    (
        &["usr/bin/systemctl", "bin/systemctl"],
        "systemctl, which enables services (Debian: systemd)",
    ),
    (
        &["usr/bin/systemd-sysusers", "bin/systemd-sysusers"],
        "systemd-sysusers, which makes groups (Debian: systemd)",
    ),
    (
        &["usr/lib/systemd/systemd-udevd", "lib/systemd/systemd-udevd"],
        "udev (Debian: udev)",
    ),
    (
        &["usr/bin/dbus-daemon", "usr/bin/dbus-broker"],
        "D-Bus (Debian: dbus)",
    ),
    (
        &["usr/sbin/fsck.fat", "sbin/fsck.fat", "usr/bin/fsck.fat"],
        "fsck.fat, which checks a card that was not ejected (Debian: dosfstools)",
    ),
    (
        &["usr/sbin/modprobe", "sbin/modprobe", "usr/bin/modprobe"],
        "modprobe, which loads drivers (Debian: kmod)",
    ),
];
/// Folders that a system has as links into `/usr` (Debian: usrmerge). Ours, and the kernel's, would hide what is in others.
const MERGED: [&str; 3] = ["bin", "lib", "sbin"];
/// What genpack mounts something on, or writes something into, while it makes an image of the system: folders, each after the one
/// that it is in, and files. A link would lead to this machine's own.
const FOLDERS: [&str; 13] = [
    "dev",
    "etc",
    "proc",
    "run",
    "sys",
    "tmp",
    "usr",
    "usr/lib",
    "usr/share",
    "usr/share/doc",
    "var",
    "var/lib",
    "var/lib/dpkg",
];
const FILES: [&str; 5] = [
    "etc/group",
    "etc/gshadow",
    "etc/passwd",
    "etc/shadow",
    DPKG_STATUS,
];
/// What the image has of its own: the modules of the kernel that it starts, and genpack's files. Those of a machine, or of an
/// earlier image, would only be in the way.
const REPLACED: [&str; 2] = ["usr/lib/genpack", "usr/lib/modules"];
/// How Debian's packages with a kernel are called.
const KERNEL_PACKAGE: &str = "linux-image-";
/// Debian's list of installed packages.
const DPKG_STATUS: &str = "var/lib/dpkg/status";

/// A tar file as a system.
pub struct TarFile {
    file: PathBuf,
    sha256: String,
    /// Where the kernel and the tools come from.
    debian: Debian,
}

impl TarFile {
    /// Returns the source for `file`, which is not looked at yet. `debian` is one without a system.
    pub fn new(file: PathBuf, debian: Debian) -> TarFile {
        TarFile {
            file,
            sha256: String::new(),
            debian,
        }
    }

    fn mistake(&self, why: impl std::fmt::Display) -> anyhow::Error {
        InputError::plain(format!("{}: {why}", self.file.display())).into()
    }

    fn unpack(&self, root: &Path) -> Result<()> {
        let damaged = |error| self.mistake(compressed::fault(&error));
        let file = File::open(&self.file).map_err(|error| self.mistake(error))?;
        let mut content = Measured::new(compressed::open(file).map_err(damaged)?);
        match unpack::unpack(&mut content, root, Kind::Tree) {
            Err(UnpackError::Input(why)) => bail!(self.mistake(why)),
            outcome => outcome?,
        }
        if content.finish().map_err(damaged)?.1 < END {
            bail!(self.mistake(
                "it ends too early: the blocks at the end of a tar file are missing; make or copy it again"
            ));
        }
        if hash::file(&self.file).map_err(|error| self.mistake(error))? != self.sha256 {
            bail!(
                "{} was changed while it was being unpacked; run genpack build again",
                self.file.display()
            );
        }
        self.check(root)?;
        for folder in REPLACED {
            unpack::remove(&root.join(folder)).with_context(|| format!("removing /{folder}"))?;
        }
        Ok(())
    }

    /// Fails when the tree lacks what every appliance needs, naming all of it, or has something else where that must be.
    fn check(&self, root: &Path) -> Result<()> {
        let tree = Rooted::open(root)?;
        let has = |path: &&str| tree.metadata(Path::new(path)).is_ok_and(|found| found.is_file());
        let missing: Vec<_> = NEEDED
            .iter()
            .filter(|(places, _)| !places.iter().any(has))
            .map(|(_, what)| format!("\n  {what}"))
            .collect();
        if !missing.is_empty() {
            bail!(self.mistake(format!(
                "the system in it can't become an appliance; it lacks{}\nput it in, or, when this is a container's file system, \
                 make an image of it and name that: base: \"oci:PLACE\"",
                missing.concat()
            )));
        }
        let found = |path: &str| fs::symlink_metadata(root.join(path)).ok();
        if let Some(folder) = MERGED
            .iter()
            .find(|path| found(path).is_some_and(|found| found.is_dir()))
        {
            bail!(self.mistake(format!(
                "/{folder} of the system in it is a folder, and in an appliance it is a link to usr/{folder}; install the package \
                 usrmerge in the system, and make the tar file again"
            )));
        }
        let folders = FOLDERS.map(|path| (path, "folder", found(path).is_none_or(|found| found.is_dir())));
        let files = FILES.map(|path| (path, "file", found(path).is_none_or(|found| found.is_file())));
        if let Some((path, kind, _)) = folders.iter().chain(&files).find(|(_, _, is_good)| !is_good) {
            bail!(self.mistake(format!(
                "/{path} of the system in it is no {kind}; put a {kind} in the place of what is there, for instance of a link, \
                 and make the tar file again"
            )));
        }
        Ok(())
    }
}

impl Source for TarFile {
    fn pin(&mut self, wanted: &Wanted, lock: &mut Lock, stage: &Stage) -> Result<()> {
        if self.file.is_dir() {
            bail!(self.mistake(
                "it is a folder, and tar: names a file; a folder with an OCI layout is base: \"oci:PLACE\""
            ));
        }
        self.sha256 = hash::file(&self.file).map_err(|error| self.mistake(error))?;
        self.debian.pin(wanted, lock, stage)
    }

    fn date(&self) -> u32 {
        self.debian.date()
    }

    fn date_of(&self, part: Part) -> u32 {
        match part {
            Part::System | Part::Build => self.date(),
            part => self.debian.date_of(part),
        }
    }

    fn inputs(&self, part: Part) -> String {
        match part {
            Part::System | Part::Build => format!("tar {FORMAT} {} {}", self.sha256, self.debian.date()),
            part => self.debian.inputs(part),
        }
    }

    fn fetch(&self, parts: &[Part], stage: &Stage) -> Result<()> {
        let parts: Vec<_> = parts
            .iter()
            .copied()
            .filter(|part| matches!(part, Part::Kernel | Part::Tools))
            .collect();
        self.debian.fetch(&parts, stage)
    }

    fn make(&self, part: Part, root: &Path) -> Result<()> {
        match part {
            Part::System | Part::Build => self.unpack(root),
            part => self.debian.make(part, root),
        }
    }

    fn installed(&self, tree: &Path) -> Result<Vec<InstalledPackage>> {
        // Another distribution's list is not read: what is in the image is the tar file, which has a hash.
        if fs::exists(tree.join(DPKG_STATUS)).context("looking for a list of packages")? {
            let mut installed = self.debian.installed(tree)?;
            // The image has another kernel.
            installed.retain(|package| !package.name.starts_with(KERNEL_PACKAGE));
            return Ok(installed);
        }
        Ok(Vec::new())
    }

    fn origin(&self) -> Option<Origin> {
        Some(Origin {
            file: self.file.file_name()?.to_string_lossy().into_owned(),
            name: None,
            sha256: self.sha256.clone(),
        })
    }
}

#[cfg(test)]
mod tests;
