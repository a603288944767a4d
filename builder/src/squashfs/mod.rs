//! Packs a directory tree into a SquashFS.
//!
//! The work is done by libsquashfs: this module reads the tree, feeds files to the library's block processor and
//! then writes inodes and directories. The same tree and options give the same bytes, whatever the number of worker
//! threads: entries are sorted by name, and times are clamped to [`Options::epoch`].
//!
//! Kept of each file: content, type, permissions with set-id bits, owner and group, time, hard links, and the
//! extended attributes `security.capability` and `user.*`. Dropped: sockets (a running program makes its own) and
//! all other extended attributes, for instance the build host's POSIX ACLs and security labels.

mod blocks;
mod compressor;
mod objects;
mod output;
#[cfg(test)]
mod tests;
mod tree;
mod writer;

use anyhow::{Context, Error, Result, ensure};
pub use blocks::Blocks;
use output::LimitReached;
use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
};
use tree::{Kind, Tree};
use writer::Writer;

/// Most memory, in bytes, that blocks which wait for a worker or for their turn may take.
const BACKLOG_MEMORY: u32 = 256 << 20;

/// How blocks are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Zstandard, level 1 to 22.
    Zstd(u32),
    /// Deflate, level 1 to 9.
    Gzip(u32),
    /// LZMA2, level 0 to 9.
    Xz(u32),
    /// LZ4 in its slower, smaller variant.
    Lz4,
}

/// Owner and group of one path, instead of what the tree says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// User number.
    pub uid: u32,
    /// Group number.
    pub gid: u32,
}

/// What to pack and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// Compressor and level.
    pub compression: Compression,
    /// Size of a data block in bytes: a power of two from 4 KiB to 1 MiB. Bigger ones make a smaller image that is
    /// slower to read at random.
    pub block_size: u32,
    /// Number of compressing threads, beside the one that reads and writes.
    pub workers: u32,
    /// Number of blocks that may be under way at once. It is lowered where that many blocks would take over 256 MiB.
    pub backlog: u32,
    /// Seconds since 1970: the time of the image itself, and the latest time that a file in it may have.
    pub epoch: u32,
    /// Most bytes that the image may have.
    pub limit: u64,
    /// Paths relative to the tree which are left out with all below them; `dir/*` keeps the directory, but empty.
    pub exclude: Vec<PathBuf>,
    /// Owners that differ from the tree's, by path relative to the tree.
    pub owners: BTreeMap<PathBuf, Owner>,
    /// Blocks of earlier images with the same compression and block size.
    pub blocks: Option<Arc<Blocks>>,
}

impl Default for Options {
    /// zstd 15, 128 KiB blocks, one worker more than there are processors (the main thread sleeps most of the time),
    /// and a backlog long enough that small files do not starve the workers: each of these takes a place in it.
    fn default() -> Self {
        Self {
            compression: Compression::Zstd(15),
            block_size: 128 << 10,
            workers: thread::available_parallelism().map_or(2, |n| n.get() as u32) + 1,
            backlog: 1000,
            epoch: 0,
            limit: u64::MAX,
            exclude: Vec::new(),
            owners: BTreeMap::new(),
            blocks: None,
        }
    }
}

/// How far packing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Bytes of file content that are compressed and written; an estimate, counted in whole blocks.
    pub done: u64,
    /// Bytes of file content in all.
    pub total: u64,
}

/// Why an image was not finished: it would have been larger than [`Options::limit`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the image is at its limit of {limit} bytes")]
pub struct TooLarge {
    /// The limit in bytes.
    pub limit: u64,
    /// Bytes of file content that were in it by then, or under way to it.
    pub read: u64,
    /// Bytes of file content in all.
    pub total: u64,
}

/// What was packed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Number of files of any kind, a file with hard links counting once.
    pub inodes: u32,
    /// Bytes of file content that were read.
    pub bytes_read: u64,
    /// Size of the image in bytes, including the padding to 4 KiB.
    pub image_size: u64,
    /// Sockets that were left out, relative to the tree.
    pub skipped_sockets: Vec<PathBuf>,
}

/// Packs `tree` into a SquashFS at `output`, which is created or overwritten, calling `progress` now and then.
///
/// # Errors
/// [`TooLarge`] as soon as the image would be. When something in the tree cannot be read or changes meanwhile, when the
/// output cannot be written, or when an option is out of range. The error names the path in the tree that was being packed. What has been written by
/// then is left behind; write to a temporary name and rename it.
pub fn pack(
    tree: &Path,
    output: &Path,
    options: &Options,
    progress: &mut dyn FnMut(Progress),
) -> Result<Summary> {
    let scanned = Tree::scan(tree, options)?;
    let total = scanned.content_size();
    let mut done = 0;
    let mut on_write = || {
        // Nearly every write is one block or one block full of small files' ends.
        done = total.min(done + u64::from(options.block_size));
        progress(Progress { done, total });
    };
    let mut read = 0;
    let written = write(tree, &scanned, output, options, &mut on_write, &mut read);
    let image_size = written.map_err(|error| match is_at_limit(&error) {
        true => Error::new(TooLarge {
            limit: options.limit,
            read,
            total,
        }),
        false => error,
    })?;
    progress(Progress { done: total, total });
    Ok(Summary {
        inodes: scanned.inodes.len() as u32,
        bytes_read: total,
        image_size,
        skipped_sockets: scanned.skipped_sockets,
    })
}

