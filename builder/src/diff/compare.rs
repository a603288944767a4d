//! What differs between two images, as data.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use genpack_spec::declared::DeclaredSection;
use genpack_spec::facts::Facts;
use genpack_spec::layout;
use serde::Serialize;
use serde_json::Value;

use crate::hash;
use crate::image::system::{Kind, Node};
use crate::image::{CardContent, CardFile, Image};
use crate::inspect::{ports, report, units};
use crate::packages::{Contents, Entry};

/// Something that was there with one value and is there with another.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// What.
    pub name: String,
    /// In the first image.
    pub before: String,
    /// In the second one.
    pub after: String,
}

/// Names that came, went and changed.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Changes {
    /// Only in the second image.
    pub added: Vec<String>,
    /// Only in the first image.
    pub removed: Vec<String>,
    /// In both, with what changed.
    pub changed: Vec<Change>,
}

/// Sizes before and after, in bytes.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct SizeChange {
    /// What.
    pub name: String,
    /// In the first image.
    pub before: u64,
    /// In the second one.
    pub after: u64,
}

/// All differences.
#[derive(Debug, Default, Serialize)]
pub struct Difference {
    /// Whether there is none: the files are the same, byte by byte. Of a disk image and a `system.img`, whether the former has the
    /// latter.
    pub same: bool,
    /// Whether both are disk images, so that more than systems is compared.
    pub disks: bool,
    /// Fields of what the images say about themselves: name, profile, kernel and so on.
    pub image: Vec<Change>,
    /// Sizes.
    pub sizes: Vec<SizeChange>,
    /// Images without a list of packages, which are then not compared.
    pub without_packages: Vec<String>,
    /// Packages with their versions.
    pub packages: Changes,
    /// Units that are started at boot.
    pub units: Changes,
    /// Ports that socket units and sshd open.
    pub ports: Changes,
    /// Settings that the blueprints declare, as `section.setting`.
    pub settings: Changes,
    /// Files of the systems, by the package that they belong to.
    pub files: BTreeMap<String, Changes>,
    /// Files of the cards.
    pub card: Changes,
    /// What disk images have beside their cards: boot code and other partitions.
    pub disk: Changes,
}

impl Changes {
    /// Returns whether there are none.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.changed.is_empty()
    }

    fn of(before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) -> Changes {
        let shown = |(name, value): (&String, &String)| match value.is_empty() {
            true => name.clone(),
            false => format!("{name} {value}"),
        };
        let only = |one: &BTreeMap<String, String>, other: &BTreeMap<String, String>| {
            let only = one.iter().filter(|(name, _)| !other.contains_key(*name));
            only.map(shown).collect()
        };
        let changed = before.iter().filter_map(|(name, value)| {
            let after = after.get(name).filter(|after| *after != value)?;
            Some(Change {
                name: name.clone(),
                before: value.clone(),
                after: after.clone(),
            })
        });
        Changes {
            added: only(after, before),
            removed: only(before, after),
            changed: changed.collect(),
        }
    }
}

impl Difference {
    /// Compares two images. A `system.img` has no card, which is then not compared.
    pub fn of(before: &Image, after: &Image) -> Result<Difference> {
        let disks = before.card.is_some() && after.card.is_some();
        if same_bytes(before, after)? {
            return Ok(Difference {
                same: true,
                disks,
                ..Difference::default()
            });
        }
        let mut difference = Difference {
            disks,
            image: image_fields(before, after)?,
            packages: packages(before, after)?,
            units: Changes::of(&started(before)?, &started(after)?),
            ports: Changes::of(&open_ports(before)?, &open_ports(after)?),
            settings: Changes::of(&settings(before)?, &settings(after)?),
            files: files(before, after)?,
            ..Difference::default()
        };
        for image in [before, after] {
            if image.contents()?.is_none() {
                difference.without_packages.push(image.path.display().to_string());
            }
        }
        if let (Some(a), Some(b)) = (&before.card, &after.card) {
            difference.card = Changes::of(&card_files(&a.files), &card_files(&b.files));
            difference.disk = Changes::of(&beside(before, a)?, &beside(after, b)?);
            difference.add_size("disk image", a.disk_bytes, b.disk_bytes);
        }
        let (a, b) = (&before.system, &after.system);
        difference.add_size("system, packed", a.packed_bytes(), b.packed_bytes());
        let unpacked = |nodes: &BTreeMap<PathBuf, Node>| nodes.values().map(Node::bytes).sum();
        difference.add_size("system", unpacked(a.nodes()), unpacked(b.nodes()));
        Ok(difference)
    }

