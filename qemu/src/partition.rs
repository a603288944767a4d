//! Where the FAT file system is on a disk.

use std::fmt::Write as _;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;

const SECTOR: u64 = 512;

/// More than any partition table has that is not damaged.
const GPT_ENTRIES_MAX: u32 = 1024;

/// The bytes of the first FAT file system on `disk`: in an MBR or GPT partition, or on the disk as a whole, as on some
/// sticks. What a partition table says of types is not believed, the boot sector is. Otherwise what was found instead.
pub(crate) fn find_fat(disk: &mut (impl Read + Seek)) -> io::Result<Result<Range<u64>, String>> {
    let size = disk.seek(SeekFrom::End(0))?;
    if size < SECTOR {
        return Ok(Err(format!("the image has only {size} bytes")));
    }
    let first = sector(disk, 0)?;
    if is_fat(&first) {
        return Ok(Ok(0..size));
    }
    if first[510..] != [0x55, 0xaa] {
        return Ok(Err("no partition table and no file system".to_owned()));
    }
    let partitions = match sector(disk, 1)? {
        header if header.starts_with(b"EFI PART") => gpt(disk, &header)?,
        _ => mbr(&first),
    };
    let mut found = String::from("only");
    for Partition {
        number,
        start,
        sectors,
    } in partitions
    {
        let bytes =
            start.saturating_mul(SECTOR)..start.saturating_add(sectors).saturating_mul(SECTOR).min(size);
        if bytes.start < bytes.end && is_fat(&sector(disk, start)?) {
            return Ok(Ok(bytes));
        }
        let _ = write!(found, " partition {number} from sector {start}");
    }
    if found == "only" {
        found.push_str(" an empty partition table");
    }
    Ok(Err(found))
}

/// A used entry of a partition table, in sectors.
struct Partition {
    number: usize,
    start: u64,
    sectors: u64,
}

/// A sector; behind the end of the disk there are zeros.
fn sector(disk: &mut (impl Read + Seek), number: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    disk.seek(SeekFrom::Start(number.saturating_mul(SECTOR)))?;
    disk.take(SECTOR).read_to_end(&mut bytes)?;
    bytes.resize(SECTOR as usize, 0);
    Ok(bytes)
}

/// A FAT boot sector: the signature, a jump, and the type's name, where FAT12/16 or FAT32 have it.
fn is_fat(sector: &[u8]) -> bool {
    let jump = matches!(sector[0], 0xeb | 0xe9);
    sector[510..512] == [0x55, 0xaa] && jump && (&sector[54..57] == b"FAT" || &sector[82..87] == b"FAT32")
}

/// The four entries of a master boot record, 16 bytes each from byte 446 (UEFI specification, 5.2.1).
fn mbr(sector: &[u8]) -> Vec<Partition> {
    let entries = sector[446..510].chunks_exact(16).enumerate();
    let partitions = entries.map(|(index, entry)| Partition {
        number: index + 1,
        start: number(&entry[8..12]),
        sectors: number(&entry[12..16]),
    });
    partitions.filter(|partition| partition.sectors != 0).collect()
}

/// The entries of a GUID partition table (UEFI specification, 5.3.2 and 5.3.3).
fn gpt(disk: &mut (impl Read + Seek), header: &[u8]) -> io::Result<Vec<Partition>> {
    let table = number(&header[72..80]).saturating_mul(SECTOR);
    let count = (number(&header[80..84]) as u32).min(GPT_ENTRIES_MAX);
    let size = number(&header[84..88]).clamp(128, 4096) as usize;
    disk.seek(SeekFrom::Start(table))?;
    let mut entry = vec![0; size];
    let mut partitions = Vec::new();
    for index in 0..count {
        disk.read_exact(&mut entry)?;
        let (start, last) = (number(&entry[32..40]), number(&entry[40..48]));
        let used = entry[..16].iter().any(|&byte| byte != 0) && last >= start;
        if used {
            partitions.push(Partition {
                number: index as usize + 1,
                start,
                sectors: (last - start).saturating_add(1),
            });
        }
    }
    Ok(partitions)
}

/// A little-endian number of up to eight bytes.
fn number(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .rev()
        .fold(0, |value, &byte| value << 8 | u64::from(byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    fn find(disk: Vec<u8>) -> Result<Range<u64>, String> {
        find_fat(&mut Cursor::new(disk)).unwrap()
    }

    #[test]
    fn what_has_no_fat_is_described() {
        assert_eq!(find(vec![0; 100]), Err("the image has only 100 bytes".into()));
        assert_eq!(
            find(vec![0; 4096]),
            Err("no partition table and no file system".into())
        );
        let mut disk = vec![0; 4096];
        disk[510..512].copy_from_slice(&[0x55, 0xaa]);
        assert_eq!(find(disk.clone()), Err("only an empty partition table".into()));
        disk[446 + 16 + 8] = 4;
        disk[446 + 16 + 12] = 2;
        assert_eq!(find(disk), Err("only partition 2 from sector 4".into()));
    }

    #[test]
    fn a_damaged_table_does_no_harm() {
        let mut disk = vec![0xff; 4096];
        disk[510..512].copy_from_slice(&[0x55, 0xaa]);
        assert!(find(disk.clone()).is_err());
        disk[512..520].copy_from_slice(b"EFI PART");
        assert!(find_fat(&mut Cursor::new(disk)).is_err());
    }
}
