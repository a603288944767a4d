//! `data_size`: how large the data partition of a new image is. What is kept on it, `persist`, is
//! [`genpack_spec::storage::Persist`].

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::judge::head;
use super::node::Node;
use super::problems::Problem;
use super::text;

const MIB: u64 = 1 << 20;
/// The journal, the tables, and some room.
const SMALLEST: u64 = 16 * MIB;
/// With the card in front of it, this is what the numbers in an MBR reach.
const LARGEST: u64 = 1 << 40;

/// A size in whole MiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DataSize(u64);

impl DataSize {
    /// What a size looks like, as a regular expression.
    pub const PATTERN: &str = "^[0-9]+[MGT]$";

    /// Returns the size in bytes.
    pub fn bytes(self) -> u64 {
        self.0
    }
}

impl Default for DataSize {
    /// Small, because it grows on the device.
    fn default() -> Self {
        DataSize(64 * MIB)
    }
}

impl FromStr for DataSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not a size; write a number with M, G or T, for example \"256M\"");
        let unit = text.chars().next_back().ok_or_else(wrong)?;
        let mebibytes = match unit {
            'M' => 1,
            'G' => 1 << 10,
            'T' => 1 << 20,
            _ => return Err(wrong()),
        };
        let number: u64 = text[..text.len() - 1].parse().map_err(|_| wrong())?;
        let bytes = number.saturating_mul(mebibytes).saturating_mul(MIB);
        if !(SMALLEST..=LARGEST).contains(&bytes) {
            return Err(format!("a data partition has 16M to 1T, and not {text}"));
        }
        Ok(DataSize(bytes))
    }
}

impl fmt::Display for DataSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}M", self.0 / MIB)
    }
}

impl<'de> Deserialize<'de> for DataSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text::parse(deserializer)
    }
}

impl Serialize for DataSize {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Returns a mistake when a blueprint says how large the data partition is, and keeps nothing.
pub fn without_partition(blueprint: &Node, persist: Option<&Node>) -> Option<Problem> {
    let size = blueprint.field("data_size").filter(|_| persist.is_none())?;
    Some(
        Problem::at(head(size), "an image has a data partition only with persist")
            .with_help("take data_size out, or say what is to be kept, for example persist: [\"/srv\"]"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read() {
        let bytes = |text: &str| text.parse().map(DataSize::bytes);
        assert_eq!(bytes("16M"), Ok(16 << 20));
        assert_eq!(bytes("2G"), Ok(2 << 30));
        assert_eq!(bytes("1T"), Ok(1 << 40));
        for text in ["", "M", "64", "64k", "-1M", "1.5G", "64 M", "é"] {
            assert!(bytes(text).unwrap_err().contains("is not a size"), "{text}");
        }
        for text in ["1M", "2T", "99999999999999999999M", "18446744073709551615T"] {
            assert!(bytes(text).is_err(), "{text}");
        }
        assert!(bytes("2T").unwrap_err().contains("has 16M to 1T"));
        assert_eq!(DataSize::default().to_string(), "64M");
    }
}
