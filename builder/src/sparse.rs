//! Copies of files with holes that have the same holes.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::Path;

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::unistd::{Whence, lseek};

/// Copies the files of one folder to another, with their holes.
pub fn copy_files(from: &Path, to: &Path) -> Result<()> {
    for entry in fs::read_dir(from).with_context(|| format!("reading {}", from.display()))? {
        let entry = entry?;
        copy(&entry.path(), &to.join(entry.file_name()))
            .with_context(|| format!("copying {} to {}", entry.path().display(), to.display()))?;
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let mut source = File::open(from)?;
    let target = File::create(to)?;
    let length = source.metadata()?.len();
    target.set_len(length)?;
    let mut buffer = vec![0; 1 << 20];
    let mut at = 0;
    // Data and holes in turn (lseek(2), SEEK_DATA).
    while let Some(begin) = seek(&source, at, Whence::SeekData)? {
        let end = seek(&source, begin, Whence::SeekHole)?.unwrap_or(length);
        source.seek(SeekFrom::Start(begin))?;
        at = begin;
        while at < end {
            let most = buffer.len().min((end - at) as usize);
            let count = source.read(&mut buffer[..most])?;
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            target.write_all_at(&buffer[..count], at)?;
            at += count as u64;
        }
    }
    Ok(())
}

/// Returns nothing behind the last data.
fn seek(file: &File, from: u64, whence: Whence) -> io::Result<Option<u64>> {
    match lseek(file, from as i64, whence) {
        Ok(offset) => Ok(Some(offset as u64)),
        Err(Errno::ENXIO) => Ok(None),
        Err(errno) => Err(errno.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn holes_stay_holes() {
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let path = from.path().join("disk");
        let file = File::create(&path).unwrap();
        file.set_len(50_000_001).unwrap();
        file.write_all_at(b"begin", 0).unwrap();
        file.write_all_at(&[7; 3_000_000], 20_000_000).unwrap();
        fs::write(from.path().join("empty"), "").unwrap();
        copy_files(from.path(), to.path()).unwrap();
        let copy = to.path().join("disk");
        assert!(fs::read(&copy).unwrap() == fs::read(&path).unwrap());
        assert!(fs::metadata(&copy).unwrap().blocks() * 512 < 4_000_000);
        assert_eq!(fs::metadata(to.path().join("empty")).unwrap().len(), 0);
    }
}
