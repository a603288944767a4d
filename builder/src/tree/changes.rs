//! What scripts changed in a tree, as something that can be kept and done to another tree.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::account_lines::{self, AccountLines, LineChanges};
use super::rooted::Rooted;
use crate::blueprint::InputError;
use crate::command;

/// Folders that never belong to a change: they are filled by the running system, or only while scripts run.
pub const TRANSIENT: [&str; 5] = ["dev", "proc", "run", "sys", "tmp"];
/// Files that are made anew wherever they are wanted.
const DERIVED: [&str; 2] = ["etc/ld.so.cache", "var/cache/ldconfig/aux-cache"];
/// Names in the folder of a kept change.
const FILES: &str = "files.tar";
const REMOVED: &str = "removed";
const ACCOUNTS: &str = "accounts.json";
/// Debian's list of installed packages.
const PACKAGES: &str = "var/lib/dpkg/status";

/// What of a file tells that it was changed.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stamp {
    is_folder: bool,
    /// Of a folder only what it is itself; what is in it has stamps of its own.
    own: (u32, u32, u32),
    /// Inode, size, and time of the last change of content or attributes, which no program can set.
    content: (u64, u64, i64, i64),
}

/// The state of a tree at one moment.
pub struct Snapshot {
    stamps: BTreeMap<PathBuf, Stamp>,
    accounts: AccountLines,
}

/// What happened to a tree between a snapshot and now.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Files, links and folders that are new or different, relative to the tree; folders before what is in them.
    written: Vec<PathBuf>,
    /// Those that are gone, or were folders and are none now, or the other way round. They go first.
    removed: Vec<PathBuf>,
    accounts: LineChanges,
}

impl Snapshot {
    /// Takes a snapshot of the tree at `root`.
    pub fn of(root: &Path) -> Result<Snapshot> {
        let mut stamps = BTreeMap::new();
        scan(root, Path::new(""), &mut stamps)?;
        let accounts = AccountLines::of(&Rooted::open(root)?);
        wait_for_the_kernels_clock();
        Ok(Snapshot { stamps, accounts })
    }

    /// Returns what has changed in the tree since.
    pub fn changes(&self, root: &Path) -> Result<Changes> {
        let mut now = BTreeMap::new();
        scan(root, Path::new(""), &mut now)?;
        let written = now
            .iter()
            .filter(|(path, stamp)| self.stamps.get(*path) != Some(stamp));
        // A folder in the place of a link has to find that place empty: tar would take the link's target for it.
        let gone = |(path, stamp): &(&PathBuf, &Stamp)| {
            now.get(*path)
                .is_none_or(|now: &Stamp| now.is_folder != stamp.is_folder)
        };
        let removed = self.stamps.iter().filter(gone);
        Ok(Changes {
            written: written.map(|(path, _)| path.clone()).collect(),
            removed: removed.map(|(path, _)| path.clone()).collect(),
            accounts: self.accounts.changes(&AccountLines::of(&Rooted::open(root)?)),
        })
    }
}

/// Times of files advance in steps of a few milliseconds (`CONFIG_HZ`). What is changed within the step of the snapshot
/// would look unchanged.
fn wait_for_the_kernels_clock() {
    const STEP: Duration = Duration::from_millis(20);
    let taken = Instant::now();
    while taken.elapsed() < STEP {
        std::thread::sleep(STEP);
    }
}

fn scan(root: &Path, relative: &Path, stamps: &mut BTreeMap<PathBuf, Stamp>) -> Result<()> {
    let folder = root.join(relative);
    for entry in fs::read_dir(&folder).with_context(|| format!("reading {}", folder.display()))? {
        let entry = entry?;
        let relative = relative.join(entry.file_name());
        let left_out = |name: &str| {
            [TRANSIENT.as_slice(), &DERIVED, &account_lines::FILES]
                .iter()
                .any(|names| names.contains(&name))
        };
        if relative.to_str().is_some_and(left_out) {
            continue;
        }
        let metadata = entry
            .metadata()
            .with_context(|| format!("reading {}", entry.path().display()))?;
        let is_folder = metadata.is_dir();
        let content = (
            metadata.ino(),
            metadata.size(),
            metadata.ctime(),
            metadata.ctime_nsec(),
        );
        stamps.insert(
            relative.clone(),
            Stamp {
                is_folder,
                own: (metadata.mode(), metadata.uid(), metadata.gid()),
                content: if is_folder {
                    (metadata.ino(), 0, 0, 0)
                } else {
                    content
                },
            },
        );
        if is_folder {
            scan(root, &relative, stamps)?;
        }
    }
    Ok(())
}

