//! What outlives a restart: the blueprint's `persist`, and the data partition that keeps it.

use std::fmt;
use std::str::FromStr;

use serde::de::{self, Deserializer, SeqAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};

use crate::layout;

/// What an image keeps unless `system.ini` says otherwise; the blueprint's `persist`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Persist {
    /// Everything that is written: the overlay's upper layer lies on the data partition.
    All,
    /// These folders, none of which is inside another.
    Paths(Vec<PersistPath>),
}

/// The word for [`Persist::All`].
const ALL: &str = "all";

impl Persist {
    /// Checks a list of folders.
    ///
    /// # Errors
    /// When a folder is named twice or is inside another, as a sentence without a full stop.
    pub fn paths(paths: Vec<PersistPath>) -> Result<Persist, String> {
        for (index, path) in paths.iter().enumerate() {
            for other in &paths[..index] {
                let (outer, inner) = match path.as_str().len() < other.as_str().len() {
                    true => (path, other),
                    false => (other, path),
                };
                if outer == inner {
                    return Err(format!("{path} stands there twice"));
                }
                if is_inside(inner.as_str(), outer.as_str()) {
                    return Err(format!("{inner} is kept with {outer} already; leave it out"));
                }
            }
        }
        Ok(Persist::Paths(paths))
    }

    /// Returns the folders that are kept one by one.
    pub fn folders(&self) -> &[PersistPath] {
        match self {
            Persist::All => &[],
            Persist::Paths(paths) => paths,
        }
    }
}

impl FromStr for Persist {
    type Err = String;

    /// Reads the form that is one word.
    fn from_str(text: &str) -> Result<Persist, String> {
        match text {
            ALL => Ok(Persist::All),
            _ => Err(format!(
                "{text:?} is neither \"{ALL}\" nor a list of folders, for example [\"/srv\"]"
            )),
        }
    }
}

impl Serialize for Persist {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Persist::All => serializer.serialize_str(ALL),
            Persist::Paths(paths) => paths.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Persist {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Persist, D::Error> {
        struct WordOrList;

        impl<'de> Visitor<'de> for WordOrList {
            type Value = Persist;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                write!(f, "\"{ALL}\" or a list of folders")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Persist, E> {
                text.parse().map_err(E::custom)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Persist, A::Error> {
                let mut paths = Vec::new();
                while let Some(path) = list.next_element()? {
                    paths.push(path);
                }
                Persist::paths(paths).map_err(de::Error::custom)
            }
        }

        deserializer.deserialize_any(WordOrList)
    }
}

/// The absolute path of a folder that can be kept: in plain form, not below what lives in memory, and without files that
/// genpack itself decides about at every start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersistPath(String);

/// Folders whose content is made anew at every start, whatever is kept.
const VOLATILE: [&str; 5] = ["/dev", "/proc", "/run", "/sys", "/tmp"];
/// The system's own folders of programs, which a new system image must be able to replace.
const OF_THE_SYSTEM: [&str; 8] = [
    layout::GENPACK_LIB_DIR,
    "/bin",
    "/boot",
    "/lib",
    "/lib64",
    "/sbin",
    "/usr/bin",
    "/usr/sbin",
];

impl PersistPath {
    /// Returns the path.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the name under which the data partition has the folder: the path in one word, as systemd escapes paths in
    /// names of units (systemd.unit(5), "String escaping for inclusion in unit names").
    pub fn escaped(&self) -> String {
        let mut name = String::new();
        for (index, byte) in self.0.trim_start_matches('/').bytes().enumerate() {
            match byte {
                b'/' => name.push('-'),
                b'.' if index == 0 => name.push_str("\\x2e"),
                b'.' | b'_' | b':' => name.push(char::from(byte)),
                byte if byte.is_ascii_alphanumeric() => name.push(char::from(byte)),
                byte => name.push_str(&format!("\\x{byte:02x}")),
            }
        }
        name
    }
}

impl FromStr for PersistPath {
    type Err = String;

    fn from_str(text: &str) -> Result<PersistPath, String> {
        if text == "/" {
            return Err(format!("for everything write persist: \"{ALL}\""));
        }
        let Some(inside) = text.strip_prefix('/') else {
            return Err(format!("{text:?} is not an absolute path; it begins with /"));
        };
        let plain = |part: &str| !matches!(part, "" | "." | "..") && !part.chars().any(char::is_control);
        if !inside.split('/').all(plain) {
            return Err(format!(
                "{text:?} is not a plain path; write it without //, /./, /../ and a / at the end"
            ));
        }
        // The folder's name on the data partition; ext4 has at most 255 bytes for one.
        if PersistPath(text.to_string()).escaped().len() > 255 {
            return Err(format!("{text:?} is too long"));
        }
        if let Some(folder) = VOLATILE.iter().find(|folder| overlaps(text, folder)) {
            return Err(format!(
                "{folder} is made anew at every start, so {text} can't be kept"
            ));
        }
        if let Some(folder) = OF_THE_SYSTEM.iter().find(|folder| overlaps(text, folder)) {
            return Err(format!(
                "{text} can't be kept, because a new system must be able to replace {folder}; or write persist: \"{ALL}\""
            ));
        }
        if let Some(file) = layout::FILES_OF_SETTINGS.iter().find(|file| overlaps(text, file)) {
            return Err(format!(
                "{text} can't be kept, because the device makes {file} anew at every start; name the folders in it that \
                 matter, or write persist: \"{ALL}\""
            ));
        }
        Ok(PersistPath(text.to_string()))
    }
}

impl fmt::Display for PersistPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for PersistPath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for PersistPath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<PersistPath, D::Error> {
        struct Text;

        impl Visitor<'_> for Text {
            type Value = PersistPath;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("the absolute path of a folder")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<PersistPath, E> {
                text.parse().map_err(E::custom)
            }
        }

        deserializer.deserialize_str(Text)
    }
}

