//! Raw bindings to libsquashfs 1.x of [squashfs-tools-ng](https://github.com/AgentD/squashfs-tools-ng): what is
//! needed to write a SquashFS, and no more.
//!
//! The declarations are written by hand after the headers in `/usr/include/sqfs/` (package `libsquashfs-dev`) and
//! keep their C names; the headers are the reference for what each one does. `tests/layout.rs` lets the C compiler
//! check every structure against the installed headers. Versions 1.2 (Debian 12) and 1.3 (Debian 13) have the same
//! interface.
//!
//! Objects are created by a `..._create` function and ended by [`sqfs_destroy`]; they keep pointers to one another,
//! so an object must outlive those created with it. Functions return zero or a negative `SQFS_ERROR_...`.

#![allow(non_camel_case_types)]

// The compressors that the library calls.
use liblzma_sys as _;
use libz_sys as _;
use lz4_sys as _;
use zstd_sys as _;

mod functions;

use std::ffi::{c_int, c_void};

pub use functions::*;

/// Declares types that are only ever seen behind a pointer.
macro_rules! opaque {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[repr(C)]
        pub struct $name {
            _private: [u8; 0],
            // Neither Send, Sync nor Unpin: the library says nothing of the sort.
            _marker: std::marker::PhantomData<(*mut u8, std::marker::PhantomPinned)>,
        }
    )*};
}

opaque! {
    /// Cuts files into blocks and fragments and compresses them in worker threads (`sqfs/block_processor.h`).
    sqfs_block_processor_t;
    /// Writes blocks and removes duplicates (`sqfs/block_writer.h`).
    sqfs_block_writer_t;
    /// The table of fragment blocks (`sqfs/frag_table.h`).
    sqfs_frag_table_t;
    /// The table of user and group numbers (`sqfs/id_table.h`).
    sqfs_id_table_t;
    /// Packs inodes or directory entries into metadata blocks (`sqfs/meta_writer.h`).
    sqfs_meta_writer_t;
    /// Builds directory listings (`sqfs/dir_writer.h`).
    sqfs_dir_writer_t;
    /// Collects extended attributes (`sqfs/xattr_writer.h`).
    sqfs_xattr_writer_t;
}

/// What every object of the library begins with.
#[repr(C)]
pub struct sqfs_object_t {
    /// Ends the object and frees its memory.
    pub destroy: Option<unsafe extern "C" fn(*mut sqfs_object_t)>,
    /// Makes a copy; absent or returning null where an object cannot be copied.
    pub copy: Option<unsafe extern "C" fn(*const sqfs_object_t) -> *mut sqfs_object_t>,
}

/// Ends an object of the library; null is ignored. (In C this is an inline function of `sqfs/predef.h`.)
///
/// # Safety
/// `object` is null or a live object of libsquashfs, which is not used afterwards, neither by the caller nor by
/// another object that was created with it.
pub unsafe fn sqfs_destroy<T>(object: *mut T) {
    let object = object.cast::<sqfs_object_t>();
    if object.is_null() {
        return;
    }
    // SAFETY: every object starts with `sqfs_object_t`, and the caller hands over a live one.
    unsafe {
        if let Some(destroy) = (*object).destroy {
            destroy(object);
        }
    }
}

/// The file interface that the library writes through (`sqfs/io.h`); may be implemented outside of it.
#[repr(C)]
pub struct sqfs_file_t {
    /// The common start.
    pub base: sqfs_object_t,
    /// Reads exactly `size` bytes; zero or an `SQFS_ERROR_...`.
    pub read_at: Option<unsafe extern "C" fn(*mut sqfs_file_t, u64, *mut c_void, usize) -> c_int>,
    /// Writes exactly `size` bytes and grows the file if need be; zero or an `SQFS_ERROR_...`.
    pub write_at: Option<unsafe extern "C" fn(*mut sqfs_file_t, u64, *const c_void, usize) -> c_int>,
    /// The size of the file in bytes.
    pub get_size: Option<unsafe extern "C" fn(*const sqfs_file_t) -> u64>,
    /// Cuts or grows the file; zero or an `SQFS_ERROR_...`.
    pub truncate: Option<unsafe extern "C" fn(*mut sqfs_file_t, u64) -> c_int>,
}

/// A compressor or decompressor (`sqfs/compressor.h`).
#[repr(C)]
pub struct sqfs_compressor_t {
    /// The common start.
    pub base: sqfs_object_t,
    /// Tells how it was set up.
    pub get_configuration:
        Option<unsafe extern "C" fn(*const sqfs_compressor_t, *mut sqfs_compressor_config_t)>,
    /// Writes its options after the super block: bytes written (zero when there was no need) or an error.
    pub write_options: Option<unsafe extern "C" fn(*mut sqfs_compressor_t, *mut sqfs_file_t) -> c_int>,
    /// Reads the options back.
    pub read_options: Option<unsafe extern "C" fn(*mut sqfs_compressor_t, *mut sqfs_file_t) -> c_int>,
    /// Compresses one block: the size of the result, zero when it would not get smaller, or an error.
    pub do_block: Option<unsafe extern "C" fn(*mut sqfs_compressor_t, *const u8, u32, *mut u8, u32) -> i32>,
}