    fn add_size(&mut self, name: &str, before: u64, after: u64) {
        if before != after {
            self.sizes.push(SizeChange {
                name: name.into(),
                before,
                after,
            });
        }
    }

    /// Returns whether nothing that is compared differs. The images can still be packed differently.
    pub fn says_nothing(&self) -> bool {
        let changes = [
            &self.packages,
            &self.units,
            &self.ports,
            &self.settings,
            &self.card,
            &self.disk,
        ];
        self.image.is_empty()
            && self.sizes.is_empty()
            && self.files.is_empty()
            && changes.iter().all(|changes| changes.is_empty())
    }
}

/// Whether the files are the same; of a disk image and a system, whether that is the disk image's.
fn same_bytes(before: &Image, after: &Image) -> Result<bool> {
    let (card, alone) = match (&before.card, &after.card) {
        (Some(card), None) => (card, after),
        (None, Some(card)) => (card, before),
        _ => return same_files(&before.path, &after.path),
    };
    let hash = hash::file(&alone.path).with_context(|| format!("reading {}", alone.path.display()))?;
    Ok(card.system().is_some_and(|system| system.sha256 == hash))
}

fn same_files(a: &Path, b: &Path) -> Result<bool> {
    let open = |path: &Path| File::open(path).with_context(|| format!("reading {}", path.display()));
    let (mut one, mut other) = (open(a)?, open(b)?);
    if one.metadata()?.len() != other.metadata()?.len() {
        return Ok(false);
    }
    let (mut left, mut right) = (vec![0; 1 << 20], vec![0; 1 << 20]);
    loop {
        let count = one
            .read(&mut left)
            .with_context(|| format!("reading {}", a.display()))?;
        if count == 0 {
            return Ok(true);
        }
        let read = other.read_exact(&mut right[..count]);
        read.with_context(|| format!("reading {}", b.display()))?;
        if left[..count] != right[..count] {
            return Ok(false);
        }
    }
}

fn image_fields(before: &Image, after: &Image) -> Result<Vec<Change>> {
    let fields = |image: &Image| -> Result<BTreeMap<String, String>> {
        let value: Option<Value> = image.json(layout::IMAGE_INFO)?;
        let value = value.unwrap_or_default();
        let fields = value.as_object().into_iter().flatten();
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), String::from);
        Ok(fields.map(|(name, value)| (name.clone(), text(value))).collect())
    };
    let (before, after) = (fields(before)?, fields(after)?);
    let names: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let value =
        |fields: &BTreeMap<String, String>, name: &String| fields.get(name).cloned().unwrap_or_default();
    let changes = names.into_iter().map(|name| Change {
        name: name.clone(),
        before: value(&before, name),
        after: value(&after, name),
    });
    Ok(changes.filter(|change| change.before != change.after).collect())
}

fn packages(before: &Image, after: &Image) -> Result<Changes> {
    let (Some(before), Some(after)) = (before.contents()?, after.contents()?) else {
        return Ok(Changes::default());
    };
    let version = |entry: Entry| {
        let part = if entry.part { " (a part)" } else { "" };
        (entry.name, entry.version + part)
    };
    let versions = |contents: Contents| contents.packages.into_iter().map(version).collect();
    Ok(Changes::of(&versions(before), &versions(after)))
}

fn started(image: &Image) -> Result<BTreeMap<String, String>> {
    let units = units::at_start(&image.system)?;
    Ok(units.into_iter().map(|unit| (unit.name, String::new())).collect())
}