impl Changes {
    /// Returns the files, links and folders that are new or different, relative to the tree.
    pub fn written(&self) -> &[PathBuf] {
        &self.written
    }

    /// Fails when the changes to `build` can't be done to `image`, a system with fewer packages.
    ///
    /// # Errors
    /// [`InputError`] when a script installed packages, or left files to an account that `image` has under another
    /// number or not at all.
    pub fn check_for(&self, build: &Path, image: &Path) -> Result<()> {
        if self.written.iter().any(|path| path == Path::new(PACKAGES)) {
            bail!(InputError::plain(
                "a script installed or removed packages; name them in packages: or buildtime_packages: of the blueprint"
            ));
        }
        for (file, number) in [("etc/passwd", 0), ("etc/group", 1)] {
            let (in_build, in_image) = (numbers(build, file)?, numbers(image, file)?);
            for path in &self.written {
                let metadata = fs::symlink_metadata(build.join(path))?;
                let id = [metadata.uid(), metadata.gid()][number];
                let name = in_build.get(&id);
                let made = name.is_some_and(|name| self.accounts.adds(file, name));
                if name != in_image.get(&id) && !made {
                    bail!(InputError::plain(format!(
                        "a script made /{} for {}, whom only buildtime_packages brought: the image has no such account",
                        path.display(),
                        name.map_or(id.to_string(), String::clone)
                    )));
                }
            }
        }
        Ok(())
    }

    /// Writes the changes of the tree at `root` into the empty folder `layer`.
    pub fn write(&self, root: &Path, layer: &Path) -> Result<()> {
        let list = tempfile::NamedTempFile::new().context("making a list of changes")?;
        let names = |paths: &[PathBuf]| -> Vec<u8> {
            let mut bytes = Vec::new();
            for path in paths {
                bytes.extend_from_slice(path.as_os_str().as_bytes());
                bytes.push(0);
            }
            bytes
        };
        list.as_file().write_all(&names(&self.written))?;
        fs::write(layer.join(REMOVED), names(&self.removed))?;
        fs::write(layer.join(ACCOUNTS), serde_json::to_string(&self.accounts)?)?;
        let mut tar = Command::new("tar");
        tar.args([
            "--create",
            "--numeric-owner",
            "--no-recursion",
            "--null",
            "--verbatim-files-from",
        ]);
        tar.args(["--xattrs", "--xattrs-include=*", "--sort=name"]);
        tar.arg("--file")
            .arg(layer.join(FILES))
            .arg("--directory")
            .arg(root);
        tar.arg("--files-from").arg(list.path());
        command::run(&mut tar).context("keeping what the scripts changed")?;
        Ok(())
    }
}

/// Does the changes of a layer that [`Changes::write`] wrote to the tree at `root`.
pub fn apply(layer: &Path, root: &Path) -> Result<()> {
    let removed = fs::read(layer.join(REMOVED)).context("reading what the scripts removed")?;
    for name in removed
        .split(|byte| *byte == 0)
        .filter(|name| !name.is_empty())
        .rev()
    {
        let path = root.join(Path::new(std::ffi::OsStr::from_bytes(name)));
        let outcome = match fs::symlink_metadata(&path) {
            Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(&path),
            Ok(_) => fs::remove_file(&path),
            Err(_) => Ok(()),
        };
        outcome.with_context(|| format!("removing {}", path.display()))?;
    }
    super::untar(&layer.join(FILES), root)?;
    let accounts =
        fs::read_to_string(layer.join(ACCOUNTS)).context("reading what the scripts did to accounts")?;
    serde_json::from_str::<LineChanges>(&accounts)?.apply(&Rooted::open(root)?)
}

