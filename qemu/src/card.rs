//! The FAT partition of an image, as the computer of the person sees it who puts the card in.

use crate::error::{Error, Result};
use crate::fat::{SharedDisk, repair_dot_entries};
use crate::nbd::NbdDisk;
use crate::network::escape;
use crate::overlay::Disk;
use crate::partition::find_fat;
use crate::process::{self, FSCK_FAT, QEMU_IMG};
use fatfs::{Dir, FileSystem, FsOptions};
use std::fmt;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// The FAT file system on a disk image of any format, open for reading and writing.
///
/// It is the first FAT partition of an MBR or GPT, or the whole image. Paths are relative to its root, with `/` between
/// names. The image is locked as long as this is open, and a machine's disk cannot be opened while the machine runs.
pub struct Card {
    image: PathBuf,
    // `Option` because unmounting takes it.
    fat: Option<FileSystem<SharedDisk>>,
    disk: SharedDisk,
}

/// A file or folder on a [`Card`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name, in the case in which it was written.
    pub name: String,
    /// Whether it is a folder.
    pub is_dir: bool,
    /// Its size in bytes; 0 for a folder.
    pub size: u64,
}

impl fmt::Debug for Card {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Card")
            .field("image", &self.image)
            .finish_non_exhaustive()
    }
}

impl Card {
    /// Opens the FAT file system on `image`, as inserting the card does.
    ///
    /// # Errors
    /// When the image is in use, has no FAT file system, or `qemu-nbd` is missing.
    pub fn open(image: impl AsRef<Path>) -> Result<Card> {
        let disk = Disk::detect(image)?;
        let (opened, _) = open_fat(&disk)?;
        let image = disk.path;
        let disk = SharedDisk::new(opened);
        let fat = FileSystem::new(disk.clone(), FsOptions::new()).map_err(Error::io(format!(
            "mounting the FAT file system on {}",
            image.display()
        )))?;
        Ok(Card {
            image,
            fat: Some(fat),
            disk,
        })
    }

    /// The content of a file.
    ///
    /// # Errors
    /// When there is no such file.
    pub fn read(&self, path: &str) -> Result<Vec<u8>> {
        self.with_root("reading", path, |root, path| {
            let mut bytes = Vec::new();
            root.open_file(path)?.read_to_end(&mut bytes)?;
            Ok(bytes)
        })
    }

    /// Writes a file whole, making it or replacing what was in it.
    ///
    /// # Errors
    /// When its folder is missing, it is a folder, or there is no space.
    pub fn write(&self, path: &str, bytes: &[u8]) -> Result<()> {
        self.with_root("writing", path, |root, path| {
            let mut file = root.create_file(path)?;
            file.truncate()?;
            file.write_all(bytes)?;
            file.flush()
        })
    }

    /// Removes a file or an empty folder.
    ///
    /// # Errors
    /// When there is no such file, or the folder is not empty.
    pub fn remove(&self, path: &str) -> Result<()> {
        self.with_root("removing", path, |root, path| root.remove(path))
    }

    /// Makes a folder; one that is there already is left alone.
    ///
    /// # Errors
    /// When the folder around it is missing.
    pub fn mkdir(&self, path: &str) -> Result<()> {
        self.with_root("making the folder", path, |root, path| {
            let folder = root.create_dir(path)?;
            repair_dot_entries(&self.disk, &folder, !path.contains('/'))
        })
    }

    /// Renames a file or folder, or moves a file.
    ///
    /// # Errors
    /// When there is no such file, the new name is taken, or a folder would have to move.
    pub fn rename(&self, from: &str, to: &str) -> Result<()> {
        let to = to.trim_matches('/');
        self.with_root("renaming", from, |root, from| {
            let parent = |path: &str| path.rsplit_once('/').map(|(parent, _)| parent.to_lowercase());
            if parent(from) != parent(to) && root.open_dir(from).is_ok() {
                // fatfs would leave its `..` entry pointing to where it was.
                return Err(io::Error::new(
                    io::ErrorKind::Unsupported,
                    "a folder cannot be moved to another folder",
                ));
            }
            root.rename(from, root, to)
        })
    }

