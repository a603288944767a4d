//! A SquashFS being written: the objects of libsquashfs that belong together, behind a safe interface.
//!
//! The order of calls is: contents of all files, [`Writer::finish_files`], [`Writer::begin_inodes`], inodes and
//! listings, [`Writer::finish`].

use super::{
    BACKLOG_MEMORY, Options,
    compressor::Compressors,
    objects::{Object, RawInode, describe},
    output::Output,
    tree::{Inode, Kind},
};
use anyhow::{Context, Error, Result, bail, ensure};
use squashfs_tools_ng_sys as sys;
use std::{
    cell::UnsafeCell,
    ffi::{CStr, c_int},
    mem,
    path::{Path, PathBuf},
    ptr,
};

/// SquashFS images are padded to this, because block devices are read in such units.
const DEVICE_BLOCK: u64 = 4096;
/// `sqfs_meta_writer_write_inode` copies a file's block list to the stack: no more than this many bytes of it.
const BLOCK_LIST_LIMIT: u64 = 1 << 20;

/// The open image. The fields' order matters: they are dropped from first to last, users before what they use.
pub(super) struct Writer<'a> {
    processor: Object<sys::sqfs_block_processor_t>,
    /// For each inode of the tree, its form for the library, once there is one. The library writes into these
    /// pointers until `finish_files`.
    inodes: Box<[UnsafeCell<*mut sys::sqfs_inode_generic_t>]>,
    listings: Object<sys::sqfs_dir_writer_t>,
    directory_table: Object<sys::sqfs_meta_writer_t>,
    inode_table: Object<sys::sqfs_meta_writer_t>,
    xattrs: Object<sys::sqfs_xattr_writer_t>,
    /// Number of distinct sets of extended attributes.
    xattr_sets: u32,
    ids: Object<sys::sqfs_id_table_t>,
    fragments: Object<sys::sqfs_frag_table_t>,
    _blocks: Object<sys::sqfs_block_writer_t>,
    _decompressor: Object<sys::sqfs_compressor_t>,
    compressor: Object<sys::sqfs_compressor_t>,
    output: Output<'a>,
    super_block: sys::sqfs_super_t,
    path: PathBuf,
}

impl<'a> Writer<'a> {
    /// Creates the image file for a tree of `inodes` inodes and starts the workers.
    #[allow(unsafe_code)]
    pub fn create(
        path: &Path,
        options: &Options,
        inodes: usize,
        on_write: &'a mut dyn FnMut(),
    ) -> Result<Self> {
        let output = Output::create(path, options.limit, on_write)
            .with_context(|| format!("cannot write {}", path.display()))?;
        let Compressors {
            compressor,
            decompressor,
            id,
        } = Compressors::new(options)?;
        // SAFETY: an all-zero super block is valid; `sqfs_super_init` fills it.
        let mut super_block: sys::sqfs_super_t = unsafe { mem::zeroed() };
        // SAFETY: all pointers are live objects of the right type, here and below; the library copies none of them
        // except those between objects, which `Writer` drops in the right order.
        unsafe {
            let code = sys::sqfs_super_init(&mut super_block, options.block_size as usize, options.epoch, id);
            check(&output, path, code).with_context(|| {
                format!(
                    "block size {}: use a power of two from 4 KiB to 1 MiB",
                    options.block_size
                )
            })?;
            check(
                &output,
                path,
                sys::sqfs_super_write(&super_block, output.as_ptr()),
            )?;
            let write_options = (*compressor.as_ptr())
                .write_options
                .context("compressor without options")?;
            let written = write_options(compressor.as_ptr(), output.as_ptr());
            check(&output, path, written.min(0))?;
            if written > 0 {
                super_block.flags |= sys::SQFS_FLAG_COMPRESSOR_OPTIONS;
            }
            let blocks = Object::own(sys::sqfs_block_writer_create(
                output.as_ptr(),
                DEVICE_BLOCK as usize,
                0,
            ))?;
            let fragments = Object::own(sys::sqfs_frag_table_create(0))?;
            let description = sys::sqfs_block_processor_desc_t {
                size: mem::size_of::<sys::sqfs_block_processor_desc_t>() as u32,
                max_block_size: options.block_size,
                num_workers: options.workers.max(1),
                max_backlog: options.backlog.min(BACKLOG_MEMORY / options.block_size),
                cmp: compressor.as_ptr(),
                wr: blocks.as_ptr(),
                tbl: fragments.as_ptr(),
                file: output.as_ptr(),
                uncmp: decompressor.as_ptr(),
            };
            let mut processor = ptr::null_mut();
            check(
                &output,
                path,
                sys::sqfs_block_processor_create_ex(&description, &mut processor),
            )?;
            let processor = Object::own(processor)?;
            let inode_table = Object::own(sys::sqfs_meta_writer_create(
                output.as_ptr(),
                compressor.as_ptr(),
                0,
            ))?;
            let directory_table = Object::own(sys::sqfs_meta_writer_create(
                output.as_ptr(),
                compressor.as_ptr(),
                sys::SQFS_META_WRITER_KEEP_IN_MEMORY,
            ))?;
            Ok(Self {
                processor,
                inodes: (0..inodes).map(|_| UnsafeCell::new(ptr::null_mut())).collect(),
                listings: Object::own(sys::sqfs_dir_writer_create(directory_table.as_ptr(), 0))?,
                directory_table,
                inode_table,
                xattrs: Object::own(sys::sqfs_xattr_writer_create(0))?,
                xattr_sets: 0,
                ids: Object::own(sys::sqfs_id_table_create(0))?,
                fragments,
                _blocks: blocks,
                _decompressor: decompressor,
                compressor,
                output,
                super_block,
                path: path.to_owned(),
            })
        }
    }

