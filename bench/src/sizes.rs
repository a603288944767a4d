//! What is in a system, measured on its unpacked tree.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::run;

/// Unpacking takes seconds.
const LIMIT: Duration = Duration::from_secs(300);
/// How names of kernels and initramfs begin.
const BOOT_FILES: [&str; 3] = ["vmlinuz", "initrd.img", "initramfs.img"];

/// Sizes in bytes.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// Content of all files; a file with several names counts once.
    pub tree: u64,
    /// Of it kernel and initramfs.
    pub boot: u64,
}

impl Sizes {
    /// Measures a tree.
    pub fn of(tree: &Path) -> Result<Sizes> {
        let mut sizes = Sizes::default();
        let mut seen = HashSet::new();
        let mut folders = vec![tree.to_path_buf()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).with_context(|| format!("reading {}", folder.display()))? {
                let entry = entry?;
                let data = entry.metadata()?;
                if data.is_dir() {
                    folders.push(entry.path());
                } else if data.is_file() && seen.insert((data.dev(), data.ino())) {
                    sizes.tree += data.len();
                    let name = entry.file_name();
                    let name = name.to_string_lossy();
                    if BOOT_FILES.iter().any(|prefix| name.starts_with(prefix)) {
                        sizes.boot += data.len();
                    }
                }
            }
        }
        Ok(sizes)
    }
}

/// Unpacks a SquashFS to the new folder `tree`.
pub fn unpack(system: &Path, tree: &Path) -> Result<()> {
    let mut unsquashfs = Command::new("unsquashfs");
    unsquashfs.args(["-quiet", "-no-progress", "-no-xattrs", "-dest"]);
    run(unsquashfs.arg(tree).arg(system), LIMIT)
}

/// Returns names and versions of the packages in a tree, by dpkg's list (deb822(5)).
pub fn packages_in(tree: &Path) -> Result<BTreeMap<String, String>> {
    let path = tree.join("var/lib/dpkg/status");
    let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    Ok(packages_of(&text))
}

fn packages_of(status: &str) -> BTreeMap<String, String> {
    let package = |record: &str| {
        let field = |name: &str| record.lines().find_map(|line| line.strip_prefix(name));
        let installed = field("Status: ")?.ends_with(" installed");
        installed.then_some((field("Package: ")?.to_string(), field("Version: ")?.to_string()))
    };
    status.split("\n\n").filter_map(package).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_counts_once_and_links_do_not() {
        let tree = tempfile::tempdir().unwrap();
        let at = |name: &str| tree.path().join(name);
        fs::create_dir(at("boot")).unwrap();
        fs::write(at("boot/vmlinuz-6"), [0; 70]).unwrap();
        fs::write(at("a"), [0; 5]).unwrap();
        fs::hard_link(at("a"), at("b")).unwrap();
        std::os::unix::fs::symlink("boot/vmlinuz-6", at("vmlinuz")).unwrap();
        assert_eq!(Sizes::of(tree.path()).unwrap(), Sizes { tree: 75, boot: 70 });
    }

    #[test]
    fn packages_that_are_gone_do_not_count() {
        let status = "Package: a\nStatus: install ok installed\nVersion: 1\n\n\
                      Package: b\nStatus: deinstall ok config-files\nVersion: 2\n";
        let packages = packages_of(status);
        assert_eq!(
            packages.into_iter().collect::<Vec<_>>(),
            [("a".into(), "1".into())]
        );
    }
}
