//! Names of things in the operating system: users, groups, locales, keyboards, and sizes.

use std::fmt;
use std::str::FromStr;

use super::{Invalid, serde_by_text, text_newtype};
use crate::text;

/// Name of a user or a group: what useradd(8) takes on every system, lower-case letters, digits, `_` and `-`, at most
/// 32 characters, beginning with a letter or `_`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UserName(String);

impl FromStr for UserName {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-');
        let begins = text.starts_with(|c: char| c.is_ascii_lowercase() || c == '_');
        if begins && text.len() <= 32 && text.chars().all(plain) {
            Ok(UserName(text.to_string()))
        } else {
            Err(Invalid(text!(
                "{text} cannot be the name of a user or a group",
                text
            )))
        }
    }
}

text_newtype!(UserName);

/// Name of a locale, such as `de_DE.UTF-8` (setlocale(3)); whether the image has it is for whoever holds the image
/// to say.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Locale(String);

impl FromStr for Locale {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '@');
        if text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.len() <= 64 && text.chars().all(plain)
        {
            Ok(Locale(text.to_string()))
        } else {
            Err(Invalid(text!(
                "{text} is not the name of a language setting (locale)",
                text
            )))
        }
    }
}

text_newtype!(Locale);

/// Name of a keyboard layout, such as `de` or `us-intl`; whether the image has it is for whoever holds the image to
/// say.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Keyboard(String);

impl FromStr for Keyboard {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        if !text.is_empty() && text.len() <= 64 && text.chars().all(plain) {
            Ok(Keyboard(text.to_string()))
        } else {
            Err(Invalid(text!(
                "{text} is not the name of a keyboard layout",
                text
            )))
        }
    }
}

text_newtype!(Keyboard);

/// A swap file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Swap {
    /// None.
    Off,
    /// As large as fits the machine.
    Auto,
    /// Of this many bytes.
    Bytes(u64),
}

impl FromStr for Swap {
    type Err = Invalid;

    /// Reads `off`, `auto`, or a size such as `512M` or `2 GB`; units are powers of 1024.
    fn from_str(text: &str) -> Result<Self, Invalid> {
        let lower = text.to_ascii_lowercase();
        match lower.as_str() {
            "off" | "no" | "none" | "false" | "0" | "disabled" => return Ok(Swap::Off),
            "auto" | "on" | "yes" | "true" | "enabled" => return Ok(Swap::Auto),
            _ => {}
        }
        let digits = lower.find(|c: char| !c.is_ascii_digit()).unwrap_or(lower.len());
        let (number, unit) = lower.split_at(digits);
        let shift = match unit.trim().trim_end_matches("ib").trim_end_matches('b') {
            "k" => 10,
            "m" => 20,
            "g" => 30,
            "" if unit.is_empty() && number.len() >= 7 => 0,
            _ => return Err(Invalid(text!("{text} is not a size such as 512M or 2G", text))),
        };
        let bytes = number
            .parse::<u64>()
            .ok()
            .and_then(|number| number.checked_mul(1 << shift));
        match bytes {
            Some(bytes) if (1 << 20..=1 << 40).contains(&bytes) => Ok(Swap::Bytes(bytes)),
            Some(_) => Err(Invalid(text!(
                "a swap file has between 1M and 1024G, and {text} is not",
                text
            ))),
            None => Err(Invalid(text!("{text} is not a size such as 512M or 2G", text))),
        }
    }
}

impl fmt::Display for Swap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Swap::Off => f.write_str("off"),
            Swap::Auto => f.write_str("auto"),
            Swap::Bytes(bytes) if bytes % (1 << 30) == 0 => write!(f, "{}G", bytes >> 30),
            Swap::Bytes(bytes) if bytes % (1 << 20) == 0 => write!(f, "{}M", bytes >> 20),
            Swap::Bytes(bytes) if bytes % (1 << 10) == 0 => write!(f, "{}K", bytes >> 10),
            Swap::Bytes(bytes) => write!(f, "{bytes}"),
        }
    }
}

serde_by_text!(Swap);

/// A password in the form of crypt(5), such as `$6$...` or `$y$...`; a form that does not lock nor open the account
/// without a password.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(super::Secret);

impl FromStr for PasswordHash {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        // Methods that crypt(5) recommends for new hashes: yescrypt, gost-yescrypt, scrypt, bcrypt, SHA-512, SHA-256.
        let strong = ["$y$", "$gy$", "$7$", "$2b$", "$2y$", "$2a$", "$6$", "$5$"];
        let plain = |c: char| c.is_ascii_graphic() && !matches!(c, ':' | '*' | '!' | ';' | '\\');
        let parts = text.split('$').count();
        let rest = text.rsplit('$').next().unwrap_or("");
        if strong.iter().any(|start| text.starts_with(start))
            && parts >= 4
            && rest.len() >= 20
            && text.len() <= 384
            && text.chars().all(plain)
        {
            Ok(PasswordHash(super::Secret::new(text)))
        } else {
            Err(Invalid(text!(
                "this is not the hash of a password, or one of an outdated kind"
            )))
        }
    }
}

impl PasswordHash {
    /// Returns the hash, which must not be shown.
    pub fn reveal(&self) -> &str {
        self.0.reveal()
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl serde::Serialize for PasswordHash {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> serde::Deserialize<'de> for PasswordHash {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let secret = super::Secret::deserialize(deserializer)?;
        secret.reveal().parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_of_swap() {
        for (text, want) in [
            ("512M", Some(Swap::Bytes(512 << 20))),
            ("2 GB", Some(Swap::Bytes(2 << 30))),
            ("1gib", Some(Swap::Bytes(1 << 30))),
            ("1048576", Some(Swap::Bytes(1 << 20))),
            ("OFF", Some(Swap::Off)),
            ("auto", Some(Swap::Auto)),
            ("512", None),
            ("1K", None),
            ("99999G", None),
            ("-1M", None),
            ("", None),
            ("G", None),
        ] {
            assert_eq!(text.parse::<Swap>().ok(), want, "{text}");
        }
        assert_eq!(Swap::Bytes(1536 << 20).to_string(), "1536M");
    }

    #[test]
    fn hashes_open_nothing_by_accident() {
        let sha512 = format!("$6$salt${}", "a".repeat(86));
        assert!(sha512.parse::<PasswordHash>().is_ok());
        assert!(
            format!("$y$j9T$salt${}", "a".repeat(43))
                .parse::<PasswordHash>()
                .is_ok()
        );
        for text in [
            "",
            "*",
            "!",
            "x",
            "plain",
            "$6$",
            "$1$salt$aaaaaaaaaaaaaaaaaaaaaa",
            "$6$a:b$aaaaaaaaaaaaaaaaaaaaaaaaa",
        ] {
            assert!(text.parse::<PasswordHash>().is_err(), "{text}");
        }
        assert_eq!(
            format!("{:?}", sha512.parse::<PasswordHash>().unwrap()),
            "********"
        );
    }

    #[test]
    fn names_that_a_system_takes() {
        for text in ["pi", "_apt", "www-data"] {
            assert!(text.parse::<UserName>().is_ok(), "{text}");
        }
        for text in ["", "Anna", "1a", "a b", "a:b", "-a", "root\n"] {
            assert!(text.parse::<UserName>().is_err(), "{text}");
        }
        assert!("de_DE.UTF-8".parse::<Locale>().is_ok());
        assert!("../etc".parse::<Locale>().is_err());
        assert!("us/../x".parse::<Keyboard>().is_err());
    }
}
