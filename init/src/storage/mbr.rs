//! The partition table: the data partition's entry, made to reach to the end of the disk.
//!
//! An MBR is the first sector of a disk: four entries of 16 bytes from byte 446 on, then the signature 55 AA. An entry has
//! its type in byte 4, the first sector in bytes 8 to 11 and the number of sectors in bytes 12 to 15, little-endian.

use genpack_spec::layout::{DATA_PARTITION, DATA_PARTITION_TYPE};

/// Length of a sector in bytes; on disks with another, nothing is enlarged.
pub const SECTOR: usize = 512;
const TABLE: usize = 446;
const ENTRY: usize = 16;
/// Partitions end at a whole MiB, as they begin.
const ALIGNMENT: u64 = 2048;
/// The type that says "the true table is a GPT".
const PROTECTIVE: u8 = 0xee;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    kind: u8,
    start: u64,
    sectors: u64,
}

/// Whether a table has a data partition.
pub fn has_data_partition(sector: &[u8; SECTOR]) -> bool {
    data_entry(sector).is_some()
}

/// Returns the table with a data partition that reaches to the end of a disk of `disk_sectors`, and where it then begins
/// and how long it is, in sectors. None when it does already, when there is none, or when something lies behind it.
pub fn enlarged(sector: &[u8; SECTOR], disk_sectors: u64) -> Option<([u8; SECTOR], u64, u64)> {
    let data = data_entry(sector)?;
    let others = entries(sector)
        .into_iter()
        .enumerate()
        .filter(|(index, entry)| *index != data_index() && entry.kind != 0 && entry.sectors != 0);
    for (_, other) in others {
        if other.kind == PROTECTIVE || other.start + other.sectors > data.start {
            return None;
        }
    }
    let end = disk_sectors.min(u64::from(u32::MAX)) / ALIGNMENT * ALIGNMENT;
    let sectors = end.checked_sub(data.start)?;
    if sectors <= data.sectors {
        return None;
    }
    let mut larger = *sector;
    let entry = &mut larger[TABLE + data_index() * ENTRY..][..ENTRY];
    entry[5..8].copy_from_slice(&chs(end - 1));
    entry[12..16].copy_from_slice(&(sectors as u32).to_le_bytes());
    Some((larger, data.start, sectors))
}

fn data_index() -> usize {
    DATA_PARTITION as usize - 1
}

fn data_entry(sector: &[u8; SECTOR]) -> Option<Entry> {
    let has_signature = sector[510..] == [0x55, 0xaa];
    let entry = entries(sector)[data_index()];
    (has_signature && entry.kind == DATA_PARTITION_TYPE && entry.start > 0 && entry.sectors > 0)
        .then_some(entry)
}

fn entries(sector: &[u8; SECTOR]) -> [Entry; 4] {
    std::array::from_fn(|index| {
        let entry = &sector[TABLE + index * ENTRY..][..ENTRY];
        let number = |at: usize| {
            u64::from(u32::from_le_bytes([
                entry[at],
                entry[at + 1],
                entry[at + 2],
                entry[at + 3],
            ]))
        };
        Entry {
            kind: entry[4],
            start: number(8),
            sectors: number(12),
        }
    })
}

