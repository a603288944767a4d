//! Tar files of foreign systems, unpacked so that nothing in them reaches anything else on this machine.

pub mod members;

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown, symlink};
use std::path::{Component, Path, PathBuf};

use nix::fcntl::AT_FDCWD;
use nix::sys::stat::{Mode, UtimensatFlags, utimensat};
use nix::sys::time::TimeSpec;
use nix::unistd::mkfifo;
use tar::EntryType;

use self::members::{Member, Members};
use super::compressed::{self, CopyError};
use crate::tree::rooted::{Inside, Rooted};

/// What begins the name of a file that says that another one is gone (OCI image specification, "Layer Filesystem Changeset").
const WHITEOUT: &str = ".wh.";
/// The file that says that everything below is gone.
const OPAQUE: &str = ".wh..wh..opq";
/// What begins other names that layers may have and that stand for no file.
const RESERVED: &str = ".wh..wh.";

/// What kind of tar file it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A tree of files.
    Tree,
    /// A layer over what is there: some of its files say that others are gone.
    Layer,
}

/// Why a tar file could not be unpacked.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// The tar file is to blame.
    #[error("{0}")]
    Input(String),
    /// This machine is.
    #[error("unpacking {0}: {1}")]
    Machine(String, io::Error),
}

type Outcome<T = ()> = std::result::Result<T, UnpackError>;

/// Unpacks a tar file over the folder `root`. Owners, modes, times, links, and the extended attributes that mean something in
/// another place are kept. Device nodes below `/dev` are left out, because a running system has its own there.
///
/// # Errors
/// [`UnpackError::Input`] for a name that leads upwards, another device node, and a tar file that is damaged or ends too early.
pub fn unpack(tar: impl Read, root: &Path, kind: Kind) -> Outcome {
    let root = Rooted::open(root).map_err(|error| UnpackError::Machine(root.display().to_string(), error))?;
    let mut unpacking = Unpacking {
        root,
        kind,
        own: HashSet::new(),
    };
    let mut members = Members::new(WholeBlocks { inner: tar, read: 0 });
    let mut is_first = true;
    loop {
        let member = members.next().map_err(|error| match error.kind() {
            ErrorKind::Other if is_first => no_tar_file(&error),
            _ => damaged(error),
        })?;
        match member {
            Some(member) => unpacking.member(&mut members, &member)?,
            None => return Ok(()),
        }
        is_first = false;
    }
}

struct Unpacking {
    root: Rooted,
    kind: Kind,
    /// What this tar file has brought: the folder's inode, and the name in it.
    own: HashSet<(u64, OsString)>,
}

/// Owner, mode and time of an entry.
struct Attributes {
    uid: u32,
    gid: u32,
    mode: u32,
    mtime: i64,
    extended: Vec<(String, Vec<u8>)>,
}

