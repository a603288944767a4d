//! What `genpack inspect` says about an image, as data.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::Result;
use genpack_spec::image::ImageInfo;
use serde::Serialize;

use super::ports::{self, Port};
use super::units;
use crate::image::system::{Kind, Node};
use crate::image::{CardContent, Image};
use crate::packages::Reason;

/// How many of the biggest files are named.
const BIGGEST: usize = 12;
/// How deep folders are counted.
const DEPTH: usize = 2;
/// Who brought the files that no package did.
pub const NOBODY: &str = "(no package)";
/// Whose files are in genpack's own folder.
pub const OWN: &str = "(genpack)";
/// Whose files are in the blueprint's `files/`.
pub const BLUEPRINT: &str = "(files/)";
/// genpack's folder in a system.
const OWN_FOLDER: &str = "usr/lib/genpack";

/// The report. Sizes are bytes, of files as they are on the running device; what is packed says so.
#[derive(Debug, Serialize)]
pub struct Report {
    /// What the image says about itself; nothing when genpack did not make it.
    pub image: Option<ImageInfo>,
    /// The operating system's own name and version.
    pub system: String,
    /// Sizes.
    pub size: Sizes,
    /// The packages, the biggest first; nothing when the image has no list.
    pub packages: Option<Vec<PackageSize>>,
    /// Each licence with the number of packages that have parts under it.
    pub licences: BTreeMap<String, usize>,
    /// Packages whose licences are only described for people, in their `copyright` file.
    pub without_licence: Vec<String>,
    /// Units that are started, by kind: `service`, `socket`, `timer`.
    pub units: BTreeMap<String, Vec<UnitName>>,
    /// Ports that socket units and sshd open.
    pub declared_ports: Vec<Port>,
    /// Ports that were open once the image had started in a virtual machine; nothing when that was not tried.
    pub measured_ports: Option<Vec<Port>>,
    /// Sizes of folders.
    pub folders: Vec<Sized>,
    /// The biggest files.
    pub biggest_files: Vec<Sized>,
}

/// Sizes of an image.
#[derive(Debug, Serialize)]
pub struct Sizes {
    /// The disk image, its partition and what is free on that; nothing of a `system.img` alone.
    pub card: Option<CardSizes>,
    /// The packed system.
    pub system_packed: u64,
    /// All its files.
    pub system: u64,
    /// Number of files, folders and links in it.
    pub entries: usize,
}

/// Sizes of a card.
#[derive(Debug, Serialize)]
pub struct CardSizes {
    /// The disk image.
    pub disk: u64,
    /// The partition.
    pub partition: u64,
    /// What is free on it.
    pub free: u64,
    /// Each boot slot's files.
    pub slots: BTreeMap<String, BTreeMap<String, u64>>,
}

/// A package with its size.
#[derive(Debug, Serialize)]
pub struct PackageSize {
    /// Name; in brackets for files of nobody and of genpack's.
    pub name: String,
    /// Version.
    pub version: String,
    /// Architecture.
    pub arch: String,
    /// Source package and its version.
    pub source: String,
    /// Its files' sizes together.
    pub bytes: u64,
    /// How many there are.
    pub files: usize,
    /// Licences.
    pub licences: BTreeSet<String>,
    /// Why it is there.
    pub reason: Option<Reason>,
    /// Whether only the files that others use are there.
    pub part: bool,
}

/// A unit and who brought it.
#[derive(Debug, Serialize)]
pub struct UnitName {
    /// Name.
    pub name: String,
    /// Package.
    pub package: String,
}

/// A file or folder with its size.
#[derive(Debug, Serialize)]
pub struct Sized {
    /// Absolute path.
    pub path: String,
    /// Size.
    pub bytes: u64,
    /// Package, of a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub package: Option<String>,
}

/// Returns which package each file of an image belongs to.
pub fn owners(image: &Image) -> Result<BTreeMap<PathBuf, String>> {
    let contents = image.contents()?.unwrap_or_default();
    let mut owners = BTreeMap::new();
    for entry in &contents.packages {
        owners.extend(entry.files.paths().map(|path| (path, entry.name.clone())));
    }
    // These were written over those of packages.
    owners.extend(contents.own_files.paths().map(|path| (path, OWN.to_string())));
    owners.extend(
        contents
            .blueprint_files
            .paths()
            .map(|path| (path, BLUEPRINT.to_string())),
    );
    Ok(owners)
}

/// Returns who brought a file: a package, genpack, or nobody.
pub fn owner_of<'a>(owners: &'a BTreeMap<PathBuf, String>, path: &Path) -> &'a str {
    match owners.get(path) {
        Some(name) => name,
        None if path.starts_with(OWN_FOLDER) => OWN,
        None => NOBODY,
    }
}

