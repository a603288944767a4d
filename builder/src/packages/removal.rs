//! Takes out of a finished tree what the device does not need: packages that only installed others or helped to build, and
//! files that nobody reads there.
//!
//! A package leaves when nothing needs it by its dependencies ([`Needed`]) and no file that stays uses one of its own
//! ([`uses`]). So a program keeps its libraries and a script its interpreter, whoever brought them. The rules are in
//! docs/decisions/0018-packages-that-leave.md.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::contents::Contents;
use super::database::{DPKG, Database, STATUS};
use super::listing::{Kind, Listing};
use super::needed::{Needed, Reason, is_installer};
use super::unneeded;
use super::uses::{self, Use};
use crate::tree::rooted::Rooted;

/// What the installers know and write down. Goes with them.
const INSTALLERS_DATA: [&str; 9] = [
    "etc/apt",
    "etc/dpkg",
    "var/cache/adduser",
    "var/cache/apt",
    "var/cache/debconf",
    "var/lib/apt",
    "var/lib/pam",
    "var/lib/ucf",
    "var/log/apt",
];
/// Links by which packages share names of commands (update-alternatives(1)).
const ALTERNATIVES: &str = "etc/alternatives";
/// Where an image turns off units.
const MASKS: &str = "etc/systemd/system";
/// Where packages' units are.
const UNITS: &str = "usr/lib/systemd/system";

/// What the developer wants to have in the image.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// Packages of profile and blueprint.
    pub packages: &'a [String],
    /// The blueprint's `files/`, when there is one: none of these goes.
    pub files: Option<&'a Path>,
}

/// Takes out of a tree what the device does not need, and returns what is left, with the reasons. A tree without dpkg's data is
/// left as it is.
///
/// # Errors
/// When a file can't be read or removed.
pub fn remove_unneeded(root: &Path, wanted: &Wanted<'_>) -> Result<Contents> {
    let Some(database) = Database::read(root)? else {
        return Ok(Contents::default());
    };
    let listing = Listing::of(root, &database)?;
    let verdict = Verdict::reach(root, wanted, &database, &listing)?;
    verdict.carry_out(root)?;
    Contents::of(root, &verdict.needed, &verdict.parts, &database)
}

struct Verdict<'a> {
    database: &'a Database,
    listing: &'a Listing,
    needed: Needed<'a>,
    /// Files that stay of installers that go, with the file that uses each.
    parts: BTreeMap<PathBuf, PathBuf>,
    gone: BTreeSet<PathBuf>,
}

