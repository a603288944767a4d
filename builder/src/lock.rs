//! `genpack.lock`: the packages that images are made of, each with version and hash.
//!
//! The file lies beside the blueprint and belongs into version control: with it, two builds take the same packages, on
//! any day. A build adds what is missing and changes nothing else; `genpack update` chooses anew.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context, Result, bail};
use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize};

use crate::blueprint::InputError;

/// The file's name, beside the blueprint.
pub const LOCK_FILE: &str = "genpack.lock";
const VERSION: u32 = 1;
const NOTE: &str = "Made by genpack. Keep this file in version control; \"genpack update\" renews it.";

/// The lock file of one blueprint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lock {
    path: PathBuf,
    sets: Vec<PinnedSet>,
    /// Versions of sets that are gone, to be taken again where they can.
    hints: Vec<PinnedSet>,
    /// What this lock is to take the place of.
    before: Vec<PinnedSet>,
    changed: bool,
    frozen: bool,
}

/// What a set of packages is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Purpose {
    /// The system itself.
    System,
    /// The system with what scripts need while it is built.
    Build,
    /// The kernel.
    Kernel,
    /// Programs that make the image and do not go into it.
    Tools,
}

/// What a set of packages was chosen for. Equal requests share a set.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SetRequest {
    /// The base, such as `debian:trixie`.
    pub base: String,
    /// Architecture, in genpack's word.
    pub arch: String,
    /// What the set is for.
    pub purpose: Purpose,
    /// Packages that were asked for; the others came as dependencies.
    pub asked: Vec<String>,
}

/// Packages that go together, chosen once.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PinnedSet {
    /// What was asked for.
    #[serde(flatten)]
    pub request: SetRequest,
    /// The images that are made of it, as `VARIANT/PROFILE/ARCH`.
    used_by: BTreeSet<String>,
    /// The date of the newest archive at the time, in seconds since 1970.
    pub date: u32,
    /// The packages, by name.
    pub packages: Vec<Pin>,
}

/// One package in one version; in the file a line of text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pin {
    /// Name.
    pub name: String,
    /// Version.
    pub version: String,
    /// Architecture as the distribution calls it.
    pub architecture: String,
    /// Length of the package's file in bytes.
    pub size: u64,
    /// SHA-256 of the package's file, in hexadecimal.
    pub sha256: String,
    /// Where an archive has the file, relative to the archive's own address.
    pub path: String,
}

impl TryFrom<String> for Pin {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Pin> for String {
    fn from(pin: Pin) -> String {
        pin.to_string()
    }
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Pin {
            name,
            version,
            architecture,
            size,
            sha256,
            path,
        } = self;
        write!(f, "{name} {version} {architecture} {size} {sha256} {path}")
    }
}

impl FromStr for Pin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not \"NAME VERSION ARCHITECTURE SIZE SHA256 PATH\"");
        let fields: Vec<_> = text.split(' ').collect();
        let [name, version, architecture, size, sha256, path] = fields[..] else {
            return Err(wrong());
        };
        let is_hash = sha256.len() == 64 && sha256.bytes().all(|byte| byte.is_ascii_hexdigit());
        // The path becomes part of an address, and never of a place on this machine.
        if name.is_empty() || name.contains('/') || version.contains('/') || !is_hash || path.is_empty() {
            return Err(wrong());
        }
        Ok(Pin {
            name: name.into(),
            version: version.into(),
            architecture: architecture.into(),
            size: size.parse().map_err(|_| wrong())?,
            sha256: sha256.to_ascii_lowercase(),
            path: path.into(),
        })
    }
}

impl PinnedSet {
    /// Returns a set that nothing uses yet.
    pub fn new(request: SetRequest, date: u32, mut packages: Vec<Pin>) -> PinnedSet {
        packages.sort();
        PinnedSet {
            request,
            used_by: BTreeSet::new(),
            date,
            packages,
        }
    }

