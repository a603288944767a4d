//! Whether the folders of a SquashFS are a tree. backhand follows them by recursion, and a ring, or too many in one another, would
//! overflow the stack, which no program survives.

use std::collections::HashSet;

use anyhow::{Context, Result, ensure};
use backhand::v4::inode::InodeInner;
use backhand::{Inode, Squashfs};

/// How deep folders may lie in folders.
const DEEPEST: usize = 256;
/// Longest name in bytes (kernel: `fs/squashfs/squashfs_fs.h`, `SQUASHFS_NAME_LEN`).
const LONGEST_NAME: usize = 256;
/// Most entries behind one header (the same, `SQUASHFS_DIR_COUNT`).
const MOST_ENTRIES: u32 = 256;
/// Types of entries that are folders (the same, `SQUASHFS_DIR_TYPE` and `SQUASHFS_LDIR_TYPE`).
const FOLDERS: [u16; 2] = [1, 8];
/// What a listing's length counts beside the listing: `.` and `..`, which are not there (kernel: `fs/squashfs/dir.c`).
const NOT_THERE: usize = 3;

/// Checks that every folder is in exactly one other.
///
/// # Errors
/// When it is not so, or a listing of a folder is not whole.
pub fn check(squashfs: &Squashfs<'_>) -> Result<()> {
    let mut seen = HashSet::from([squashfs.root_inode.header.inode_number]);
    let mut todo = vec![(&squashfs.root_inode, 0)];
    while let Some((folder, depth)) = todo.pop() {
        ensure!(
            depth <= DEEPEST,
            "folders lie in one another more than {DEEPEST} deep"
        );
        let listing = listing(squashfs, folder).context("the list of a folder's files is not there")?;
        for number in folders_in(listing).context("the list of a folder's files is not whole")? {
            ensure!(seen.insert(number), "a folder is in two others, or in itself");
            let inode = squashfs.inodes.get(&number);
            todo.push((inode.context("a folder that is named is not there")?, depth + 1));
        }
    }
    Ok(())
}

/// The list of a folder; nothing when it is not where it should be.
fn listing<'a>(squashfs: &'a Squashfs<'_>, folder: &Inode) -> Option<&'a [u8]> {
    let (block, offset, length) = match &folder.inner {
        InodeInner::BasicDirectory(folder) => (
            folder.block_index,
            folder.block_offset,
            u32::from(folder.file_size),
        ),
        InodeInner::ExtendedDirectory(folder) => (folder.block_index, folder.block_offset, folder.file_size),
        _ => return None,
    };
    let length = usize::try_from(length).ok()?;
    if length <= NOT_THERE {
        return Some(&[]);
    }
    let (blocks, bytes) = &squashfs.dir_blocks;
    let start = usize::try_from(*blocks.get(&u64::from(block))?).ok()?;
    let listing = bytes.get(start..)?.get(usize::from(offset)..)?;
    listing.get(..length - NOT_THERE)
}

/// The numbers of the folders in a list: headers (`struct squashfs_dir_header`), each with entries behind it
/// (`struct squashfs_dir_entry`). Nothing when it is not whole.
fn folders_in(mut listing: &[u8]) -> Option<Vec<u32>> {
    let mut folders = Vec::new();
    while !listing.is_empty() {
        // One less than there are; where the inodes are; and the number from which those of the entries differ.
        let [count, _, base] =
            [0, 1, 2].map(|at| Some(u32::from_le_bytes(*listing.get(at * 4..)?.first_chunk()?)));
        let (count, base) = (count?, base?);
        listing = listing.get(12..)?;
        if count >= MOST_ENTRIES {
            return None;
        }
        for _ in 0..=count {
            let field = |at: usize| Some(u16::from_le_bytes(*listing.get(at..)?.first_chunk()?));
            let (difference, kind, length) = (field(2)?, field(4)?, usize::from(field(6)?) + 1);
            if length > LONGEST_NAME {
                return None;
            }
            if FOLDERS.contains(&kind) {
                folders.push(base.checked_add_signed(i32::from(difference as i16))?);
            }
            listing = listing.get(8 + length..)?;
        }
    }
    Some(folders)
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::BufReader;

    use super::*;
    use crate::image::tests::system_image;
    use crate::squashfs::Compression;

    #[test]
    fn folders_that_contain_each_other_are_found() {
        let dir = tempfile::tempdir().unwrap();
        let path = system_image(dir.path(), &[("a/b/c/d", "-> x")], Compression::Zstd(1));
        let file = BufReader::new(File::open(path).unwrap());
        let mut squashfs = Squashfs::from_reader_with_offset(file, 0).unwrap();
        check(&squashfs).unwrap();
        // The lists of c, b, a and the root: a header of 12 bytes, whose last number entries add theirs to, and an entry of 9.
        let lists = &mut squashfs.dir_blocks.1;
        assert_eq!(lists.len(), 4 * 21);
        let base = |at: usize| i32::from_le_bytes(lists[at * 21 + 8..][..4].try_into().unwrap());
        let difference =
            |at: usize| i32::from(i16::from_le_bytes([lists[at * 21 + 14], lists[at * 21 + 15]]));
        // What b contains is a now.
        let changed = base(3) + difference(3) - difference(1);
        lists[21 + 8..][..4].copy_from_slice(&changed.to_le_bytes());
        let error = check(&squashfs).unwrap_err().to_string();
        assert_eq!(error, "a folder is in two others, or in itself");
    }
}