impl<'a> Verdict<'a> {
    /// Asks every file that would stay what it uses, and keeps that, until nothing more is missing.
    fn reach(
        root: &Path,
        wanted: &Wanted<'_>,
        database: &'a Database,
        listing: &'a Listing,
    ) -> Result<Verdict<'a>> {
        let mut verdict = Verdict {
            database,
            listing,
            needed: Needed::of(database, wanted.packages),
            parts: BTreeMap::new(),
            gone: BTreeSet::new(),
        };
        let mut known: BTreeMap<&Path, Vec<Use>> = BTreeMap::new();
        loop {
            verdict.gone = verdict.leaving(wanted);
            let mut changed = false;
            for (path, kind) in listing.entries() {
                if verdict.gone.contains(path) {
                    continue;
                }
                if !known.contains_key(path) {
                    known.insert(path, verdict.uses(root, wanted, path, kind)?);
                }
                for used in &known[path] {
                    changed |= verdict.needed_by(path, used);
                }
            }
            if !changed {
                return Ok(verdict);
            }
        }
    }

    fn leaving(&self, wanted: &Wanted<'_>) -> BTreeSet<PathBuf> {
        let has = |name: &str| self.needed.has(name);
        let mut gone = unneeded::files(self.listing, &has);
        for path in self.listing.owned() {
            let owner = self.listing.owner(path).unwrap_or_default();
            if !has(owner) && !self.parts.contains_key(path) {
                gone.insert(path.to_path_buf());
            }
        }
        if !self.needed.installs {
            let files = self.listing.entries().filter(|(_, kind)| **kind != Kind::Folder);
            let data = files
                .map(|(path, _)| path)
                .filter(|path| is_installers_data(path));
            gone.extend(data.map(Path::to_path_buf));
        }
        gone.retain(|path| !is_own(wanted, path) && !self.parts.contains_key(path));
        gone
    }

    fn uses(&self, root: &Path, wanted: &Wanted<'_>, path: &Path, kind: &Kind) -> Result<Vec<Use>> {
        let owner = self.listing.owner(path);
        match kind {
            // A link that nobody brought goes with what it leads to.
            Kind::Link(_) if owner.is_some() => Ok(vec![Use::Path(path.to_path_buf())]),
            Kind::File { .. } => {
                // What a developer's script calls by its name is needed. Scripts of packages say it by depending on it.
                let commands = owner.is_none() || is_own(wanted, path) || path.starts_with("etc/init.d");
                let place = root.join(path);
                uses::of(&place, path, commands).with_context(|| format!("reading {}", place.display()))
            }
            _ => Ok(Vec::new()),
        }
    }

    /// Keeps what `path` uses, if it was to go. Returns whether that changed anything.
    fn needed_by(&mut self, path: &Path, used: &Use) -> bool {
        let ways: Vec<Vec<PathBuf>> = match used {
            Use::Path(used) => self.listing.follow(used).into_iter().collect(),
            Use::Command(name) => {
                let place = self.listing.command(name);
                place
                    .and_then(|place| self.listing.follow(&place))
                    .into_iter()
                    .collect()
            }
            Use::Library(name) => {
                let places = self.listing.named(name).iter();
                places.filter_map(|place| self.listing.follow(place)).collect()
            }
        };
        // A name of a data file in a text may be there for people only.
        let is_link = matches!(self.listing.kind(path), Some(Kind::Link(_)));
        let is_data = |way: &Vec<PathBuf>| {
            let end = way.last().and_then(|end| self.listing.kind(end));
            matches!(end, Some(Kind::File { executable: false }))
        };
        if matches!(used, Use::Path(_)) && !is_link && ways.iter().all(is_data) {
            return false;
        }
        let is_whole = |way: &Vec<PathBuf>| !way.iter().any(|place| self.gone.contains(place));
        if ways.iter().any(is_whole) {
            return false;
        }
        let mut changed = false;
        for place in ways.into_iter().next().unwrap_or_default() {
            let Some(owner) = self.listing.owner(&place).filter(|owner| !self.needed.has(owner)) else {
                continue;
            };
            if !self.gone.contains(&place) {
                continue;
            }
            if is_installer(owner) {
                let copyright = Path::new("usr/share/doc").join(owner).join("copyright");
                self.parts.insert(copyright, path.to_path_buf());
                changed |= self.parts.insert(place, path.to_path_buf()).is_none();
            } else {
                let by = format!("/{}", path.display());
                self.needed.add(owner, Reason::UsedBy(by));
                changed = true;
            }
        }
        changed
    }

    fn carry_out(&self, root: &Path) -> Result<()> {
        let removing = |path: &Path| format!("removing /{}", path.display());
        for path in self.gone.iter().chain(&self.links_into_nothing()) {
            remove(&root.join(path)).with_context(|| removing(path))?;
        }
        if !self.needed.installs {
            let folders = INSTALLERS_DATA.iter().chain([&DPKG]).map(Path::new);
            // A link would lead to folders of this machine.
            for folder in folders.filter(|folder| self.listing.kind(folder) == Some(&Kind::Folder)) {
                remove_empty_below(&root.join(folder));
            }
        }
        self.remove_empty_folders(root);
        self.shorten_database(root)
    }

    /// Links that nobody brought and whose end goes: enabled units, alternatives, System V's order of starting. And masks of
    /// units that go.
    fn links_into_nothing(&self) -> Vec<PathBuf> {
        let leads_nowhere = |path: &Path, to: &Path| {
            let masked = to == Path::new("/dev/null") && path.starts_with(MASKS);
            let unit = Path::new(UNITS).join(path.file_name().unwrap_or_default());
            self.listing.leads_into(path, &self.gone)
                || masked && self.gone.contains(&unit)
                || path.starts_with(ALTERNATIVES) && self.listing.follow(path).is_none()
        };
        let links = self.listing.entries().filter_map(|(path, kind)| match kind {
            Kind::Link(to) => Some((path, to)),
            _ => None,
        });
        links
            .filter(|(path, _)| self.listing.owner(path).is_none())
            .filter(|(path, to)| leads_nowhere(path, to))
            .map(|(path, _)| path.to_path_buf())
            .collect()
    }

    /// Leaves dpkg's list with the packages that are there, and their other data only where dpkg is.
    fn shorten_database(&self, root: &Path) -> Result<()> {
        let stays = |name: &str| self.needed.has(name) || self.has_part(name);
        let paragraphs = self
            .database
            .packages
            .values()
            .filter(|package| stays(&package.name));
        let text: String = paragraphs
            .map(|package| format!("{}\n\n", package.paragraph))
            .collect();
        let tree = Rooted::open(root).context("opening the tree")?;
        tree.write(Path::new(STATUS), text)
            .with_context(|| format!("writing /{STATUS}"))?;
        let info = Path::new(DPKG).join("info");
        let (_open, entries) = tree
            .entries(&info)
            .with_context(|| format!("reading /{}", info.display()))?;
        for entry in entries {
            let path = entry.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            // `NAME.list` or `NAME:ARCHITECTURE.list`.
            let package = name.rsplit_once('.').map_or(&*name, |(before, _)| before);
            let package = package.split(':').next().unwrap_or_default();
            if self.database.packages.contains_key(package) && !stays(package) {
                remove(&path).with_context(|| format!("removing {}", path.display()))?;
            }
        }
        Ok(())
    }

    fn has_part(&self, name: &str) -> bool {
        self.parts
            .keys()
            .any(|path| self.listing.owner(path) == Some(name))
    }

    fn remove_empty_folders(&self, root: &Path) {
        let packages = || self.database.packages.values();
        let kept: BTreeSet<_> = packages()
            .filter(|package| self.needed.has(&package.name))
            .flat_map(|package| &package.files)
            .collect();
        let mut folders: BTreeSet<&Path> = BTreeSet::new();
        for package in packages().filter(|package| !self.needed.has(&package.name)) {
            folders.extend(package.files.iter().map(PathBuf::as_path));
        }
        folders.extend(self.gone.iter().flat_map(|path| path.ancestors().skip(1)));
        for folder in folders.iter().rev() {
            let shared = kept.contains(&folder.to_path_buf()) && !folder.starts_with("usr/share");
            if !shared && self.listing.kind(folder) == Some(&Kind::Folder) {
                // One that is not empty stays.
                let _ = fs::remove_dir(root.join(folder));
            }
        }
    }
}

/// Whether only installers read it. Scanners read the list of packages, too.
fn is_installers_data(path: &Path) -> bool {
    let is_data = INSTALLERS_DATA
        .iter()
        .chain([&DPKG])
        .any(|folder| path.starts_with(folder));
    is_data && path != Path::new(STATUS)
}

/// Whether the developer brought it, in `files/`.
fn is_own(wanted: &Wanted<'_>, path: &Path) -> bool {
    wanted
        .files
        .is_some_and(|files| fs::symlink_metadata(files.join(path)).is_ok_and(|metadata| !metadata.is_dir()))
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Removes a folder and those in it, where nothing is left in them.
fn remove_empty_below(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_empty_below(&entry.path());
        }
    }
    // One that is not empty stays.
    let _ = fs::remove_dir(folder);
}
