//! The files of a container image, in a folder or in one tar file.

use std::collections::BTreeMap;
use std::env;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, Read, Seek};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::FileExt;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Error, Result, bail};
use tar::EntryType;

use crate::blueprint::InputError;
use crate::source::compressed::{self, CopyError};
use crate::source::unpack::members::Members;

/// Bytes of the largest JSON file that an image may have; it is read as a whole.
const LARGEST_TEXT: u64 = 16 << 20;

/// Where an image's files are, by their names.
pub struct Store {
    place: PathBuf,
    files: Files,
}

enum Files {
    Folder,
    Archive(File, BTreeMap<PathBuf, Piece>),
}

/// A file of an archive.
enum Piece {
    At { offset: u64, length: u64 },
    Link(PathBuf),
}

impl Store {
    /// Opens the folder or the tar file at `place`, which may be compressed.
    ///
    /// # Errors
    /// [`InputError`] when there is none, or it is no tar file.
    pub fn open(place: &Path) -> Result<Store> {
        let store = |files| Store {
            place: place.to_path_buf(),
            files,
        };
        let mistake = |why: String| InputError::plain(format!("{} can't be used: {why}", place.display()));
        let metadata = fs::metadata(place).map_err(|error| mistake(error.to_string()))?;
        if metadata.is_dir() {
            return Ok(store(Files::Folder));
        }
        let mut file = File::open(place).map_err(|error| mistake(error.to_string()))?;
        let damaged = |error: io::Error| match error.kind() {
            io::ErrorKind::Unsupported => mistake(error.to_string()),
            _ => mistake(format!(
                "it is no tar file, or ends too early: {error}; an image is a folder with an OCI layout, such a folder in a \
                 tar file, or what docker save writes"
            )),
        };
        let file = match compressed::is_compressed(&mut file).map_err(damaged)? {
            false => file,
            true => match unpacked(file, tempfile::tempfile) {
                Err(CopyError::Read(error)) => bail!(damaged(error)),
                Err(CopyError::Write(error)) => bail!(Error::new(error).context(format!(
                    "unpacking {} into a temporary file in {}; the variable TMPDIR names another folder",
                    place.display(),
                    env::temp_dir().display()
                ))),
                Ok(file) => file,
            },
        };
        let index = index(&file).map_err(damaged)?;
        Ok(store(Files::Archive(file, index)))
    }

    /// Returns a mistake in the image, with its place in front.
    pub fn mistake(&self, why: impl std::fmt::Display) -> anyhow::Error {
        InputError::plain(format!("{}: {why}", self.place.display())).into()
    }

    /// Opens a file; returns it with its length.
    ///
    /// # Errors
    /// [`InputError`] when there is none.
    pub fn file(&self, name: &Path) -> Result<(Box<dyn Read + '_>, u64)> {
        self.find(name)?
            .ok_or_else(|| self.mistake(format!("it has no {}", name.display())))
    }

    fn find(&self, name: &Path) -> Result<Option<(Box<dyn Read + '_>, u64)>> {
        match &self.files {
            Files::Folder => {
                let path = self.place.join(name);
                let file = match File::open(&path) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                    outcome => outcome.with_context(|| format!("opening {}", path.display()))?,
                };
                let length = file.metadata()?.len();
                Ok(Some((Box::new(file), length)))
            }
            Files::Archive(file, index) => match index.get(name) {
                Some(Piece::At { offset, length }) => {
                    let section = Section {
                        file,
                        offset: *offset,
                        left: *length,
                    };
                    Ok(Some((Box::new(section), *length)))
                }
                // Older archives have a layer once, and links to it.
                Some(Piece::Link(to)) if !matches!(index.get(to), Some(Piece::Link(_))) => self.find(to),
                _ => Ok(None),
            },
        }
    }

    /// Whether there is such a file.
    pub fn has(&self, name: &Path) -> Result<bool> {
        Ok(self.find(name)?.is_some())
    }

    /// Returns the content of a small file.
    pub fn text(&self, name: &Path) -> Result<Vec<u8>> {
        let (file, length) = self.file(name)?;
        if length > LARGEST_TEXT {
            bail!(self.mistake(format!("{} is too large to be JSON", name.display())));
        }
        let mut text = Vec::new();
        file.take(LARGEST_TEXT)
            .read_to_end(&mut text)
            .with_context(|| format!("reading {} of {}", name.display(), self.place.display()))?;
        Ok(text)
    }
}