/// How a compressor is to work (`sqfs/compressor.h`); filled by [`sqfs_compressor_config_init`].
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sqfs_compressor_config_t {
    /// An `SQFS_COMP_...`.
    pub id: u16,
    /// `SQFS_COMP_FLAG_...` bits.
    pub flags: u16,
    /// Size of a data block in bytes.
    pub block_size: u32,
    /// Compression level, where the compressor has one.
    pub level: u32,
    /// Options of the particular compressor: a union in C, as long and as aligned as this.
    pub opt: [u64; 2],
}

/// The start of a SquashFS (`sqfs/super.h`), in the host's byte order.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sqfs_super_t {
    /// The magic number.
    pub magic: u32,
    /// Number of inodes.
    pub inode_count: u32,
    /// Seconds since 1970.
    pub modification_time: u32,
    /// Size of a data block in bytes.
    pub block_size: u32,
    /// Number of fragment blocks.
    pub fragment_entry_count: u32,
    /// An `SQFS_COMP_...`.
    pub compression_id: u16,
    /// log2 of the block size.
    pub block_log: u16,
    /// `SQFS_FLAG_...` bits.
    pub flags: u16,
    /// Number of user and group numbers.
    pub id_count: u16,
    /// 4.
    pub version_major: u16,
    /// 0.
    pub version_minor: u16,
    /// Where the root inode is in the inode table.
    pub root_inode_ref: u64,
    /// Size of the file system in bytes without padding.
    pub bytes_used: u64,
    /// Where the table of user and group numbers is.
    pub id_table_start: u64,
    /// Where the table of extended attributes is.
    pub xattr_id_table_start: u64,
    /// Where the inodes start.
    pub inode_table_start: u64,
    /// Where the directory entries start.
    pub directory_table_start: u64,
    /// Where the table of fragments is.
    pub fragment_table_start: u64,
    /// Where the table for export over NFS is.
    pub export_table_start: u64,
}

/// What [`sqfs_block_processor_create_ex`] is to make (`sqfs/block_processor.h`).
#[repr(C)]
pub struct sqfs_block_processor_desc_t {
    /// Size of this structure in bytes.
    pub size: u32,
    /// Size of a data block in bytes.
    pub max_block_size: u32,
    /// Number of worker threads.
    pub num_workers: u32,
    /// Most blocks that are under way at once.
    pub max_backlog: u32,
    /// Copied once for each worker.
    pub cmp: *mut sqfs_compressor_t,
    /// Where finished blocks go.
    pub wr: *mut sqfs_block_writer_t,
    /// Where fragments are recorded.
    pub tbl: *mut sqfs_frag_table_t,
    /// For reading fragment blocks back, to be sure that two fragments of the same hash are equal.
    pub file: *mut sqfs_file_t,
    /// Decompressor for the same purpose.
    pub uncmp: *mut sqfs_compressor_t,
}

/// What all inodes have (`sqfs/inode.h`).
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct sqfs_inode_t {
    /// An `SQFS_INODE_...`.
    pub type_: u16,
    /// Permission bits; the file type in it is ignored.
    pub mode: u16,
    /// Index of the owner in the id table.
    pub uid_idx: u16,
    /// Index of the group in the id table.
    pub gid_idx: u16,
    /// Seconds since 1970.
    pub mod_time: u32,
    /// Unique number, from 1.
    pub inode_number: u32,
}

/// Device node.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct sqfs_inode_dev_t {
    /// Number of hard links.
    pub nlink: u32,
    /// Device number as the kernel's `new_encode_dev` makes it.
    pub devno: u32,
}

/// Named pipe or socket.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct sqfs_inode_ipc_t {
    /// Number of hard links.
    pub nlink: u32,
}

/// Symbolic link; the target follows the generic inode.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct sqfs_inode_slink_t {
    /// Number of hard links.
    pub nlink: u32,
    /// Length of the target in bytes.
    pub target_size: u32,
}

/// Regular file that needs 64-bit fields, hard links or extended attributes.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct sqfs_inode_file_ext_t {
    /// Position of the first block.
    pub blocks_start: u64,
    /// Size in bytes.
    pub file_size: u64,
    /// Bytes that were left out because they are zero.
    pub sparse: u64,
    /// Number of hard links.
    pub nlink: u32,
    /// Index of the fragment block.
    pub fragment_idx: u32,
    /// Offset in the fragment block.
    pub fragment_offset: u32,
    /// Index of the extended attributes.
    pub xattr_idx: u32,
}

/// Directory.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct sqfs_inode_dir_t {
    /// Where the listing starts.
    pub start_block: u32,
    /// Number of hard links.
    pub nlink: u32,
    /// Size of the listing in bytes, plus three.
    pub size: u16,
    /// Offset of the listing in its block.
    pub offset: u16,
    /// Inode number of the parent.
    pub parent_inode: u32,
}

