//! The tree as it will be packed: every inode once, sorted, with times clamped and owners decided.

use super::{Options, display};
use anyhow::{Context, Result, bail, ensure};
use std::{
    collections::HashMap,
    ffi::CString,
    fs, io,
    os::unix::{
        ffi::{OsStrExt, OsStringExt},
        fs::{FileTypeExt, MetadataExt},
    },
    path::{Path, PathBuf},
};

/// What an inode is, with what only this kind has.
#[derive(Debug)]
pub(super) enum Kind {
    File { size: u64 },
    Directory,
    Symlink { target: Vec<u8> },
    Device { block: bool, number: u32 },
    Fifo,
}

/// One file of any kind.
#[derive(Debug)]
pub(super) struct Inode {
    /// Its first path, relative to the tree; empty for the root.
    pub path: PathBuf,
    pub kind: Kind,
    /// Type and permission bits as in `st_mode`.
    pub mode: u16,
    pub uid: u32,
    pub gid: u32,
    /// Seconds since 1970.
    pub mtime: u32,
    /// Hard links inside the tree; for a directory as on a usual file system: two, and one for each subdirectory.
    pub links: u32,
    pub xattrs: Vec<(CString, Vec<u8>)>,
}

/// One directory's listing.
#[derive(Debug)]
pub(super) struct Directory {
    /// Index of its own inode.
    pub inode: usize,
    /// Index of its parent's inode; none for the root.
    pub parent: Option<usize>,
    /// Names with the index of their inode, sorted by bytes.
    pub entries: Vec<(CString, usize)>,
}

/// The scanned tree.
#[derive(Debug)]
pub(super) struct Tree {
    /// The root comes first; files come in the order of their paths, which is the order of their data in the image.
    pub inodes: Vec<Inode>,
    /// Every directory comes after its parent.
    pub directories: Vec<Directory>,
    pub skipped_sockets: Vec<PathBuf>,
}

impl Tree {
    /// Reads the metadata of everything below `root` that is not excluded.
    pub fn scan(root: &Path, options: &Options) -> Result<Tree> {
        let mut scan = Scan {
            root,
            options,
            tree: Tree {
                inodes: Vec::new(),
                directories: Vec::new(),
                skipped_sockets: Vec::new(),
            },
            linked: HashMap::new(),
        };
        let metadata = fs::metadata(root).with_context(|| format!("cannot read {}", root.display()))?;
        ensure!(metadata.is_dir(), "{} is not a directory", root.display());
        scan.add(PathBuf::new(), &metadata)?;
        // A stack rather than recursion: the depth of the tree is not ours to trust.
        let mut pending = vec![(0, None)];
        while let Some((inode, parent)) = pending.pop() {
            let first_new = scan.tree.inodes.len();
            let entries = scan
                .list(inode)
                .with_context(|| format!("cannot read {}", display(&scan.tree.inodes[inode].path)))?;
            let new = first_new..scan.tree.inodes.len();
            let is_directory = |&index: &usize| matches!(scan.tree.inodes[index].kind, Kind::Directory);
            let subdirectories: Vec<usize> = new.filter(is_directory).collect();
            scan.tree.inodes[inode].links = 2 + subdirectories.len() as u32;
            scan.tree.directories.push(Directory {
                inode,
                parent,
                entries,
            });
            pending.extend(subdirectories.into_iter().rev().map(|child| (child, Some(inode))));
        }
        ensure!(
            scan.tree.inodes.len() < u32::MAX as usize,
            "the tree has over four thousand million files"
        );
        Ok(scan.tree)
    }

    /// Bytes of all regular files.
    pub fn content_size(&self) -> u64 {
        let size = |inode: &Inode| {
            if let Kind::File { size } = inode.kind {
                size
            } else {
                0
            }
        };
        self.inodes.iter().map(size).sum()
    }

    /// Indexes of all inodes in the order in which they are written: see [`super::write_tables`].
    pub fn inode_order(&self) -> Vec<usize> {
        let mut seen = vec![false; self.inodes.len()];
        let children = self
            .directories
            .iter()
            .rev()
            .flat_map(|directory| &directory.entries);
        let mut order: Vec<usize> = children
            .map(|(_, child)| *child)
            .filter(|&child| !std::mem::replace(&mut seen[child], true))
            .collect();
        order.push(0);
        order
    }
}

struct Scan<'a> {
    root: &'a Path,
    options: &'a Options,
    tree: Tree,
    /// (device, inode) of files with several links, and their index.
    linked: HashMap<(u64, u64), usize>,
}

