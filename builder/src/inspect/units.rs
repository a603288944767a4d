//! Which units an image starts by itself, as far as its files say so: everything that `default.target` wants or requires, and
//! what that wants. Conditions in units, generators and hardware may add to it or take away.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};

use crate::image::system::{Kind, System};
use crate::tree::units::{UNIT_FOLDERS, parse, template_of};

/// What systemd starts.
const DEFAULT: &str = "default.target";
/// Settings of a unit that name others which are started with it.
const STARTING: [&str; 4] = ["BindsTo", "Requires", "Upholds", "Wants"];
/// Longest name of a unit in bytes (systemd: `src/basic/unit-name.h`, `UNIT_NAME_MAX`, which counts a zero behind it).
const LONGEST_NAME: usize = 255;
/// Most names that are followed; a server has some hundred. A template that wants two longer names of its own makes any number.
const MOST_NAMES: usize = 20_000;
/// Most links from one name of a unit to another.
const MOST_LINKS: usize = 8;

/// A unit that is started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    /// Its name, not an alias.
    pub name: String,
    /// Its file; nothing when there is none, or a program makes it at run time.
    pub path: Option<PathBuf>,
    /// What the file and its drop-ins set, as `(key, value)` in the order in which they hold.
    pub settings: Vec<(String, String)>,
}

/// Returns the units that are started, by name.
pub fn at_start(system: &System) -> Result<Vec<Unit>> {
    let units = Units::of(system);
    let mut todo = vec![DEFAULT.to_string()];
    let mut seen = BTreeSet::new();
    let mut found = BTreeMap::new();
    while let Some(name) = todo.pop() {
        if !seen.insert(name.clone()) {
            continue;
        }
        ensure!(
            seen.len() <= MOST_NAMES,
            "the image's units want more than {MOST_NAMES} others, the last one {name}; does a template want longer names of itself?"
        );
        let Some((real, path)) = units.resolve(&name) else {
            continue;
        };
        let unit = units.read(&real, path)?;
        todo.extend(units.started_with(&name, &unit));
        if real != name {
            todo.extend(units.started_with(&real, &unit));
        }
        if unit.path.is_some() {
            found.insert(real, unit);
        }
    }
    Ok(found.into_values().collect())
}

struct Units<'a> {
    system: &'a System,
    /// Files and links by name; the first folder's wins.
    files: BTreeMap<&'a str, &'a Path>,
    /// Names in `UNIT.wants` and `UNIT.requires`.
    wants: BTreeMap<&'a str, BTreeSet<&'a str>>,
    /// Files in `UNIT.d`, by their own name, the last to be read.
    drop_ins: BTreeMap<&'a str, BTreeMap<&'a str, &'a Path>>,
}

impl<'a> Units<'a> {
    fn of(system: &'a System) -> Units<'a> {
        let mut units = Units {
            system,
            files: BTreeMap::new(),
            wants: BTreeMap::new(),
            drop_ins: BTreeMap::new(),
        };
        for folder in UNIT_FOLDERS {
            for (path, node) in system.nodes() {
                let Ok(inside) = path.strip_prefix(folder) else {
                    continue;
                };
                let parts: Vec<_> = inside.iter().filter_map(|part| part.to_str()).collect();
                match parts[..] {
                    [name] if node.kind != Kind::Folder => drop(units.files.entry(name).or_insert(path)),
                    [folder, name] => units.add_inner(folder, name, path),
                    _ => {}
                }
            }
        }
        units
    }

    fn add_inner(&mut self, folder: &'a str, name: &'a str, path: &'a Path) {
        let wants = folder
            .strip_suffix(".wants")
            .or_else(|| folder.strip_suffix(".requires"));
        if let Some(unit) = wants {
            self.wants.entry(unit).or_default().insert(name);
        } else if let Some(unit) = folder.strip_suffix(".d") {
            self.drop_ins.entry(unit).or_default().entry(name).or_insert(path);
        }
    }

    /// Returns the name behind aliases, and the file; nothing of a masked unit.
    fn resolve(&self, name: &str) -> Option<(String, Option<&'a Path>)> {
        let mut name = name.to_string();
        for _ in 0..MOST_LINKS {
            let template = template_of(&name);
            let own = self.files.get(name.as_str());
            let Some(path) = own.or_else(|| self.files.get(template.as_deref()?)).copied() else {
                return Some((name, None));
            };
            let Some(Kind::Link(to)) = self.system.nodes().get(path).map(|node| &node.kind) else {
                return Some((name, Some(path)));
            };
            if to == Path::new("/dev/null") {
                return None;
            }
            let target = to.file_name()?.to_string_lossy().into_owned();
            if target == name || Some(&target) == template.as_ref() {
                // A link to the same unit in another folder.
                let place = to.strip_prefix("/").unwrap_or(to);
                let place = self
                    .system
                    .nodes()
                    .get_key_value(place)
                    .map(|(path, _)| path.as_path());
                return Some((name, place));
            }
            // `dbus.service` leads to `dbus-broker.service`; an instance of a template stays one.
            name = match (target.strip_suffix("@.service"), instance_of(&name)) {
                (Some(prefix), Some(instance)) => format!("{prefix}@{instance}.service"),
                _ => target,
            };
        }
        None
    }

    fn read(&self, name: &str, path: Option<&Path>) -> Result<Unit> {
        let mut settings = Vec::new();
        let template = template_of(name);
        let drop_ins = [template.as_deref().unwrap_or(name), name];
        let drop_ins = drop_ins.iter().filter_map(|name| self.drop_ins.get(name));
        let files = path
            .into_iter()
            .chain(drop_ins.flat_map(|files| files.values().copied()));
        for file in files {
            settings.extend(parse(&self.system.text(file)?));
        }
        Ok(Unit {
            name: name.to_string(),
            path: path.map(Path::to_path_buf),
            settings,
        })
    }

    fn started_with(&self, name: &str, unit: &Unit) -> Vec<String> {
        let template = template_of(name);
        let folders = [Some(name), template.as_deref()].into_iter().flatten();
        let linked = folders
            .filter_map(|name| self.wants.get(name))
            .flatten()
            .map(ToString::to_string);
        let values = unit
            .settings
            .iter()
            .filter(|(key, _)| STARTING.contains(&key.as_str()));
        let named = values.flat_map(|(_, value)| value.split_whitespace());
        let instance = instance_of(name).unwrap_or_default();
        let named = named.map(|other| other.replace("%i", instance).replace("%I", instance));
        // Names that are too long are none: `a@.service` with `Wants=a@%ix.service` would make ever longer ones.
        linked
            .chain(named)
            .filter(|name| !name.contains('%') && name.len() <= LONGEST_NAME)
            .collect()
    }
}

/// `tty1` of `getty@tty1.service`.
fn instance_of(name: &str) -> Option<&str> {
    let (_, rest) = name.split_once('@')?;
    rest.rsplit_once('.')
        .map(|(instance, _)| instance)
        .filter(|instance| !instance.is_empty())
}

impl Unit {
    /// Returns the values of a setting that adds up, where an empty value takes back those before it.
    pub fn list(&self, key: &str) -> Vec<&str> {
        let mut values = Vec::new();
        for (_, value) in self.settings.iter().filter(|(name, _)| name == key) {
            match value.is_empty() {
                true => values.clear(),
                false => values.push(value.as_str()),
            }
        }
        values
    }
}
