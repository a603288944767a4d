//! The kernel modules of an initramfs: an index that the builder writes and PID 1 reads.
//!
//! One line a module, in an order in which they can be loaded: name, the modules it needs (with commas), and the
//! device aliases that it serves (with blanks), with tabs between the three. The module itself is
//! `NAME.ko` beside the index.

use std::collections::BTreeMap;

/// One kernel module.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Module {
    /// Its name, with underscores, as `/proc/modules` shows it.
    pub name: String,
    /// Names of the modules that must be loaded before it.
    pub depends: Vec<String>,
    /// Patterns of the `modalias` values of devices that it drives.
    pub aliases: Vec<String>,
}

/// All modules of an initramfs, in load order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Index {
    /// The modules.
    pub modules: Vec<Module>,
}

impl Index {
    /// Returns the index as text.
    pub fn to_text(&self) -> String {
        let line = |m: &Module| format!("{}\t{}\t{}\n", m.name, m.depends.join(","), m.aliases.join(" "));
        self.modules.iter().map(line).collect()
    }

    /// Reads what [`Index::to_text`] wrote. Lines that it can't have written yield modules with fewer fields.
    pub fn parse(text: &str) -> Index {
        let modules = text.lines().filter(|line| !line.is_empty()).map(|line| {
            let mut fields = line.split('\t');
            let mut next = || fields.next().unwrap_or_default();
            Module {
                name: next().to_string(),
                depends: next()
                    .split(',')
                    .filter(|d| !d.is_empty())
                    .map(String::from)
                    .collect(),
                aliases: next().split_whitespace().map(String::from).collect(),
            }
        });
        Index {
            modules: modules.collect(),
        }
    }

    /// Returns the modules by name.
    pub fn by_name(&self) -> BTreeMap<&str, &Module> {
        self.modules
            .iter()
            .map(|module| (module.name.as_str(), module))
            .collect()
    }

    /// Returns the modules that drive a device, in load order.
    pub fn for_device<'a>(&'a self, modalias: &'a str) -> impl Iterator<Item = &'a Module> {
        self.modules
            .iter()
            .filter(move |m| m.aliases.iter().any(|pattern| matches(pattern, modalias)))
    }
}

/// Whether a module's alias pattern covers a device's modalias: `*` is any run of characters, `?` is one character,
/// `[...]` one of a set or range, as in fnmatch(3), which libkmod uses for this.
pub fn matches(pattern: &str, modalias: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), modalias.as_bytes());
    let (mut p, mut t) = (0, 0);
    // After a `*`: where the pattern goes on, and how much of the text the star has taken so far.
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        if pattern.get(p) == Some(&b'*') {
            p += 1;
            star = Some((p, t));
        } else if let Some(width) = matches_one(&pattern[p..], text[t]) {
            p += width;
            t += 1;
        } else if let Some((after, taken)) = star {
            p = after;
            t = taken + 1;
            star = Some((after, t));
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|&b| b == b'*')
}

/// Returns the length of the pattern's first element when it covers `byte`.
fn matches_one(pattern: &[u8], byte: u8) -> Option<usize> {
    match *pattern.first()? {
        b'?' => Some(1),
        b'[' => {
            let end = 1 + pattern[1..].iter().position(|&b| b == b']')?;
            let mut set = &pattern[1..end];
            while let [from, rest @ ..] = set {
                let (to, rest) = match rest {
                    [b'-', to, rest @ ..] => (to, rest),
                    rest => (from, rest),
                };
                if (*from..=*to).contains(&byte) {
                    return Some(end + 1);
                }
                set = rest;
            }
            None
        }
        literal => (literal == byte).then_some(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_index_survives_its_text_form() {
        let module = |name: &str, depends: &[&str], aliases: &[&str]| Module {
            name: name.into(),
            depends: depends.iter().map(|s| s.to_string()).collect(),
            aliases: aliases.iter().map(|s| s.to_string()).collect(),
        };
        let index = Index {
            modules: vec![
                module("virtio", &[], &[]),
                module("virtio_blk", &["virtio", "virtio_ring"], &["virtio:d00000002v*"]),
                module("vfat", &["fat"], &["fs-vfat"]),
            ],
        };
        assert_eq!(Index::parse(&index.to_text()), index);
        let names: Vec<_> = index
            .for_device("virtio:d00000002v00001AF4")
            .map(|m| &m.name)
            .collect();
        assert_eq!(names, ["virtio_blk"]);
    }

    #[test]
    fn aliases_match_as_fnmatch_does() {
        for (pattern, text, want) in [
            (
                "pci:v00001AF4d*sv*sd*bc*sc*i*",
                "pci:v00001AF4d00001001sv00001AF4sd00000002bc01sc00i00",
                true,
            ),
            (
                "pci:v00001AF4d*sv*sd*bc*sc*i*",
                "pci:v00008086d00001001sv00001AF4sd00000002bc01sc00i00",
                false,
            ),
            ("virtio:d00000002v*", "virtio:d00000002v00001AF4", true),
            ("virtio:d00000002v*", "virtio:d00000001v00001AF4", false),
            ("scsi:t-0x00*", "scsi:t-0x00", true),
            (
                "usb:v*p*d*dc*dsc*dp*ic08isc06ip50in*",
                "usb:v0951p1666d0110dc00dsc00dp00ic08isc06ip50in00",
                true,
            ),
            ("a[0-9b]c", "a7c", true),
            ("a[0-9b]c", "abc", true),
            ("a[0-9b]c", "axc", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("*a*b", "xxaxxbxb", true),
            ("", "", true),
            ("", "a", false),
        ] {
            assert_eq!(matches(pattern, text), want, "{pattern} against {text}");
        }
    }
}
