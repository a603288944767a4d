//! Room on disks, and which one it was that is full.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use anyhow::anyhow;
use nix::sys::statvfs::statvfs;

use crate::command;

const MB: u64 = 1_000_000;
/// Bytes of a unit of `st_blocks` (stat(2)).
const BLOCK: u64 = 512;

/// Returns how many bytes can be written to a folder that exists or will; nothing when that is not known.
pub fn left(folder: &Path) -> Option<u64> {
    let disk = folder.ancestors().find_map(|folder| statvfs(folder).ok())?;
    Some(disk.blocks_available() * disk.fragment_size())
}

/// Returns the bytes that a file, or a folder with all in it, takes on disk.
pub fn taken(path: &Path) -> u64 {
    let Ok(metadata) = fs::symlink_metadata(path) else {
        return 0;
    };
    let below = if metadata.is_dir() {
        let entries = fs::read_dir(path).into_iter().flatten().flatten();
        entries.map(|entry| taken(&entry.path())).sum()
    } else {
        0
    };
    metadata.blocks() * BLOCK + below
}

/// Returns the bytes of all files below a folder, as far as it can be read.
pub fn content(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let bytes = entries.map(|entry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => content(&entry.path()),
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    });
    bytes.sum()
}

/// Returns the error of a full disk with the folders in front where a build writes that have less room left than one needs, and
/// how to name others.
pub fn explain(error: anyhow::Error, work: &Path, cache: &Path, products: &Path) -> anyhow::Error {
    let short = shortages(work, cache, products);
    if short.is_empty() {
        return error.context("a disk was full for a moment");
    }
    anyhow!(reason(&error)).context(short.join("\n  "))
}

/// Returns what was being done, and one of the programs' complaints: the others are its consequences.
fn reason(error: &anyhow::Error) -> String {
    let causes = error.chain().map(|cause| {
        let text = cause.to_string();
        let full = text.lines().find(|line| command::is_disk_full(line));
        match text.contains('\n') {
            true => full.map(|line| line.trim().to_string()),
            false => Some(text),
        }
    });
    causes.flatten().collect::<Vec<_>>().join(":\n  ")
}

/// Returns whether one of the folders where a build writes has less room left than one needs.
pub fn is_short(work: &Path, cache: &Path, products: &Path) -> bool {
    !shortages(work, cache, products).is_empty()
}

fn shortages(work: &Path, cache: &Path, products: &Path) -> Vec<String> {
    let above = |path: &Path| path.parent().unwrap_or(path).to_path_buf();
    let places = [
        (above(work), 2000, "TMPDIR names another one"),
        (
            cache.to_path_buf(),
            800,
            "XDG_CACHE_HOME names another one, and \"genpack cache clear\" empties it",
        ),
        // They are in a folder of their own beside their final place.
        (above(products), 500, "-o names another one"),
    ];
    let short = places.iter().filter_map(|(folder, need, remedy)| {
        let left = left(folder)? / MB;
        (left < *need).then(|| {
            let folder = folder.display();
            format!("the folder {folder} has {left} MB left, where a build can need {need} MB; {remedy}")
        })
    });
    short.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_complains_of_each_file_is_quoted_once() {
        let tar = "tar -x failed (exit status: 2):\n    tar: ./a: No space left on device\n    tar: ./a/b: No such file";
        let error = anyhow!(tar).context("unpacking a tree");
        assert_eq!(
            reason(&error),
            "unpacking a tree:\n  tar: ./a: No space left on device"
        );
        let error = anyhow!("No space left on device").context("writing x");
        assert_eq!(reason(&error), "writing x:\n  No space left on device");
    }
}