impl Scan<'_> {
    /// Adds all children of one directory and returns its listing.
    fn list(&mut self, directory: usize) -> Result<Vec<(CString, usize)>> {
        let path = self.tree.inodes[directory].path.clone();
        if self.excluded(&path.join("*")) {
            return Ok(Vec::new());
        }
        let mut names = fs::read_dir(self.root.join(&path))?
            .map(|entry| Ok(entry?.file_name()))
            .collect::<io::Result<Vec<_>>>()?;
        names.sort_unstable_by(|a, b| a.as_bytes().cmp(b.as_bytes()));
        let mut entries = Vec::with_capacity(names.len());
        for name in names {
            let path = path.join(&name);
            if self.excluded(&path) {
                continue;
            }
            let metadata = fs::symlink_metadata(self.root.join(&path))
                .with_context(|| format!("cannot read {}", display(&path)))?;
            if metadata.file_type().is_socket() {
                self.tree.skipped_sockets.push(path);
                continue;
            }
            entries.push((CString::new(name.into_vec())?, self.add(path, &metadata)?));
        }
        Ok(entries)
    }

    fn excluded(&self, path: &Path) -> bool {
        self.options.exclude.iter().any(|exclude| exclude == path)
    }

    /// Adds one file, or one more link to a file that is known already; returns its index.
    fn add(&mut self, path: PathBuf, metadata: &fs::Metadata) -> Result<usize> {
        let index = self.tree.inodes.len();
        if metadata.nlink() > 1 && !metadata.is_dir() {
            let known = *self
                .linked
                .entry((metadata.dev(), metadata.ino()))
                .or_insert(index);
            if known != index {
                self.tree.inodes[known].links += 1;
                return Ok(known);
            }
        }
        let inode = self
            .inode(&path, metadata)
            .with_context(|| format!("cannot pack {}", display(&path)))?;
        self.tree.inodes.push(Inode { path, ..inode });
        Ok(index)
    }

    fn inode(&self, path: &Path, metadata: &fs::Metadata) -> Result<Inode> {
        let full = self.root.join(path);
        let file_type = metadata.file_type();
        let kind = if file_type.is_file() {
            Kind::File { size: metadata.len() }
        } else if file_type.is_dir() {
            Kind::Directory
        } else if file_type.is_symlink() {
            Kind::Symlink {
                target: fs::read_link(&full)?.into_os_string().into_vec(),
            }
        } else if file_type.is_block_device() || file_type.is_char_device() {
            Kind::Device {
                block: file_type.is_block_device(),
                number: device_number(metadata.rdev())?,
            }
        } else if file_type.is_fifo() {
            Kind::Fifo
        } else {
            bail!(
                "it is of a kind that SquashFS does not have (mode {:o})",
                metadata.mode()
            );
        };
        let owner = self.options.owners.get(path);
        Ok(Inode {
            path: PathBuf::new(),
            kind,
            mode: metadata.mode() as u16,
            uid: owner.map_or(metadata.uid(), |owner| owner.uid),
            gid: owner.map_or(metadata.gid(), |owner| owner.gid),
            mtime: metadata.mtime().clamp(0, self.options.epoch.into()) as u32,
            links: 1,
            xattrs: xattrs(&full).context("cannot read its extended attributes")?,
        })
    }
}

/// The device number in the kernel's on-disk form (`new_encode_dev` in include/linux/kdev_t.h).
fn device_number(rdev: u64) -> Result<u32> {
    let (major, minor) = (libc::major(rdev), libc::minor(rdev));
    ensure!(
        major < 1 << 12 && minor < 1 << 20,
        "its device number {major}:{minor} does not fit into a SquashFS"
    );
    Ok(minor & 0xff | major << 8 | (minor & !0xff) << 12)
}

/// The extended attributes that belong into an image, sorted by name.
fn xattrs(path: &Path) -> io::Result<Vec<(CString, Vec<u8>)>> {
    let names = match xattr::list(path) {
        Ok(names) => names,
        Err(error) if error.raw_os_error() == Some(libc::ENOTSUP) => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut kept = Vec::new();
    for name in names {
        if name != "security.capability" && !name.as_bytes().starts_with(b"user.") {
            continue;
        }
        if let Some(value) = xattr::get(path, &name)? {
            kept.push((CString::new(name.into_vec())?, value));
        }
    }
    kept.sort_unstable();
    Ok(kept)
}
