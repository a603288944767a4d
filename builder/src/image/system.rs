//! The inside of a `system.img`, read without mounting it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail, ensure};
use backhand::{FilesystemReader, InnerNode, Squashfs, SquashfsFileReader};
use genpack_spec::image::{SUPERBLOCK_BYTES, check_superblock};

use super::folders;
use super::guard::guarded;
use crate::hash;

/// Longest file that is read whole, in bytes: lists, settings and units are far shorter.
const MOST_READ: u64 = 64 << 20;

/// What is at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A folder.
    Folder,
    /// A file of so many bytes.
    File(u64),
    /// A link, with its target as it stands there.
    Link(PathBuf),
    /// A device, pipe or socket.
    Other,
}

/// A file, folder or link of a system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// What it is.
    pub kind: Kind,
    /// Permissions with the set-id bits.
    pub mode: u16,
    /// Number of the user whom it belongs to.
    pub uid: u32,
    /// Number of the group that it belongs to.
    pub gid: u32,
}

impl Node {
    /// Returns its length in bytes; 0 of anything other than a file.
    pub fn bytes(&self) -> u64 {
        match self.kind {
            Kind::File(bytes) => bytes,
            _ => 0,
        }
    }
}

/// A system image.
pub struct System {
    reader: FilesystemReader<'static>,
    places: BTreeMap<PathBuf, usize>,
    nodes: BTreeMap<PathBuf, Node>,
    bytes: u64,
}

impl System {
    /// Opens a `system.img`.
    ///
    /// # Errors
    /// When it is damaged, with what is wrong.
    pub fn open(mut file: File) -> Result<System> {
        let length = file.metadata().context("reading its length")?.len();
        let mut head = Vec::new();
        file.by_ref()
            .take(SUPERBLOCK_BYTES as u64)
            .read_to_end(&mut head)?;
        check_superblock(&head, length).map_err(|damage| anyhow!("{damage}"))?;
        file.seek(SeekFrom::Start(0))?;
        let file = BufReader::with_capacity(128 << 10, file);
        let unreadable = |error| anyhow!("it can't be read: {error}");
        let reader = guarded(|| {
            let squashfs = Squashfs::from_reader_with_offset(file, 0).map_err(unreadable)?;
            folders::check(&squashfs)?;
            squashfs.into_filesystem_reader().map_err(unreadable)
        })?;
        let (mut nodes, mut places) = (BTreeMap::new(), BTreeMap::new());
        for (at, node) in reader.root.nodes.iter().enumerate() {
            let path = node
                .fullpath
                .strip_prefix("/")
                .unwrap_or(&node.fullpath)
                .to_path_buf();
            let kind = match &node.inner {
                InnerNode::File(file) => Kind::File(file.file_len() as u64),
                InnerNode::Dir(_) => Kind::Folder,
                InnerNode::Symlink(link) => Kind::Link(link.link.clone()),
                _ => Kind::Other,
            };
            let node = Node {
                kind,
                mode: node.header.permissions & 0o7777,
                uid: node.header.uid,
                gid: node.header.gid,
            };
            nodes.insert(path.clone(), node);
            places.insert(path, at);
        }
        Ok(System {
            reader,
            places,
            nodes,
            bytes: length,
        })
    }

    /// Returns everything in it by its path, relative to the root, which is the empty path.
    pub fn nodes(&self) -> &BTreeMap<PathBuf, Node> {
        &self.nodes
    }

    /// Returns the length of the image in bytes.
    pub fn packed_bytes(&self) -> u64 {
        self.bytes
    }

    /// Returns the content of a file, or nothing when there is no file at that path. Links are not followed.
    pub fn read(&self, path: &Path) -> Result<Option<Vec<u8>>> {
        let Some(file) = self.file(path) else {
            return Ok(None);
        };
        let damaged = || format!("the system image is damaged: /{} can't be read", path.display());
        let bytes = file.file_len() as u64;
        if bytes > MOST_READ {
            bail!(
                "/{} of the system image is too large to look into: {} MiB, and {} MiB are allowed",
                path.display(),
                bytes >> 20,
                MOST_READ >> 20
            );
        }
        let mut content = Vec::new();
        let read = guarded(|| {
            let mut reader = self.reader.file(file).reader().take(MOST_READ);
            Ok(reader.read_to_end(&mut content)?)
        });
        whole(read.with_context(damaged)? as u64, bytes).with_context(damaged)?;
        Ok(Some(content))
    }

    /// Returns a file as text, with a sign of its own in place of what is none; empty when there is no such file.
    pub fn text(&self, path: &Path) -> Result<String> {
        let content = self.read(path)?.unwrap_or_default();
        Ok(String::from_utf8_lossy(&content).into_owned())
    }

    /// Returns the SHA-256 of a file in hexadecimal.
    pub fn sha256(&self, path: &Path) -> Result<String> {
        let Some(file) = self.file(path) else {
            bail!("the system image has no file /{}", path.display());
        };
        let damaged = || format!("the system image is damaged: /{} can't be read", path.display());
        let hashed = guarded(|| Ok(hash::copy(&mut self.reader.file(file).reader(), &mut io::sink())?));
        let (bytes, sha256) = hashed.with_context(damaged)?;
        whole(bytes, file.file_len() as u64).with_context(damaged)?;
        Ok(sha256)
    }

    fn file(&self, path: &Path) -> Option<&SquashfsFileReader> {
        match &self.reader.root.nodes[*self.places.get(path)?].inner {
            InnerNode::File(file) => Some(file),
            _ => None,
        }
    }
}

/// backhand takes a block that is missing for the end of the file.
fn whole(read: u64, bytes: u64) -> Result<()> {
    ensure!(read == bytes, "{read} of {bytes} bytes are there");
    Ok(())
}
