//! Carries out a [`crate::plan`].

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, fchown, symlink};
use std::path::{Path, PathBuf};

use crate::change::entry_at;
use crate::plan::{Entry, Kind, Owner};

/// Where the running system's paths are while it does not run yet.
pub struct Roots<'a> {
    /// `/` of the running system.
    pub system: &'a Path,
    /// The folder that has `run`: PID 1 mounts it before the system is there, and moves it over at the end.
    pub run: &'a Path,
}

impl Roots<'_> {
    fn place(&self, path: &str) -> PathBuf {
        let root = if path.starts_with("/run/") {
            self.run
        } else {
            self.system
        };
        root.join(path.trim_start_matches('/'))
    }

    /// Returns what is at a path, as the entry that would make it; none when nothing is there.
    pub(crate) fn read(&self, path: &str) -> io::Result<Option<Entry>> {
        entry_at(path, &self.place(path))
    }

    /// Makes an entry, in place of whatever the image has there. A file is there whole, with its owner and mode, or not at
    /// all: what was there before stays when it can't be written.
    pub fn make(&self, entry: &Entry) -> io::Result<()> {
        let path = self.place(&entry.path);
        match &entry.kind {
            Kind::Absent => return none(fs::remove_file(&path)),
            Kind::Folder { mode } => {
                fs::create_dir_all(&path)?;
                return own(&File::open(&path)?, entry.owner, *mode);
            }
            Kind::File { .. } | Kind::Link { .. } => {}
        }
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut name = path.file_name().unwrap_or_default().to_os_string();
        name.push(".genpack-new");
        let temporary = path.with_file_name(name);
        none(fs::remove_file(&temporary))?;
        let made = match &entry.kind {
            Kind::File { mode, content } => OpenOptions::new()
                .write(true)
                .create_new(true)
                // What is for few is for nobody else, not even while it is written.
                .mode(0o600)
                .open(&temporary)
                .and_then(|mut file| {
                    file.write_all(content)?;
                    own(&file, entry.owner, *mode)
                }),
            Kind::Link { target } => symlink(target, &temporary),
            Kind::Folder { .. } | Kind::Absent => Ok(()),
        };
        // A link of the image is replaced and not followed.
        made.and_then(|()| fs::rename(&temporary, &path))
            .inspect_err(|_| drop(fs::remove_file(&temporary)))
    }
}

/// What isn't there can't be removed, and needn't.
fn none(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

fn own(file: &File, owner: Owner, mode: u32) -> io::Result<()> {
    fchown(file, Some(owner.uid), Some(owner.gid))?;
    file.set_permissions(Permissions::from_mode(mode))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    const PI: Owner = Owner { uid: 1000, gid: 1001 };

    fn entry(path: &str, kind: Kind) -> Entry {
        Entry {
            path: path.into(),
            owner: PI,
            kind,
        }
    }

    fn file(path: &str, mode: u32) -> Entry {
        let content = "x".into();
        entry(path, Kind::File { mode, content })
    }

    #[test]
    fn entries_replace_what_the_image_has() {
        let dir = tempfile::tempdir().unwrap();
        let (system, run) = (dir.path().join("system"), dir.path().join("initramfs"));
        let roots = Roots {
            system: &system,
            run: &run,
        };
        fs::create_dir_all(system.join("etc")).unwrap();
        fs::write(dir.path().join("victim"), "untouched").unwrap();
        symlink(dir.path().join("victim"), system.join("etc/hostname")).unwrap();
        fs::write(system.join("etc/cache"), "old").unwrap();

        roots.make(&file("/etc/hostname", 0o440)).unwrap();
        roots.make(&file("/etc/hostname", 0o440)).unwrap();
        roots.make(&file("/run/a/b", 0o644)).unwrap();
        let target = "/t".into();
        roots.make(&entry("/etc/l", Kind::Link { target })).unwrap();
        roots.make(&entry("/etc/cache", Kind::Absent)).unwrap();
        roots.make(&entry("/none/cache", Kind::Absent)).unwrap();
        roots
            .make(&entry("/home/pi", Kind::Folder { mode: 0o700 }))
            .unwrap();

        let victim = fs::read_to_string(dir.path().join("victim")).unwrap();
        assert_eq!(victim, "untouched");
        let access = |path: &str| {
            let metadata = fs::symlink_metadata(system.join(path)).unwrap();
            (metadata.mode() & 0o7777, metadata.uid(), metadata.gid())
        };
        assert_eq!(access("etc/hostname"), (0o440, 1000, 1001));
        assert_eq!(access("home/pi"), (0o700, 1000, 1001));
        assert!(run.join("run/a/b").exists());
        assert_eq!(fs::read_link(system.join("etc/l")).unwrap(), Path::new("/t"));
        let left: Vec<_> = fs::read_dir(system.join("etc")).unwrap().collect();
        assert_eq!(left.len(), 2, "{left:?}");
        assert!(!system.join("none").exists());
    }

    #[test]
    fn what_cannot_be_replaced_stays() {
        let dir = tempfile::tempdir().unwrap();
        let roots = Roots {
            system: dir.path(),
            run: dir.path(),
        };
        fs::create_dir_all(dir.path().join("etc/shadow/x")).unwrap();
        assert!(roots.make(&file("/etc/shadow", 0o640)).is_err());
        let left: Vec<_> = fs::read_dir(dir.path().join("etc")).unwrap().collect();
        assert_eq!(left.len(), 1, "{left:?}");
    }
}
