//! Which packages a container image has, as far as its own lists say: dpkg's and apk's.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::packages::Entry;
use crate::packages::contents::{self, Distribution};

/// Places of `os-release`; the second one is often a link to the first (os-release(5)).
const OS_RELEASE: [&str; 2] = ["usr/lib/os-release", "etc/os-release"];
/// dpkg's list.
const DPKG: &str = "var/lib/dpkg/status";
/// Lists of one package each, beside files that end in [`SUMS`]: images without dpkg have these.
const DPKG_SINGLE: &str = "var/lib/dpkg/status.d";
const SUMS: &str = ".md5sums";
/// apk's list; the second place is where a merged `/usr` has it.
const APK: [&str; 2] = ["lib/apk/db/installed", "usr/lib/apk/db/installed"];

/// What is known of an image's inside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inside {
    /// How package URLs call its kind of packages: `deb` or `apk`.
    pub kind: &'static str,
    /// The distribution that they are of.
    pub distribution: Distribution,
    /// They themselves, by name.
    pub packages: Vec<Entry>,
}

impl Inside {
    /// Reads the lists below `root`. The image may be anybody's, so links in it, which could lead out, are not followed.
    pub fn read(root: &Path) -> Result<Inside> {
        let release = first(root, &OS_RELEASE)?.unwrap_or_default();
        let mut status = first(root, &[DPKG])?.unwrap_or_default();
        for name in names(root, DPKG_SINGLE)? {
            let one = first(root, &[&format!("{DPKG_SINGLE}/{name}")])?;
            status += &format!("\n{}\n", one.unwrap_or_default());
        }
        let (kind, mut packages) = match first(root, &APK)? {
            Some(list) if status.is_empty() => ("apk", apk(&list)),
            _ => ("deb", contents::listed(&status)),
        };
        let order =
            |a: &Entry, b: &Entry| (&a.name, &a.arch, &a.version).cmp(&(&b.name, &b.arch, &b.version));
        packages.sort_by(order);
        packages.dedup_by(|a, b| order(a, b).is_eq());
        Ok(Inside {
            kind,
            distribution: Distribution::parse(&release),
            packages,
        })
    }
}

/// The packages of apk's list: paragraphs of lines that begin with a letter and a colon
/// (<https://wiki.alpinelinux.org/wiki/Apk_spec>).
fn apk(list: &str) -> Vec<Entry> {
    let package = |text: &str| {
        let lines = text.lines().filter_map(|line| line.split_once(':'));
        // Lines about files, which come later, have letters of their own.
        let mut fields = BTreeMap::new();
        for (key, value) in lines {
            fields.entry(key).or_insert(value);
        }
        let field = |key: &str| fields.get(key).copied().unwrap_or_default();
        // In dpkg's words, so that there is one way to read both.
        let source = if field("o").is_empty() { "P" } else { "o" };
        format!(
            "Package: {}\nVersion: {}\nArchitecture: {}\nSource: {}\nMaintainer: {}\nHomepage: {}\nDescription: {}\n\n",
            field("P"),
            field("V"),
            field("A"),
            field(source),
            field("m"),
            field("U"),
            field("T"),
        )
    };
    let status: String = list.split("\n\n").map(package).collect();
    contents::listed(&status)
}

/// The content of the first of these files that is there.
fn first(root: &Path, places: &[&str]) -> Result<Option<String>> {
    for place in places {
        if is_plain(root, place) && root.join(place).is_file() {
            let path = root.join(place);
            let content = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
            return Ok(Some(String::from_utf8_lossy(&content).into_owned()));
        }
    }
    Ok(None)
}

/// The names of a folder's lists, in their order; none when it is not there.
fn names(root: &Path, place: &str) -> Result<Vec<String>> {
    let path = root.join(place);
    if !is_plain(root, place) || !path.is_dir() {
        return Ok(Vec::new());
    }
    let mut names = Vec::new();
    for entry in fs::read_dir(&path).with_context(|| format!("reading {}", path.display()))? {
        names.extend(entry?.file_name().into_string());
    }
    names.retain(|name| !name.ends_with(SUMS));
    names.sort();
    Ok(names)
}

/// Whether something is there, and no name on the way to it is a link.
fn is_plain(root: &Path, place: &str) -> bool {
    let mut path = root.to_path_buf();
    Path::new(place).iter().all(|name| {
        path.push(name);
        fs::symlink_metadata(&path).is_ok_and(|found| !found.is_symlink())
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn inside(files: &[(&str, &str)]) -> (tempfile::TempDir, Inside) {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            match text.strip_prefix("-> ") {
                Some(to) => symlink(to, path).unwrap(),
                None => fs::write(path, text).unwrap(),
            }
        }
        let inside = Inside::read(dir.path()).unwrap();
        (dir, inside)
    }

    #[test]
    fn lists_of_dpkg_are_read() {
        let status = "Package: b\nStatus: install ok installed\nVersion: 1\nArchitecture: amd64\nSource: c (2)\n\n\
                      Package: gone\nStatus: deinstall ok config-files\nVersion: 1\n";
        let (_, found) = inside(&[
            ("usr/lib/os-release", "ID=debian\nVERSION_ID=\"12\"\n"),
            (DPKG, status),
            (
                "var/lib/dpkg/status.d/a",
                "Package: a\nVersion: 3\nArchitecture: amd64\n",
            ),
            ("var/lib/dpkg/status.d/a.md5sums", "0 usr/bin/a\n"),
        ]);
        assert_eq!(
            (found.kind, found.distribution),
            ("deb", Distribution::debian("bookworm"))
        );
        let said: Vec<_> = found
            .packages
            .iter()
            .map(|p| (p.name.as_str(), p.source.as_str(), p.source_version.as_str()))
            .collect();
        assert_eq!(said, [("a", "a", "3"), ("b", "c", "2")]);
    }

    #[test]
    fn lists_of_apk_are_read() {
        let list = "C:Q1x=\nP:musl-utils\nV:1.2.5-r0\nA:x86_64\nT:tools\nL:MIT\no:musl\nF:lib\nR:x\na:0:0:755\n\nP:zlib\nV:1\nA:x86_64\n";
        let (_, found) = inside(&[
            ("etc/os-release", "ID=alpine\nVERSION_ID=3.20.1\n"),
            ("lib", "-> usr/lib"),
            ("usr/lib/apk/db/installed", list),
        ]);
        assert_eq!(found.kind, "apk");
        let said: Vec<_> = found
            .packages
            .iter()
            .map(|p| (p.name.as_str(), p.version.as_str(), p.source.as_str()))
            .collect();
        assert_eq!(said, [("musl-utils", "1.2.5-r0", "musl"), ("zlib", "1", "zlib")]);
    }

    #[test]
    fn links_are_not_followed() {
        let outside = tempfile::tempdir().unwrap();
        let status = outside.path().join("status");
        fs::write(&status, "Package: a\nVersion: 1\n").unwrap();
        let link = format!("-> {}", status.display());
        let folder = format!("-> {}", outside.path().display());
        let (_, found) = inside(&[(DPKG, &link), ("var/lib/dpkg/status.d", &folder)]);
        assert!(found.packages.is_empty());
    }
}
