//! Debian: a tree by mmdebstrap, the kernel out of its package.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use anyhow::{Context, Result, bail};

use super::apt::{self, Apt};
use super::{InstalledPackage, KernelFiles, Source};
use crate::blueprint::{InputError, Mirror};
use crate::packages::control::paragraphs;
use crate::progress::Stage;
use crate::{command, hash};

/// Raised when the way in which trees are made changes, so that older ones are not used.
const TREE_FORMAT: u32 = 1;
/// How many finished trees are kept.
const KEPT_TREES: usize = 4;

/// A Debian suite for one architecture.
pub struct Debian {
    suite: String,
    arch: String,
    cache: PathBuf,
    apt: Apt,
    packages: Vec<String>,
    closure: Vec<String>,
}

impl Debian {
    /// Prepares to ask the mirrors for `suite`.
    pub fn open(
        suite: &str,
        arch: &str,
        mirror: Option<&Mirror>,
        cache: &Path,
        stage: &Stage,
    ) -> Result<Debian> {
        let apt = Apt::open(cache, arch, apt::archives(suite, mirror)?, stage)?;
        Ok(Debian {
            suite: suite.to_string(),
            arch: arch.to_string(),
            cache: cache.to_path_buf(),
            apt,
            packages: Vec::new(),
            closure: Vec::new(),
        })
    }

    fn tree_path(&self) -> PathBuf {
        let inputs = format!(
            "{TREE_FORMAT} {} {} {:?}\n{}",
            self.suite,
            self.arch,
            self.packages,
            self.closure.join("\n")
        );
        self.cache
            .join("trees")
            .join(format!("{}.tar", &hash::text(&inputs)[..32]))
    }

    fn make_tree(&self, output: &Path) -> Result<()> {
        let mut mmdebstrap = Command::new("mmdebstrap");
        // In the sandbox we are root, whoever we are outside. The check for mounts assumes a sysfs of its own.
        mmdebstrap.args([
            "--mode=root",
            "--variant=minbase",
            "--format=tar",
            "--quiet",
            "--skip=check/qemu",
        ]);
        mmdebstrap.arg(format!("--architectures={}", self.arch));
        mmdebstrap.arg(format!("--include={}", self.packages.join(",")));
        mmdebstrap.arg(format!("--aptopt={}", self.apt.acquire_settings().display()));
        mmdebstrap
            .arg(&self.suite)
            .arg(output)
            .arg(self.apt.sources_list());
        command::run(&mut mmdebstrap)
            .with_context(|| format!("making a tree from {}", self.apt.describe()))?;
        Ok(())
    }
}

impl Source for Debian {
    fn resolve(&mut self, packages: &[String], kernel: &str, stage: &Stage) -> Result<()> {
        if let Some(reason) = self.apt.update()? {
            stage.note(&format!(
                "warning: the package lists could not be renewed; older ones serve: {reason}"
            ));
        }
        let known = self.apt.package_names()?;
        let named = packages.iter().map(String::as_str).chain([kernel]);
        let missing: Vec<_> = named.filter(|name| !known.iter().any(|k| k == name)).collect();
        if !missing.is_empty() {
            let sentences: Vec<_> = missing.iter().map(|name| missing_package(name, &known)).collect();
            bail!(InputError::plain(format!(
                "{}\n  asked: {}",
                sentences.join("\n  "),
                self.apt.describe()
            )));
        }
        self.packages = packages.to_vec();
        self.closure = self.apt.closure(packages)?;
        Ok(())
    }

    fn tree(&self, work: &Path, stage: &Stage) -> Result<PathBuf> {
        let path = self.tree_path();
        if path.exists() {
            stage.note("from the cache");
            fs::File::open(&path)?
                .set_modified(SystemTime::now())
                .context("marking the cached tree as used")?;
            return Ok(path);
        }
        let made = work.join("tree.tar");
        self.make_tree(&made)?;
        let folder = self.cache.join("trees");
        fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
        keep(&made, &path, &self.apt.unfinished()).with_context(|| format!("keeping {}", path.display()))?;
        forget_old_trees(&folder, &path);
        Ok(path)
    }

    fn kernel(&self, package: &str, folder: &Path) -> Result<KernelFiles> {
        let name = self.kernel_package(package)?;
        let deb = self.apt.download(&name)?;
        command::run(Command::new("dpkg-deb").arg("-x").arg(&deb).arg(folder))?;
        let release = name.strip_prefix("linux-image-").unwrap_or(&name).to_string();
        let modules = ["usr/lib/modules", "lib/modules"]
            .iter()
            .map(|dir| folder.join(dir).join(&release));
        let Some(modules) = modules.into_iter().find(|dir| dir.is_dir()) else {
            bail!("the package {name} has no modules for {release}");
        };
        let control = command::stdout_of(Command::new("dpkg-deb").arg("-f").arg(&deb))?;
        let paragraphs = paragraphs(&control);
        let field = |name: &str| {
            paragraphs
                .first()
                .map_or("", |fields| fields.line(name))
                .to_string()
        };
        let sha256 = hash::file(&deb).with_context(|| format!("hashing {}", deb.display()))?;
        let package = InstalledPackage {
            version: field("Version"),
            architecture: field("Architecture"),
            sha256: Some(sha256),
            name: name.clone(),
        };
        Ok(KernelFiles {
            vmlinuz: folder.join(format!("boot/vmlinuz-{release}")),
            copyright: folder.join("usr/share/doc").join(&name).join("copyright"),
            modules,
            release,
            package,
            control,
        })
    }

