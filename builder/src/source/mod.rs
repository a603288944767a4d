//! Where an operating system's files come from. What comes after the tree knows nothing of packages.
//!
//! A source first pins what it will use, so that everything that a build depends on has a name before anything is made;
//! then it makes trees. Keeping what is made is not its business.

pub mod apt;
mod compressed;
pub mod debian;
pub mod oci;
pub mod tar_file;
mod unpack;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::lock::Lock;
use crate::progress::Stage;

/// What an image needs from a source.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// The image, as [`Lock::put`] wants it.
    pub user: String,
    /// Packages of the system.
    pub packages: Vec<String>,
    /// Packages that are there while scripts run, and not in the image.
    pub buildtime: Vec<String>,
    /// The package with the kernel, or one that depends on it.
    pub kernel: String,
}

/// A tree that a source can make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The system as it goes into the image.
    System,
    /// The system with what scripts need. Only when something is wanted for that.
    Build,
    /// What lies over the system and over what scripts see, unchanged. Only with [`Source::has_application`].
    Application,
    /// What [`KernelFiles`] describes.
    Kernel,
    /// Programs that make the image, to be run with `chroot`.
    Tools,
}

/// A source of operating systems: a distribution, or anything else that gives a tree and a kernel.
pub trait Source: Sync {
    /// Chooses the exact version of everything that is wanted: from `lock` what it has, anew what it lacks.
    ///
    /// # Errors
    /// When something that is wanted does not exist.
    fn pin(&mut self, wanted: &Wanted, lock: &mut Lock, stage: &Stage) -> Result<()>;

    /// Returns the moment that the pinned things stand for, in seconds since 1970.
    fn date(&self) -> u32;

    /// Returns the latest time that a file of a part may have. What [`Source::inputs`] says of the part includes it.
    fn date_of(&self, part: Part) -> u32;

    /// Returns a text that is equal for two trees exactly when they are made of the same things in the same way.
    fn inputs(&self, part: Part) -> String;

    /// Gets what is needed for these parts and is not on this machine yet.
    fn fetch(&self, parts: &[Part], stage: &Stage) -> Result<()>;

    /// Makes a tree in the empty folder `root`, of what [`Source::fetch`] has brought.
    fn make(&self, part: Part, root: &Path) -> Result<()>;

    /// Returns the packages of an unpacked tree with their versions, by name.
    fn installed(&self, tree: &Path) -> Result<Vec<InstalledPackage>>;

    /// Whether there is a [`Part::Application`].
    fn has_application(&self) -> bool {
        false
    }

    /// Returns the developer's file that is in the image beside packages, if there is one.
    fn origin(&self) -> Option<Origin> {
        None
    }
}

/// A file of the developer's that a system is made from.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Origin {
    /// The name of the file or folder.
    pub file: String,
    /// Which of the things in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// SHA-256 of the file in hexadecimal; of a container image, that of its manifest.
    pub sha256: String,
}

/// A kernel on the developer's disk.
#[derive(Debug, Clone)]
pub struct KernelFiles {
    /// The bootable file.
    pub vmlinuz: PathBuf,
    /// The folder of its modules, named after the release.
    pub modules: PathBuf,
    /// The package's `copyright` file, which need not exist.
    pub copyright: PathBuf,
    /// What is known of it.
    pub info: KernelInfo,
}

/// What is known of a kernel.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct KernelInfo {
    /// Its release, as `uname -r` prints it.
    pub release: String,
    /// The package that it came from.
    pub package: InstalledPackage,
    /// What the package says about itself (deb-control(5)).
    pub control: String,
}

/// Where a [`Part::Kernel`] has [`KernelInfo`], as JSON.
const KERNEL_INFO: &str = "kernel.json";

impl KernelFiles {
    /// Returns where `folder`, the tree of a [`Part::Kernel`], has what of a kernel.
    pub fn layout(folder: &Path, info: KernelInfo) -> KernelFiles {
        KernelFiles {
            vmlinuz: folder.join("vmlinuz"),
            modules: folder.join("modules").join(&info.release),
            copyright: folder.join("copyright"),
            info,
        }
    }

    /// Reads what is in the tree of a [`Part::Kernel`].
    pub fn read(folder: &Path) -> Result<KernelFiles> {
        let info = fs::read_to_string(folder.join(KERNEL_INFO)).context("reading about the kernel")?;
        Ok(KernelFiles::layout(folder, serde_json::from_str(&info)?))
    }

    /// Leaves in `folder` what is known of the kernel.
    pub fn write_info(&self, folder: &Path) -> Result<()> {
        fs::write(folder.join(KERNEL_INFO), serde_json::to_string(&self.info)?)
            .context("writing about the kernel")
    }
}

/// A package in an image.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct InstalledPackage {
    /// Name.
    pub name: String,
    /// Version.
    pub version: String,
    /// Architecture.
    pub architecture: String,
    /// SHA-256 of the package's file, where the source knows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
}
