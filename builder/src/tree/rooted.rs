//! A folder as if it were the root of a file system: no name and no link leads out of it. Whoever reads or changes a tree that
//! others have made goes this way, because a link in it may name anything on this machine.

use std::fs::{self, DirEntry, File};
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};
use nix::sys::stat::Mode;

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
            Err(error) if error.kind() == ErrorKind::NotFound => error,
            outcome => return outcome,
        };
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(missing);
        };
        fs::create_dir(self.make_folder(parent)?.join(name.as_ref()))?;
        self.folder(path)
    }

    /// Returns the entries of a folder below the root, which need not exist, in the order of their names. Their paths mean
    /// something as long as the folder is there, too.
    pub fn entries(&self, path: &Path) -> io::Result<(Option<Inside>, Vec<DirEntry>)> {
        let folder = match self.folder(path) {
            Err(error) if is_absent(&error) => return Ok((None, Vec::new())),
            folder => folder?,
        };
        let mut entries = fs::read_dir(folder.path())?.collect::<io::Result<Vec<_>>>()?;
        entries.sort_by_key(DirEntry::file_name);
        Ok((Some(folder), entries))
    }

    /// Returns the names of what is in a folder below the root, in order; none where it can't be read.
    pub fn names(&self, folder: &Path) -> Vec<String> {
        let (_folder, entries) = self.entries(folder).unwrap_or_default();
        let names = entries.iter().map(|entry| entry.file_name().into_string());
        names.filter_map(Result::ok).collect()
    }

    /// Opens a file below the root for reading; links are followed inside. A pipe is empty, and nobody waits for a writer.
    pub fn file(&self, path: &Path) -> io::Result<File> {
        Ok(File::from(
            self.open_inside(path, OFlag::O_RDONLY | OFlag::O_NONBLOCK)?,
        ))
    }

    /// Returns what is in a file below the root; links are followed inside.
    pub fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let mut content = Vec::new();
        self.file(path)?.read_to_end(&mut content)?;
        Ok(content)
    }

    /// Returns the text in a file below the root, or none where there is no such file; links are followed inside.
    pub fn text(&self, path: &Path) -> io::Result<Option<String>> {
        let mut text = String::new();
        match self.file(path) {
            Err(error) if is_absent(&error) => return Ok(None),
            file => file?.read_to_string(&mut text)?,
        };
        Ok(Some(text))
    }

    /// Returns the same, and nothing where there is no such file or it is no text.
    pub fn text_or_empty(&self, path: &Path) -> String {
        self.text(path).ok().flatten().unwrap_or_default()
    }

    /// Opens a file below the root for new content, and makes it with its folders where it is missing. Links are followed
    /// inside.
    pub fn create(&self, path: &Path) -> io::Result<File> {
        self.make_folder(path.parent().unwrap_or(Path::new("")))?;
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_TRUNC | OFlag::O_NONBLOCK;
        Ok(File::from(self.open_inside(path, flags)?))
    }

    /// Gives a file below the root this content, and makes it with its folders where it is missing. Links are followed inside.
    pub fn write(&self, path: &Path, content: impl AsRef<[u8]>) -> io::Result<()> {
        self.create(path)?.write_all(content.as_ref())
    }

    /// Puts a copy of a file, with its mode, below the root, in the place of what is there, and makes folders that are missing.
    pub fn copy(&self, mut source: File, to: &Path) -> io::Result<()> {
        self.remove(to)?;
        let mut copy = self.create(to)?;
        io::copy(&mut source, &mut copy)?;
        copy.set_permissions(source.metadata()?.permissions())
    }

    /// Removes a file or link below the root, which need not exist.
    pub fn remove(&self, path: &Path) -> io::Result<()> {
        let removed = self
            .parent(path)
            .and_then(|(folder, name)| fs::remove_file(folder.join(name)));
        match removed {
            Err(error) if !is_absent(&error) => Err(error),
            _ => Ok(()),
        }
    }

    /// Returns what is at a path below the root; links are followed inside.
    pub fn metadata(&self, path: &Path) -> io::Result<fs::Metadata> {
        fs::metadata(own_path(&self.resolve(path, OFlag::empty())?))
    }

    /// Returns what is at a path below the root, be it a link; links before the last part are followed inside.
    pub fn symlink_metadata(&self, path: &Path) -> io::Result<fs::Metadata> {
        let (folder, name) = self.parent(path)?;
        fs::symlink_metadata(folder.join(name))
    }

    /// Returns what a link below the root leads to, as it stands there; links before the last part are followed inside.
    pub fn read_link(&self, path: &Path) -> io::Result<PathBuf> {
        let (folder, name) = self.parent(path)?;
        fs::read_link(folder.join(name))
    }

    /// Opens the folder of a path's last part, which is returned, too.
    fn parent<'p>(&self, path: &'p Path) -> io::Result<(Inside, &'p Path)> {
        match (path.parent(), path.file_name()) {
            (Some(parent), Some(name)) => Ok((self.folder(parent)?, Path::new(name))),
            _ => Err(ErrorKind::InvalidInput.into()),
        }
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
        // As for every new file; the umask takes away some of it. Without a file to make there must be none.
        let mode = match flags.contains(OFlag::O_CREAT) {
            true => 0o666,
            false => 0,
        };
        let how = OpenHow::new()
            .flags(flags | OFlag::O_CLOEXEC)
            .mode(Mode::from_bits_truncate(mode))
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

/// Whether an error says that a path leads to nothing.
fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
        || error.raw_os_error() == Some(libc::ELOOP)
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

    #[test]
    fn files_are_those_inside() {
        let dir = tempfile::tempdir().unwrap();
        let (root, outside) = (dir.path().join("root"), dir.path().join("file"));
        fs::create_dir_all(root.join("etc")).unwrap();
        fs::write(&outside, "outside").unwrap();
        symlink(&outside, root.join("etc/link")).unwrap();
        let rooted = Rooted::open(&root).unwrap();
        let link = Path::new("etc/link");
        assert_eq!(rooted.text(link).unwrap(), None);
        rooted.make_folder(dir.path()).unwrap();
        rooted.write(link, "inside").unwrap();
        assert_eq!(rooted.text(link).unwrap().unwrap(), "inside");
        assert!(rooted.symlink_metadata(link).unwrap().is_symlink());
        assert_eq!(rooted.read_link(link).unwrap(), outside);
        rooted.remove(link).unwrap();
        rooted.remove(link).unwrap();
        rooted.remove("etc/no/such/file".as_ref()).unwrap();
        assert!(!root.join("etc/link").is_symlink());
        rooted.write("/new/folder/file".as_ref(), "x").unwrap();
        assert_eq!(fs::read_to_string(root.join("new/folder/file")).unwrap(), "x");
        assert_eq!(fs::read_to_string(outside).unwrap(), "outside");
        nix::unistd::mkfifo(&root.join("pipe"), Mode::S_IRWXU).unwrap();
        assert_eq!(rooted.read("pipe".as_ref()).unwrap(), b"");
    }
}
