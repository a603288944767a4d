//! A part of a file that is only read, as `fatfs` wants to see it.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, Error, ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::rc::Rc;

/// How much is read at once: `fatfs` reads the allocation table four bytes at a time.
const WINDOW: usize = 64 << 10;

/// The bytes from `start` on of a file.
#[derive(Debug)]
pub struct Partition {
    file: File,
    start: u64,
    size: u64,
    position: u64,
    window: Vec<u8>,
    window_at: u64,
    allowance: Rc<Cell<u64>>,
}

impl Partition {
    /// The `size` bytes from `start`. Reading takes from the allowance, in bytes: `fatfs` follows a list of clusters for ever when
    /// it is a ring.
    pub fn new(file: File, start: u64, size: u64, allowance: Rc<Cell<u64>>) -> Partition {
        Partition {
            file,
            start,
            size,
            position: 0,
            window: Vec::new(),
            window_at: 0,
            allowance,
        }
    }
}

impl Read for Partition {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.size.saturating_sub(self.position)).unwrap_or(usize::MAX);
        let wanted = buffer.len().min(left);
        let inside = self.position.checked_sub(self.window_at);
        let inside = inside
            .and_then(|at| usize::try_from(at).ok())
            .filter(|at| *at < self.window.len());
        let at = match inside {
            Some(at) => at,
            None => {
                self.window.resize(WINDOW.min(left), 0);
                let count = self.file.read_at(&mut self.window, self.start + self.position)?;
                self.window.truncate(count);
                self.window_at = self.position;
                0
            }
        };
        let count = wanted.min(self.window.len() - at);
        let Some(allowance) = self.allowance.get().checked_sub(count as u64) else {
            return Err(Error::new(ErrorKind::InvalidData, "it has no end"));
        };
        self.allowance.set(allowance);
        buffer[..count].copy_from_slice(&self.window[at..at + count]);
        self.position += count as u64;
        Ok(count)
    }
}

impl Write for Partition {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(Error::from(ErrorKind::ReadOnlyFilesystem))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Partition {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
            SeekFrom::End(by) => self.size.checked_add_signed(by),
        };
        self.position = position.ok_or(ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}