/// Unpacks a compressed tar file into one that `make` makes.
fn unpacked(file: File, make: impl FnOnce() -> io::Result<File>) -> Result<File, CopyError> {
    let mut content = compressed::open(file).map_err(CopyError::Read)?;
    let mut unpacked = make().map_err(CopyError::Write)?;
    compressed::copy(&mut content, &mut unpacked)?;
    unpacked.rewind().map_err(CopyError::Write)?;
    Ok(unpacked)
}

fn index(file: &File) -> io::Result<BTreeMap<PathBuf, Piece>> {
    let mut index = BTreeMap::new();
    let length = file.metadata()?.len();
    let mut members = Members::new(file);
    while let Some(member) = members.next()? {
        let name = PathBuf::from(OsString::from_vec(member.name.clone()));
        let piece = match member.kind {
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                let (offset, length) = members.place(&member)?.ok_or_else(|| {
                    let name = name.display();
                    io::Error::new(
                        io::ErrorKind::Unsupported,
                        format!("{name} is stored with holes; make the tar file without --sparse"),
                    )
                })?;
                Piece::At { offset, length }
            }
            EntryType::Symlink | EntryType::Link => {
                let from = match member.kind {
                    EntryType::Symlink => name.parent().unwrap_or(Path::new("")),
                    _ => Path::new(""),
                };
                Piece::Link(normal(&from.join(OsStr::from_bytes(&member.target))))
            }
            _ => continue,
        };
        if let Piece::At { offset, length: own } = piece
            && offset.saturating_add(own) > length
        {
            let name = name.display();
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                format!("{name} is not whole"),
            ));
        }
        index.insert(normal(&name), piece);
    }
    Ok(index)
}

/// Returns a path of an archive without `.` and `..`. It is a name in the archive, and never one of this machine.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => normal.push(name),
            Component::ParentDir => {
                normal.pop();
            }
            _ => {}
        }
    }
    normal
}

/// A part of a file.
struct Section<'a> {
    file: &'a File,
    offset: u64,
    left: u64,
}

impl Read for Section<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let length = self.file.read_at(&mut buffer[..most], self.offset)?;
        self.offset += length as u64;
        self.left -= length as u64;
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_no_mistake_in_the_archive() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("image.tar.zst");
        fs::write(&place, zstd::encode_all(&[0; 10_000][..], 1).unwrap()).unwrap();
        let full = || File::options().write(true).open("/dev/full");
        let outcome = unpacked(File::open(&place).unwrap(), full);
        assert!(matches!(outcome, Err(CopyError::Write(_))), "{outcome:?}");
        fs::write(&place, b"\x28\xb5\x2f\xfd and no more").unwrap();
        let outcome = unpacked(File::open(&place).unwrap(), tempfile::tempfile);
        assert!(matches!(outcome, Err(CopyError::Read(_))), "{outcome:?}");
    }

    #[test]
    fn a_file_with_holes_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        File::create(at("blob")).unwrap().set_len(1 << 20).unwrap();
        for format in ["--format=gnu", "--format=posix"] {
            let mut tar = std::process::Command::new("tar");
            tar.args([format, "--sparse", "--create", "--file", "image.tar", "blob"]);
            assert!(tar.current_dir(dir.path()).status().unwrap().success());
            let said = Store::open(&at("image.tar")).map(drop).unwrap_err().to_string();
            assert!(
                said.ends_with(
                    "can't be used: blob is stored with holes; make the tar file without --sparse"
                ),
                "{said}"
            );
        }
    }
}
