//! Carries out a [`crate::plan`].

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, symlink};
use std::path::{Path, PathBuf};

use crate::plan::{Entry, Kind};

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

    /// Writes an entry in place of whatever the image has there.
    pub fn write(&self, entry: &Entry) -> io::Result<()> {
        let path = self.place(&entry.path);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        // Removed first, so that a link of the image is replaced and not followed.
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        match &entry.kind {
            Kind::File { mode, content } => {
                let mut file = OpenOptions::new()
                    .write(true)
                    .create_new(true)
                    .mode(*mode)
                    .open(&path)?;
                file.write_all(content.as_bytes())
            }
            Kind::Link { target } => symlink(target, &path),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn files_and_links_replace_what_the_image_has() {
        let dir = tempfile::tempdir().unwrap();
        let (system, run) = (dir.path().join("system"), dir.path().join("initramfs"));
        let roots = Roots {
            system: &system,
            run: &run,
        };
        fs::create_dir_all(system.join("etc")).unwrap();
        fs::write(dir.path().join("victim"), "untouched").unwrap();
        symlink(dir.path().join("victim"), system.join("etc/hostname")).unwrap();

        let file = |path: &str, mode| Entry {
            path: path.into(),
            kind: Kind::File {
                mode,
                content: "x".into(),
            },
        };
        roots.write(&file("/etc/hostname", 0o600)).unwrap();
        roots.write(&file("/run/a/b", 0o644)).unwrap();
        roots
            .write(&Entry {
                path: "/etc/l".into(),
                kind: Kind::Link { target: "/t".into() },
            })
            .unwrap();

        assert_eq!(
            fs::read_to_string(dir.path().join("victim")).unwrap(),
            "untouched"
        );
        assert_eq!(
            fs::metadata(system.join("etc/hostname"))
                .unwrap()
                .permissions()
                .mode()
                & 0o777,
            0o600
        );
        assert!(run.join("run/a/b").exists());
        assert_eq!(fs::read_link(system.join("etc/l")).unwrap(), Path::new("/t"));
    }
}
