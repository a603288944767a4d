//! The partition inside the disk image, as `fatfs` sees it.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::FileExt,
};

/// A part of a file, of which the beginning is held in memory until [`Storage::finish`]. `fatfs` reads and writes the
/// allocation table four bytes at a time, for each cluster and several times: in the file that would be most of the
/// work.
#[derive(Debug)]
pub(super) struct Storage<'a> {
    file: &'a File,
    start: u64,
    size: u64,
    position: u64,
    head: Vec<u8>,
}

impl<'a> Storage<'a> {
    /// The `size` bytes from `start` of an empty file, with the first `head` of these in memory.
    pub fn new(file: &'a File, start: u64, size: u64, head: usize) -> Self {
        Self {
            file,
            start,
            size,
            position: 0,
            head: vec![0; head],
        }
    }

    /// The beginning, as it is now.
    pub fn head(&mut self) -> &mut [u8] {
        &mut self.head
    }

    /// Writes the beginning, except where it is still zero: the file is sparse.
    pub fn finish(self) -> io::Result<()> {
        for (index, page) in self.head.chunks(4096).enumerate() {
            if page.iter().any(|&byte| byte != 0) {
                self.file.write_all_at(page, self.start + index as u64 * 4096)?;
            }
        }
        Ok(())
    }

    /// How many of `length` bytes from the current position lie in the file or memory alone.
    fn extent(&self, length: usize) -> usize {
        let head = self.head.len() as u64;
        let end = if self.position < head { head } else { self.size };
        length.min(end.saturating_sub(self.position) as usize)
    }
}

impl Read for Storage<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut count = self.extent(buffer.len());
        let position = self.position as usize;
        match self.head.get(position..position + count) {
            Some(head) => buffer[..count].copy_from_slice(head),
            None => {
                count = self
                    .file
                    .read_at(&mut buffer[..count], self.start + self.position)?
            }
        }
        self.position += count as u64;
        Ok(count)
    }
}

impl Write for Storage<'_> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let mut count = self.extent(buffer.len());
        let position = self.position as usize;
        match self.head.get_mut(position..position + count) {
            Some(head) => head.copy_from_slice(&buffer[..count]),
            None => count = self.file.write_at(&buffer[..count], self.start + self.position)?,
        }
        self.position += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Storage<'_> {
    fn seek(&mut self, target: SeekFrom) -> io::Result<u64> {
        let position = match target {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::End(offset) => self.size.checked_add_signed(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
        };
        self.position = position.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}