/// Whether one path is, or is below, the other.
fn is_inside(inner: &str, outer: &str) -> bool {
    inner
        .strip_prefix(outer)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn overlaps(a: &str, b: &str) -> bool {
    is_inside(a, b) || is_inside(b, a)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Persist, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    #[test]
    fn both_forms_are_read_and_written() {
        for json in [r#""all""#, r#"["/var/lib/postgresql","/srv"]"#, "[]"] {
            assert_eq!(serde_json::to_string(&read(json).unwrap()).unwrap(), json);
        }
    }

    #[test]
    fn what_can_not_be_kept_says_why() {
        for (json, why) in [
            (r#""some""#, "neither \"all\" nor a list of folders"),
            (r#"["srv"]"#, "is not an absolute path"),
            (r#"["/srv/"]"#, "is not a plain path"),
            (r#"["/srv/../etc"]"#, "is not a plain path"),
            (r#"["/"]"#, "for everything write persist: \"all\""),
            (r#"["/run/x"]"#, "/run is made anew at every start"),
            (r#"["/usr"]"#, "must be able to replace /usr/lib/genpack"),
            (r#"["/etc"]"#, "makes /etc/hostname anew"),
            (r#"["/etc/ssh"]"#, "makes /etc/ssh/sshd_config.d"),
            (r#"["/srv", "/srv"]"#, "stands there twice"),
            (r#"["/srv/a", "/srv"]"#, "/srv/a is kept with /srv already"),
        ] {
            let error = read(json).unwrap_err();
            assert!(error.contains(why), "{json}: {error}");
        }
        assert!(read(r#"["/srv", "/srv2", "/etc/nginx", "/usr/local", "/running", "/home"]"#).is_ok());
    }

    #[test]
    fn no_two_paths_have_the_same_name() {
        let name = |path: &str| path.parse::<PersistPath>().unwrap().escaped();
        assert_eq!(name("/var/lib/postgresql"), "var-lib-postgresql");
        assert_eq!(name("/var/lib-a"), "var-lib\\x2da");
        assert_eq!(name("/.a b"), "\\x2ea\\x20b");
    }
}