    /// What is in a folder (`""` is the root), in the order in which it is on the card.
    ///
    /// # Errors
    /// When there is no such folder.
    pub fn list(&self, path: &str) -> Result<Vec<Entry>> {
        self.with_root("listing", path, |root, path| {
            let folder = if path.is_empty() {
                root.clone()
            } else {
                root.open_dir(path)?
            };
            let entries = folder.iter().map(|entry| {
                entry.map(|entry| Entry {
                    name: entry.file_name(),
                    is_dir: entry.is_dir(),
                    size: entry.len(),
                })
            });
            let entries = entries.collect::<io::Result<Vec<_>>>()?;
            Ok(entries
                .into_iter()
                .filter(|entry| entry.name != "." && entry.name != "..")
                .collect())
        })
    }

    /// Whether the file system is marked as not unmounted cleanly, or as damaged.
    ///
    /// # Errors
    /// When the image cannot be read.
    pub fn is_dirty(&self) -> Result<bool> {
        let flags = self.fat().read_status_flags();
        let flags = flags.map_err(Error::io(format!(
            "reading the state of {}",
            self.image.display()
        )))?;
        Ok(flags.dirty() || flags.io_error())
    }

    /// Unmounts, as "safely remove" does; everything is in the image when this returns.
    ///
    /// Dropping does the same, but can only print an error.
    ///
    /// # Errors
    /// When the image cannot be written.
    pub fn close(mut self) -> Result<()> {
        self.unmount()
    }

    fn unmount(&mut self) -> Result<()> {
        let doing = || {
            Error::io(format!(
                "unmounting the FAT file system on {}",
                self.image.display()
            ))
        };
        let unmounted = self
            .fat
            .take()
            .map_or(Ok(()), |fat| fat.unmount().map_err(doing()));
        let closed = self.disk.take_out().map_or(Ok(()), NbdDisk::close);
        unmounted.and(closed)
    }

    fn fat(&self) -> &FileSystem<SharedDisk> {
        self.fat
            .as_ref()
            .expect("only unmounting takes the file system, and it takes the card too")
    }

    fn with_root<T>(
        &self,
        doing: &str,
        path: &str,
        action: impl FnOnce(&Dir<'_, SharedDisk>, &str) -> io::Result<T>,
    ) -> Result<T> {
        let path = path.trim_matches('/');
        action(&self.fat().root_dir(), path).map_err(Error::io(format!(
            "{doing} {path:?} on the card {}",
            self.image.display()
        )))
    }
}

impl Drop for Card {
    fn drop(&mut self) {
        if let Err(error) = self.unmount() {
            eprintln!("{error}");
        }
    }
}

/// Has `fsck.fat -n` check the FAT file system on an image.
///
/// # Errors
/// When it finds anything to mend, with what it says; when the image is in use, or a program is missing.
pub fn check_fat(image: impl AsRef<Path>) -> Result<()> {
    let disk = Disk::detect(image)?;
    let (opened, range) = open_fat(&disk)?;
    opened.close()?;
    // fsck.fat takes neither qcow2 nor an offset.
    let folder = tempfile::tempdir().map_err(Error::io("making a folder for a FAT partition"))?;
    let partition = folder.path().join("fat.img");
    let source = format!(
        "driver=raw,offset={},size={},file.driver={},file.file.driver=file,file.file.filename={}",
        range.start,
        range.end - range.start,
        disk.format.name(),
        escape(&disk.path)
    );
    let partition_arg = partition.to_string_lossy();
    process::run(
        QEMU_IMG,
        ["convert", "--image-opts", &source, "-O", "raw", &partition_arg],
    )?;
    let (_, output) = process::output(FSCK_FAT, ["-n", &partition_arg])?;
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    // A clean file system gets the version and a summary, and nothing else.
    if output.status.success() && said.trim_end().lines().count() == 2 {
        return Ok(());
    }
    Err(Error::UncleanFat {
        image: disk.path,
        output: said,
    })
}

/// Opens an image with only its FAT file system in view; also says where in the disk that is.
fn open_fat(disk: &Disk) -> Result<(NbdDisk, std::ops::Range<u64>)> {
    let mut opened = NbdDisk::open(disk)?;
    let found = find_fat(&mut opened).map_err(Error::io(format!(
        "reading the partition table of {}",
        disk.path.display()
    )))?;
    let range = found.map_err(|found| Error::NoFat {
        image: disk.path.clone(),
        found,
    })?;
    opened.set_window(range.clone());
    Ok((opened, range))
}
