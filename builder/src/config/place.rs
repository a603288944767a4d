//! Where a `system.ini` is: a file, a folder, or the FAT partition of a disk image or card.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use genpack_qemu::Card;
use genpack_spec::cmdline::Slot;
use genpack_spec::facts::Facts;
use genpack_spec::layout::card::{FACTS, slot_dir};
use genpack_spec::report::Diagnostic;
use genpack_spec::system_ini::SIZE_LIMIT;
use genpack_spec::system_ini::candidates::{self, Content};

/// Where to look.
pub enum Place {
    /// Standard input.
    Input,
    /// A file.
    File(PathBuf),
    /// The folder of a mounted card.
    Folder(PathBuf),
    /// The FAT partition of an image.
    Card(Box<CardPlace>),
}

/// An image, open.
pub struct CardPlace {
    path: PathBuf,
    card: Card,
}

/// A file of settings.
pub struct SettingsFile {
    /// Its name, without folders.
    pub name: String,
    /// Its content; of one that is too long, as much as shows that it is.
    pub bytes: Vec<u8>,
    /// Why this file, and which other ones were left aside.
    pub remarks: Vec<Diagnostic>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Input => f.write_str("standard input"),
            Place::File(path) | Place::Folder(path) => path.display().fmt(f),
            Place::Card(card) => card.path.display().fmt(f),
        }
    }
}

impl Place {
    /// Opens the place that a command line names.
    ///
    /// # Errors
    /// When there is none of that name, or the image has no FAT partition.
    pub fn open(file: Option<&Path>, image: Option<&Path>) -> Result<Place> {
        let Some(path) = file else {
            let Some(image) = image else {
                bail!("name a file, a folder, or --image IMG");
            };
            if !fs::metadata(image)
                .with_context(|| format!("opening {}", image.display()))?
                .is_dir()
            {
                let card = Card::open(image)?;
                let path = image.to_path_buf();
                return Ok(Place::Card(Box::new(CardPlace { path, card })));
            }
            bail!("{} is a folder; name it in place of --image", image.display());
        };
        if path == Path::new("-") {
            return Ok(Place::Input);
        }
        let metadata = fs::metadata(path).with_context(|| match path.extension() {
            None => format!("there is no file or folder {}", path.display()),
            Some(_) => format!(
                "reading {} (genpack config template prints a new file)",
                path.display()
            ),
        })?;
        Ok(match metadata.is_dir() {
            true => Place::Folder(path.to_path_buf()),
            false => Place::File(path.to_path_buf()),
        })
    }

    /// Returns the file of settings; none when the card has none.
    pub fn settings_file(&self) -> Result<Option<SettingsFile>> {
        match self {
            Place::Input => {
                let bytes = limited(io::stdin().lock()).context("reading standard input")?;
                Ok(Some(SettingsFile {
                    name: "standard input".into(),
                    bytes,
                    remarks: Vec::new(),
                }))
            }
            Place::File(path) => {
                let bytes = File::open(path)
                    .and_then(limited)
                    .with_context(|| format!("reading {}", path.display()))?;
                let name = path
                    .file_name()
                    .unwrap_or_default()
                    .to_string_lossy()
                    .into_owned();
                Ok(Some(SettingsFile {
                    name,
                    bytes,
                    remarks: Vec::new(),
                }))
            }
            Place::Folder(_) | Place::Card(_) => self.chosen(),
        }
    }

    fn chosen(&self) -> Result<Option<SettingsFile>> {
        let look = |name: &str| match self.read(name) {
            Ok(Some(bytes)) if bytes.len() > SIZE_LIMIT => Content::Unusable,
            Ok(Some(bytes)) if candidates::says_nothing(&bytes) => Content::Nothing,
            Ok(Some(_)) => Content::Settings,
            Ok(None) | Err(_) => Content::Unusable,
        };
        let choice = candidates::choose(self.names()?, look);
        let Some(name) = choice.name else {
            return Ok(None);
        };
        let Some(bytes) = self
            .read(&name)
            .with_context(|| format!("reading {name} on {self}"))?
        else {
            return Ok(None);
        };
        Ok(Some(SettingsFile {
            name,
            bytes,
            remarks: choice.remarks,
        }))
    }

