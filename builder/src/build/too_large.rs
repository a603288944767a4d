//! What is said of a system that is too large for the card.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use genpack_spec::layout::card::SYSTEM_IMG;

use crate::blueprint::{FILES_DIR, InputError};
use crate::inspect::table;
use crate::packages::Contents;
use crate::squashfs::TooLarge;

/// How many packages, and how many files, are named.
const MOST_NAMED: usize = 5;
/// Compressions that leave least.
const STRONGEST: [&str; 2] = ["zstd:22", "xz"];
/// What belongs to no package: nothing is known of it but where it is.
const SOMEBODY: &str = "";

/// Returns the error with what the developer can do, if it says that the system is too large.
pub fn explain(error: anyhow::Error, compression: &str, root: &Path, contents: &Contents) -> anyhow::Error {
    match error.downcast_ref::<TooLarge>() {
        Some(too_large) => {
            InputError::plain(message(too_large, compression, &Sizes::of(root, contents))).into()
        }
        None => error,
    }
}

fn message(too_large: &TooLarge, compression: &str, sizes: &Sizes) -> String {
    let TooLarge { limit, read, total } = too_large;
    let expected = *limit as f64 * *total as f64 / (*read).max(1) as f64;
    let gib = |bytes: f64| format!("{:.1} GiB", bytes / f64::from(1 << 30));
    let percent = (100 * u128::from(*read) / u128::from((*total).max(1))) as u64;
    let stronger = match STRONGEST.contains(&compression) {
        true => String::new(),
        false => format!("choose a stronger compression: ({}), ", STRONGEST.join(", ")),
    };
    format!(
        "{SYSTEM_IMG} would have about {}, and a file on the card's FAT32 partition can have {} at most; it was full with \
         {percent} % of the system's {}, compressed by {compression}\n\
         the largest packages:\n{}\
         the largest files:\n{}\
         take some of it out, {stronger}or let large data come to the device at run time (persist: says where they stay)",
        gib(expected),
        gib(*limit as f64),
        gib(*total as f64),
        table::lines(&sizes.packages(), &[0]),
        table::lines(&sizes.files(), &[0]),
    )
}

/// The files of a tree with their sizes in bytes, by those who brought them.
#[derive(Default)]
struct Sizes(BTreeMap<String, BTreeMap<PathBuf, u64>>);

impl Sizes {
    fn of(root: &Path, contents: &Contents) -> Sizes {
        let mut owners = BTreeMap::new();
        for entry in &contents.packages {
            owners.extend(entry.files.paths().map(|path| (path, entry.name.as_str())));
        }
        owners.extend(contents.blueprint_files.paths().map(|path| (path, FILES_DIR)));
        let mut sizes = Sizes::default();
        let mut todo = vec![root.to_path_buf()];
        while let Some(folder) = todo.pop() {
            for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
                let path = entry.path();
                match entry.metadata() {
                    Ok(metadata) if metadata.is_dir() => todo.push(path),
                    Ok(metadata) if metadata.is_file() => {
                        let path = path.strip_prefix(root).unwrap_or(&path);
                        let owner = owners.get(path).copied().unwrap_or(SOMEBODY);
                        let files = sizes.0.entry(owner.to_string()).or_default();
                        files.insert(path.to_path_buf(), metadata.len());
                    }
                    _ => {}
                }
            }
        }
        sizes
    }

    fn packages(&self) -> Vec<[String; 2]> {
        let packages = self
            .0
            .iter()
            .filter(|(owner, _)| ![SOMEBODY, FILES_DIR].contains(&owner.as_str()));
        largest(packages.map(|(owner, files)| (files.values().sum(), owner.clone())))
    }

    fn files(&self) -> Vec<[String; 2]> {
        let files = self
            .0
            .iter()
            .flat_map(|(owner, files)| files.iter().map(move |file| (owner, file)));
        largest(files.map(|(owner, (path, bytes))| {
            let whose = match owner.as_str() {
                SOMEBODY => String::new(),
                FILES_DIR => format!(" ({FILES_DIR}/)"),
                package => format!(" ({package})"),
            };
            (*bytes, format!("/{}{whose}", path.display()))
        }))
    }
}

fn largest(things: impl Iterator<Item = (u64, String)>) -> Vec<[String; 2]> {
    let mut things: Vec<_> = things.collect();
    things.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    things.truncate(MOST_NAMED);
    things
        .into_iter()
        .map(|(bytes, name)| [table::size(bytes), name])
        .collect()
}

#[cfg(test)]
mod tests {
    use std::process::ExitCode;

    use serde_json::json;

    use super::*;
    use crate::{cli, squashfs};

    /// A tree of about 3 MiB that do not compress, and whose they are.
    fn tree() -> (tempfile::TempDir, Contents) {
        let dir = tempfile::tempdir().unwrap();
        for (file, kib) in [
            ("usr/bin/big", 1500),
            ("usr/bin/small", 1),
            ("srv/film", 900),
            ("made", 500),
        ] {
            let path = dir.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            let blocks = (0..kib * 32).map(|number| crate::hash::text(&format!("{file} {number}")));
            fs::write(
                path,
                blocks.collect::<String>().into_bytes().split_off(kib * 1024),
            )
            .unwrap();
        }
        let contents = json!({
            "packages": [{
                "name": "big", "version": "1", "arch": "all", "source": "big", "source_version": "1", "maintainer": "",
                "summary": "", "licences": [], "reason": "asked", "depends": [],
                "files": { "usr/bin": ["big", "small"] },
            }],
            "blueprint_files": { "srv": ["film"] },
        });
        (dir, serde_json::from_value(contents).unwrap())
    }

    #[test]
    fn a_system_too_large_for_the_card_says_what_is_large_and_what_to_do() {
        let (tree, contents) = tree();
        let work = tempfile::tempdir().unwrap();
        let options = squashfs::Options {
            limit: 1 << 20,
            ..squashfs::Options::default()
        };
        let packed = squashfs::pack(tree.path(), &work.path().join("x"), &options, &mut |_| ());
        let error = explain(packed.unwrap_err(), "lz4", tree.path(), &contents);
        assert_eq!(cli::report(&error), ExitCode::from(cli::INPUT_MISTAKE));
        let said = error.to_string();
        for part in [
            "system.img would have about 0.0 GiB, and a file on the card's FAT32 partition can have 0.0 GiB at most",
            "the largest packages:\n  1.5 MiB  big\n",
            "the largest files:\n    1.5 MiB  /usr/bin/big (big)\n  900.0 KiB  /srv/film (files/)\n",
            " /made\n",
            "choose a stronger compression: (zstd:22, xz)",
        ] {
            assert!(said.contains(part), "no {part:?} in {said}");
        }
    }

    #[test]
    fn figures_are_those_of_the_card() {
        let too_large = TooLarge {
            limit: (4 << 30) - 1,
            read: 6 << 30,
            total: 9 << 30,
        };
        let said = message(&too_large, "xz", &Sizes::default());
        assert!(
            said.starts_with(
                "system.img would have about 6.0 GiB, and a file on the card's FAT32 partition can have 4.0 GiB at most; \
                 it was full with 66 % of the system's 9.0 GiB, compressed by xz\n"
            ),
            "{said}"
        );
        assert!(!said.contains("stronger"), "{said}");
    }

    #[test]
    fn other_errors_stay() {
        let error = explain(
            anyhow::anyhow!("x"),
            "xz",
            Path::new("/nonexistent"),
            &Contents::default(),
        );
        assert_eq!(error.to_string(), "x");
    }
}
