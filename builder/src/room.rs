//! Room on disks, and which one it was that is full.

use std::fs;
use std::path::Path;

use nix::sys::statvfs::statvfs;

const MB: u64 = 1_000_000;

/// Returns how many bytes can be written to a folder that exists or will; nothing when that is not known.
pub fn left(folder: &Path) -> Option<u64> {
    let disk = folder.ancestors().find_map(|folder| statvfs(folder).ok())?;
    Some(disk.blocks_available() * disk.fragment_size())
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

/// Returns, as text, the folders where a build writes that have less room left than one needs, and how to name others.
pub fn shortage(work: &Path, cache: &Path, products: &Path) -> String {
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
    if short.is_empty() {
        "a disk was full for a moment".into()
    } else {
        short.join("\n  ")
    }
}
