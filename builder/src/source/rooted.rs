//! A folder that files are put into as if it were the root of a file system: no name and no link leads out of it.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};

/// A folder as a root.
pub struct Rooted {
    folder: File,
}

/// A folder below the root that is open, so that its path can't come to mean another one.
pub struct Inside {
    folder: OwnedFd,
    /// Tells it from other folders of the same file system.
    pub inode: u64,
}

impl Rooted {
    /// Opens the folder `root`.
    pub fn open(root: &Path) -> io::Result<Rooted> {
        Ok(Rooted {
            folder: File::open(root)?,
        })
    }

    /// Opens a folder below the root, for its path. Links are followed as they would be after chroot(2): the kernel takes
    /// care that none of them leads out (openat2(2), `RESOLVE_IN_ROOT`).
    pub fn folder(&self, path: &Path) -> io::Result<Inside> {
        let folder = self.resolve(path, OFlag::O_DIRECTORY)?;
        let inode = fs::metadata(own_path(&folder))?.ino();
        Ok(Inside { folder, inode })
    }

    /// Does the same, and makes folders that are missing.
    pub fn make_folder(&self, path: &Path) -> io::Result<Inside> {
        let missing = match self.folder(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => error,
            outcome => return outcome,
        };
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(missing);
        };
        fs::create_dir(self.make_folder(parent)?.join(name.as_ref()))?;
        self.folder(path)
    }

    /// Opens a file below the root for reading; links are followed inside.
    pub fn file(&self, path: &Path) -> io::Result<File> {
        Ok(File::from(self.open_inside(path, OFlag::O_RDONLY)?))
    }

    /// Returns what is at a path below the root; links are followed inside.
    pub fn metadata(&self, path: &Path) -> io::Result<fs::Metadata> {
        fs::metadata(own_path(&self.resolve(path, OFlag::empty())?))
    }

    fn resolve(&self, path: &Path, flags: OFlag) -> io::Result<OwnedFd> {
        self.open_inside(path, flags | OFlag::O_PATH)
    }

    fn open_inside(&self, path: &Path, flags: OFlag) -> io::Result<OwnedFd> {
        let path = if path.as_os_str().is_empty() {
            Path::new(".")
        } else {
            path
        };
        let how = OpenHow::new()
            .flags(flags | OFlag::O_CLOEXEC)
            .resolve(ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS);
        loop {
            match openat2(self.folder.as_fd(), path, how) {
                // Something was renamed meanwhile, anywhere on the machine.
                Err(Errno::EAGAIN) => continue,
                outcome => return Ok(outcome?),
            }
        }
    }
}

impl Inside {
    /// Returns a path of something directly in the folder. Functions that do not follow links in a path's last part stay
    /// inside with it.
    pub fn join(&self, name: &Path) -> PathBuf {
        own_path(&self.folder).join(name)
    }

    /// Returns a path of the folder itself.
    pub fn path(&self) -> PathBuf {
        // What the descriptor's own entry is a link to, and not that link.
        own_path(&self.folder).join(".")
    }
}

/// The path of what a descriptor is open for (proc_pid_fd(5)).
fn own_path(fd: &impl AsRawFd) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", fd.as_raw_fd()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_end_inside() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root");
        fs::create_dir_all(root.join("usr/lib")).unwrap();
        fs::create_dir(dir.path().join("outside")).unwrap();
        for (link, to) in [
            ("lib", "usr/lib"),
            ("abs", "/usr"),
            ("up", "../../../usr"),
            ("out", "../outside"),
        ] {
            symlink(to, root.join(link)).unwrap();
        }
        let rooted = Rooted::open(&root).unwrap();
        for path in ["lib", "abs/lib", "up/lib", "usr/lib", "../usr/lib"] {
            fs::write(rooted.folder(path.as_ref()).unwrap().join("x".as_ref()), path).unwrap();
            assert_eq!(fs::read_to_string(root.join("usr/lib/x")).unwrap(), path);
        }
        assert!(rooted.folder("out".as_ref()).is_err());
        assert!(
            rooted.make_folder("out/a".as_ref()).is_err(),
            "a link to nothing is not filled"
        );
        rooted.make_folder("abs/share/doc".as_ref()).unwrap();
        assert!(root.join("usr/share/doc").is_dir());
        assert_eq!(fs::read_dir(dir.path().join("outside")).unwrap().count(), 0);
        assert!(rooted.metadata("abs/lib/x".as_ref()).unwrap().is_file());
        assert!(rooted.folder("usr/lib/x".as_ref()).is_err());
    }
}
