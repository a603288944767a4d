//! What the superblock of the data partition says, checking the file system, and letting it grow while it is mounted.
//!
//! Offsets are those of the kernel's `struct ext4_super_block` (`fs/ext4/ext4.h`); the superblock begins at byte 1024.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use genpack_spec::layout;

use crate::log;

const SUPERBLOCK: u64 = 1024;
const MAGIC: u16 = 0xef53;
/// "Errors detected", in `s_state`.
const ERROR_FS: u16 = 2;
/// Block numbers have 64 bits, in `s_feature_incompat`.
const INCOMPAT_64BIT: u32 = 0x80;

// Number and argument of EXT4_IOC_RESIZE_FS (kernel: `include/uapi/linux/ext4.h`): the new count of blocks.
nix::ioctl_write_ptr!(ext4_resize_fs, b'f', 16, u64);

/// An ext4 file system as its superblock describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Superblock {
    /// Its label.
    pub label: String,
    /// Size of a block in bytes.
    pub block_size: u64,
    /// How many blocks it has.
    pub blocks: u64,
    /// Whether the kernel has come upon errors in it.
    pub has_errors: bool,
}

impl Superblock {
    /// Reads the superblock on a device; none when it has no ext4 file system.
    pub fn read(device: &Path) -> io::Result<Option<Superblock>> {
        let mut bytes = [0; 1024];
        match File::open(device)?.read_exact_at(&mut bytes, SUPERBLOCK) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            read => read.map(|()| Superblock::parse(&bytes)),
        }
    }

    fn parse(bytes: &[u8; 1024]) -> Option<Superblock> {
        let word = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
        let long = |at: usize| u32::from(word(at)) | u32::from(word(at + 2)) << 16;
        let block_size = 1024_u64
            .checked_shl(long(0x18))
            .filter(|size| (1024..=65536).contains(size))?;
        let high = match long(0x60) & INCOMPAT_64BIT {
            0 => 0,
            _ => long(0x150),
        };
        let label = &bytes[0x78..0x88];
        let end = label.iter().position(|&byte| byte == 0).unwrap_or(label.len());
        (word(0x38) == MAGIC).then(|| Superblock {
            label: String::from_utf8_lossy(&label[..end]).into_owned(),
            block_size,
            blocks: u64::from(high) << 32 | u64::from(long(4)),
            has_errors: word(0x3a) & ERROR_FS != 0,
        })
    }
}

/// Lets the mounted file system grow to `bytes`. A power cut meanwhile leaves the old size or a new one: every step of the
/// kernel goes through the journal.
pub fn grow(mount_point: &Path, block_size: u64, bytes: u64) -> Result<()> {
    let folder = File::open(mount_point).with_context(|| format!("opening {}", mount_point.display()))?;
    let blocks = bytes / block_size;
    // SAFETY: the descriptor is open, and `blocks` is the 64-bit number that the kernel reads.
    #[allow(unsafe_code)]
    unsafe { ext4_resize_fs(folder.as_raw_fd(), &blocks) }.context("enlarging the file system")?;
    Ok(())
}

/// Checks and repairs the file system on an unmounted device with the system's own `e2fsck`, which lies in `folder`. Nobody is
/// there to answer questions: what is safe is repaired first, and then whatever it takes.
pub fn check(folder: &Path, device: &Path) -> Result<()> {
    for answers in ["-p", "-y"] {
        let output = Command::new(folder.join(layout::FSCK_LOADER))
            .arg("--library-path")
            .arg(folder)
            .arg(folder.join(layout::FSCK_DATA_PROGRAM))
            .args(["-f", answers])
            .arg(device)
            .output()
            .context("starting e2fsck")?;
        let text = String::from_utf8_lossy(&output.stdout);
        text.lines()
            .for_each(|line| log::info(&format!("e2fsck: {line}")));
        match output.status.code() {
            // e2fsck(8), "EXIT CODE": 1 and 2 are "errors corrected".
            Some(0..=3) => return Ok(()),
            Some(_) if answers == "-p" => {}
            _ => bail!("e2fsck ended with {}", output.status),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_mke2fs_makes_is_recognised() {
        let dir = tempfile::tempdir().unwrap();
        let image = dir.path().join("image");
        for (features, blocks) in [("64bit", 16384_u64), ("^64bit", 8192)] {
            let _ = fs::remove_file(&image);
            let made = Command::new("mke2fs")
                .args([
                    "-q",
                    "-F",
                    "-t",
                    "ext4",
                    "-b",
                    "4096",
                    "-O",
                    features,
                    "-L",
                    "GENPACK-DATA",
                ])
                .arg(&image)
                .arg(blocks.to_string())
                .output()
                .expect("mke2fs of Debian's e2fsprogs");
            assert!(made.status.success(), "{made:?}");
            let want = Superblock {
                label: "GENPACK-DATA".into(),
                block_size: 4096,
                blocks,
                has_errors: false,
            };
            assert_eq!(Superblock::read(&image).unwrap(), Some(want));
        }
    }

    #[test]
    fn what_e2fsck_can_not_mend_in_safety_is_mended_all_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let (folder, image) = (dir.path().join("fsck"), dir.path().join("image"));
        // The bundle of an image, but for the libraries, which are those of this machine.
        fs::create_dir(&folder).unwrap();
        std::os::unix::fs::symlink("/lib64/ld-linux-x86-64.so.2", folder.join(layout::FSCK_LOADER)).unwrap();
        std::os::unix::fs::symlink("/usr/sbin/e2fsck", folder.join(layout::FSCK_DATA_PROGRAM)).unwrap();
        let run = |program: &str, arguments: &[&str]| {
            let output = Command::new(program)
                .args(arguments)
                .arg(&image)
                .output()
                .unwrap();
            output.status.success()
        };
        File::create(&image).unwrap().set_len(16 << 20).unwrap();
        assert!(run("mke2fs", &["-q", "-F", "-t", "ext4"]));
        check(&folder, &image).unwrap();
        // The folder of all folders is gone.
        assert!(run("debugfs", &["-w", "-R", "clri <2>"]));
        assert!(!run("e2fsck", &["-f", "-p"]) && !run("e2fsck", &["-f", "-n"]));
        check(&folder, &image).unwrap();
        assert!(run("e2fsck", &["-f", "-n"]));
        fs::write(&image, [0; 4096]).unwrap();
        assert!(
            check(&folder, &image)
                .unwrap_err()
                .to_string()
                .starts_with("e2fsck ended with ")
        );
    }

    #[test]
    fn other_bytes_are_no_superblock() {
        assert_eq!(Superblock::parse(&[0; 1024]), None);
        assert_eq!(Superblock::parse(&[0xff; 1024]), None);
        let short = tempfile::NamedTempFile::new().unwrap();
        assert_eq!(Superblock::read(short.path()).unwrap(), None);
    }
}
