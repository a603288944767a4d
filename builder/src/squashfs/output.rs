//! The image file, as libsquashfs sees it.
//!
//! libsquashfs has an implementation of its own, but that one reports every failure as "I/O error". This one keeps
//! the reason, and says when something has been written, which is the only sign of progress the library gives.

use squashfs_tools_ng_sys as sys;
use std::{
    ffi::{c_int, c_void},
    fs::File,
    io,
    os::unix::fs::FileExt,
    path::Path,
    ptr::NonNull,
    slice,
};

/// An open image file; it stays where it is in memory, so the library may keep pointers to it.
pub(super) struct Output<'a>(NonNull<Inner<'a>>);

#[repr(C)]
struct Inner<'a> {
    /// Must come first: the library's pointer to it is our pointer to the whole.
    interface: sys::sqfs_file_t,
    file: File,
    size: u64,
    limit: u64,
    failure: Option<io::Error>,
    on_write: &'a mut dyn FnMut(),
}

impl<'a> Output<'a> {
    /// Creates or empties the file; `on_write` is called after each write. Nothing is written behind `limit` bytes.
    pub fn create(path: &Path, limit: u64, on_write: &'a mut dyn FnMut()) -> io::Result<Self> {
        let inner = Box::new(Inner {
            interface: sys::sqfs_file_t {
                base: sys::sqfs_object_t {
                    destroy: None,
                    copy: None,
                },
                read_at: Some(read_at),
                write_at: Some(write_at),
                get_size: Some(get_size),
                truncate: Some(truncate),
            },
            file: File::options()
                .read(true)
                .write(true)
                .create(true)
                .truncate(true)
                .open(path)?,
            size: 0,
            limit,
            failure: None,
            on_write,
        });
        Ok(Self(NonNull::from(Box::leak(inner))))
    }

    /// For the library, as long as this value lives.
    pub fn as_ptr(&self) -> *mut sys::sqfs_file_t {
        self.0.as_ptr().cast()
    }

    /// Size in bytes.
    #[allow(unsafe_code)]
    pub fn size(&self) -> u64 {
        // SAFETY: the pointer is valid as long as `self`, and the library does not run at the moment.
        unsafe { (*self.0.as_ptr()).size }
    }

    /// Appends zeros up to the next multiple of `unit` bytes.
    #[allow(unsafe_code)]
    pub fn pad(&mut self, unit: u64) -> io::Result<u64> {
        // SAFETY: as in `size`.
        let inner = unsafe { &mut *self.0.as_ptr() };
        inner.check_limit(inner.size.next_multiple_of(unit))?;
        inner.size = inner.size.next_multiple_of(unit);
        inner.file.set_len(inner.size)?;
        Ok(inner.size)
    }

    /// Why a read or write failed, if one did since the last call.
    #[allow(unsafe_code)]
    pub fn take_failure(&self) -> Option<io::Error> {
        // SAFETY: as in `size`; no reference into the value outlives a call.
        unsafe { (*self.0.as_ptr()).failure.take() }
    }
}

impl Drop for Output<'_> {
    #[allow(unsafe_code)]
    fn drop(&mut self) {
        // SAFETY: the pointer comes from `Box::leak` in `create` and is given up here.
        drop(unsafe { Box::from_raw(self.0.as_ptr()) });
    }
}

/// Why nothing more is written.
#[derive(Debug, thiserror::Error)]
#[error("it may not be larger")]
pub(super) struct LimitReached;

impl Inner<'_> {
    fn check_limit(&self, size: u64) -> io::Result<()> {
        if size > self.limit {
            return Err(io::Error::other(LimitReached));
        }
        Ok(())
    }

    /// Keeps the reason of a failure and turns the result into what the library expects.
    fn settle(&mut self, result: io::Result<()>) -> c_int {
        match result {
            Ok(()) => 0,
            Err(error) => {
                self.failure = Some(error);
                sys::SQFS_ERROR_IO
            }
        }
    }
}

/// The value behind the library's pointer.
///
/// # Safety
/// `file` comes from [`Output::as_ptr`] of a living value, and no other reference to it exists: the library calls
/// these functions from the thread that called into it, never from its workers (these only compress).
#[allow(unsafe_code)]
unsafe fn inner<'a>(file: *mut sys::sqfs_file_t) -> &'a mut Inner<'a> {
    // SAFETY: see above; the interface is the first field of a `repr(C)` structure.
    unsafe { &mut *file.cast() }
}

#[allow(unsafe_code)]
unsafe extern "C" fn read_at(
    file: *mut sys::sqfs_file_t,
    offset: u64,
    buffer: *mut c_void,
    size: usize,
) -> c_int {
    // SAFETY: the library passes its file and a buffer of `size` bytes.
    let (inner, buffer) = unsafe { (inner(file), slice::from_raw_parts_mut(buffer.cast::<u8>(), size)) };
    let result = inner.file.read_exact_at(buffer, offset);
    inner.settle(result)
}

#[allow(unsafe_code)]
unsafe extern "C" fn write_at(
    file: *mut sys::sqfs_file_t,
    offset: u64,
    buffer: *const c_void,
    size: usize,
) -> c_int {
    // SAFETY: as in `read_at`.
    let (inner, buffer) = unsafe { (inner(file), slice::from_raw_parts(buffer.cast::<u8>(), size)) };
    let end = offset + size as u64;
    let result = inner
        .check_limit(end)
        .and_then(|()| inner.file.write_all_at(buffer, offset));
    inner.size = inner.size.max(end);
    (inner.on_write)();
    inner.settle(result)
}

#[allow(unsafe_code)]
unsafe extern "C" fn get_size(file: *const sys::sqfs_file_t) -> u64 {
    // SAFETY: as in `read_at`.
    unsafe { inner(file.cast_mut()) }.size
}

#[allow(unsafe_code)]
unsafe extern "C" fn truncate(file: *mut sys::sqfs_file_t, size: u64) -> c_int {
    // SAFETY: as in `read_at`.
    let inner = unsafe { inner(file) };
    let result = inner.file.set_len(size);
    inner.size = size;
    inner.settle(result)
}