fn open_ports(image: &Image) -> Result<BTreeMap<String, String>> {
    let ports = ports::declared(&image.system, &units::at_start(&image.system)?)?;
    let name = |port: &ports::Port| format!("{} {} at {}", port.protocol, port.port, port.address);
    Ok(ports.iter().map(|port| (name(port), port.unit.clone())).collect())
}

fn settings(image: &Image) -> Result<BTreeMap<String, String>> {
    let facts: Facts = image.json(layout::FACTS)?.unwrap_or_default();
    let keys = |section: &DeclaredSection| {
        let name = section.name.clone();
        let keys = section.keys.iter().map(move |key| {
            let value = serde_json::to_string(key).unwrap_or_default();
            (format!("{name}.{}", key.name), value)
        });
        keys.collect::<Vec<_>>()
    };
    Ok(facts.settings.iter().flat_map(keys).collect())
}

fn card_files(files: &BTreeMap<String, CardFile>) -> BTreeMap<String, String> {
    let shown = |(name, file): (&String, &CardFile)| (name.clone(), shown(file.bytes, &file.sha256));
    files.iter().map(shown).collect()
}

fn beside(image: &Image, card: &CardContent) -> Result<BTreeMap<String, String>> {
    let reading = || format!("reading {}", image.path.display());
    let mut file = File::open(&image.path).with_context(reading)?;
    let mut parts = BTreeMap::new();
    for (name, range) in &card.beside {
        file.seek(SeekFrom::Start(range.start)).with_context(reading)?;
        let mut part = Read::by_ref(&mut file).take(range.end - range.start);
        let (bytes, sha256) = hash::copy(&mut part, &mut io::sink()).with_context(reading)?;
        parts.insert(name.clone(), shown(bytes, &sha256));
    }
    Ok(parts)
}

fn shown(bytes: u64, sha256: &str) -> String {
    format!("{bytes} bytes, SHA-256 {}...", &sha256[..12])
}

fn files(before: &Image, after: &Image) -> Result<BTreeMap<String, Changes>> {
    let owners = [report::owners(before)?, report::owners(after)?];
    let (old, new) = (before.system.nodes(), after.system.nodes());
    let mut found: BTreeMap<String, Changes> = BTreeMap::new();
    let paths: BTreeSet<_> = old.keys().chain(new.keys()).collect();
    for path in paths {
        let owner = |at: usize| report::owner_of(&owners[at], path).to_string();
        let shown = format!("/{}", path.display());
        match (old.get(path), new.get(path)) {
            (None, Some(_)) => found.entry(owner(1)).or_default().added.push(shown),
            (Some(_), None) => found.entry(owner(0)).or_default().removed.push(shown),
            (Some(a), Some(b)) => {
                let mut change = attributes(a, b);
                if matches!((&a.kind, &b.kind), (Kind::File(x), Kind::File(y)) if x == y)
                    && before.system.sha256(path)? != after.system.sha256(path)?
                {
                    change.push(("content".into(), "other content".into()));
                }
                if !change.is_empty() {
                    let (before, after): (Vec<_>, Vec<_>) = change.into_iter().unzip();
                    found.entry(owner(1)).or_default().changed.push(Change {
                        name: shown,
                        before: before.join(", "),
                        after: after.join(", "),
                    });
                }
            }
            (None, None) => {}
        }
    }
    Ok(found)
}

/// What differs of two files apart from the content of files of the same length.
fn attributes(a: &Node, b: &Node) -> Vec<(String, String)> {
    let kind = |node: &Node| match &node.kind {
        Kind::Folder => "folder".to_string(),
        Kind::File(bytes) => format!("{bytes} bytes"),
        Kind::Link(to) => format!("link to {}", to.display()),
        Kind::Other => "device, pipe or socket".into(),
    };
    let mode = |node: &Node| format!("mode {:04o}", node.mode);
    let owner = |node: &Node| format!("owner {}:{}", node.uid, node.gid);
    [(kind(a), kind(b)), (mode(a), mode(b)), (owner(a), owner(b))]
        .into_iter()
        .filter(|(before, after)| before != after)
        .collect()
}
