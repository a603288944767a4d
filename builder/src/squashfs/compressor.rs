//! Compressors, as the options ask for them.

use super::{
    Compression, Options,
    blocks::remembering,
    objects::{Object, describe},
};
use anyhow::{Context, Result};
use squashfs_tools_ng_sys as sys;
use std::{ffi::c_int, mem, ptr, sync::OnceLock};

/// A compressor and its counterpart.
pub(super) struct Compressors {
    pub compressor: Object<sys::sqfs_compressor_t>,
    /// For reading back what was written.
    pub decompressor: Object<sys::sqfs_compressor_t>,
    /// What the super block calls it.
    pub id: c_int,
}

impl Compressors {
    pub fn new(options: &Options) -> Result<Self> {
        let (id, flags, level) = match options.compression {
            Compression::Zstd(level) => (sys::SQFS_COMP_ZSTD, 0, Some(level)),
            Compression::Gzip(level) => (sys::SQFS_COMP_GZIP, 0, Some(level)),
            Compression::Xz(level) => (sys::SQFS_COMP_XZ, 0, Some(level)),
            Compression::Lz4 => (sys::SQFS_COMP_LZ4, sys::SQFS_COMP_FLAG_LZ4_HC, None),
        };
        let create = |flags| {
            create(id, flags, level, options.block_size).with_context(|| {
                format!(
                    "cannot compress with {:?}: is the level in range?",
                    options.compression
                )
            })
        };
        let compressor = create(flags)?;
        if options.compression == Compression::Lz4 {
            make_lz4_shrink(&compressor);
        }
        let compressor = match &options.blocks {
            Some(blocks) => remembering(compressor, blocks.clone())?,
            None => compressor,
        };
        Ok(Self {
            compressor,
            decompressor: create(flags | sys::SQFS_COMP_FLAG_UNCOMPRESS)?,
            id,
        })
    }
}

#[allow(unsafe_code)]
fn create(
    id: c_int,
    flags: u16,
    level: Option<u32>,
    block_size: u32,
) -> Result<Object<sys::sqfs_compressor_t>> {
    // SAFETY: zeros are a valid configuration; the library fills it, then reads it and returns a new object.
    unsafe {
        let mut config: sys::sqfs_compressor_config_t = mem::zeroed();
        describe(sys::sqfs_compressor_config_init(
            &mut config,
            id,
            block_size as usize,
            flags,
        ))?;
        config.level = level.unwrap_or(config.level);
        let mut compressor = ptr::null_mut();
        describe(sys::sqfs_compressor_create(&config, &mut compressor))?;
        Object::own(compressor)
    }
}

type DoBlock = unsafe extern "C" fn(*mut sys::sqfs_compressor_t, *const u8, u32, *mut u8, u32) -> i32;

/// The library's own LZ4 compression.
static LZ4: OnceLock<DoBlock> = OnceLock::new();

/// LZ4 in libsquashfs 1.2 and 1.3 hands out blocks that have grown, where every other compressor says "store it as
/// it is". Neither the kernel nor unsquashfs reads a table so stored. The workers' copies take the function along.
#[allow(unsafe_code)]
fn make_lz4_shrink(compressor: &Object<sys::sqfs_compressor_t>) {
    // SAFETY: a live object that nobody else uses yet.
    let do_block = unsafe { &mut (*compressor.as_ptr()).do_block };
    if let Some(original) = *do_block {
        LZ4.get_or_init(|| original);
        *do_block = Some(lz4_shrinking);
    }
}

#[allow(unsafe_code)]
unsafe extern "C" fn lz4_shrinking(
    compressor: *mut sys::sqfs_compressor_t,
    input: *const u8,
    size: u32,
    output: *mut u8,
    output_size: u32,
) -> i32 {
    let Some(original) = LZ4.get() else {
        return sys::SQFS_ERROR_INTERNAL;
    };
    // SAFETY: the arguments are the library's own.
    let result = unsafe { original(compressor, input, size, output, output_size) };
    if result > 0 && result as u32 >= size {
        0
    } else {
        result
    }
}
