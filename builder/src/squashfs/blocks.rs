//! Blocks that were compressed before, by what they were made of.
//!
//! Most blocks of a new image are those of the one before. A store is a file of records: the SHA-256 of a block, the
//! length of its compressed form (0 where that would not be smaller), and that form. Each image writes a new store with
//! just the blocks that it has, and reads those of earlier images.

use std::{
    collections::HashMap,
    fs::File,
    io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write},
    mem,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    ptr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};
use squashfs_tools_ng_sys as sys;

use super::objects::Object;

const KEY: usize = 32;
const HEAD: usize = KEY + 4;

type Key = [u8; KEY];

/// Stores of earlier images, and the one of this image. All of them are for one way of compressing.
#[derive(Debug)]
pub struct Blocks {
    earlier: Vec<File>,
    /// Which of the earlier stores has a block, from where, and how long it is.
    known: HashMap<Key, (usize, u64, u32)>,
    new: Mutex<NewStore>,
    found: AtomicU64,
    made: AtomicU64,
}

#[derive(Debug)]
struct NewStore {
    file: BufWriter<File>,
    written: HashMap<Key, ()>,
    failed: Option<io::Error>,
}

impl Blocks {
    /// Opens earlier stores, and creates a new one at `path`.
    pub fn open(earlier: &[PathBuf], path: &Path) -> Result<Blocks> {
        let mut blocks = Blocks {
            earlier: Vec::new(),
            known: HashMap::new(),
            new: Mutex::new(NewStore {
                file: BufWriter::with_capacity(
                    1 << 20,
                    File::create(path).context("keeping compressed blocks")?,
                ),
                written: HashMap::new(),
                failed: None,
            }),
            found: AtomicU64::new(0),
            made: AtomicU64::new(0),
        };
        for path in earlier {
            // A store that can't be read costs time, and nothing else.
            if let Ok(file) = File::open(path) {
                let _ = blocks.index(file);
            }
        }
        Ok(blocks)
    }

    fn index(&mut self, file: File) -> io::Result<()> {
        let store = self.earlier.len();
        let length = file.metadata()?.len();
        let mut reader = BufReader::with_capacity(HEAD, file.try_clone()?);
        self.earlier.push(file);
        let mut at = 0;
        while at + HEAD as u64 <= length {
            let mut head = [0; HEAD];
            reader.read_exact(&mut head)?;
            let (key, size) = head.split_at(KEY);
            let (Ok(key), Ok(size)) = (key.try_into(), size.try_into().map(u32::from_le_bytes)) else {
                break;
            };
            at += HEAD as u64 + u64::from(size);
            if at > length {
                break;
            }
            self.known
                .entry(key)
                .or_insert((store, at - u64::from(size), size));
            reader.seek(SeekFrom::Start(at))?;
        }
        Ok(())
    }

    /// Returns the compressed form of a block into `output`: its length, or 0 where it would not be smaller.
    fn find(&self, key: &Key, output: &mut [u8]) -> Option<usize> {
        let (store, at, size) = self.known.get(key)?;
        let output = output.get_mut(..*size as usize)?;
        self.earlier[*store].read_exact_at(output, *at).ok()?;
        self.found.fetch_add(1, Ordering::Relaxed);
        Some(output.len())
    }

    fn add(&self, key: Key, compressed: &[u8]) {
        let mut new = self.new.lock().unwrap_or_else(PoisonError::into_inner);
        let new = &mut *new;
        if new.failed.is_some() || new.written.insert(key, ()).is_some() {
            return;
        }
        let mut write = || {
            new.file.write_all(&key)?;
            new.file.write_all(&(compressed.len() as u32).to_le_bytes())?;
            new.file.write_all(compressed)
        };
        new.failed = write().err();
    }

    /// Finishes the new store; returns how many blocks were known and how many had to be compressed.
    ///
    /// # Errors
    /// When the store could not be written. The image is good nevertheless.
    pub fn finish(&self) -> Result<(u64, u64)> {
        let mut new = self.new.lock().unwrap_or_else(PoisonError::into_inner);
        let outcome = match new.failed.take() {
            Some(error) => Err(error),
            None => new.file.flush(),
        };
        outcome.context("keeping compressed blocks")?;
        Ok((
            self.found.load(Ordering::Relaxed),
            self.made.load(Ordering::Relaxed),
        ))
    }
}

/// A compressor that asks the stores first. What the library sees of it is `base`.
#[repr(C)]
struct Remembering {
    base: sys::sqfs_compressor_t,
    inner: Object<sys::sqfs_compressor_t>,
    blocks: Arc<Blocks>,
}

