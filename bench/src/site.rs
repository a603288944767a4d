//! What is built: a copy of `examples/web`, so that it can be changed and leaves nothing in the sources.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::stdout_of;

/// The file that is changed, below `files/`.
const CHANGED: &str = "srv/web/index.html";
/// Where a package is added to the blueprint.
const PACKAGES: &str = "packages: [";

/// A blueprint, and what it asks for in words that every builder understands.
pub struct Site {
    folder: PathBuf,
    /// Debian's suite.
    pub suite: String,
    /// Packages of profile and blueprint.
    pub packages: Vec<String>,
    /// The package that has the kernel, or depends on it.
    pub kernel: String,
    /// The package that was added since.
    pub added: Option<&'static str>,
}

impl Site {
    /// Copies the example to the new folder `folder`. What it asks for is not known yet.
    pub fn new(folder: &Path) -> Result<Site> {
        let site = Site {
            folder: folder.to_path_buf(),
            suite: String::new(),
            packages: Vec::new(),
            kernel: String::new(),
            added: None,
        };
        site.copy_example()?;
        Ok(site)
    }

    /// The blueprint's folder.
    pub fn blueprint(&self) -> &Path {
        &self.folder
    }

    /// The folder with the developer's own files.
    pub fn files(&self) -> PathBuf {
        self.folder.join("files")
    }

    /// Takes back all changes, and forgets which versions were chosen.
    pub fn reset(&mut self) -> Result<()> {
        fs::remove_dir_all(&self.folder).context("removing the copy of the example")?;
        self.added = None;
        self.copy_example()
    }

    /// Changes one of the developer's own files.
    pub fn change_a_file(&self) -> Result<()> {
        let path = self.files().join(CHANGED);
        let mut file = OpenOptions::new()
            .append(true)
            .open(&path)
            .with_context(|| format!("changing {}", path.display()))?;
        writeln!(file, "<!-- changed -->")?;
        Ok(())
    }

    /// Asks for one package more.
    pub fn add_package(&mut self, package: &'static str) -> Result<()> {
        let path = self.folder.join("genpack.json5");
        let text = fs::read_to_string(&path)?;
        ensure!(text.contains(PACKAGES), "{} has no {PACKAGES:?}", path.display());
        fs::write(
            path,
            text.replacen(PACKAGES, &format!("{PACKAGES}\"{package}\", "), 1),
        )?;
        self.added = Some(package);
        Ok(())
    }

    fn copy_example(&self) -> Result<()> {
        let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/web");
        stdout_of(Command::new("cp").arg("-a").arg(example).arg(&self.folder))?;
        let lock = self.folder.join("genpack.lock");
        if lock.exists() {
            fs::remove_file(lock).context("removing the versions of an earlier day")?;
        }
        Ok(())
    }
}
