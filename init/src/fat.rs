//! What the first sector of a FAT file system says about it.
//!
//! Field offsets are those of Microsoft's "FAT: General Overview of On-Disk Format" 1.03, "Boot Sector and BPB",
//! and, for the dirty bit, of the kernel's `struct fat_boot_sector` (`include/uapi/linux/msdos_fs.h`).

/// Length of the sector that [`identify`] needs, in bytes.
pub const SECTOR: usize = 512;

/// A FAT file system as its boot sector describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fat {
    /// Volume ID as GRUB and `blkid` print it: `ABCD-1234`.
    pub uuid: String,
    /// Volume label without trailing blanks.
    pub label: String,
    /// Whether it was not unmounted cleanly.
    pub dirty: bool,
}

/// Returns what kind of FAT a sector begins, none when it begins something else.
pub fn identify(sector: &[u8; SECTOR]) -> Option<Fat> {
    if sector[510..] != [0x55, 0xaa] || !matches!(sector[0], 0xeb | 0xe9) {
        return None;
    }
    // FAT32 has no 16-bit sector count per FAT, and its extended fields begin 28 bytes later.
    let fat32 = sector[22..24] == [0, 0];
    let (extended, kind) = if fat32 {
        (64, &sector[82..87])
    } else {
        (36, &sector[54..57])
    };
    let has_extended_fields = matches!(sector[extended + 2], 0x28 | 0x29);
    if !has_extended_fields || !kind.starts_with(b"FAT") {
        return None;
    }
    let id = &sector[extended + 3..extended + 7];
    Some(Fat {
        uuid: format!("{:02X}{:02X}-{:02X}{:02X}", id[3], id[2], id[1], id[0]),
        label: String::from_utf8_lossy(&sector[extended + 7..extended + 18])
            .trim_end()
            .to_string(),
        dirty: sector[extended + 1] & 1 != 0,
    })
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::process::Command;

    use super::*;

    fn format(kind: &str, megabytes: u64) -> [u8; SECTOR] {
        let dir = tempfile::tempdir().unwrap();
        let image = dir.path().join("fat.img");
        File::create(&image).unwrap().set_len(megabytes << 20).unwrap();
        let made = Command::new("mkfs.fat")
            .args(["-F", kind, "-i", "abcd1234", "-n", "GENPACK"])
            .arg(&image)
            .output();
        let made = made.expect("mkfs.fat of Debian's dosfstools");
        assert!(made.status.success(), "{made:?}");
        *fs::read(&image).unwrap().first_chunk().unwrap()
    }

    #[test]
    fn what_mkfs_fat_makes_is_recognised() {
        for (kind, megabytes) in [("32", 64), ("16", 16), ("12", 2)] {
            let mut sector = format(kind, megabytes);
            let want = Fat {
                uuid: "ABCD-1234".into(),
                label: "GENPACK".into(),
                dirty: false,
            };
            assert_eq!(identify(&sector), Some(want.clone()), "FAT{kind}");
            sector[if kind == "32" { 0x41 } else { 0x25 }] |= 1;
            assert_eq!(identify(&sector), Some(Fat { dirty: true, ..want }), "FAT{kind}");
        }
    }

    #[test]
    fn other_sectors_are_not_fat() {
        let mut mbr = [0; SECTOR];
        assert_eq!(identify(&mbr), None);
        mbr[0] = 0xeb;
        mbr[510..].copy_from_slice(&[0x55, 0xaa]);
        assert_eq!(identify(&mbr), None);
    }
}
