//! What an image has from whom: the list that goes into the image, and that `genpack inspect`, `genpack diff` and the SBOMs are
//! made of.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use genpack_spec::layout;
use serde::{Deserialize, Serialize};

use super::control::{Paragraph, paragraphs};
use super::copyright;
use super::database::{self, Database, Package};
use super::needed::{Needed, Reason};
use crate::hash;
use crate::source::{InstalledPackage, KernelFiles};
use crate::tree::rooted::Rooted;

/// Folder of licences, relative to the tree.
const DOC: &str = "usr/share/doc";
/// Debian's suites with their numbers (<https://www.debian.org/releases/>).
const DEBIAN: [(&str, &str); 4] = [
    ("bookworm", "12"),
    ("trixie", "13"),
    ("forky", "14"),
    ("duke", "15"),
];

/// What is in an image: `/usr/lib/genpack/packages.json`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contents {
    /// The packages, by name.
    pub packages: Vec<Entry>,
    /// genpack's own programs.
    #[serde(default)]
    pub own: Vec<OwnProgram>,
    /// Files that genpack brings beside its programs.
    #[serde(default)]
    pub own_files: Files,
    /// Files that the blueprint brings, in `files/`.
    #[serde(default)]
    pub blueprint_files: Files,
}

/// Files and links: names by folder, the folder relative to the root.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Files(BTreeMap<String, BTreeSet<String>>);

impl Files {
    /// Returns their paths, relative to the root.
    pub fn paths(&self) -> impl Iterator<Item = PathBuf> {
        let in_folder = |(folder, names): (&'_ String, &'_ BTreeSet<String>)| {
            let folder = PathBuf::from(folder);
            names.iter().map(|name| folder.join(name)).collect::<Vec<_>>()
        };
        self.0.iter().flat_map(in_folder)
    }

    fn add(&mut self, path: &Path) {
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let folder = path.parent().map(text).unwrap_or_default();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        self.0.entry(folder).or_default().insert(name.unwrap_or_default());
    }

    /// Those below a folder, which need not exist.
    fn below(folder: &Path) -> Result<Files> {
        let mut files = Files::default();
        let mut todo = vec![folder.to_path_buf()];
        while let Some(current) = todo.pop() {
            for entry in fs::read_dir(&current).into_iter().flatten() {
                let entry = entry.with_context(|| format!("reading {}", current.display()))?;
                match entry.file_type()?.is_dir() {
                    true => todo.push(entry.path()),
                    false => files.add(entry.path().strip_prefix(folder).unwrap_or(&current)),
                }
            }
        }
        Ok(files)
    }
}

/// One package of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Name.
    pub name: String,
    /// Version.
    pub version: String,
    /// Architecture.
    pub arch: String,
    /// Name of the source package.
    pub source: String,
    /// Version of the source package.
    pub source_version: String,
    /// Who maintains it in Debian, with address.
    pub maintainer: String,
    /// Where the upstream project is; may be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub homepage: String,
    /// What it is, in a line.
    pub summary: String,
    /// Its licences: SPDX expressions where that is sure, else Debian's names. Empty when its `copyright` file is only for people.
    pub licences: BTreeSet<String>,
    /// SHA-256 of the package's file, where the source knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Why it is in the image.
    pub reason: Reason,
    /// Whether only the files that others use are there, and the rest of the package has gone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub part: bool,
    /// Names of packages of the image that it depends on.
    pub depends: BTreeSet<String>,
    /// Its files and links.
    pub files: Files,
    /// Where it is from, when that is not the system's own distribution.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distribution: Option<Distribution>,
}

/// A distribution, as `/etc/os-release` names it (os-release(5)).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Distribution {
    /// `ID`, for example `debian`; empty when nothing says which it is.
    pub id: String,
    /// `VERSION_ID`, for example `13`; where there is none, `VERSION_CODENAME`; may be empty.
    pub version: String,
}

impl Distribution {
    /// Reads `os-release`. What it doesn't say is empty.
    pub fn parse(text: &str) -> Distribution {
        let value = |name: &str| {
            let line = text
                .lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
            line.map(|value| value.trim().trim_matches(['"', '\'']).to_string())
        };
        Distribution {
            id: value("ID").unwrap_or_default(),
            version: value("VERSION_ID")
                .or_else(|| value("VERSION_CODENAME"))
                .unwrap_or_default(),
        }
    }

