//! mmdebstrap and mksquashfs, by a script that one would write by hand.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::{Builder, Site, timed};

const SCRIPT: &str = include_str!("build-by-hand");
const LIMIT: Duration = Duration::from_secs(1200);

/// How the script is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Variation {
    /// As it is.
    Usual,
    /// With the tree in memory.
    InMemory,
    /// Without an initramfs, so that nothing can start the system.
    WithoutInitramfs,
}

/// A script that calls mmdebstrap and mksquashfs. It has no memory: whatever changed, it does everything again.
pub struct Mmdebstrap {
    work: PathBuf,
    mirror: String,
    variation: Variation,
}

impl Mmdebstrap {
    /// Will work in the new folder `work`, with packages of `mirror`.
    pub fn new(work: &Path, mirror: &str, variation: Variation) -> Result<Mmdebstrap> {
        fs::create_dir(work).with_context(|| format!("making {}", work.display()))?;
        Ok(Mmdebstrap {
            work: work.to_path_buf(),
            mirror: mirror.to_string(),
            variation,
        })
    }

    /// The folder with the system's files, as the last build has left it.
    pub fn tree(&self) -> PathBuf {
        self.work.join("tree")
    }
}

impl Builder for Mmdebstrap {
    fn name(&self) -> &'static str {
        match self.variation {
            Variation::Usual => "mmdebstrap+mksquashfs",
            Variation::InMemory => "mmdebstrap+mksquashfs in memory",
            Variation::WithoutInitramfs => "mmdebstrap+mksquashfs without an initramfs",
        }
    }

    fn remembers(&self) -> bool {
        false
    }

    fn forget(&self) -> Result<()> {
        fs::remove_dir_all(&self.work)?;
        fs::create_dir(&self.work)?;
        Ok(())
    }

    fn build(&self, site: &Site) -> Result<f64> {
        let script = self.work.join("build-by-hand");
        fs::write(&script, SCRIPT)?;
        fs::set_permissions(&script, Permissions::from_mode(0o755))?;
        let mut packages = site.packages.clone();
        packages.push(site.kernel.clone());
        packages.extend(site.added.map(String::from));
        let mut command = Command::new(script);
        command.arg(&site.suite).arg(&self.mirror).arg(packages.join(","));
        command.arg(site.files()).current_dir(&self.work);
        match self.variation {
            Variation::Usual => &mut command,
            Variation::InMemory => command.arg("in-memory"),
            Variation::WithoutInitramfs => command.env("INITRD", "No"),
        };
        timed(&command, LIMIT)
    }

    fn system(&self) -> Result<PathBuf> {
        Ok(self.work.join("system.squashfs"))
    }
}
