//! Where an operating system's files come from. What comes after the tree knows nothing of packages.

pub mod apt;
pub mod debian;

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::progress::Stage;

/// A source of operating systems: a distribution, or anything else that gives a tree and a kernel.
pub trait Source {
    /// Gets ready: fetches lists, resolves `packages`, and fails early when one of them or `kernel` does not exist.
    fn resolve(&mut self, packages: &[String], kernel: &str, stage: &Stage) -> Result<()>;

    /// Returns a tar file of a tree with the resolved packages, from the cache when nothing changed. A new one is made
    /// in the folder `work` first.
    fn tree(&self, work: &Path, stage: &Stage) -> Result<PathBuf>;

    /// Takes the kernel out of `package` and leaves its files in `folder`.
    fn kernel(&self, package: &str, folder: &Path) -> Result<KernelFiles>;

    /// Returns the packages of an unpacked tree with their versions, by name.
    fn installed(&self, tree: &Path) -> Result<Vec<InstalledPackage>>;
}

/// A kernel on the developer's disk.
#[derive(Debug, Clone)]
pub struct KernelFiles {
    /// Its release, as `uname -r` prints it.
    pub release: String,
    /// The bootable file.
    pub vmlinuz: PathBuf,
    /// The folder of its modules, named after the release.
    pub modules: PathBuf,
    /// The package that it came from.
    pub package: InstalledPackage,
    /// What the package says about itself (deb-control(5)).
    pub control: String,
    /// The package's `copyright` file.
    pub copyright: PathBuf,
}

/// A package in an image.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
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