    fn check(&self, code: c_int) -> Result<()> {
        check(&self.output, &self.path, code)
    }

    /// Starts the content of the regular file with this index.
    #[allow(unsafe_code)]
    pub fn begin_file(&mut self, index: usize) -> Result<()> {
        let slot = self.inodes[index].get();
        // SAFETY: the slot lies on the heap until `self` is dropped, after the processor.
        self.check(unsafe {
            sys::sqfs_block_processor_begin_file(self.processor.as_ptr(), slot, ptr::null_mut(), 0)
        })
    }

    /// Adds content to the file that was begun.
    #[allow(unsafe_code)]
    pub fn append(&mut self, data: &[u8]) -> Result<()> {
        // SAFETY: the library copies the data.
        self.check(unsafe {
            sys::sqfs_block_processor_append(self.processor.as_ptr(), data.as_ptr().cast(), data.len())
        })
    }

    /// Ends the file that was begun.
    #[allow(unsafe_code)]
    pub fn end_file(&mut self) -> Result<()> {
        // SAFETY: a live object.
        self.check(unsafe { sys::sqfs_block_processor_end_file(self.processor.as_ptr()) })
    }

    /// Waits for the workers and writes what they still had.
    #[allow(unsafe_code)]
    pub fn finish_files(&mut self) -> Result<()> {
        // SAFETY: a live object.
        self.check(unsafe { sys::sqfs_block_processor_finish(self.processor.as_ptr()) })
    }

    /// Marks the start of the inode table, which follows the data.
    pub fn begin_inodes(&mut self) {
        self.super_block.inode_table_start = self.output.size();
    }

    /// Writes a directory's listing, with entries of (name, inode number, inode reference, mode) sorted by name, and
    /// prepares its inode.
    #[allow(unsafe_code)]
    pub fn write_listing<'n>(
        &mut self,
        index: usize,
        entries: impl Iterator<Item = (&'n CStr, u32, u64, u16)>,
        inode: &Inode,
        parent_number: u32,
    ) -> Result<()> {
        let xattr = self.add_xattrs(inode)?;
        let listings = self.listings.as_ptr();
        // SAFETY: live objects, and strings that the library copies.
        let raw = unsafe {
            self.check(sys::sqfs_dir_writer_begin(listings, 0))?;
            for (name, number, reference, mode) in entries {
                let code = sys::sqfs_dir_writer_add_entry(listings, name.as_ptr(), number, reference, mode);
                self.check(code)
                    .with_context(|| format!("entry {}", name.to_string_lossy()))?;
            }
            self.check(sys::sqfs_dir_writer_end(listings))?;
            RawInode::own(sys::sqfs_dir_writer_create_inode(
                listings,
                0,
                xattr,
                parent_number,
            ))
        };
        let mut raw = raw.context("out of memory")?;
        // The library counts all entries as links; a directory is linked by itself, its parent and its subdirectories.
        let links = inode.links;
        let fixed = raw.get();
        if fixed.base.type_ == sys::SQFS_INODE_DIR {
            fixed.data.dir.nlink = links;
        } else {
            fixed.data.dir_ext.nlink = links;
        }
        *self.inodes[index].get_mut() = raw.into_raw();
        Ok(())
    }

