//! Limits that a variable of the environment can set.

use std::str::FromStr;

use anyhow::{Result, bail};

use crate::blueprint::InputError;

/// A size that something must not exceed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit(u64);

impl Limit {
    /// Returns the limit of so many bytes.
    pub const fn of(bytes: u64) -> Limit {
        Limit(bytes)
    }

    /// Returns what the environment's `variable` says, if it says something.
    ///
    /// # Errors
    /// [`InputError`] when it is not a size.
    pub fn from_environment(variable: &str) -> Result<Option<Limit>> {
        match std::env::var(variable) {
            Ok(text) if !text.is_empty() => match text.parse() {
                Ok(limit) => Ok(Some(limit)),
                Err(why) => bail!(InputError::plain(format!("{variable}: {why}"))),
            },
            _ => Ok(None),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_has_a_unit() {
        let limit = |text: &str| text.parse::<Limit>().map(Limit::bytes);
        assert_eq!(limit("20G"), Ok(20_000_000_000));
        assert_eq!(limit("500M"), Ok(500_000_000));
        for bad in ["", "G", "10", "1.5G", "-1G", "99999999999T", "10GG"] {
            assert!(limit(bad).unwrap_err().contains("is not a size"), "{bad}");
        }
    }
}
