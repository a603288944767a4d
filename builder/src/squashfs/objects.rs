//! Owned objects of libsquashfs, and its error numbers.

use anyhow::{Context, Result, anyhow};
use squashfs_tools_ng_sys as sys;
use std::{ffi::c_int, mem, ptr::NonNull};

/// An object of the library, ended when dropped.
pub(super) struct Object<T>(NonNull<T>);

impl<T> Object<T> {
    /// Takes what one of the library's `..._create` functions returned.
    ///
    /// # Safety
    /// `pointer` is null or such an object, owned by nobody else.
    #[allow(unsafe_code)]
    pub unsafe fn own(pointer: *mut T) -> Result<Self> {
        NonNull::new(pointer)
            .map(Self)
            .context("libsquashfs could not start: out of memory or threads")
    }

    pub fn as_ptr(&self) -> *mut T {
        self.0.as_ptr()
    }
}

impl<T> Drop for Object<T> {
    #[allow(unsafe_code)]
    fn drop(&mut self) {
        // SAFETY: owned since `own`; whoever holds several drops those that use others first (see `Writer`).
        unsafe { sys::sqfs_destroy(self.0.as_ptr()) }
    }
}

/// An inode in memory that the library, too, may grow and give out: allocated by the C library on either side.
pub(super) struct RawInode(NonNull<sys::sqfs_inode_generic_t>);

impl RawInode {
    /// A zeroed inode of the type, followed by `payload`.
    #[allow(unsafe_code)]
    pub fn new(type_: u16, payload: &[u8]) -> Result<Self> {
        let header = mem::size_of::<sys::sqfs_inode_generic_t>();
        // SAFETY: calloc may be called with any size, and its result is checked before use.
        let inode = unsafe { libc::calloc(1, header + payload.len()) }.cast();
        let inode = NonNull::new(inode).map(Self).context("out of memory")?;
        // SAFETY: the memory is big enough for header and payload, aligned for anything, and zeros are a valid value.
        unsafe {
            (*inode.as_ptr()).base.type_ = type_;
            inode
                .as_ptr()
                .cast::<u8>()
                .add(header)
                .copy_from_nonoverlapping(payload.as_ptr(), payload.len());
        }
        Ok(inode)
    }

    /// Takes an inode that the library allocated.
    ///
    /// # Safety
    /// `pointer` is null or such an inode, owned by nobody else.
    #[allow(unsafe_code)]
    pub unsafe fn own(pointer: *mut sys::sqfs_inode_generic_t) -> Option<Self> {
        NonNull::new(pointer).map(Self)
    }

    pub fn as_ptr(&self) -> *mut sys::sqfs_inode_generic_t {
        self.0.as_ptr()
    }

    /// Gives the inode up; it is freed by giving it to [`RawInode::own`] again.
    pub fn into_raw(self) -> *mut sys::sqfs_inode_generic_t {
        mem::ManuallyDrop::new(self).0.as_ptr()
    }

    /// The fixed part.
    #[allow(unsafe_code)]
    pub fn get(&mut self) -> &mut sys::sqfs_inode_generic_t {
        // SAFETY: owned, and initialised by `new` or the library.
        unsafe { self.0.as_mut() }
    }
}

impl Drop for RawInode {
    #[allow(unsafe_code)]
    fn drop(&mut self) {
        // SAFETY: owned; `sqfs_free` is the C library's `free`, which fits `calloc` in `new`.
        unsafe { sys::sqfs_free(self.0.as_ptr().cast()) }
    }
}

/// Turns what one of the library's functions returned into a result.
pub(super) fn describe(code: c_int) -> Result<()> {
    let text = match code {
        0 => return Ok(()),
        sys::SQFS_ERROR_ALLOC => "out of memory",
        sys::SQFS_ERROR_IO => "reading or writing failed",
        sys::SQFS_ERROR_COMPRESSOR => "the compressor failed",
        sys::SQFS_ERROR_CORRUPTED => "what was written reads back differently",
        sys::SQFS_ERROR_UNSUPPORTED => "not supported",
        sys::SQFS_ERROR_OVERFLOW => "too large for a SquashFS",
        sys::SQFS_ERROR_OUT_OF_BOUNDS => "what was written cannot be read back",
        sys::SQFS_ERROR_SUPER_BLOCK_SIZE => "not a block size that a SquashFS can have",
        sys::SQFS_ERROR_ARG_INVALID => "invalid argument",
        sys::SQFS_ERROR_SEQUENCE => "call out of order",
        _ => "internal error",
    };
    Err(anyhow!("libsquashfs: {text} ({code})"))
}