    /// Whether it has a package, or was chosen for it.
    fn has(&self, package: &str) -> bool {
        self.packages.iter().any(|pin| pin.name == package)
            || self.request.asked.iter().any(|name| name == package)
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LockFile {
    note: String,
    version: u32,
    sets: Vec<PinnedSet>,
}

impl Lock {
    /// Reads the lock file of the blueprint in `folder`; without one the lock is empty.
    ///
    /// # Errors
    /// [`InputError`] when there is one that can't be read.
    pub fn load(folder: &Path) -> Result<Lock> {
        let path = folder.join(LOCK_FILE);
        let mistake = |why: String| {
            InputError::plain(format!(
                "{} can't be used: {why}; bring back an earlier one from version control, or delete it: the next build \
                 chooses anew",
                path.display()
            ))
        };
        let sets = match fs::read_to_string(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => bail!(mistake(error.to_string())),
            Ok(text) => parse(&text).map_err(mistake)?,
        };
        Ok(Lock {
            path,
            sets,
            hints: Vec::new(),
            before: Vec::new(),
            changed: false,
            frozen: false,
        })
    }

    /// Forbids to choose anything, and to write the file.
    pub fn freeze(&mut self) {
        self.frozen = true;
    }

    /// To be called before anything is chosen.
    ///
    /// # Errors
    /// [`InputError`] when that is forbidden.
    pub fn may_choose(&self) -> Result<(), InputError> {
        if !self.frozen {
            return Ok(());
        }
        Err(InputError::plain(format!(
            "{} does not have all that this image is made of, and --locked forbids to change it; run: genpack build \
             without --locked, and keep the new {LOCK_FILE}",
            self.path.display()
        )))
    }

    /// Returns the set that was chosen for `request`.
    pub fn find(&self, request: &SetRequest) -> Option<&PinnedSet> {
        self.sets.iter().find(|set| set.request == *request)
    }

    /// Returns the versions to take for the image `user`, by package: its own before those of others of this base and
    /// architecture, and what is chosen before what is only to be taken again.
    pub fn versions(&self, base: &str, arch: &str, user: &str) -> BTreeMap<String, String> {
        let (own, others): (Vec<_>, Vec<_>) = self.sets.iter().partition(|set| set.used_by.contains(user));
        let sets = self.hints.iter().chain(others).chain(own);
        let sets = sets.filter(|set| set.request.base == base && set.request.arch == arch);
        sets.flat_map(|set| &set.packages)
            .map(|pin| (pin.name.clone(), pin.version.clone()))
            .collect()
    }

    /// Notes that the image `user` is made of `sets`, and of no others.
    pub fn put(&mut self, sets: &[PinnedSet], user: &str) {
        let before = self.sets.clone();
        for other in &mut self.sets {
            other.used_by.remove(user);
        }
        for set in sets {
            match self.sets.iter_mut().find(|other| other.request == set.request) {
                Some(place) => {
                    place.used_by.insert(user.to_string());
                }
                None => {
                    // What came out the same still stands for the same moment.
                    let same = |old: &&PinnedSet| old.request == set.request && old.packages == set.packages;
                    let set = self.before.iter().find(same).unwrap_or(set);
                    self.sets.push(PinnedSet {
                        used_by: BTreeSet::from([user.to_string()]),
                        ..set.clone()
                    });
                }
            }
        }
        self.sets.retain(|set| !set.used_by.is_empty());
        self.sets.sort();
        self.changed |= self.sets != before;
    }

    /// Returns a lock for the same file in which nothing is chosen yet. When packages are named, sets without them stay, and in
    /// the others all other packages are to stay as they are.
    pub fn renewal(&self, only: &[String]) -> Lock {
        let is_named = |set: &&PinnedSet| only.iter().any(|name| set.has(name));
        let (mut hints, sets): (Vec<_>, Vec<_>) = self.sets.iter().cloned().partition(|set| is_named(&set));
        for set in &mut hints {
            set.packages.retain(|pin| !only.contains(&pin.name));
        }
        Lock {
            path: self.path.clone(),
            sets: if only.is_empty() { Vec::new() } else { sets },
            hints,
            before: self.sets.clone(),
            changed: false,
            frozen: false,
        }
    }

    /// Whether some set has a package.
    pub fn has(&self, package: &str) -> bool {
        self.sets.iter().any(|set| set.has(package))
    }

    /// Returns the images that the sets are for.
    pub fn users(&self) -> BTreeSet<String> {
        self.sets
            .iter()
            .flat_map(|set| set.used_by.iter().cloned())
            .collect()
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes the file, whole or not at all, if something changed.
    pub fn save(&mut self) -> Result<()> {
        if !self.changed || self.frozen {
            return Ok(());
        }
        let file = LockFile {
            note: NOTE.into(),
            version: VERSION,
            sets: self.sets.clone(),
        };
        let text = serde_json::to_string_pretty(&file)? + "\n";
        let folder = self.path.parent().unwrap_or(Path::new("."));
        let write = || -> io::Result<()> {
            let mut draft = tempfile::Builder::new()
                .prefix(".genpack-")
                .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))
                .tempfile_in(folder)?;
            draft.write_all(text.as_bytes())?;
            draft.as_file().sync_all()?;
            draft.persist(&self.path)?;
            Ok(())
        };
        write().with_context(|| format!("writing {}", self.path.display()))?;
        self.changed = false;
        Ok(())
    }

    /// Returns what is different in `newer`: a line for each package that came, went or changed.
    pub fn difference(&self, newer: &Lock) -> Vec<String> {
        let versions = |lock: &Lock| -> BTreeMap<(String, String), BTreeMap<String, String>> {
            let of = |set: &PinnedSet| (set.request.base.clone(), set.request.arch.clone());
            let keys: BTreeSet<_> = lock.sets.iter().map(of).collect();
            keys.into_iter()
                .map(|(base, arch)| {
                    // What all images are made of.
                    let versions = lock.versions(&base, &arch, "");
                    ((base, arch), versions)
                })
                .collect()
        };
        let (old, new) = (versions(self), versions(newer));
        let nothing = BTreeMap::new();
        let mut lines = Vec::new();
        for key in old.keys().chain(new.keys()).collect::<BTreeSet<_>>() {
            let (before, after) = (old.get(key).unwrap_or(&nothing), new.get(key).unwrap_or(&nothing));
            for name in before.keys().chain(after.keys()).collect::<BTreeSet<_>>() {
                let line = match (before.get(name), after.get(name)) {
                    (None, Some(version)) => format!("+ {name} {version}"),
                    (Some(version), None) => format!("- {name} {version}"),
                    (Some(from), Some(to)) if from != to => format!("  {name} {from} -> {to}"),
                    _ => continue,
                };
                lines.push(line);
            }
        }
        lines
    }
}

fn parse(text: &str) -> Result<Vec<PinnedSet>, String> {
    let file: LockFile = serde_json::from_str(text).map_err(|error| error.to_string())?;
    if file.version != VERSION {
        return Err(format!(
            "it is of version {}, and this genpack knows version {VERSION}",
            file.version
        ));
    }
    let mut sets = file.sets;
    for set in &mut sets {
        set.request.asked.sort();
    }
    Ok(sets)
}

/// Waits until no other build or update of the blueprint in `folder` reads or writes its lock file, and keeps others from it
/// as long as the value is there. `wait` is called before there is something to wait for.
pub fn hold(folder: &Path, wait: impl Fn()) -> Result<Flock<File>> {
    let lock = |how| {
        let file = File::open(folder)?;
        Flock::lock(file, how).map_err(|(_, errno)| io::Error::from(errno))
    };
    let held = lock(FlockArg::LockExclusiveNonblock).or_else(|error| match error.kind() {
        io::ErrorKind::WouldBlock => {
            wait();
            lock(FlockArg::LockExclusive)
        }
        _ => Err(error),
    });
    held.with_context(|| format!("locking {}", folder.display()))
}

#[cfg(test)]
mod tests;