/// Writes the image of a tree that was scanned; returns its size. `read` is how much file content it has taken up.
fn write(
    tree: &Path,
    scanned: &Tree,
    output: &Path,
    options: &Options,
    on_write: &mut dyn FnMut(),
    read: &mut u64,
) -> Result<u64> {
    let mut writer = Writer::create(output, options, scanned.inodes.len(), on_write)?;
    pack_contents(tree, scanned, options, &mut writer, read)?;
    write_tables(scanned, writer)
}

fn is_at_limit(error: &Error) -> bool {
    let inner = |cause: &io::Error| cause.get_ref().is_some_and(|inner| inner.is::<LimitReached>());
    error.chain().filter_map(|cause| cause.downcast_ref()).any(inner)
}

/// Feeds the contents of all regular files to the library.
fn pack_contents(
    root: &Path,
    tree: &Tree,
    options: &Options,
    writer: &mut Writer,
    read: &mut u64,
) -> Result<()> {
    let mut buffer = vec![0; options.block_size.max(128 << 10) as usize];
    let mut current = None;
    for (index, inode) in tree.inodes.iter().enumerate() {
        if let Kind::File { size } = inode.kind {
            let group = group(&inode.path);
            if current.is_some_and(|current| current != group) {
                writer.finish_files().context("cannot pack the ends of files")?;
            }
            current = Some(group);
            pack_file(&root.join(&inode.path), size, index, writer, &mut buffer, read)
                .with_context(|| format!("cannot pack {}", display(&inode.path)))?;
        }
    }
    writer
        .finish_files()
        .context("cannot pack the last blocks of the tree")
}

/// The part of the tree whose small files and ends of files share blocks. Parts that change often, or by themselves, are
/// apart, so that a file of another length in one of them does not move the ends of all files after it.
fn group(path: &Path) -> &Path {
    const APART: [&str; 4] = ["usr/lib/genpack", "usr/lib", "usr", ""];
    let prefix = APART
        .iter()
        .find(|prefix| path.starts_with(prefix) && path != Path::new(prefix));
    let depth = prefix.map_or(0, |prefix| Path::new(prefix).components().count());
    // Of /usr/lib, the folders share; what has a prefix of its own is apart from them.
    let depth = if depth < 2 { depth + 1 } else { depth };
    let levels = path.components().count();
    path.ancestors().nth(levels.saturating_sub(depth)).unwrap_or(path)
}

/// Feeds one file. A file that is being changed would make the image depend on chance, so that is an error.
fn pack_file(
    path: &Path,
    size: u64,
    index: usize,
    writer: &mut Writer,
    buffer: &mut [u8],
    total: &mut u64,
) -> Result<()> {
    let mut file = File::options()
        .read(true)
        .custom_flags(libc::O_NOFOLLOW)
        .open(path)?;
    writer.begin_file(index)?;
    let mut read = 0;
    loop {
        let count = match file.read(buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error).context("cannot read it"),
        };
        read += count as u64;
        *total += count as u64;
        writer.append(&buffer[..count])?;
    }
    ensure!(
        read == size,
        "it changed meanwhile: it had {size} bytes, then {read}; is something still writing to it?"
    );
    writer.end_file()
}

/// Writes inodes, directories and the tables after them; returns the size of the image.
///
/// Directory entries point to inodes, and a directory's inode points to its entries. So each directory's children
/// are written before its listing, deepest directories first, and siblings next to one another, which keeps listings
/// short: one header serves all entries whose inodes share a metadata block.
fn write_tables(tree: &Tree, mut writer: Writer) -> Result<u64> {
    let order = tree.inode_order();
    let mut numbers = vec![0; tree.inodes.len()];
    for (number, &index) in (1..).zip(&order) {
        numbers[index] = number;
    }
    // mksquashfs gives the root a parent number that no inode has.
    let beyond = tree.inodes.len() as u32 + 1;
    writer.begin_inodes();
    let mut references = vec![None; tree.inodes.len()];
    for directory in tree.directories.iter().rev() {
        for (_, child) in &directory.entries {
            if references[*child].is_none() {
                references[*child] = Some(write_inode(tree, *child, &numbers, &mut writer)?);
            }
        }
        let inode = &tree.inodes[directory.inode];
        let parent = directory.parent.map_or(beyond, |parent| numbers[parent]);
        let entries = directory.entries.iter().map(|(name, child)| {
            (
                name.as_c_str(),
                numbers[*child],
                references[*child].unwrap_or_default(),
                tree.inodes[*child].mode,
            )
        });
        writer
            .write_listing(directory.inode, entries, inode, parent)
            .with_context(|| format!("cannot pack the directory {}", display(&inode.path)))?;
    }
    let root = write_inode(tree, 0, &numbers, &mut writer)?;
    writer.finish(root, tree.inodes.len() as u32)
}

fn write_inode(tree: &Tree, index: usize, numbers: &[u32], writer: &mut Writer) -> Result<u64> {
    let inode = &tree.inodes[index];
    writer
        .write_inode(index, inode, numbers[index])
        .with_context(|| format!("cannot pack {}", display(&inode.path)))
}

/// A path in the tree as the packed system will see it.
fn display(path: &Path) -> String {
    Path::new("/").join(path).display().to_string()
}
