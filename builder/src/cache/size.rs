//! Sizes of cache entries, and the limit.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::str::FromStr;

use anyhow::{Result, bail};

use crate::blueprint::InputError;

const VARIABLE: &str = "GENPACK_CACHE_LIMIT";
/// Bytes of a unit of `st_blocks` (stat(2)).
const BLOCK: u64 = 512;

/// How large the cache may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit(u64);

impl Limit {
    /// Returns what `GENPACK_CACHE_LIMIT` says, or 10 GB.
    ///
    /// # Errors
    /// [`InputError`] when it is not a size.
    pub fn from_environment() -> Result<Limit> {
        match std::env::var(VARIABLE) {
            Ok(text) if !text.is_empty() => match text.parse() {
                Ok(limit) => Ok(limit),
                Err(why) => bail!(InputError::plain(format!("{VARIABLE}: {why}"))),
            },
            _ => Ok(Limit(10_000_000_000)),
        }
    }

    /// Returns the limit in bytes.
    pub fn bytes(self) -> u64 {
        self.0
    }
}

impl FromStr for Limit {
    type Err = String;

    /// A number with `M`, `G` or `T` behind it, in powers of 1000.
    fn from_str(text: &str) -> Result<Self, String> {
        let number = text.trim_end_matches(['M', 'G', 'T']);
        let unit = match &text[number.len()..] {
            "M" => Some(1_000_000),
            "G" => Some(1_000_000_000),
            "T" => Some(1_000_000_000_000),
            _ => None,
        };
        let bytes = unit.and_then(|unit| number.parse::<u64>().ok()?.checked_mul(unit));
        bytes
            .map(Limit)
            .ok_or_else(|| format!("{text:?} is not a size; write for example \"10G\" or \"500M\""))
    }
}

/// Returns the bytes that a file, or a folder with all in it, takes on disk.
pub fn on_disk(path: &Path) -> u64 {
    let Ok(metadata) = fs::symlink_metadata(path) else {
        return 0;
    };
    let below = if metadata.is_dir() {
        let entries = fs::read_dir(path).into_iter().flatten().flatten();
        entries.map(|entry| on_disk(&entry.path())).sum()
    } else {
        0
    };
    metadata.blocks() * BLOCK + below
}