    /// Writes the inode with this index under this number; returns the reference by which entries find it.
    #[allow(unsafe_code)]
    pub fn write_inode(&mut self, index: usize, inode: &Inode, number: u32) -> Result<u64> {
        let prepared = mem::replace(self.inodes[index].get_mut(), ptr::null_mut());
        // SAFETY: what a slot holds is owned by the slot, until it is taken out here.
        let prepared = unsafe { RawInode::own(prepared) };
        let mut raw = prepared.map_or_else(|| new_inode(&inode.kind), Ok)?;
        if let Kind::File { .. } = inode.kind {
            ensure!(
                u64::from(raw.get().payload_bytes_used) <= BLOCK_LIST_LIMIT,
                "it has over {} blocks: pack with bigger blocks",
                BLOCK_LIST_LIMIT / 4
            );
            if inode.links > 1 {
                // SAFETY: an inode that we own; there is room for every kind in its fixed part.
                self.check(unsafe { sys::sqfs_inode_make_extended(raw.as_ptr()) })?;
                raw.get().data.file_ext.nlink = inode.links;
            }
        } else if let Kind::Symlink { .. } | Kind::Device { .. } | Kind::Fifo = inode.kind {
            // The number of links is the first field in all of these.
            raw.get().data.ipc.nlink = inode.links;
        }
        if !matches!(inode.kind, Kind::Directory) && !inode.xattrs.is_empty() {
            let xattr = self.add_xattrs(inode)?;
            // SAFETY: as above.
            self.check(unsafe { sys::sqfs_inode_set_xattr_index(raw.as_ptr(), xattr) })?;
        }
        let base = &mut raw.get().base;
        base.mode = inode.mode;
        base.mod_time = inode.mtime;
        base.inode_number = number;
        base.uid_idx = self.id_index(inode.uid)?;
        base.gid_idx = self.id_index(inode.gid)?;
        let (mut block, mut offset) = (0, 0);
        // SAFETY: live objects and local variables.
        unsafe {
            sys::sqfs_meta_writer_get_position(self.inode_table.as_ptr(), &mut block, &mut offset);
            self.check(sys::sqfs_meta_writer_write_inode(
                self.inode_table.as_ptr(),
                raw.as_ptr(),
            ))?;
        }
        Ok(block << 16 | u64::from(offset))
    }

    #[allow(unsafe_code)]
    fn id_index(&self, id: u32) -> Result<u16> {
        let mut index = 0;
        // SAFETY: a live object and a local variable.
        self.check(unsafe { sys::sqfs_id_table_id_to_index(self.ids.as_ptr(), id, &mut index) })
            .context("too many different owners: a SquashFS holds 65,536")?;
        Ok(index)
    }

    /// Stores a file's extended attributes and returns their index, or [`sys::SQFS_NO_XATTR`] when it has none.
    #[allow(unsafe_code)]
    fn add_xattrs(&mut self, inode: &Inode) -> Result<u32> {
        if inode.xattrs.is_empty() {
            return Ok(sys::SQFS_NO_XATTR);
        }
        let mut index = 0;
        // SAFETY: live objects, and data that the library copies.
        unsafe {
            let xattrs = self.xattrs.as_ptr();
            self.check(sys::sqfs_xattr_writer_begin(xattrs, 0))?;
            for (name, value) in &inode.xattrs {
                let code =
                    sys::sqfs_xattr_writer_add(xattrs, name.as_ptr(), value.as_ptr().cast(), value.len());
                self.check(code)
                    .with_context(|| format!("extended attribute {}", name.to_string_lossy()))?;
            }
            self.check(sys::sqfs_xattr_writer_end(xattrs, &mut index))?;
        }
        self.xattr_sets = self.xattr_sets.max(index + 1);
        Ok(index)
    }