    fn names(&self) -> Result<Vec<String>> {
        match self {
            Place::Card(place) => Ok(place.card.list("")?.into_iter().map(|entry| entry.name).collect()),
            Place::Folder(folder) => {
                let entries =
                    fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))?;
                Ok(entries
                    .flatten()
                    .filter_map(|entry| entry.file_name().into_string().ok())
                    .collect())
            }
            Place::Input | Place::File(_) => Ok(Vec::new()),
        }
    }

    /// Reads a file of the card; none when it is not there. More than [`SIZE_LIMIT`] bytes are not read.
    pub fn read(&self, path: &str) -> Result<Option<Vec<u8>>> {
        match self {
            Place::Card(place) => {
                let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
                let is_there = |name: &str| -> Result<bool> {
                    let mut around = String::new();
                    for part in folder.split('/').filter(|part| !part.is_empty()) {
                        if !has(&place.card, &around, part, true)? {
                            return Ok(false);
                        }
                        around = format!("{around}/{part}");
                    }
                    has(&place.card, &around, name, false)
                };
                match is_there(name)? {
                    true => Ok(Some(place.card.read(path)?)),
                    false => Ok(None),
                }
            }
            Place::Folder(folder) => match File::open(folder.join(path)).and_then(limited) {
                Ok(bytes) => Ok(Some(bytes)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(error).with_context(|| format!("reading {}", folder.join(path).display())),
            },
            Place::Input | Place::File(_) => Ok(None),
        }
    }

    /// Returns what the image has, when the card says so.
    pub fn facts(&self) -> Result<Facts> {
        let path = format!("{}/{FACTS}", slot_dir(Slot::A));
        let around = match self {
            // A file on a mounted card has the facts beside it.
            Place::File(file) => {
                let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
                Some(Place::Folder(folder.unwrap_or(Path::new(".")).to_path_buf()))
            }
            _ => None,
        };
        match around.as_ref().unwrap_or(self).read(&path)? {
            Some(json) => serde_json::from_slice(&json).with_context(|| format!("reading {path} on {self}")),
            None => Ok(Facts::default()),
        }
    }

    /// Replaces a file of the place, or makes it: a temporary file beside it, then a rename, so that there is the old
    /// content or the new one, whole.
    pub fn replace(&self, name: &str, bytes: &[u8]) -> Result<()> {
        match self {
            Place::Input => bail!("standard input can't be changed; name a file"),
            Place::File(path) => replace_file(path, bytes),
            Place::Folder(folder) => replace_file(&folder.join(name), bytes),
            Place::Card(place) => {
                let temporary = format!("{name}.new");
                place.card.write(&temporary, bytes)?;
                if has(&place.card, "", name, false)? {
                    place.card.remove(name)?;
                }
                Ok(place.card.rename(&temporary, name)?)
            }
        }
    }

    /// Removes a file.
    pub fn remove(&self, name: &str) -> Result<()> {
        match self {
            Place::Card(place) => Ok(place.card.remove(name)?),
            Place::Folder(folder) => {
                let path = folder.join(name);
                fs::remove_file(&path).with_context(|| format!("removing {}", path.display()))
            }
            Place::Input | Place::File(_) => Ok(()),
        }
    }
}

/// Whether a folder of a card has a file or folder of this name; FAT ignores case.
fn has(card: &Card, folder: &str, name: &str, is_dir: bool) -> Result<bool> {
    let is_it = |entry: &genpack_qemu::Entry| entry.is_dir == is_dir && entry.name.eq_ignore_ascii_case(name);
    Ok(card.list(folder)?.iter().any(is_it))
}

/// A little more than the limit shows that it is passed; memory stays bounded.
fn limited(file: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(SIZE_LIMIT as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn replace_file(path: &Path, bytes: &[u8]) -> Result<()> {
    let doing = || format!("writing {}", path.display());
    // Through a link, what it leads to is replaced.
    let path = &fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let mut temporary = tempfile::NamedTempFile::new_in(folder).with_context(doing)?;
    temporary.write_all(bytes).with_context(doing)?;
    let permissions = match fs::metadata(path) {
        Ok(metadata) => metadata.permissions(),
        Err(_) => std::os::unix::fs::PermissionsExt::from_mode(0o644),
    };
    // A mounted card has one mode for all its files and refuses others.
    if let Err(error) = fs::set_permissions(temporary.path(), permissions)
        && error.kind() != io::ErrorKind::PermissionDenied
    {
        return Err(error).with_context(doing);
    }
    temporary.as_file().sync_all().with_context(doing)?;
    temporary
        .persist(path)
        .map_err(|error| error.error)
        .with_context(doing)?;
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .with_context(doing)
}
