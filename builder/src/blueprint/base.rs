//! `base`: what a system is made from.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::judge::head;
use super::node::Node;
use super::problems::Problem;
use super::text;

/// What a system is made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Base {
    /// Packages of Debian.
    Debian {
        /// A suite such as `trixie`.
        suite: String,
    },
    /// A tar file with the root file system of a whole Linux system.
    Tar {
        /// The file, seen from the blueprint's folder.
        file: PathBuf,
    },
    /// A container image, which gets a system of Debian around it.
    Oci {
        /// A folder or file, seen from the blueprint's folder.
        place: PathBuf,
        /// Which of several images, by its tag.
        name: Option<String>,
    },
}

impl Base {
    /// The rule as a regular expression.
    pub const PATTERN: &str =
        r"^(debian:[a-z-]+|tar:[^\x00-\x1f\x7f]+|oci:[^#\x00-\x1f\x7f]+(#[^#\x00-\x1f\x7f]+)?)$";
    /// The suite of the packages that a base needs and does not have itself.
    pub const DEFAULT_SUITE: &str = "trixie";

    /// Returns the file or folder that the base is in, seen from the blueprint's folder.
    pub fn place(&self) -> Option<&Path> {
        match self {
            Base::Debian { .. } => None,
            Base::Tar { file: place } | Base::Oci { place, .. } => Some(place),
        }
    }
}

impl Default for Base {
    fn default() -> Self {
        Base::Debian {
            suite: Base::DEFAULT_SUITE.into(),
        }
    }
}

impl FromStr for Base {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "{text:?} is not a base; a base is debian:SUITE, tar:FILE, oci:PLACE or oci:PLACE#TAG, for example \
                 \"debian:trixie\""
            )
        };
        let (kind, rest) = text.split_once(':').ok_or_else(wrong)?;
        let plain = |part: &str| !part.is_empty() && !part.contains(|c: char| c.is_ascii_control());
        match kind {
            "debian" if !rest.is_empty() && rest.chars().all(|c| c.is_ascii_lowercase() || c == '-') => {
                Ok(Base::Debian { suite: rest.into() })
            }
            "tar" if plain(rest) => Ok(Base::Tar { file: rest.into() }),
            "oci" => {
                let (place, name) = match rest.split_once('#') {
                    Some((place, name)) => (place, Some(name)),
                    None => (rest, None),
                };
                if !plain(place) || name.is_some_and(|name| !plain(name) || name.contains('#')) {
                    return Err(wrong());
                }
                Ok(Base::Oci {
                    place: place.into(),
                    name: name.map(String::from),
                })
            }
            _ => Err(wrong()),
        }
    }
}

impl fmt::Display for Base {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Base::Debian { suite } => write!(f, "debian:{suite}"),
            Base::Tar { file } => write!(f, "tar:{}", file.display()),
            Base::Oci { place, name: None } => write!(f, "oci:{}", place.display()),
            Base::Oci {
                place,
                name: Some(name),
            } => write!(f, "oci:{}#{name}", place.display()),
        }
    }
}

impl<'de> Deserialize<'de> for Base {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text::parse(deserializer)
    }
}

impl Serialize for Base {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Returns what a blueprint asks of its base that the base can't give.
pub fn too_much(blueprint: &Node) -> Vec<Problem> {
    let base: Option<Base> = blueprint.field("base").and_then(|base| base.read().ok());
    if !matches!(base, Some(Base::Tar { .. })) {
        return Vec::new();
    }
    let lists = ["packages", "buildtime_packages"];
    let asked = lists
        .iter()
        .flat_map(|name| blueprint.field(name).map_or(&[][..], Node::items));
    let refuse = |node: &Node| {
        Problem::at(head(node), "a tar file as base has no packages to choose from")
            .with_help("take it out here, and put it into the system that the tar file is made of")
    };
    asked.map(refuse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_is_shown_as_it_is_written() {
        for text in [
            "debian:bookworm",
            "tar:../root.tar.zst",
            "oci:image",
            "oci:/srv/my image.tar#web:1.0",
        ] {
            assert_eq!(text.parse::<Base>().unwrap().to_string(), text);
        }
        let base: Base = "oci:a/b#web:latest".parse().unwrap();
        assert_eq!(
            base,
            Base::Oci {
                place: "a/b".into(),
                name: Some("web:latest".into())
            }
        );
        for text in [
            "tar:",
            "oci:",
            "oci:#a",
            "oci:a#",
            "oci:a#b#c",
            "oci:a\nb",
            "docker:a",
        ] {
            assert!(text.parse::<Base>().is_err(), "{text}");
        }
    }
}
