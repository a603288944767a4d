//! genpack itself.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use genpack_qemu::Card;
use serde_json::Value;

use crate::{Builder, Site, timed};

/// A build takes 2 minutes on a slow machine.
const LIMIT: Duration = Duration::from_secs(1200);

/// The installed `genpack`, with a cache of its own.
pub struct Genpack {
    program: PathBuf,
    work: PathBuf,
    mirror: Option<String>,
}

impl Genpack {
    /// Takes the program that the environment variable `GENPACK` names. It will work in the new folder `work`, with
    /// packages of `mirror`, or else of the host's mirrors.
    pub fn new(work: &Path, mirror: Option<&str>) -> Result<Genpack> {
        let program =
            std::env::var_os("GENPACK").context("GENPACK names the program to measure; run: make bench")?;
        fs::create_dir(work).with_context(|| format!("making {}", work.display()))?;
        Ok(Genpack {
            program: std::path::absolute(program)?,
            work: work.to_path_buf(),
            mirror: mirror.map(String::from),
        })
    }

    /// The disk image.
    pub fn image(&self) -> PathBuf {
        self.work.join("web.img")
    }

    /// Fills in what the last build's manifest says about the blueprint.
    pub fn describe(&self, site: &mut Site) -> Result<()> {
        let manifest = json(&PathBuf::from(format!(
            "{}.manifest.json",
            self.image().display()
        )))?;
        let text = |at: &str| {
            let value = manifest.pointer(at).and_then(Value::as_str);
            value.with_context(|| format!("the manifest has no {at}"))
        };
        site.suite = text("/image/base")?.trim_start_matches("debian:").to_string();
        site.kernel = text("/inputs/profile/kernel/package")?.to_string();
        site.packages = words(&manifest["inputs"]["packages"]);
        Ok(())
    }

    /// Returns all names of packages that the last build asked for, the tools' and the kernel's among them.
    pub fn asked(site: &Site) -> Result<Vec<String>> {
        let lock = json(&site.blueprint().join("genpack.lock"))?;
        let sets = lock["sets"].as_array().context("genpack.lock has no sets")?;
        Ok(sets.iter().flat_map(|set| words(&set["asked"])).collect())
    }

    fn cache(&self) -> PathBuf {
        self.work.join("cache")
    }
}

impl Builder for Genpack {
    fn name(&self) -> &'static str {
        "genpack"
    }

    fn remembers(&self) -> bool {
        true
    }

    fn forget(&self) -> Result<()> {
        fs::remove_dir_all(&self.work)?;
        fs::create_dir(&self.work)?;
        Ok(())
    }

    fn build(&self, site: &Site) -> Result<f64> {
        let mut command = Command::new(&self.program);
        command
            .arg("build")
            .arg(site.blueprint())
            .arg("-o")
            .arg(self.image());
        command.env("XDG_CACHE_HOME", self.cache());
        match &self.mirror {
            Some(mirror) => command.env("GENPACK_MIRROR", mirror),
            None => command.env_remove("GENPACK_MIRROR"),
        };
        timed(&command, LIMIT)
    }

    fn system(&self) -> Result<PathBuf> {
        let system = self.work.join("system.img");
        let card = Card::open(self.image())?;
        fs::write(&system, card.read("boot/a/system.img")?)?;
        card.close()?;
        Ok(system)
    }
}

fn json(path: &Path) -> Result<Value> {
    let text = fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    serde_json::from_slice(&text).with_context(|| format!("reading {}", path.display()))
}

fn words(list: &Value) -> Vec<String> {
    let words = list
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|word| word.as_str());
    words.map(String::from).collect()
}
