//! Time zones.

use std::str::FromStr;

use super::{Invalid, text_newtype};
use crate::text;

/// An IANA time zone name such as `Asia/Tokyo`: a relative path below `/usr/share/zoneinfo` that cannot leave it.
/// Whether an image has the zone is for whoever holds the image to say.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TimeZone(String);

impl FromStr for TimeZone {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        // Characters by the naming rules of the tz database ("Theory and pragmatics of the tz code and data").
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '+');
        if !text.is_empty()
            && text
                .split('/')
                .all(|part| !part.is_empty() && part.chars().all(plain))
        {
            Ok(TimeZone(text.to_string()))
        } else {
            Err(Invalid(text!("{text} is not the name of a time zone", text)))
        }
    }
}

text_newtype!(TimeZone);

impl TimeZone {
    /// Returns the zone that holds until a person chooses one.
    pub fn utc() -> TimeZone {
        TimeZone("UTC".to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_leave_the_folder() {
        for text in ["UTC", "Asia/Tokyo", "America/Argentina/Buenos_Aires", "Etc/GMT+9"] {
            assert!(text.parse::<TimeZone>().is_ok(), "{text}");
        }
        for text in [
            "",
            "/etc/passwd",
            "../x",
            "Asia/",
            "Asia//Tokyo",
            "tzdata.zi",
            "a b",
        ] {
            assert!(text.parse::<TimeZone>().is_err(), "{text}");
        }
    }
}