    /// Writes the remaining tables and the super block; returns the size of the image in bytes.
    #[allow(unsafe_code)]
    pub fn finish(mut self, root_reference: u64, inode_count: u32) -> Result<u64> {
        // With a table that fills its last block exactly, `sqfs_xattr_writer_flush` of 1.2 and 1.3 writes one number
        // past the end of an array (16 bytes for each set, 8 KiB blocks).
        ensure!(
            self.xattr_sets == 0 || !self.xattr_sets.is_multiple_of(512),
            "libsquashfs cannot store exactly {} different sets of extended attributes: add or remove one",
            self.xattr_sets
        );
        let (file, compressor) = (self.output.as_ptr(), self.compressor.as_ptr());
        let super_block: *mut sys::sqfs_super_t = &mut self.super_block;
        // SAFETY: live objects, and a super block that nothing else uses meanwhile.
        unsafe {
            self.check(sys::sqfs_meta_writer_flush(self.inode_table.as_ptr()))?;
            self.check(sys::sqfs_meta_writer_flush(self.directory_table.as_ptr()))?;
            (*super_block).inode_count = inode_count;
            (*super_block).root_inode_ref = root_reference;
            (*super_block).directory_table_start = self.output.size();
            self.check(sys::sqfs_meta_write_write_to_file(self.directory_table.as_ptr()))?;
            self.check(sys::sqfs_frag_table_write(
                self.fragments.as_ptr(),
                file,
                super_block,
                compressor,
            ))?;
            self.check(sys::sqfs_id_table_write(
                self.ids.as_ptr(),
                file,
                super_block,
                compressor,
            ))?;
            self.check(sys::sqfs_xattr_writer_flush(
                self.xattrs.as_ptr(),
                file,
                super_block,
                compressor,
            ))?;
            (*super_block).bytes_used = self.output.size();
            self.check(sys::sqfs_super_write(super_block, file))?;
        }
        self.output
            .pad(DEVICE_BLOCK)
            .with_context(|| format!("cannot write {}", self.path.display()))
    }
}

impl Drop for Writer<'_> {
    #[allow(unsafe_code)]
    fn drop(&mut self) {
        for slot in &mut self.inodes {
            // SAFETY: the slot owns what it holds. The processor lives on until the fields are dropped, but it does
            // not touch the inodes of files while it ends.
            drop(unsafe { RawInode::own(*slot.get_mut()) });
        }
    }
}

/// Makes the inode of a file that has no content of its own, or of an empty regular file.
fn new_inode(kind: &Kind) -> Result<RawInode> {
    let (type_, payload): (u16, &[u8]) = match kind {
        Kind::Symlink { target } => (sys::SQFS_INODE_SLINK, target),
        Kind::Device { block: true, .. } => (sys::SQFS_INODE_BDEV, &[]),
        Kind::Device { block: false, .. } => (sys::SQFS_INODE_CDEV, &[]),
        Kind::Fifo => (sys::SQFS_INODE_FIFO, &[]),
        Kind::File { .. } | Kind::Directory => {
            bail!("its content was not packed before its inode")
        }
    };
    let mut raw = RawInode::new(type_, payload)?;
    let data = &mut raw.get().data;
    match kind {
        Kind::Symlink { target } => data.slink.target_size = target.len() as u32,
        Kind::Device { number, .. } => data.dev.devno = *number,
        _ => (),
    }
    Ok(raw)
}

/// Turns the library's answer into an error that tells the reason, if it is one.
fn check(output: &Output, path: &Path, code: c_int) -> Result<()> {
    match output.take_failure() {
        Some(error) if code != 0 => {
            Err(Error::new(error).context(format!("cannot write {}", path.display())))
        }
        _ => describe(code),
    }
}