/// The old cylinder-head-sector address, in the geometry that BIOSes invent for large disks; the highest value stands for all
/// that it can't express.
fn chs(lba: u64) -> [u8; 3] {
    let (heads, sectors) = (255, 63);
    let (cylinder, head, sector) = match lba / (heads * sectors) {
        cylinder @ 0..=1023 => (cylinder, lba / sectors % heads, lba % sectors + 1),
        _ => (1023, 254, 63),
    };
    [
        head as u8,
        (sector | (cylinder >> 2 & 0xc0)) as u8,
        cylinder as u8,
    ]
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::process::Command;

    use super::*;

    const MIB: u64 = 2048;

    /// A table as sfdisk makes it.
    fn table(script: &str) -> (tempfile::TempDir, [u8; SECTOR]) {
        let dir = tempfile::tempdir().unwrap();
        let disk = dir.path().join("disk");
        fs::File::create(&disk).unwrap().set_len(64 << 20).unwrap();
        let script_file = dir.path().join("script");
        fs::write(&script_file, script).unwrap();
        let made = Command::new("sfdisk")
            .arg("--quiet")
            .arg(&disk)
            .stdin(fs::File::open(&script_file).unwrap())
            .status();
        assert!(made.expect("sfdisk of Debian's fdisk").success());
        let sector = *fs::read(&disk).unwrap().first_chunk().unwrap();
        (dir, sector)
    }

    const CARD: &str =
        "label: dos\n1: start=1MiB, size=31MiB, type=c, bootable\n2: start=32MiB, size=32MiB, type=83\n";

    #[test]
    fn the_last_partition_grows_into_free_room() {
        let (dir, sector) = table(CARD);
        assert!(has_data_partition(&sector));
        assert_eq!(enlarged(&sector, 64 * MIB), None);
        // Less than what is aligned is no room.
        assert_eq!(enlarged(&sector, 64 * MIB + 2047), None);
        let (larger, start, sectors) = enlarged(&sector, 20_000 * MIB + 5).unwrap();
        assert_eq!((start, sectors), (32 * MIB, 19_968 * MIB));
        assert_eq!(enlarged(&larger, 20_000 * MIB + 5), None, "once is enough");
        // A disk that has become smaller is left alone.
        assert_eq!(enlarged(&larger, 64 * MIB), None);
        assert_eq!(enlarged(&larger, 0), None);

        let disk = dir.path().join("disk");
        let file = fs::File::options().write(true).open(&disk).unwrap();
        std::os::unix::fs::FileExt::write_all_at(&file, &larger, 0).unwrap();
        file.set_len((20_000 * MIB + 5) * 512).unwrap();
        let said = Command::new("sfdisk").arg("-V").arg(&disk).output().unwrap();
        let said = String::from_utf8(said.stdout).unwrap();
        assert!(said.contains("No errors detected"), "{said}");
        let said = Command::new("sfdisk").arg("-d").arg(&disk).output().unwrap();
        let said = String::from_utf8(said.stdout).unwrap();
        let lines: Vec<_> = said.lines().filter(|line| line.contains("start=")).collect();
        assert!(lines[0].contains("size=       63488, type=c, bootable"), "{said}");
        assert!(lines[1].contains("size=    40894464, type=83"), "{said}");
    }

    #[test]
    fn an_mbr_ends_at_two_tebibytes() {
        let (_dir, sector) = table(CARD);
        let (larger, start, sectors) = enlarged(&sector, 1 << 40).unwrap();
        assert_eq!((start + sectors) % MIB, 0);
        assert!(start + sectors <= u64::from(u32::MAX) && start + sectors > u64::from(u32::MAX) - MIB);
        assert_eq!(enlarged(&larger, 1 << 40), None);
    }

    #[test]
    fn what_lies_behind_is_not_touched() {
        for script in [
            "label: dos\n1: start=1MiB, size=31MiB, type=c\n2: start=32MiB, size=8MiB, type=83\n3: start=50MiB, size=1MiB\n",
            "label: dos\n1: start=1MiB, size=31MiB, type=c\n2: start=32MiB, size=8MiB, type=7\n",
            "label: dos\n1: start=1MiB, size=31MiB, type=c\n",
            "label: gpt\n1: start=1MiB, size=31MiB\n2: start=32MiB, size=8MiB\n",
        ] {
            let (_dir, sector) = table(script);
            assert_eq!(enlarged(&sector, 1000 * MIB), None, "{script}");
        }
        assert_eq!(enlarged(&[0; SECTOR], 1000 * MIB), None);
        assert_eq!(enlarged(&[0xff; SECTOR], 1000 * MIB), None);
    }
}