impl Report {
    /// Looks into an image.
    pub fn of(image: &Image) -> Result<Report> {
        let nodes = image.system.nodes();
        let owners = owners(image)?;
        let contents = image.contents()?;
        let units = units::at_start(&image.system)?;
        let declared_ports = ports::declared(&image.system, &units)?;
        let mut kinds: BTreeMap<String, Vec<UnitName>> = BTreeMap::new();
        for unit in &units {
            let kind = unit.name.rsplit('.').next().unwrap_or_default();
            if ["service", "socket", "timer"].contains(&kind) {
                let path = unit.path.as_deref().unwrap_or(Path::new(""));
                let package = owner_of(&owners, path).to_string();
                let name = unit.name.clone();
                kinds
                    .entry(kind.into())
                    .or_default()
                    .push(UnitName { name, package });
            }
        }
        let mut licences: BTreeMap<String, usize> = BTreeMap::new();
        let mut without_licence = Vec::new();
        for entry in contents.iter().flat_map(|contents| &contents.packages) {
            for licence in &entry.licences {
                *licences.entry(licence.clone()).or_default() += 1;
            }
            if entry.licences.is_empty() {
                without_licence.push(entry.name.clone());
            }
        }
        let release = image.system.text(Path::new("usr/lib/os-release"))?;
        let pretty = release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
        Ok(Report {
            image: image.info()?,
            system: pretty.unwrap_or_default().trim_matches('"').to_string(),
            size: Sizes {
                card: image.card.as_ref().map(CardSizes::of),
                system_packed: image.system.packed_bytes(),
                system: nodes.values().map(Node::bytes).sum(),
                entries: nodes.len(),
            },
            packages: contents
                .as_ref()
                .map(|contents| packages(contents, nodes, &owners)),
            licences,
            without_licence,
            units: kinds,
            declared_ports,
            measured_ports: None,
            folders: folders(nodes),
            biggest_files: biggest(nodes, &owners),
        })
    }
}

impl CardSizes {
    fn of(card: &CardContent) -> CardSizes {
        let mut slots: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
        for (path, file) in &card.files {
            // boot/a/system.img; GRUB's and the state's folders have longer names.
            let parts: Vec<_> = path.split('/').collect();
            if let ["boot", slot, name] = parts[..]
                && slot.len() == 1
            {
                slots
                    .entry(slot.into())
                    .or_default()
                    .insert(name.into(), file.bytes);
            }
        }
        CardSizes {
            disk: card.disk_bytes,
            partition: card.partition_bytes,
            free: card.free_bytes,
            slots,
        }
    }
}

fn packages(
    contents: &crate::packages::Contents,
    nodes: &BTreeMap<PathBuf, Node>,
    owners: &BTreeMap<PathBuf, String>,
) -> Vec<PackageSize> {
    let mut found: BTreeMap<&str, (u64, usize)> = BTreeMap::new();
    for (path, node) in nodes.iter().filter(|(_, node)| node.kind != Kind::Folder) {
        let (bytes, files) = found.entry(owner_of(owners, path)).or_default();
        *bytes += node.bytes();
        *files += 1;
    }
    let mut sizes = Vec::new();
    for entry in &contents.packages {
        let (bytes, files) = found.remove(entry.name.as_str()).unwrap_or_default();
        sizes.push(PackageSize {
            name: entry.name.clone(),
            version: entry.version.clone(),
            arch: entry.arch.clone(),
            source: format!("{} {}", entry.source, entry.source_version),
            bytes,
            files,
            licences: entry.licences.clone(),
            reason: Some(entry.reason.clone()),
            part: entry.part,
        });
    }
    for (name, (bytes, files)) in found {
        sizes.push(PackageSize {
            name: name.into(),
            version: String::new(),
            arch: String::new(),
            source: String::new(),
            bytes,
            files,
            licences: BTreeSet::new(),
            reason: None,
            part: false,
        });
    }
    sizes.sort_by(|a, b| b.bytes.cmp(&a.bytes).then_with(|| a.name.cmp(&b.name)));
    sizes
}

/// Sizes of the folders down to [`DEPTH`], the biggest first in each, each in front of those inside it.
fn folders(nodes: &BTreeMap<PathBuf, Node>) -> Vec<Sized> {
    let mut sizes: BTreeMap<&Path, u64> = BTreeMap::new();
    for (path, node) in nodes {
        for folder in path.ancestors().skip(1) {
            *sizes.entry(folder).or_default() += node.bytes();
        }
    }
    let depth = |path: &Path| path.iter().count();
    // The sizes of all folders above it and its own are what a folder is sorted by.
    let rank = |path: &Path| {
        let mut way: Vec<_> = path.ancestors().filter(|folder| depth(folder) > 0).collect();
        way.reverse();
        way.into_iter()
            .map(|folder| (std::cmp::Reverse(sizes[folder]), folder.to_path_buf()))
            .collect::<Vec<_>>()
    };
    let mut found: Vec<_> = sizes
        .keys()
        .copied()
        .filter(|path| (1..=DEPTH).contains(&depth(path)))
        .collect();
    found.sort_by_key(|path| rank(path));
    let sized = found
        .into_iter()
        .filter(|path| sizes[path] > 0)
        .map(|path| Sized {
            path: format!("/{}", path.display()),
            bytes: sizes[path],
            package: None,
        });
    sized.collect()
}

fn biggest(nodes: &BTreeMap<PathBuf, Node>, owners: &BTreeMap<PathBuf, String>) -> Vec<Sized> {
    let mut files: Vec<_> = nodes.iter().map(|(path, node)| (node.bytes(), path)).collect();
    files.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(b.1)));
    let sized = files.into_iter().take(BIGGEST).map(|(bytes, path)| Sized {
        path: format!("/{}", path.display()),
        bytes,
        package: Some(owner_of(owners, path).to_string()),
    });
    sized.collect()
}
