//! What lies between the FAT driver and the disk.

use crate::nbd::NbdDisk;
use fatfs::Dir;
use std::cell::{Cell, RefCell};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::rc::Rc;

/// A disk that the file system shares with its user: the file system would drop it without reporting errors.
#[derive(Clone)]
pub(crate) struct SharedDisk {
    disk: Rc<RefCell<Option<NbdDisk>>>,
    /// Where the first read happened since this was emptied.
    first_read: Rc<Cell<Option<u64>>>,
}

impl SharedDisk {
    pub(crate) fn new(disk: NbdDisk) -> SharedDisk {
        SharedDisk {
            disk: Rc::new(RefCell::new(Some(disk))),
            first_read: Rc::default(),
        }
    }

    /// Takes the disk away; the file system gets errors from then on.
    pub(crate) fn take_out(&self) -> Option<NbdDisk> {
        self.disk.borrow_mut().take()
    }

    fn with<T>(&self, action: impl FnOnce(&mut NbdDisk) -> io::Result<T>) -> io::Result<T> {
        match self.disk.borrow_mut().as_mut() {
            Some(disk) => action(disk),
            None => Err(io::Error::new(
                io::ErrorKind::NotConnected,
                "the card has been taken out",
            )),
        }
    }
}

impl Read for SharedDisk {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.with(|disk| {
            if self.first_read.get().is_none() {
                self.first_read.set(Some(disk.stream_position()?));
            }
            disk.read(buffer)
        })
    }
}

impl Write for SharedDisk {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.with(|disk| disk.write(buffer))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.with(NbdDisk::flush)
    }
}

impl Seek for SharedDisk {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.with(|disk| disk.seek(to))
    }
}

/// A directory entry.
const ENTRY: usize = 32;

/// Puts `.` and `..` of a folder that fatfs 0.3 has just made where they belong.
///
/// They have to be the first two entries, and on FAT32 `..` of a folder in the root has to name cluster 0 (Microsoft's
/// FAT specification, 6.5). fatfs 0.3.6 puts a long-name entry before each and names the root's own cluster, at which
/// fsck.fat takes offence (rust-fatfs pull requests 99 and 100, not released). A folder that is well is left alone.
pub(crate) fn repair_dot_entries(
    disk: &SharedDisk,
    folder: &Dir<'_, SharedDisk>,
    in_root: bool,
) -> io::Result<()> {
    // fatfs does not tell where a folder begins, but that is where it reads first to list it.
    disk.first_read.set(None);
    folder.iter().next().transpose()?;
    let Some(start) = disk.first_read.get() else {
        return Ok(());
    };
    disk.with(|disk| {
        let mut entries = [0; 4 * ENTRY];
        disk.seek(SeekFrom::Start(start))?;
        disk.read_exact(&mut entries)?;
        let name = |index: usize| &entries[index * ENTRY..index * ENTRY + 11];
        if name(1) != b".          " || name(3) != b"..         " {
            return Ok(());
        }
        let mut repaired = [0; 4 * ENTRY];
        repaired[..ENTRY].copy_from_slice(&entries[ENTRY..2 * ENTRY]);
        repaired[ENTRY..2 * ENTRY].copy_from_slice(&entries[3 * ENTRY..]);
        if in_root {
            // The two halves of its cluster number.
            repaired[ENTRY + 20..ENTRY + 22].fill(0);
            repaired[ENTRY + 26..ENTRY + 28].fill(0);
        }
        disk.seek(SeekFrom::Start(start))?;
        disk.write_all(&repaired)
    })
}