    /// Returns what the `os-release` of a Debian suite says. One that is not released yet may have no number.
    pub fn debian(suite: &str) -> Distribution {
        let number = DEBIAN.iter().find(|(name, _)| *name == suite);
        Distribution {
            id: "debian".into(),
            version: number.map_or(suite, |(_, number)| number).into(),
        }
    }
}

/// A program of genpack's in an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnProgram {
    /// Name.
    pub name: String,
    /// genpack's version.
    pub version: String,
    /// SHA-256 of the program.
    pub sha256: String,
}

impl Entry {
    /// What a package says of itself.
    fn said_by(package: &Package, reason: Reason) -> Entry {
        Entry {
            name: package.name.clone(),
            version: package.version.clone(),
            arch: package.arch.clone(),
            source: package.source.clone(),
            source_version: package.source_version.clone(),
            maintainer: package.maintainer.clone(),
            homepage: package.homepage.clone(),
            summary: package.summary.clone(),
            licences: BTreeSet::new(),
            sha256: None,
            reason,
            part: false,
            depends: BTreeSet::new(),
            files: Files::default(),
            distribution: None,
        }
    }

    fn of(root: &Rooted, package: &Package, reason: Reason, part: bool) -> Entry {
        let mut entry = Entry {
            licences: licences(root, &package.name),
            part,
            ..Entry::said_by(package, reason)
        };
        for file in &package.files {
            if root
                .symlink_metadata(file)
                .is_ok_and(|metadata| !metadata.is_dir())
            {
                entry.files.add(file);
            }
        }
        entry
    }
}

impl Contents {
    /// Collects what is left in a tree. `parts` are files of packages that are not there whole, with the file that uses each.
    pub fn of(
        root: &Path,
        needed: &Needed<'_>,
        parts: &BTreeMap<PathBuf, PathBuf>,
        database: &Database,
    ) -> Result<Contents> {
        let mut contents = Contents::default();
        let root = Rooted::open(root)?;
        for package in database.packages.values() {
            let user = || {
                parts
                    .iter()
                    .find(|(path, _)| package.files.contains(*path))
                    .map(|(_, by)| by)
            };
            let (reason, part) = match (needed.reasons().get(&package.name), user()) {
                (Some(reason), _) => (reason.clone(), false),
                (None, Some(by)) => (Reason::UsedBy(format!("/{}", by.display())), true),
                (None, None) => continue,
            };
            contents.packages.push(Entry::of(&root, package, reason, part));
        }
        let mut providers: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        let names: BTreeSet<String> = contents.packages.iter().map(|entry| entry.name.clone()).collect();
        for package in database
            .packages
            .values()
            .filter(|package| names.contains(&package.name))
        {
            for name in package.provides.iter().chain([&package.name]) {
                providers.entry(name).or_default().insert(&package.name);
            }
        }
        for entry in contents.packages.iter_mut().filter(|entry| !entry.part) {
            let depends = database.packages[&entry.name].depends.iter().flatten();
            let found = depends.flat_map(|name| match names.get(name) {
                Some(name) => BTreeSet::from([name.as_str()]),
                None => providers.get(name.as_str()).cloned().unwrap_or_default(),
            });
            entry.depends = found.map(String::from).collect();
            entry.depends.remove(&entry.name);
        }
        Ok(contents)
    }

    /// Adds the kernel, whose package is not installed: its modules are in the tree already. Its `copyright` file is copied to
    /// where those of the other packages are. `distribution` is its own, when the system's is another.
    pub fn add_kernel(
        &mut self,
        root: &Path,
        kernel: &KernelFiles,
        distribution: Option<Distribution>,
    ) -> Result<()> {
        let paragraphs = paragraphs(&kernel.info.control);
        let paragraph = paragraphs
            .first()
            .context("the kernel's package says nothing about itself")?;
        let mut package = database::package(*paragraph);
        // Debian's security data are about the source of which the signed kernel was made.
        let made_of = [
            paragraph.line("Built-Using"),
            paragraph.line("Static-Built-Using"),
        ];
        let made_of = made_of.iter().flat_map(|value| value.split(','));
        if let Some(version) = made_of
            .filter_map(|one| one.trim().strip_prefix("linux (= "))
            .next()
        {
            package.source = "linux".into();
            package.source_version = version.trim_end_matches(')').to_string();
        }
        let modules = Path::new("usr/lib/modules").join(&kernel.info.release);
        let found = Files::below(&root.join(&modules))?;
        package.files.extend(found.paths().map(|path| modules.join(path)));
        let vmlinuz = layout::BOOT_FILES_DIR.trim_start_matches('/');
        package
            .files
            .insert(Path::new(vmlinuz).join(layout::card::VMLINUZ));
        let rooted = Rooted::open(root)?;
        let copyright = Path::new(DOC).join(&package.name).join("copyright");
        if let Ok(text) = fs::read(&kernel.copyright) {
            rooted
                .write(&copyright, text)
                .with_context(|| format!("writing /{}", copyright.display()))?;
            package.files.insert(copyright);
        }
        add_to_status(&rooted, paragraph.text())?;
        let mut entry = Entry::of(&rooted, &package, Reason::Asked, false);
        entry.sha256 = kernel.info.package.sha256.clone();
        entry.distribution = distribution;
        self.packages.push(entry);
        self.packages.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(())
    }

