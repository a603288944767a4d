//! Host names.

use std::str::FromStr;

use super::{Invalid, MacAddress};
use crate::text;

/// An RFC 1123 host name: one label, or several with dots (a fully qualified name).
///
/// At most 64 characters, which is what the kernel keeps (`__NEW_UTS_LEN`, `include/uapi/linux/utsname.h`).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Hostname(String);

const KERNEL_LIMIT: usize = 64;
const LABEL_LIMIT: usize = 63;

impl FromStr for Hostname {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        if text.is_empty() {
            return Err(Invalid(text!("a host name is missing")));
        }
        if let Some(c) = text
            .chars()
            .find(|c| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '.')))
        {
            let problem = match c {
                ' ' => text!("a host name cannot contain a blank"),
                '_' => text!("a host name cannot contain an underscore"),
                '"' => text!("a host name cannot contain a quotation mark"),
                character => text!("a host name cannot contain the character {character}", character),
            };
            return Err(Invalid(problem));
        }
        if text.len() > KERNEL_LIMIT {
            return Err(Invalid(text!(
                "a host name has at most {limit} characters, and this has {length}",
                limit = KERNEL_LIMIT,
                length = text.len(),
            )));
        }
        for label in text.split('.') {
            if label.is_empty() {
                return Err(Invalid(text!(
                    "a host name cannot begin or end with a dot, or have two in a row"
                )));
            }
            if label.len() > LABEL_LIMIT {
                return Err(Invalid(text!(
                    "a part of a host name has at most {limit} characters",
                    limit = LABEL_LIMIT
                )));
            }
            if label.starts_with('-') || label.ends_with('-') {
                return Err(Invalid(text!("a host name cannot begin or end with a hyphen")));
            }
        }
        if text.chars().all(|c| c.is_ascii_digit() || c == '.') {
            return Err(Invalid(text!("a host name needs at least one letter")));
        }
        Ok(Hostname(text.to_ascii_lowercase()))
    }
}

super::text_newtype!(Hostname);

impl Hostname {
    /// Returns the name that a device has until a person gives it another: `<artifact>-<last 6 hex digits of the
    /// first wired MAC>`, or the bare artifact name on a device without a wired port.
    ///
    /// Characters of `artifact` that a host name cannot hold become hyphens.
    pub fn default_for(artifact: &str, mac: Option<MacAddress>) -> Hostname {
        let suffix = mac
            .map(|mac| format!("-{}", mac.last_six_digits()))
            .unwrap_or_default();
        let cleaned: String = artifact
            .chars()
            .map(|c| {
                if c.is_ascii_alphanumeric() {
                    c.to_ascii_lowercase()
                } else {
                    '-'
                }
            })
            .take(LABEL_LIMIT - suffix.len())
            .collect();
        let stem = match cleaned.trim_matches('-') {
            "" => "genpack",
            stem if stem.bytes().all(|b| b.is_ascii_digit()) && suffix.is_empty() => "genpack",
            stem => stem,
        };
        Hostname(format!("{stem}{suffix}"))
    }

    /// Returns the first label.
    pub fn short(&self) -> &str {
        self.0.split('.').next().unwrap_or(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_labels_and_qualified_names() {
        for (text, want) in [
            ("Kitchen", "kitchen"),
            ("a.example.org", "a.example.org"),
            ("3com", "3com"),
        ] {
            assert_eq!(text.parse::<Hostname>().unwrap().as_str(), want);
        }
        assert_eq!("a.example.org".parse::<Hostname>().unwrap().short(), "a");
    }

    #[test]
    fn says_what_is_wrong() {
        for (text, problem) in [
            ("", "a host name is missing"),
            ("my host", "a host name cannot contain a blank"),
            ("my_host", "a host name cannot contain an underscore"),
            ("küche", "a host name cannot contain the character ü"),
            ("-x", "a host name cannot begin or end with a hyphen"),
            (
                "a..b",
                "a host name cannot begin or end with a dot, or have two in a row",
            ),
            ("192.168.1.1", "a host name needs at least one letter"),
        ] {
            assert_eq!(
                text.parse::<Hostname>().unwrap_err().to_string(),
                problem,
                "{text}"
            );
        }
        assert!("a".repeat(64).parse::<Hostname>().is_err());
        assert!(format!("{}.b", "a".repeat(63)).parse::<Hostname>().is_err());
    }

    #[test]
    fn the_default_is_always_valid() {
        let mac = "52:54:00:12:34:56".parse().unwrap();
        assert_eq!(Hostname::default_for("web", Some(mac)).as_str(), "web-123456");
        for artifact in ["web", "My Web_Server", "---", "", "123", &"x".repeat(200), "東京"] {
            for mac in [None, Some(mac)] {
                let name = Hostname::default_for(artifact, mac);
                assert_eq!(name.as_str().parse::<Hostname>().unwrap(), name);
            }
        }
    }
}
