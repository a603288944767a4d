//! Files: atomic writes, and waiting for their change without polling.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use genpack_spec::status::Room;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use nix::sys::statvfs::statvfs;
use tokio::io::unix::AsyncFd;

/// Replaces a file on a tmpfs so that readers see the old text or the new one; makes its directory.
pub fn write_atomic(path: &Path, text: &str) -> io::Result<()> {
    replace(path, text.as_bytes(), 0o644)
}

/// Does the same with a file that only root may read, because it holds secrets.
pub fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    replace(path, bytes, 0o600)
}

/// Removes a file; one that is not there is no error.
pub fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

fn replace(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(folder)?;
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".new");
    let temporary = folder.join(name);
    // What an earlier attempt left may have another mode.
    remove(&temporary)?;
    File::options()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&temporary)
        .and_then(|mut file| file.write_all(bytes))
        .and_then(|()| fs::rename(&temporary, path))
        .inspect_err(|_| drop(fs::remove_file(&temporary)))
}

/// Returns the room of the file system that is mounted at `path`; none when nothing is there.
pub fn room(path: &Path) -> Option<Room> {
    let state = statvfs(path).ok()?;
    let bytes = |blocks: u64| blocks.saturating_mul(state.fragment_size());
    Some(Room {
        free: bytes(state.blocks_available()),
        total: bytes(state.blocks()),
    })
}

/// Watches a directory for files that appear or are replaced.
pub struct Watch {
    inotify: AsyncFd<Fd>,
}

struct Fd(Inotify);

impl AsRawFd for Fd {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

#[allow(unsafe_code)]
fn register(fd: Fd) -> io::Result<AsyncFd<Fd>> {
    // SAFETY: `Fd` owns an open inotify descriptor, names no other, and neither closes nor replaces it while it lives.
    Ok(unsafe { AsyncFd::register(fd) }?)
}

impl Watch {
    /// Starts to watch; fails when the directory isn't there. Call within the runtime.
    pub fn new(directory: &Path) -> io::Result<Watch> {
        Watch::with(directory, AddWatchFlags::empty())
    }

    /// Starts to watch for files that are written in place, too.
    pub fn writes(directory: &Path) -> io::Result<Watch> {
        Watch::with(directory, AddWatchFlags::IN_CLOSE_WRITE)
    }

    fn with(directory: &Path, more: AddWatchFlags) -> io::Result<Watch> {
        let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)?;
        let flags = AddWatchFlags::IN_CREATE | AddWatchFlags::IN_MOVED_TO | AddWatchFlags::IN_DELETE_SELF;
        inotify.add_watch(directory, flags | more)?;
        Ok(Watch {
            inotify: register(Fd(inotify))?,
        })
    }

    /// Waits for the next change. Changes since the last call, or since the start, count.
    pub async fn changed(&self) -> io::Result<()> {
        loop {
            let mut guard = self.inotify.readable().await?;
            if let Ok(events) = guard.try_io(|fd| Ok(fd.get_ref().0.read_events()?)) {
                events?;
                return Ok(());
            }
        }
    }
}

/// Waits until the file is there.
pub async fn wait_for(path: &Path) -> io::Result<()> {
    loop {
        // Watch first, then look: a file that appears in between is not missed.
        let folder = path
            .ancestors()
            .skip(1)
            .find(|folder| folder.is_dir())
            .unwrap_or(Path::new("/"));
        let watch = Watch::new(folder)?;
        if path.exists() {
            return Ok(());
        }
        // A nearer directory may have appeared before the watch began.
        let nearer = path.ancestors().skip(1).find(|folder| folder.is_dir());
        if nearer == Some(folder) {
            watch.changed().await?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_file_deep_in_folders_to_come_is_awaited() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b/c");
        let writer = path.clone();
        runtime.block_on(async {
            let waiting = tokio::spawn(async move { wait_for(&path).await });
            tokio::task::yield_now().await;
            write_atomic(&writer, "x").unwrap();
            tokio::time::timeout(Duration::from_secs(10), waiting)
                .await
                .expect("seen in time")
                .unwrap()
                .unwrap();
        });
        assert_eq!(std::fs::read_dir(dir.path().join("a/b")).unwrap().count(), 1);
    }
}
