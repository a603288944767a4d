//! The data partition of a disk image: an empty ext4 file system, made by the base's `mke2fs` inside the image file.

use std::path::Path;

use anyhow::{Context, Result};
use genpack_spec::layout;

use crate::tools::Tools;

/// Everything that ext4 of any kernel since 3.18 has, and nothing that depends on the configuration of the building host.
const FEATURES: &str = "none,has_journal,ext_attr,resize_inode,dir_index,filetype,extent,64bit,flex_bg,sparse_super,\
                        large_file,huge_file,dir_nlink,extra_isize,metadata_csum";
/// Size of a block in bytes. mke2fs would take smaller ones for a small file system, with which it could hardly grow.
const BLOCK: u64 = 4096;
/// How far the file system can grow, in blocks: 2 TiB, as far as an MBR reaches. It costs 1 MiB.
const GROWS_TO: u64 = (2 << 40) / BLOCK;
const MIB: u64 = 1 << 20;

/// The data partition of a new image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataPartition {
    /// Its size in bytes, in whole MiB.
    pub size: u64,
    /// UUID of the file system, also the seed of its hashes.
    pub uuid: String,
    /// The name that other systems show: at most 16 characters.
    pub label: String,
    /// Where `mke2fs` comes from.
    pub tools: Tools,
}

impl DataPartition {
    /// Makes the file system in `image`, from `start` bytes on, where the file has nothing but zeros. `epoch` is its time.
    pub(super) fn format(&self, image: &Path, start: u64, epoch: u32) -> Result<()> {
        // A journal that fits the size: mke2fs takes 4 MiB at least.
        let journal = (self.size / MIB / 16).clamp(4, 64);
        let extended = format!(
            "offset={start},nodiscard,lazy_itable_init=1,lazy_journal_init=1,root_owner=0:0,hash_seed={},resize={GROWS_TO}",
            self.uuid
        );
        let run = self.tools.run("mke2fs", |mke2fs| {
            mke2fs
                .args(["-q", "-F", "-t", layout::DATA_FILE_SYSTEM, "-O", FEATURES])
                .args(["-b", &BLOCK.to_string(), "-I", "256", "-i", "16384"])
                // Some room stays root's, so that the device can follow its settings on a full disk.
                .args(["-m", "2", "-e", "remount-ro"])
                .args(["-J", &format!("size={journal}")])
                .args(["-L", &self.label, "-U", &self.uuid, "-E", &extended])
                .arg(image)
                .arg(format!("{}k", self.size >> 10))
                // The same bytes on every host and at any time. The second is what newer versions look at.
                .env("MKE2FS_CONFIG", "/dev/null")
                .env("E2FSPROGS_FAKE_TIME", epoch.max(1).to_string())
                .env("SOURCE_DATE_EPOCH", epoch.max(1).to_string())
        });
        run.context("making the data partition")
    }
}
