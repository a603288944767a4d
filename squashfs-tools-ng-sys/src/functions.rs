//! The library's functions. The headers say what each does, and are named above each.

use std::ffi::{c_char, c_int, c_void};

use crate::*;

unsafe extern "C" {
    /// `sqfs/predef.h`: frees memory that the library gave out.
    pub fn sqfs_free(memory: *mut c_void);

    /// `sqfs/super.h`
    pub fn sqfs_super_init(sup: *mut sqfs_super_t, block_size: usize, mtime: u32, compressor: c_int)
    -> c_int;
    /// `sqfs/super.h`
    pub fn sqfs_super_write(sup: *const sqfs_super_t, file: *mut sqfs_file_t) -> c_int;

    /// `sqfs/compressor.h`
    pub fn sqfs_compressor_config_init(
        config: *mut sqfs_compressor_config_t,
        id: c_int,
        block_size: usize,
        flags: u16,
    ) -> c_int;
    /// `sqfs/compressor.h`
    pub fn sqfs_compressor_create(
        config: *const sqfs_compressor_config_t,
        out: *mut *mut sqfs_compressor_t,
    ) -> c_int;

    /// `sqfs/block_writer.h`
    pub fn sqfs_block_writer_create(
        file: *mut sqfs_file_t,
        devblksz: usize,
        flags: u32,
    ) -> *mut sqfs_block_writer_t;

    /// `sqfs/frag_table.h`
    pub fn sqfs_frag_table_create(flags: u32) -> *mut sqfs_frag_table_t;
    /// `sqfs/frag_table.h`
    pub fn sqfs_frag_table_write(
        table: *mut sqfs_frag_table_t,
        file: *mut sqfs_file_t,
        sup: *mut sqfs_super_t,
        compressor: *mut sqfs_compressor_t,
    ) -> c_int;

    /// `sqfs/block_processor.h`
    pub fn sqfs_block_processor_create_ex(
        desc: *const sqfs_block_processor_desc_t,
        out: *mut *mut sqfs_block_processor_t,
    ) -> c_int;
    /// `sqfs/block_processor.h`; `*inode` is written to until [`sqfs_block_processor_finish`] has returned.
    pub fn sqfs_block_processor_begin_file(
        processor: *mut sqfs_block_processor_t,
        inode: *mut *mut sqfs_inode_generic_t,
        user: *mut c_void,
        flags: u32,
    ) -> c_int;
    /// `sqfs/block_processor.h`
    pub fn sqfs_block_processor_append(
        processor: *mut sqfs_block_processor_t,
        data: *const c_void,
        size: usize,
    ) -> c_int;
    /// `sqfs/block_processor.h`
    pub fn sqfs_block_processor_end_file(processor: *mut sqfs_block_processor_t) -> c_int;
    /// `sqfs/block_processor.h`
    pub fn sqfs_block_processor_finish(processor: *mut sqfs_block_processor_t) -> c_int;

    /// `sqfs/id_table.h`
    pub fn sqfs_id_table_create(flags: u32) -> *mut sqfs_id_table_t;
    /// `sqfs/id_table.h`
    pub fn sqfs_id_table_id_to_index(table: *mut sqfs_id_table_t, id: u32, out: *mut u16) -> c_int;
    /// `sqfs/id_table.h`
    pub fn sqfs_id_table_write(
        table: *mut sqfs_id_table_t,
        file: *mut sqfs_file_t,
        sup: *mut sqfs_super_t,
        compressor: *mut sqfs_compressor_t,
    ) -> c_int;

    /// `sqfs/meta_writer.h`
    pub fn sqfs_meta_writer_create(
        file: *mut sqfs_file_t,
        compressor: *mut sqfs_compressor_t,
        flags: u32,
    ) -> *mut sqfs_meta_writer_t;
    /// `sqfs/meta_writer.h`
    pub fn sqfs_meta_writer_flush(writer: *mut sqfs_meta_writer_t) -> c_int;
    /// `sqfs/meta_writer.h`
    pub fn sqfs_meta_writer_get_position(
        writer: *const sqfs_meta_writer_t,
        block_start: *mut u64,
        offset: *mut u32,
    );
    /// `sqfs/meta_writer.h`
    pub fn sqfs_meta_write_write_to_file(writer: *mut sqfs_meta_writer_t) -> c_int;
    /// `sqfs/meta_writer.h`; puts a file's whole block list on the stack.
    pub fn sqfs_meta_writer_write_inode(
        writer: *mut sqfs_meta_writer_t,
        inode: *const sqfs_inode_generic_t,
    ) -> c_int;

    /// `sqfs/dir_writer.h`
    pub fn sqfs_dir_writer_create(writer: *mut sqfs_meta_writer_t, flags: u32) -> *mut sqfs_dir_writer_t;
    /// `sqfs/dir_writer.h`
    pub fn sqfs_dir_writer_begin(writer: *mut sqfs_dir_writer_t, flags: u32) -> c_int;
    /// `sqfs/dir_writer.h`; the entries must come sorted by the bytes of their names.
    pub fn sqfs_dir_writer_add_entry(
        writer: *mut sqfs_dir_writer_t,
        name: *const c_char,
        inode_number: u32,
        inode_ref: u64,
        mode: u16,
    ) -> c_int;
    /// `sqfs/dir_writer.h`
    pub fn sqfs_dir_writer_end(writer: *mut sqfs_dir_writer_t) -> c_int;
    /// `sqfs/dir_writer.h`; freed with [`sqfs_free`].
    pub fn sqfs_dir_writer_create_inode(
        writer: *const sqfs_dir_writer_t,
        hlinks: usize,
        xattr: u32,
        parent_inode: u32,
    ) -> *mut sqfs_inode_generic_t;

    /// `sqfs/inode.h`
    pub fn sqfs_inode_make_extended(inode: *mut sqfs_inode_generic_t) -> c_int;
    /// `sqfs/inode.h`
    pub fn sqfs_inode_set_xattr_index(inode: *mut sqfs_inode_generic_t, index: u32) -> c_int;

    /// `sqfs/xattr_writer.h`
    pub fn sqfs_xattr_writer_create(flags: u32) -> *mut sqfs_xattr_writer_t;
    /// `sqfs/xattr_writer.h`
    pub fn sqfs_xattr_writer_begin(writer: *mut sqfs_xattr_writer_t, flags: u32) -> c_int;
    /// `sqfs/xattr_writer.h`
    pub fn sqfs_xattr_writer_add(
        writer: *mut sqfs_xattr_writer_t,
        key: *const c_char,
        value: *const c_void,
        size: usize,
    ) -> c_int;
    /// `sqfs/xattr_writer.h`
    pub fn sqfs_xattr_writer_end(writer: *mut sqfs_xattr_writer_t, out: *mut u32) -> c_int;
    /// `sqfs/xattr_writer.h`
    pub fn sqfs_xattr_writer_flush(
        writer: *const sqfs_xattr_writer_t,
        file: *mut sqfs_file_t,
        sup: *mut sqfs_super_t,
        compressor: *mut sqfs_compressor_t,
    ) -> c_int;
}