    fn installed(&self, tree: &Path) -> Result<Vec<InstalledPackage>> {
        let mut query = Command::new("dpkg-query");
        query.arg("--admindir").arg(tree.join("var/lib/dpkg"));
        query.args([
            "--show",
            "--showformat=${Package}\\t${Version}\\t${Architecture}\\n",
        ]);
        let text = command::stdout_of(&mut query)?;
        let package = |line: &str| {
            let mut fields = line.split('\t').map(String::from);
            Some(InstalledPackage {
                name: fields.next()?,
                version: fields.next()?,
                architecture: fields.next()?,
                sha256: None,
            })
        };
        let mut packages: Vec<_> = text.lines().filter_map(package).collect();
        self.add_hashes(&mut packages)?;
        Ok(packages)
    }
}

impl Debian {
    /// Adds the hash of each package that the lists still have in this version.
    fn add_hashes(&self, packages: &mut [InstalledPackage]) -> Result<()> {
        let names: Vec<_> = packages
            .iter()
            .map(|package| format!("{}:{}={}", package.name, package.architecture, package.version))
            .collect();
        let records = self.apt.records(&names)?;
        let hashes: BTreeMap<_, _> = paragraphs(&records)
            .iter()
            .map(|record| {
                let key = (record.line("Package"), record.line("Version"));
                (key, record.line("SHA256").to_string())
            })
            .collect();
        for package in packages {
            let hash = hashes.get(&(package.name.as_str(), package.version.as_str()));
            package.sha256 = hash.filter(|hash| !hash.is_empty()).cloned();
        }
        Ok(())
    }

    /// Packages such as `linux-image-amd64` only depend on the one that has the kernel of the day.
    fn kernel_package(&self, package: &str) -> Result<String> {
        let record = self.apt.show(package).map_err(|error| {
            InputError::plain(format!(
                "there is no kernel package {package:?} in {}: {error:#}",
                self.apt.describe()
            ))
        })?;
        let depends = record
            .lines()
            .find_map(|line| line.strip_prefix("Depends: "))
            .unwrap_or_default();
        let real = depends
            .split([',', '|'])
            .filter_map(|dependency| dependency.split_whitespace().next())
            .find(|name| {
                name.strip_prefix("linux-image-")
                    .is_some_and(|r| r.starts_with(|c: char| c.is_ascii_digit()))
            });
        Ok(real.unwrap_or(package).to_string())
    }
}

fn missing_package(name: &str, known: &[String]) -> String {
    let near = known
        .iter()
        .map(|candidate| (strsim::jaro_winkler(name, candidate), candidate))
        .filter(|(likeness, _)| *likeness > 0.88)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    match near {
        Some((_, candidate)) => format!("there is no package {name:?}; did you mean {candidate:?}?"),
        None => format!("there is no package {name:?}"),
    }
}

/// Moves a finished file into the cache, where it appears whole or not at all. `unfinished` is a folder of the cache.
fn keep(made: &Path, path: &Path, unfinished: &Path) -> std::io::Result<()> {
    match fs::rename(made, path) {
        Err(error) if error.kind() == std::io::ErrorKind::CrossesDevices => {
            let mut copy = tempfile::NamedTempFile::new_in(unfinished)?;
            std::io::copy(&mut fs::File::open(made)?, copy.as_file_mut())?;
            copy.persist(path)?;
            fs::remove_file(made)
        }
        outcome => outcome,
    }
}

fn forget_old_trees(folder: &Path, newest: &Path) {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut trees: Vec<_> = entries
        .filter(|entry| entry.path() != newest)
        .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
        .collect();
    trees.sort();
    for (_, path) in trees.iter().rev().skip(KEPT_TREES - 1) {
        // Another build may have removed it already; what is left is found by the next one.
        let _ = fs::remove_file(path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_package_is_recognised() {
        let known = ["nginx".to_string(), "nginx-light".into(), "openssh-server".into()];
        assert_eq!(
            missing_package("ngnix", &known),
            "there is no package \"ngnix\"; did you mean \"nginx\"?"
        );
        assert_eq!(missing_package("quux", &known), "there is no package \"quux\"");
    }

    #[test]
    fn only_the_newest_trees_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        for i in 0..6_u64 {
            let path = dir.path().join(format!("{i}.tar"));
            fs::write(&path, "").unwrap();
            let time = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(i);
            fs::File::open(&path).unwrap().set_modified(time).unwrap();
        }
        forget_old_trees(dir.path(), &dir.path().join("5.tar"));
        let mut left: Vec<_> = fs::read_dir(dir.path())
            .unwrap()
            .flatten()
            .map(|e| e.file_name())
            .collect();
        left.sort();
        assert_eq!(left, ["2.tar", "3.tar", "4.tar", "5.tar"]);
    }
}