/// Returns a compressor that does what `inner` does, and compresses no block that the stores have.
#[allow(unsafe_code)]
pub(super) fn remembering(
    inner: Object<sys::sqfs_compressor_t>,
    blocks: Arc<Blocks>,
) -> Result<Object<sys::sqfs_compressor_t>> {
    let remembering = Box::new(Remembering {
        base: sys::sqfs_compressor_t {
            base: sys::sqfs_object_t {
                destroy: Some(destroy),
                copy: Some(copy),
            },
            get_configuration: Some(get_configuration),
            write_options: Some(write_options),
            read_options: Some(read_options),
            do_block: Some(do_block),
        },
        inner,
        blocks,
    });
    // SAFETY: a new object whose first field is what the library expects; `destroy` takes it back.
    unsafe { Object::own(Box::into_raw(remembering).cast()) }
}

#[allow(unsafe_code)]
unsafe extern "C" fn destroy(object: *mut sys::sqfs_object_t) {
    // SAFETY: the library destroys each object once; it came from `Box::into_raw` with this type.
    drop(unsafe { Box::from_raw(object.cast::<Remembering>()) });
}

#[allow(unsafe_code)]
unsafe extern "C" fn copy(object: *const sys::sqfs_object_t) -> *mut sys::sqfs_object_t {
    // SAFETY: the library passes one of our live objects; the inner compressor is live as long.
    let made = unsafe {
        let this = &*object.cast::<Remembering>();
        let inner = this.inner.as_ptr().cast::<sys::sqfs_object_t>();
        let copy = (*inner).copy.map_or(ptr::null_mut(), |copy| copy(inner));
        Object::own(copy.cast()).and_then(|inner| remembering(inner, this.blocks.clone()))
    };
    match made {
        Ok(made) => {
            let pointer = made.as_ptr().cast();
            mem::forget(made);
            pointer
        }
        Err(_) => ptr::null_mut(),
    }
}

/// Returns the inner compressor of one of our objects.
#[allow(unsafe_code)]
unsafe fn inner(object: *const sys::sqfs_compressor_t) -> *mut sys::sqfs_compressor_t {
    // SAFETY: the caller passes one of our live objects.
    unsafe { (*object.cast::<Remembering>()).inner.as_ptr() }
}

#[allow(unsafe_code)]
unsafe extern "C" fn get_configuration(
    object: *const sys::sqfs_compressor_t,
    config: *mut sys::sqfs_compressor_config_t,
) {
    // SAFETY: the arguments are the library's own, and the object is one of ours.
    unsafe {
        let inner = inner(object);
        if let Some(get) = (*inner).get_configuration {
            get(inner, config);
        }
    }
}

#[allow(unsafe_code)]
unsafe extern "C" fn write_options(object: *mut sys::sqfs_compressor_t, file: *mut sys::sqfs_file_t) -> i32 {
    // SAFETY: as in `get_configuration`.
    unsafe {
        let inner = inner(object);
        (*inner)
            .write_options
            .map_or(sys::SQFS_ERROR_INTERNAL, |write| write(inner, file))
    }
}

#[allow(unsafe_code)]
unsafe extern "C" fn read_options(object: *mut sys::sqfs_compressor_t, file: *mut sys::sqfs_file_t) -> i32 {
    // SAFETY: as in `get_configuration`.
    unsafe {
        let inner = inner(object);
        (*inner)
            .read_options
            .map_or(sys::SQFS_ERROR_INTERNAL, |read| read(inner, file))
    }
}

#[allow(unsafe_code)]
unsafe extern "C" fn do_block(
    object: *mut sys::sqfs_compressor_t,
    input: *const u8,
    size: u32,
    output: *mut u8,
    output_size: u32,
) -> i32 {
    // SAFETY: the library passes one of our live objects, and a buffer of this size that nobody writes to.
    let (this, block) = unsafe {
        (
            &*object.cast::<Remembering>(),
            std::slice::from_raw_parts(input, size as usize),
        )
    };
    // SAFETY: the library's other buffer, of this size. Each use ends before the library gets the buffer back.
    let room = || unsafe { std::slice::from_raw_parts_mut(output, output_size as usize) };
    let key: Key = Sha256::digest(block).into();
    if let Some(length) = this.blocks.find(&key, room()) {
        this.blocks.add(key, &room()[..length]);
        return length as i32;
    }
    let inner = this.inner.as_ptr();
    // SAFETY: the inner compressor is live, and the buffers are the library's own.
    let result = unsafe {
        (*inner).do_block.map_or(sys::SQFS_ERROR_INTERNAL, |compress| {
            compress(inner, input, size, output, output_size)
        })
    };
    if let Ok(length) = usize::try_from(result) {
        this.blocks.made.fetch_add(1, Ordering::Relaxed);
        this.blocks.add(key, &room()[..length]);
    }
    result
}