impl Unpacking {
    fn member<R: Read>(&mut self, members: &mut Members<R>, member: &Member) -> Outcome {
        let mut kind = member.kind;
        let raw = member.name.as_slice();
        // Before POSIX, a folder was a file whose name ends so.
        if kind.is_file() && raw.ends_with(b"/") {
            kind = EntryType::Directory;
        }
        let path = inside(raw).ok_or_else(|| input(raw, "its name leads out of the image".into()))?;
        let machine = |error| UnpackError::Machine(shown(raw), error);
        let attributes = Attributes::of(member)?;
        let Some(name) = path.file_name() else {
            let root = self.root.folder(Path::new("")).map_err(machine)?;
            return attributes.apply(&root.path(), true).map_err(machine);
        };
        let is_device = matches!(kind, EntryType::Char | EntryType::Block);
        if is_device && path.starts_with("dev") {
            return Ok(());
        }
        if is_device {
            return Err(input(
                raw,
                "it is a device node; only /dev may have any, and the running system makes its own there"
                    .into(),
            ));
        }
        let parent = path.parent().unwrap_or(Path::new(""));
        let parent = self
            .root
            .make_folder(parent)
            .map_err(|error| match error.raw_os_error() {
                Some(libc::ENOTDIR | libc::EEXIST | libc::ELOOP) => {
                    input(raw, "what it lies in is no folder".into())
                }
                _ => machine(error),
            })?;
        if self.kind == Kind::Layer
            && let Some(hidden) = name.as_bytes().strip_prefix(WHITEOUT.as_bytes())
        {
            return self.whiteout(raw, name, OsStr::from_bytes(hidden), &parent);
        }
        let target = parent.join(name.as_ref());
        match kind {
            EntryType::Directory => make_folder(&target).map_err(machine)?,
            EntryType::Link => self.link(member, name, &parent)?,
            EntryType::Symlink => {
                remove(&target).map_err(machine)?;
                symlink(OsStr::from_bytes(&member.target), &target).map_err(machine)?;
            }
            EntryType::Fifo => {
                remove(&target).map_err(machine)?;
                mkfifo(&target, Mode::from_bits_truncate(0o600)).map_err(|errno| machine(errno.into()))?;
            }
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                remove(&target).map_err(machine)?;
                let made = File::options().write(true).create_new(true).open(&target);
                members
                    .copy(member, &mut made.map_err(machine)?)
                    .map_err(|error| match error {
                        CopyError::Read(error) => damaged(error),
                        CopyError::Write(error) => machine(error),
                    })?;
            }
            other => {
                return Err(input(
                    raw,
                    format!("it is of a kind that a system does not have: {other:?}"),
                ));
            }
        }
        if kind != EntryType::Link {
            attributes
                .apply(&target, kind != EntryType::Symlink)
                .map_err(machine)?;
        }
        self.own.insert((parent.inode, name.to_os_string()));
        Ok(())
    }

    fn link(&self, member: &Member, name: &OsStr, parent: &Inside) -> Outcome {
        let (raw, to) = (member.name.as_slice(), member.target.as_slice());
        let lost = || {
            input(
                raw,
                format!("it is a hard link to {:?}, which is not in the image", shown(to)),
            )
        };
        let to =
            inside(to).ok_or_else(|| input(raw, "it is a hard link that leads out of the image".into()))?;
        let file = to.file_name().ok_or_else(lost)?;
        let folder = self.root.folder(to.parent().unwrap_or(Path::new("")));
        let folder = folder.map_err(|_| lost())?;
        if (folder.inode, file) == (parent.inode, name) {
            return Ok(());
        }
        let (from, target) = (folder.join(file.as_ref()), parent.join(name.as_ref()));
        if fs::symlink_metadata(&from).map_or(true, |found| found.is_dir()) {
            return Err(lost());
        }
        remove(&target)
            .and_then(|()| fs::hard_link(&from, &target))
            .map_err(|error| UnpackError::Machine(shown(raw), error))
    }

    /// Takes away what lower layers have, and nothing that this one has brought, wherever it stands in the tar file.
    fn whiteout(&self, raw: &[u8], name: &OsStr, hidden: &OsStr, parent: &Inside) -> Outcome {
        let outcome = match hidden.to_str() {
            _ if name == OPAQUE => self.remove_lower_in(&parent.path(), parent.inode),
            _ if name.as_bytes().starts_with(RESERVED.as_bytes()) => Ok(()),
            Some("" | "." | "..") => {
                return Err(input(raw, "it takes away nothing that can have a name".into()));
            }
            _ => match self.remove_lower(parent.inode, hidden, &parent.join(hidden.as_ref())) {
                Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
                outcome => outcome,
            },
        };
        outcome.map_err(|error| UnpackError::Machine(shown(raw), error))
    }

    fn remove_lower_in(&self, folder: &Path, inode: u64) -> io::Result<()> {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            self.remove_lower(inode, &entry.file_name(), &entry.path())?;
        }
        Ok(())
    }

    fn remove_lower(&self, folder: u64, name: &OsStr, path: &Path) -> io::Result<()> {
        let metadata = fs::symlink_metadata(path)?;
        let own = self.own.contains(&(folder, name.to_os_string()));
        if metadata.is_dir() {
            self.remove_lower_in(path, metadata.ino())?;
            // One that has something of this layer stays.
            if own || fs::read_dir(path)?.next().is_some() {
                return Ok(());
            }
            return fs::remove_dir(path);
        }
        if own { Ok(()) } else { fs::remove_file(path) }
    }
}

