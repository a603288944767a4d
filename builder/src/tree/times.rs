//! Times of files that do not tell when they were made.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use nix::fcntl::AT_FDCWD;
use nix::sys::stat::{UtimensatFlags, utimensat};
use nix::sys::time::TimeSpec;

/// Sets the time of everything below `root` that is of this build, because it is not before `begun`, or later than
/// `epoch`, to `epoch`, in seconds since 1970.
pub fn settle_times(root: &Path, begun: SystemTime, epoch: u32) -> Result<()> {
    let begun = begun.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() as i64;
    let epoch = i64::from(epoch);
    let mut todo = vec![root.to_path_buf()];
    while let Some(path) = todo.pop() {
        let settle = || -> std::io::Result<bool> {
            let metadata = fs::symlink_metadata(&path)?;
            if metadata.mtime() >= begun || metadata.mtime() > epoch {
                let time = TimeSpec::new(epoch, 0);
                utimensat(AT_FDCWD, &path, &time, &time, UtimensatFlags::NoFollowSymlink)?;
            }
            Ok(metadata.is_dir())
        };
        let is_folder = settle().with_context(|| format!("setting the time of {}", path.display()))?;
        if is_folder {
            for entry in fs::read_dir(&path).with_context(|| format!("reading {}", path.display()))? {
                todo.push(entry?.path());
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn only_older_files_keep_their_time() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, seconds: u64| {
            let path = dir.path().join(name);
            fs::write(&path, "").unwrap();
            let time = UNIX_EPOCH + Duration::from_secs(seconds);
            fs::File::open(&path).unwrap().set_modified(time).unwrap();
        };
        file("old", 100);
        file("late", 3000);
        std::os::unix::fs::symlink("nowhere", dir.path().join("link")).unwrap();
        let time = |name: &str| fs::symlink_metadata(dir.path().join(name)).unwrap().mtime();
        settle_times(dir.path(), SystemTime::now() - Duration::from_secs(60), 1000).unwrap();
        assert_eq!(
            [time("old"), time("late"), time("link"), time("")],
            [100, 1000, 1000, 1000]
        );
        // A clock that is behind: what is being built is older than the epoch.
        file("now", 500);
        settle_times(dir.path(), UNIX_EPOCH + Duration::from_secs(400), 1000).unwrap();
        assert_eq!([time("old"), time("now")], [100, 1000]);
    }
}
