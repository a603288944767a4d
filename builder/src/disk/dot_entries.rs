//! Mends the entries `.` and `..` of folders that `fatfs` 0.3 made.
//!
//! It puts an entry for a long name before each of the two, where Microsoft's FAT specification wants them to be the
//! first and second of the folder, and has `..` point to the root's cluster, where it wants zero. Linux and Windows
//! take it as it is, but `fsck.fat` "repairs" it and tells the person of damage. The library's next version does not
//! do so, but has not been published.

use super::{SECTOR, storage::Storage};
use anyhow::{Result, ensure};
use std::io::{Read, Seek, SeekFrom, Write};

/// Size of a directory entry in bytes.
const ENTRY: usize = 32;
/// First byte of an entry that is free.
const FREE: u8 = 0xe5;
/// The root's cluster on a volume that `fatfs` formatted.
const ROOT_CLUSTER: u32 = 2;
/// Offsets of the two halves of the first cluster's number in an entry.
const CLUSTER_HIGH: usize = 20;
const CLUSTER_LOW: usize = 26;

/// Mends all `folders` folders of a volume that has no files yet, so that they are all that is on it.
pub(super) fn mend(storage: &mut Storage, folders: usize, cluster_size: u64) -> Result<()> {
    let data = data_start(storage.head());
    let mut mended = 0;
    let mut cluster = ROOT_CLUSTER;
    while mended < folders {
        cluster += 1;
        let position = SeekFrom::Start(data + u64::from(cluster - ROOT_CLUSTER) * cluster_size);
        let mut entries = [0; 4 * ENTRY];
        storage.seek(position)?;
        storage.read_exact(&mut entries)?;
        ensure!(
            entries[0] != 0,
            "the folders on the new volume are not where they are expected"
        );
        let [_, dot, _, dot_dot] = entries.as_chunks::<ENTRY>().0 else {
            continue;
        };
        let (dot, mut dot_dot) = (*dot, *dot_dot);
        // A cluster by which a folder has grown begins with other entries.
        if &dot[..11] != b".          " || first_cluster(&dot) != cluster {
            continue;
        }
        if first_cluster(&dot_dot) == ROOT_CLUSTER {
            dot_dot[CLUSTER_LOW] = 0;
        }
        let mut free = [0; ENTRY];
        free[0] = FREE;
        storage.seek(position)?;
        storage.write_all([dot, dot_dot, free, free].as_flattened())?;
        mended += 1;
    }
    Ok(())
}

/// Where the first cluster lies, from the boot sector.
fn data_start(boot: &[u8]) -> u64 {
    let u16_at = |offset: usize| u64::from(boot[offset]) | u64::from(boot[offset + 1]) << 8;
    let (reserved, tables) = (u16_at(14), u64::from(boot[16]));
    let table_sectors = u16_at(36) | u16_at(38) << 16;
    (reserved + tables * table_sectors) * SECTOR
}

fn first_cluster(entry: &[u8; ENTRY]) -> u32 {
    let u16_at = |offset: usize| u32::from(entry[offset]) | u32::from(entry[offset + 1]) << 8;
    u16_at(CLUSTER_HIGH) << 16 | u16_at(CLUSTER_LOW)
}
