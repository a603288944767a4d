//! Room on disks, and which one it was that is full.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::sys::statvfs::statvfs;

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

/// Returns, as text, the folders where a build writes that have less room left than one needs, and how to name others; nothing when each has
/// enough.
pub fn shortage(work: &Path, cache: &Path, products: &Path) -> Option<String> {
    let above = |path: &Path| path.parent().unwrap_or(path).to_path_buf();
    let places = [
        (above(work), 2000, "TMPDIR names another one"),
        (cache.to_path_buf(), 800, "XDG_CACHE_HOME names another one"),
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
    let short: Vec<_> = short.collect();
    (!short.is_empty()).then(|| short.join("\n  "))
}