impl Attributes {
    fn of(member: &Member) -> Outcome<Attributes> {
        let number = |number: u64| {
            u32::try_from(number).map_err(|_| {
                input(
                    &member.name,
                    format!("there is no owner with the number {number}"),
                )
            })
        };
        let kept = member.extended.iter().filter(|(name, _)| is_kept(name));
        Ok(Attributes {
            uid: number(member.uid)?,
            gid: number(member.gid)?,
            mode: member.mode & 0o7777,
            mtime: member.mtime as i64,
            extended: kept.cloned().collect(),
        })
    }

    /// Gives them to what is at `path`; a link has neither a mode nor extended attributes.
    fn apply(&self, path: &Path, is_no_link: bool) -> io::Result<()> {
        lchown(path, Some(self.uid), Some(self.gid)).map_err(|error| match error.kind() {
            ErrorKind::InvalidInput => io::Error::other(format!(
                "it belongs to {}:{}, and the range of subordinate numbers does not reach that far (/etc/subuid, \
                 /etc/subgid); build as root, or with a larger range",
                self.uid, self.gid
            )),
            _ => error,
        })?;
        // After the owner, whose change takes both away.
        if is_no_link {
            fs::set_permissions(path, fs::Permissions::from_mode(self.mode))?;
            for (name, value) in &self.extended {
                xattr::set(path, name, value)?;
            }
        }
        let time = TimeSpec::new(self.mtime, 0);
        Ok(utimensat(
            AT_FDCWD,
            path,
            &time,
            &time,
            UtimensatFlags::NoFollowSymlink,
        )?)
    }
}

/// A tar file whose last block is made whole with zeros: umoci 0.4 leaves out what follows the last file of a layer, and
/// readers written in Go do not mind. Whoever has the file's hash knows whether more is missing.
struct WholeBlocks<R> {
    inner: R,
    read: u64,
}

impl<R: Read> Read for WholeBlocks<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        const BLOCK: u64 = 512;
        let mut length = self.inner.read(buffer)?;
        if length == 0 {
            let missing = self.read.next_multiple_of(BLOCK) - self.read;
            length = buffer.len().min(missing as usize);
            buffer[..length].fill(0);
        }
        self.read += length as u64;
        Ok(length)
    }
}

/// Whether an extended attribute means something in another place: labels of a security module belong to a machine, and marks
/// of overlayfs would hide files.
fn is_kept(name: &str) -> bool {
    name == "security.capability" || (name.starts_with("user.") && !name.starts_with("user.overlay."))
}

/// Returns a name of a tar file as a path relative to the root; none when it leads upwards.
fn inside(raw: &[u8]) -> Option<PathBuf> {
    let mut path = PathBuf::new();
    for component in Path::new(OsStr::from_bytes(raw)).components() {
        match component {
            Component::Normal(name) => path.push(name),
            Component::CurDir | Component::RootDir => {}
            Component::ParentDir | Component::Prefix(_) => return None,
        }
    }
    Some(path)
}

fn make_folder(target: &Path) -> io::Result<()> {
    match fs::symlink_metadata(target) {
        Ok(metadata) if metadata.is_dir() => return Ok(()),
        Ok(_) => fs::remove_file(target)?,
        Err(_) => {}
    }
    fs::create_dir(target)
}

/// Removes whatever is there, if anything is.
pub(super) fn remove(target: &Path) -> io::Result<()> {
    match fs::symlink_metadata(target) {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(target),
        Ok(_) => fs::remove_file(target),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

fn shown(name: &[u8]) -> String {
    String::from_utf8_lossy(name).into_owned()
}

fn input(name: &[u8], why: String) -> UnpackError {
    UnpackError::Input(format!("{:?} can't be unpacked: {why}", shown(name)))
}

fn damaged(error: io::Error) -> UnpackError {
    UnpackError::Input(compressed::fault(&error))
}

fn no_tar_file(error: &io::Error) -> UnpackError {
    UnpackError::Input(format!(
        "it is no tar file, plain or compressed by gzip, xz or zstd, or it is damaged: {}",
        compressed::shown(error)
    ))
}

#[cfg(test)]
pub mod tests;
