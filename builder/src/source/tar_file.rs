//! A tar file with a whole Linux system. Only the kernel, and the tools that make an image, come from Debian.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::compressed::{self, Measured};
use super::debian::Debian;
use super::rooted::Rooted;
use super::unpack::{self, Kind, UnpackError};
use super::{InstalledPackage, Origin, Part, Source, Wanted};
use crate::blueprint::InputError;
use crate::hash;
use crate::lock::Lock;
use crate::progress::Stage;

/// Raised when the way in which the file is unpacked changes.
const FORMAT: u32 = 1;
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
        self.check(root)
    }

    /// Fails when the tree lacks what every appliance needs, naming all of it.
    fn check(&self, root: &Path) -> Result<()> {
        let root = Rooted::open(root)?;
        let has = |path: &&str| root.metadata(Path::new(path)).is_ok_and(|found| found.is_file());
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
            return self.debian.installed(tree);
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