/// Returns the names of accounts by their numbers.
fn numbers(root: &Path, file: &str) -> Result<BTreeMap<u32, String>> {
    let text = Rooted::open(root)?.text_or_empty(file.as_ref());
    let account = |line: &str| {
        let mut fields = line.split(':');
        let name = fields.next()?.to_string();
        Some((fields.nth(1)?.parse().ok()?, name))
    };
    Ok(text.lines().filter_map(account).collect())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    struct Case {
        dir: tempfile::TempDir,
    }

    impl Case {
        /// A tree, and another like it with something more.
        fn new() -> Case {
            let dir = tempfile::tempdir().unwrap();
            for tree in ["image", "build"] {
                for folder in ["etc", "usr/lib", "run", "layer"] {
                    fs::create_dir_all(dir.path().join(tree).join(folder)).unwrap();
                }
                for file in ["etc/kept", "etc/changed", "etc/gone", "usr/lib/mode"] {
                    fs::write(dir.path().join(tree).join(file), "old").unwrap();
                }
                symlink("../usr/lib", dir.path().join(tree).join("etc/linked")).unwrap();
                let accounts = "root:x:0:0::/root:/bin/sh\n";
                fs::write(dir.path().join(tree).join("etc/passwd"), accounts).unwrap();
                fs::write(dir.path().join(tree).join("etc/group"), "root:x:0:\n").unwrap();
            }
            fs::create_dir(dir.path().join("build/usr/include")).unwrap();
            fs::write(dir.path().join("build/usr/include/stdio.h"), "header").unwrap();
            Case { dir }
        }

        fn path(&self, path: &str) -> PathBuf {
            self.dir.path().join(path)
        }
    }

    #[test]
    fn what_scripts_did_is_done_to_another_tree() {
        let case = Case::new();
        let (build, image) = (case.path("build"), case.path("image"));
        let before = Snapshot::of(&build).unwrap();
        fs::write(build.join("etc/changed"), "new").unwrap();
        fs::remove_file(build.join("etc/gone")).unwrap();
        fs::create_dir_all(build.join("srv/new")).unwrap();
        symlink("kept", build.join("etc/link")).unwrap();
        fs::remove_file(build.join("etc/linked")).unwrap();
        fs::create_dir(build.join("etc/linked")).unwrap();
        fs::write(build.join("etc/linked/own"), "").unwrap();
        fs::remove_dir(build.join("layer")).unwrap();
        fs::write(build.join("layer"), "").unwrap();
        fs::set_permissions(build.join("usr/lib/mode"), fs::Permissions::from_mode(0o4750)).unwrap();
        fs::write(build.join("run/pid"), "7").unwrap();
        fs::write(build.join("etc/ld.so.cache"), "cache").unwrap();
        let changes = before.changes(&build).unwrap();
        changes.check_for(&build, &image).unwrap();
        let layer = case.path("layer");
        fs::create_dir(&layer).unwrap();
        changes.write(&build, &layer).unwrap();
        apply(&layer, &image).unwrap();
        assert_eq!(fs::read_to_string(image.join("etc/changed")).unwrap(), "new");
        assert!(!image.join("etc/gone").exists() && image.join("srv/new").is_dir());
        assert_eq!(fs::read_link(image.join("etc/link")).unwrap(), Path::new("kept"));
        assert!(!image.join("etc/linked").is_symlink() && image.join("etc/linked/own").is_file());
        assert!(image.join("layer").is_file() && !image.join("usr/lib/own").exists());
        assert_eq!(
            fs::metadata(image.join("usr/lib/mode")).unwrap().mode() & 0o7777,
            0o4750
        );
        for left_out in ["usr/include", "run/pid", "etc/ld.so.cache"] {
            assert!(!image.join(left_out).exists(), "{left_out}");
        }
        assert_eq!(before.changes(&build).unwrap(), changes);
        assert_eq!(
            Snapshot::of(&build).unwrap().changes(&build).unwrap(),
            Changes::default()
        );
    }

    #[test]
    fn what_would_not_fit_the_image_is_an_error() {
        let case = Case::new();
        let (build, image) = (case.path("build"), case.path("image"));
        fs::create_dir_all(build.join("var/lib/dpkg")).unwrap();
        fs::write(build.join(PACKAGES), "").unwrap();
        let accounts = "root:x:0:0::/root:/bin/sh\ncompiler:x:99:99::/:/bin/sh\n";
        fs::write(build.join("etc/passwd"), accounts).unwrap();
        let said = |before: &Snapshot| {
            let changes = before.changes(&build).unwrap();
            changes.check_for(&build, &image).unwrap_err().to_string()
        };
        let before = Snapshot::of(&build).unwrap();
        fs::write(build.join("etc/owned"), "").unwrap();
        std::os::unix::fs::chown(build.join("etc/owned"), Some(99), None).unwrap();
        assert_eq!(
            said(&before),
            "a script made /etc/owned for compiler, whom only buildtime_packages brought: the image has no such account"
        );
        let before = Snapshot::of(&build).unwrap();
        fs::write(build.join(PACKAGES), "Package: x\n").unwrap();
        assert!(said(&before).contains("name them in packages: or buildtime_packages:"));
    }
}