/// Directory with an index or extended attributes.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct sqfs_inode_dir_ext_t {
    /// Number of hard links.
    pub nlink: u32,
    /// Size of the listing in bytes, plus three.
    pub size: u32,
    /// Where the listing starts.
    pub start_block: u32,
    /// Inode number of the parent.
    pub parent_inode: u32,
    /// Number of index entries that follow.
    pub inodex_count: u16,
    /// Offset of the listing in its block.
    pub offset: u16,
    /// Index of the extended attributes.
    pub xattr_idx: u32,
}

/// The part of an inode that depends on its type. The kinds that are not read or written here are left out.
#[repr(C)]
#[derive(Clone, Copy)]
pub union sqfs_inode_data {
    /// `SQFS_INODE_BDEV`, `SQFS_INODE_CDEV`.
    pub dev: sqfs_inode_dev_t,
    /// `SQFS_INODE_FIFO`, `SQFS_INODE_SOCKET`.
    pub ipc: sqfs_inode_ipc_t,
    /// `SQFS_INODE_SLINK`.
    pub slink: sqfs_inode_slink_t,
    /// `SQFS_INODE_EXT_FILE`.
    pub file_ext: sqfs_inode_file_ext_t,
    /// `SQFS_INODE_DIR`.
    pub dir: sqfs_inode_dir_t,
    /// `SQFS_INODE_EXT_DIR`.
    pub dir_ext: sqfs_inode_dir_ext_t,
}

/// Any inode (`sqfs/inode.h`). In memory it is followed by `payload_bytes_available` bytes: block sizes, a symbolic
/// link's target or a directory index.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sqfs_inode_generic_t {
    /// The common part.
    pub base: sqfs_inode_t,
    /// Bytes there are after this structure.
    pub payload_bytes_available: u32,
    /// Bytes of these that are used.
    pub payload_bytes_used: u32,
    /// The rest.
    pub data: sqfs_inode_data,
}

macro_rules! constants {
    ($ty:ty: $($(#[$doc:meta])* $name:ident = $value:expr;)*) => {$($(#[$doc])* pub const $name: $ty = $value;)*};
}

constants! { c_int:
    /// Out of memory.
    SQFS_ERROR_ALLOC = -1;
    /// Reading or writing failed.
    SQFS_ERROR_IO = -2;
    /// A compressor failed.
    SQFS_ERROR_COMPRESSOR = -3;
    /// An internal error of the library.
    SQFS_ERROR_INTERNAL = -4;
    /// Data that make no sense.
    SQFS_ERROR_CORRUPTED = -5;
    /// A feature that the library was built without or does not know.
    SQFS_ERROR_UNSUPPORTED = -6;
    /// A number does not fit.
    SQFS_ERROR_OVERFLOW = -7;
    /// Read past the end.
    SQFS_ERROR_OUT_OF_BOUNDS = -8;
    /// Block size that is no power of two from 4 KiB to 1 MiB.
    SQFS_ERROR_SUPER_BLOCK_SIZE = -11;
    /// A wrong argument.
    SQFS_ERROR_ARG_INVALID = -16;
    /// A call at the wrong time.
    SQFS_ERROR_SEQUENCE = -17;
}

constants! { c_int:
    /// Deflate.
    SQFS_COMP_GZIP = 1;
    /// LZMA2 in xz framing.
    SQFS_COMP_XZ = 4;
    /// LZ4.
    SQFS_COMP_LZ4 = 5;
    /// Zstandard.
    SQFS_COMP_ZSTD = 6;
}

constants! { u16:
    /// LZ4: the slower, smaller variant.
    SQFS_COMP_FLAG_LZ4_HC = 0x0001;
    /// Make a decompressor.
    SQFS_COMP_FLAG_UNCOMPRESS = 0x8000;
    /// In the super block: the compressor's options follow it.
    SQFS_FLAG_COMPRESSOR_OPTIONS = 0x0400;
}

constants! { u16:
    /// Directory.
    SQFS_INODE_DIR = 1;
    /// Regular file.
    SQFS_INODE_FILE = 2;
    /// Symbolic link.
    SQFS_INODE_SLINK = 3;
    /// Block device.
    SQFS_INODE_BDEV = 4;
    /// Character device.
    SQFS_INODE_CDEV = 5;
    /// Named pipe.
    SQFS_INODE_FIFO = 6;
    /// Directory with an index or extended attributes.
    SQFS_INODE_EXT_DIR = 8;
    /// Regular file of the long form.
    SQFS_INODE_EXT_FILE = 9;
}

/// [`sqfs_meta_writer_create`]: keep the blocks until [`sqfs_meta_write_write_to_file`] is called.
pub const SQFS_META_WRITER_KEEP_IN_MEMORY: u32 = 0x01;

/// An index that stands for "no extended attributes".
pub const SQFS_NO_XATTR: u32 = 0xFFFF_FFFF;
