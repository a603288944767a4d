//! The system image: facts that the builder records in it, and how PID 1 tells a whole one from a damaged one.

use serde::{Deserialize, Serialize};

use crate::storage::Persist;
use crate::text;
use crate::text::{Language, Text};

/// What an image says about itself; `/usr/lib/genpack/image.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageInfo {
    /// The blueprint's `name`; the first part of the default host name.
    pub name: String,
    /// The profile that it was built for.
    pub profile: String,
    /// The package source, for example `debian:trixie`.
    pub base: String,
    /// Kernel release, as `uname -r` prints it.
    pub kernel: String,
    /// The moment that the image stands for, in seconds since 1970 (UTC); also the earliest time that the
    /// device's clock may show.
    pub epoch: u64,
    /// The language in which the device speaks unless its owner chooses another; the blueprint's `language`.
    #[serde(default)]
    pub language: Language,
    /// What the running device makes of settings that appear; the blueprint's `settings_from`.
    #[serde(default)]
    pub settings_from: SettingsFrom,
    /// What is kept over a restart; the blueprint's `persist`. None: the image has no data partition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub persist: Option<Persist>,
}

/// What a running device makes of a `system.ini` that appears, by where it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SettingsFrom {
    /// Changed on the mounted card, where it would hold after the next start anyway.
    pub card: Reaction,
    /// On a stick that is plugged in. Off unless the maker asks for it: whoever comes near a socket is not yet somebody who
    /// may change the settings, and to look at a stranger's stick is to let the kernel read a stranger's file system.
    pub stick: Reaction,
}

impl Default for SettingsFrom {
    fn default() -> SettingsFrom {
        SettingsFrom {
            card: Reaction::Apply,
            stick: Reaction::Off,
        }
    }
}

/// What to do with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reaction {
    /// Nothing; nobody looks at it.
    Off,
    /// It is judged, and the answer is written down; it changes nothing.
    Check,
    /// It becomes the settings.
    Apply,
}

/// Size of a SquashFS superblock in bytes (kernel: `fs/squashfs/squashfs_fs.h`, `struct squashfs_super_block`).
pub const SUPERBLOCK_BYTES: usize = 96;

/// Why a `system.img` can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.text().english())]
pub enum Damage {
    /// Shorter than a superblock.
    TooShort(u64),
    /// No SquashFS magic number.
    NotSquashfs,
    /// Shorter than its superblock says.
    Truncated {
        /// Bytes that the superblock promises.
        expected: u64,
        /// Bytes that the file has.
        actual: u64,
    },
}

impl Damage {
    /// Returns it as a phrase for people.
    pub fn text(&self) -> Text {
        match self {
            Damage::TooShort(length) => text!("it is only {length} bytes long", length),
            Damage::NotSquashfs => text!("it does not begin as a system image does"),
            Damage::Truncated { expected, actual } => text!(
                "it is cut off: {actual} of {expected} bytes are there",
                actual,
                expected
            ),
        }
    }
}

/// Checks the first [`SUPERBLOCK_BYTES`] of a file of `length` bytes: is a whole SquashFS there?
pub fn check_superblock(head: &[u8], length: u64) -> Result<(), Damage> {
    let Some(head) = head.first_chunk::<SUPERBLOCK_BYTES>() else {
        return Err(Damage::TooShort(length));
    };
    if &head[0..4] != b"hsqs" {
        return Err(Damage::NotSquashfs);
    }
    let mut bytes_used = [0; 8];
    bytes_used.copy_from_slice(&head[40..48]);
    let expected = u64::from_le_bytes(bytes_used);
    if length < expected {
        return Err(Damage::Truncated {
            expected,
            actual: length,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(bytes_used: u64) -> [u8; SUPERBLOCK_BYTES] {
        let mut head = [0; SUPERBLOCK_BYTES];
        head[..4].copy_from_slice(b"hsqs");
        head[40..48].copy_from_slice(&bytes_used.to_le_bytes());
        head
    }

    #[test]
    fn whole_and_padded_images_pass() {
        assert_eq!(check_superblock(&head(5000), 5000), Ok(()));
        assert_eq!(check_superblock(&head(5000), 8192), Ok(()));
    }

    #[test]
    fn damage_is_named() {
        let truncated = Damage::Truncated {
            expected: 5000,
            actual: 2500,
        };
        assert_eq!(check_superblock(&head(5000), 2500), Err(truncated.clone()));
        assert_eq!(
            truncated.to_string(),
            "it is cut off: 2500 of 5000 bytes are there"
        );
        assert_eq!(check_superblock(&[0; 96], 5000), Err(Damage::NotSquashfs));
        assert_eq!(check_superblock(b"hsqs", 4), Err(Damage::TooShort(4)));
    }
}
