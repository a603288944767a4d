//! Lets the C compiler say how big the structures of the installed headers are and where their fields lie, and
//! compares that with the hand-written ones.

use squashfs_tools_ng_sys as sys;
use std::{io::Write, mem, process::Command};

/// (C expression, value in Rust) for the size of a structure and the offsets of the named fields.
macro_rules! layout {
    ($list:ident, $ty:ident: $($field:ident),*) => {
        $list.push((format!("sizeof({})", stringify!($ty)), mem::size_of::<sys::$ty>()));
        $($list.push((
            format!("offsetof({}, {})", stringify!($ty), stringify!($field).trim_end_matches('_')),
            mem::offset_of!(sys::$ty, $field),
        ));)*
    };
}

macro_rules! constants {
    ($list:ident: $($name:ident),*) => {$($list.push((
        format!("(size_t)(long){}", stringify!($name)), sys::$name as i64 as usize
    ));)*};
}

#[test]
fn structures_and_constants_match_the_headers() {
    let mut list: Vec<(String, usize)> = Vec::new();
    layout!(list, sqfs_object_t: destroy, copy);
    layout!(list, sqfs_file_t: base, read_at, write_at, get_size, truncate);
    layout!(list, sqfs_compressor_t: base, get_configuration, write_options, read_options, do_block);
    layout!(list, sqfs_compressor_config_t: id, flags, block_size, level, opt);
    layout!(list, sqfs_super_t: magic, inode_count, modification_time, block_size, fragment_entry_count,
        compression_id, block_log, flags, id_count, version_major, version_minor, root_inode_ref, bytes_used,
        id_table_start, xattr_id_table_start, inode_table_start, directory_table_start, fragment_table_start,
        export_table_start);
    layout!(list, sqfs_block_processor_desc_t: size, max_block_size, num_workers, max_backlog, cmp, wr, tbl, file,
        uncmp);
    layout!(list, sqfs_inode_t: type_, mode, uid_idx, gid_idx, mod_time, inode_number);
    layout!(list, sqfs_inode_dev_t: nlink, devno);
    layout!(list, sqfs_inode_ipc_t: nlink);
    layout!(list, sqfs_inode_slink_t: nlink, target_size);
    layout!(list, sqfs_inode_file_ext_t: blocks_start, file_size, sparse, nlink, fragment_idx, fragment_offset,
        xattr_idx);
    layout!(list, sqfs_inode_dir_t: start_block, nlink, size, offset, parent_inode);
    layout!(list, sqfs_inode_dir_ext_t: nlink, size, start_block, parent_inode, inodex_count, offset, xattr_idx);
    layout!(list, sqfs_inode_generic_t: base, payload_bytes_available, payload_bytes_used, data);
    list.push((
        "offsetof(sqfs_inode_generic_t, extra)".into(),
        mem::size_of::<sys::sqfs_inode_generic_t>(),
    ));
    constants!(list: SQFS_ERROR_ALLOC, SQFS_ERROR_IO, SQFS_ERROR_COMPRESSOR, SQFS_ERROR_INTERNAL,
        SQFS_ERROR_CORRUPTED, SQFS_ERROR_UNSUPPORTED, SQFS_ERROR_OVERFLOW, SQFS_ERROR_OUT_OF_BOUNDS,
        SQFS_ERROR_SUPER_BLOCK_SIZE, SQFS_ERROR_ARG_INVALID, SQFS_ERROR_SEQUENCE, SQFS_COMP_GZIP, SQFS_COMP_XZ,
        SQFS_COMP_LZ4, SQFS_COMP_ZSTD, SQFS_COMP_FLAG_LZ4_HC, SQFS_COMP_FLAG_UNCOMPRESS,
        SQFS_FLAG_COMPRESSOR_OPTIONS, SQFS_INODE_DIR, SQFS_INODE_FILE, SQFS_INODE_SLINK, SQFS_INODE_BDEV,
        SQFS_INODE_CDEV, SQFS_INODE_FIFO, SQFS_INODE_EXT_DIR, SQFS_INODE_EXT_FILE,
        SQFS_META_WRITER_KEEP_IN_MEMORY);

    let mut source = String::from("#include <stddef.h>\n");
    for header in [
        "io",
        "compressor",
        "super",
        "block_processor",
        "inode",
        "error",
        "meta_writer",
    ] {
        source += &format!("#include <sqfs/{header}.h>\n");
    }
    for (expression, value) in &list {
        source += &format!("_Static_assert({expression} == {value}UL, \"{expression} is not {value}\");\n");
    }
    let mut compiler = Command::new("cc")
        .args(["-fsyntax-only", "-x", "c", "-"])
        .stdin(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("the C compiler runs");
    compiler
        .stdin
        .take()
        .unwrap()
        .write_all(source.as_bytes())
        .unwrap();
    let output = compiler.wait_with_output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