    /// Adds one of genpack's own programs.
    pub fn add_own(&mut self, name: &str, program: &Path) -> Result<()> {
        let sha256 = hash::file(program).with_context(|| format!("hashing {}", program.display()))?;
        self.own.push(OwnProgram {
            name: name.into(),
            version: env!("CARGO_PKG_VERSION").into(),
            sha256,
        });
        Ok(())
    }

    /// Notes which files come from genpack's own folder of files, and from the blueprint's.
    pub fn add_files(&mut self, own: &Path, blueprint: &Path) -> Result<()> {
        self.own_files = Files::below(own)?;
        self.blueprint_files = Files::below(blueprint)?;
        Ok(())
    }

    /// Adds the hashes that the source knows.
    pub fn add_hashes(&mut self, installed: &[InstalledPackage]) {
        for entry in &mut self.packages {
            let same =
                |package: &&InstalledPackage| package.name == entry.name && package.version == entry.version;
            if let Some(package) = installed.iter().find(same) {
                entry.sha256.clone_from(&package.sha256);
            }
        }
    }

    /// Returns the packages as the manifest lists them.
    pub fn installed(&self) -> Vec<InstalledPackage> {
        let package = |entry: &Entry| InstalledPackage {
            name: entry.name.clone(),
            version: entry.version.clone(),
            architecture: entry.arch.clone(),
            sha256: entry.sha256.clone(),
        };
        self.packages.iter().map(package).collect()
    }

    /// Writes it into the tree.
    pub fn write(&self, root: &Path) -> Result<()> {
        let content = serde_json::to_vec(self)?;
        Rooted::open(root)
            .and_then(|root| root.write(layout::PACKAGES.as_ref(), content))
            .with_context(|| format!("writing {}", layout::PACKAGES))
    }
}

/// Returns the packages of a list of dpkg's that are there, with what the list says of them. In images without dpkg, lists do not
/// say what is installed: everything is.
pub fn listed(status: &str) -> Vec<Entry> {
    let is_there = |paragraph: &Paragraph<'_>| {
        let status = paragraph.field("Status");
        status.is_none_or(|status| status.ends_with(" installed"))
    };
    let found = paragraphs(status).into_iter().filter(is_there);
    let entry = |paragraph| Entry::said_by(&database::package(paragraph), Reason::Asked);
    found.map(entry).filter(|entry| !entry.name.is_empty()).collect()
}

/// Adds a package to the list that scanners read, unless that is also for dpkg, which would miss the package's other data.
fn add_to_status(root: &Rooted, paragraph: &str) -> Result<()> {
    let (status, info) = (
        Path::new(database::STATUS),
        Path::new(database::DPKG).join("info"),
    );
    if root.metadata(status).is_err() || root.metadata(&info).is_ok() {
        return Ok(());
    }
    let mut list = root
        .read(status)
        .with_context(|| format!("reading /{}", status.display()))?;
    let (name, rest) = paragraph.split_once('\n').unwrap_or((paragraph, ""));
    list.extend(format!("{name}\nStatus: install ok installed\n{rest}\n\n").into_bytes());
    root.write(status, list)
        .with_context(|| format!("writing /{}", status.display()))
}

/// Reads the licences of a package.
fn licences(root: &Rooted, name: &str) -> BTreeSet<String> {
    let path = Path::new(DOC).join(name).join("copyright");
    // Without a `copyright` file of its own there is a link to another package's, which may have gone.
    let bytes = root.read(&path).unwrap_or_default();
    copyright::licences(&String::from_utf8_lossy(&bytes))
}
