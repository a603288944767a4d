//! Values of blueprints and profiles that are valid once they exist.

use std::fmt;
use std::path::{Component, Path};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::file::{BLUEPRINT_FILE, PLAIN_JSON_FILE};
use super::text;
use crate::lock::LOCK_FILE;
use crate::squashfs::Compression;

/// serde for a type by its text form.
macro_rules! by_text {
    ($type:ident) => {
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                text::parse(deserializer)
            }
        }
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
    };
}

/// The name of what is built: part of file names and of the default host name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArtifactName(String);

by_text!(ArtifactName);

impl ArtifactName {
    /// The rule as a regular expression.
    pub const PATTERN: &str = r"^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$";
}

impl FromStr for ArtifactName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let edges = text.starts_with('-') || text.ends_with('-');
        if text.is_empty() || text.len() > 40 || edges || !text.chars().all(good) {
            return Err(format!(
                "a name has letters, digits and hyphens, in lower case, and at most 40 of them; {text:?} can't be one"
            ));
        }
        Ok(ArtifactName(text.to_string()))
    }
}

impl fmt::Display for ArtifactName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An entry of a `packages` list: a package's name, or `-name` to remove one that the profile brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageName {
    name: String,
    removed: bool,
}

by_text!(PackageName);

impl PackageName {
    /// The rule as a regular expression.
    pub const PATTERN: &str = r"^-?[a-z0-9][a-z0-9+.-]+$";

    /// Returns the package's name without the minus sign.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether the entry removes the package.
    pub fn is_removed(&self) -> bool {
        self.removed
    }
}

impl FromStr for PackageName {
    type Err = String;

    /// Package names by Debian Policy 5.6.1, "Source", which 5.6.7 takes over for binary packages.
    fn from_str(text: &str) -> Result<Self, String> {
        let name = text.strip_prefix('-').unwrap_or(text);
        let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '+' | '-' | '.');
        let begins = name.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
        if name.len() < 2 || !begins || !name.chars().all(good) {
            return Err(format!("{text:?} is not the name of a Debian package"));
        }
        Ok(PackageName {
            name: name.to_string(),
            removed: text.starts_with('-'),
        })
    }
}

impl fmt::Display for PackageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.removed { "-" } else { "" }, self.name)
    }
}

/// How `system.img` is compressed: `zstd`, `zstd:LEVEL`, `gzip`, `xz`, `lz4`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompressionSetting {
    text: String,
    value: Compression,
}

by_text!(CompressionSetting);

/// zstd's levels that the kernel's decoder takes without a larger window.
const ZSTD_LEVELS: std::ops::RangeInclusive<u32> = 1..=22;

impl CompressionSetting {
    /// The rule as a regular expression.
    pub const PATTERN: &str = r"^(zstd(:([1-9]|1[0-9]|2[0-2]))?|gzip|xz|lz4)$";

    /// Returns the setting as the packer takes it.
    pub fn value(&self) -> Compression {
        self.value
    }
}

impl Default for CompressionSetting {
    fn default() -> Self {
        CompressionSetting {
            text: "zstd:15".into(),
            value: Compression::Zstd(15),
        }
    }
}

impl FromStr for CompressionSetting {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let value = match text.split_once(':') {
            None if text == "zstd" => Some(CompressionSetting::default().value),
            None if text == "gzip" => Some(Compression::Gzip(9)),
            None if text == "xz" => Some(Compression::Xz(6)),
            None if text == "lz4" => Some(Compression::Lz4),
            Some(("zstd", level)) => level
                .parse()
                .ok()
                .filter(|level| ZSTD_LEVELS.contains(level))
                .map(Compression::Zstd),
            _ => None,
        };
        match value {
            Some(value) => Ok(CompressionSetting {
                text: text.to_string(),
                value,
            }),
            None => Err(format!(
                "{text:?} is not a compression; there are \"zstd\", \"zstd:1\" to \"zstd:22\", \"gzip\", \"xz\" and \"lz4\""
            )),
        }
    }
}

impl fmt::Display for CompressionSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The address of a package mirror.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mirror(String);

by_text!(Mirror);

impl Mirror {
    /// The rule as a regular expression.
    pub const PATTERN: &str = r"^(https?://|file:/|copy:/|mirror\+http)\S*$";
}

impl FromStr for Mirror {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = ["http://", "https://", "file:/", "copy:/", "mirror+http"]
            .iter()
            .any(|s| text.starts_with(s));
        if !known || text.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err(format!(
                "{text:?} is not the address of a mirror; it begins with http:// or https://"
            ));
        }
        Ok(Mirror(text.trim_end_matches('/').to_string()))
    }
}

impl fmt::Display for Mirror {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name of a profile, and so of its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProfileName(String);

by_text!(ProfileName);

impl ProfileName {
    /// The rule as a regular expression.
    pub const PATTERN: &str = r"^[A-Za-z0-9][A-Za-z0-9_.-]*$";
}

impl FromStr for ProfileName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
        match text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.chars().all(good) {
            true => Ok(ProfileName(text.to_string())),
            false => Err(format!(
                "{text:?} can't be a profile's name; letters, digits, -, _ and . can"
            )),
        }
    }
}

impl fmt::Display for ProfileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name of a variant: part of file names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VariantName(String);

by_text!(VariantName);

impl VariantName {
    /// The rule as a regular expression.
    pub const PATTERN: &str = r"^[a-z0-9][a-z0-9_-]{0,39}$";
}

impl FromStr for VariantName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        let good = |c: char| plain(c) || matches!(c, '-' | '_');
        match text.len() <= 40 && text.starts_with(plain) && text.chars().all(good) {
            true => Ok(VariantName(text.to_string())),
            false => Err(format!(
                "the name of a variant has letters in lower case, digits, - and _, and at most 40 of them; {text:?} \
                 can't be one"
            )),
        }
    }
}

impl fmt::Display for VariantName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The file that the image is written to, seen from the current folder: a relative path that does not lead upwards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutFile(String);

by_text!(OutFile);

/// Files that are not to be written over, in whatever folder the command runs.
const OF_A_BLUEPRINT: [&str; 3] = [BLUEPRINT_FILE, PLAIN_JSON_FILE, LOCK_FILE];

impl OutFile {
    /// The rule as a regular expression, except for its length.
    pub const PATTERN: &str = r"^(?!/)(?!(.*/)?\.\.?(/|$))(?!.*//)(?!(.*/)?genpack\.(json5?|lock)$).*[^/]$";

    /// Returns it as a path.
    pub fn as_path(&self) -> &Path {
        Path::new(&self.0)
    }
}

impl FromStr for OutFile {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // Component by component it has to be the same text: no `//`, no `/` at the end, no `./`.
        let plain: Option<Vec<_>> = Path::new(text)
            .components()
            .map(|component| match component {
                Component::Normal(name) => name.to_str(),
                _ => None,
            })
            .collect();
        match plain {
            Some(names) if !text.is_empty() && names.join("/") == text && !text.contains(['\0', '\n']) => {
                match names.last().filter(|name| OF_A_BLUEPRINT.contains(name)) {
                    Some(name) => Err(format!(
                        "{name} is a file of a blueprint, which an image would overwrite"
                    )),
                    None => Ok(OutFile(text.to_string())),
                }
            }
            _ => Err(format!(
                "{text:?} is not a file in the current folder or in one below it, such as \"web.img\" or \
                 \"images/web.img\""
            )),
        }
    }
}

impl fmt::Display for OutFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a build writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Output {
    /// A raw disk image.
    Image,
    /// A disk image in QEMU's own format.
    Qcow2,
    /// `system.img` by itself.
    System,
}
