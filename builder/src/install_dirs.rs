//! Where genpack's own files are, as `make install` lays them out around the program.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// genpack's data and the programs that go into images.
#[derive(Debug, Clone)]
pub struct InstallDirs {
    prefix: PathBuf,
}

impl InstallDirs {
    /// Returns the folders of the running program: it is `PREFIX/bin/genpack`.
    pub fn of_running_program() -> Result<InstallDirs> {
        let program = std::env::current_exe().context("finding out where genpack is installed")?;
        let prefix = program.parent().and_then(Path::parent).unwrap_or(Path::new("/"));
        let dirs = InstallDirs {
            prefix: prefix.to_path_buf(),
        };
        if !dirs.profiles().is_dir() {
            bail!(
                "genpack's own files are missing: there is no {}; install with: make install PREFIX=...",
                dirs.profiles().display()
            );
        }
        Ok(dirs)
    }

    /// Profiles that come with genpack.
    pub fn profiles(&self) -> PathBuf {
        self.prefix.join("share/genpack/profiles")
    }

    /// Files that are copied into every image.
    pub fn rootfs_overlay(&self) -> PathBuf {
        self.prefix.join("share/genpack/rootfs-overlay")
    }

    /// Names of the architectures that there are programs for, sorted.
    pub fn architectures(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.prefix.join("lib/genpack"))
            .into_iter()
            .flatten()
            .flatten();
        let mut names: Vec<_> = entries
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect();
        names.sort();
        names
    }

    /// PID 1 of images, statically linked.
    pub fn init(&self, arch: &str) -> PathBuf {
        self.prefix.join("lib/genpack").join(arch).join("genpack-init")
    }

    /// The config agent, statically linked.
    pub fn config_agent(&self, arch: &str) -> PathBuf {
        self.prefix
            .join("lib/genpack")
            .join(arch)
            .join("genpack-config-agent")
    }
}
