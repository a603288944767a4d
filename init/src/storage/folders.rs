//! Folders that are kept: each is a folder of the data partition, mounted over the one of the system.

use std::fs::{self, File, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, lchown, symlink};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use genpack_spec::layout::data::{FOLDERS_DIR, INCOMING_DIR};
use genpack_spec::storage::PersistPath;
use nix::mount::MsFlags;
use nix::sys::stat::{Mode, SFlag, UtimensatFlags, mknod, utimensat};
use nix::sys::time::TimeSpec;

/// Mounts the kept folder over the one of the system at `root`. `data` is where the data partition is mounted. A folder that is
/// not kept yet begins with what the system has there.
pub fn keep(root: &Path, data: &Path, path: &PersistPath) -> Result<()> {
    let target = real_folder(root, path)?;
    let kept = kept(data, path, &target)?;
    nix::mount::mount(Some(&kept), &target, None::<&str>, MsFlags::MS_BIND, None::<&str>)
        .with_context(|| format!("mounting {} on {path}", kept.display()))
}

/// Returns the folder of the system, which is made when it is not there. No part of the path may be a link: it could lead out
/// of the system.
fn real_folder(root: &Path, path: &PersistPath) -> Result<PathBuf> {
    let mut place = root.to_path_buf();
    for part in path.as_str().trim_start_matches('/').split('/') {
        place.push(part);
        match fs::symlink_metadata(&place) {
            Ok(metadata) if metadata.is_dir() => {}
            Ok(_) => bail!("{part} in it is no folder"),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                fs::create_dir(&place).with_context(|| format!("making {part}"))?;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(place)
}

/// Returns the folder on the data partition. A new one gets its name when it is whole and on the medium.
fn kept(data: &Path, path: &PersistPath, system: &Path) -> Result<PathBuf> {
    let name = path.escaped();
    let folders = data.join(FOLDERS_DIR);
    let kept = folders.join(&name);
    if fs::symlink_metadata(&kept).is_ok_and(|metadata| metadata.is_dir()) {
        return Ok(kept);
    }
    let incoming = data.join(INCOMING_DIR);
    for folder in [&folders, &incoming] {
        fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    }
    let copy = incoming.join(&name);
    let copied = copy_whole(system, &copy).and_then(|()| {
        nix::unistd::syncfs(File::open(&incoming)?)?;
        fs::rename(&copy, &kept)?;
        File::open(&folders)?.sync_all()
    });
    if let Err(error) = copied {
        // What is left of it would take room until the next start.
        let _ = fs::remove_dir_all(&copy);
        return Err(error).with_context(|| format!("copying {path} of the system"));
    }
    // The next start would remove it, too.
    let _ = fs::remove_dir(&incoming);
    Ok(kept)
}

/// Removes half a copy that a power cut has left.
pub fn remove_incoming(data: &Path) -> io::Result<()> {
    match fs::remove_dir_all(data.join(INCOMING_DIR)) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Copies a file, link or folder with all that is in it, with owner, mode, times and extended attributes.
fn copy_whole(from: &Path, to: &Path) -> io::Result<()> {
    let told = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", from.display()));
    copy_one(from, to).map_err(told)
}

fn copy_one(from: &Path, to: &Path) -> io::Result<()> {
    let metadata = fs::symlink_metadata(from)?;
    let kind = metadata.file_type();
    if kind.is_dir() {
        fs::create_dir(to)?;
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            copy_whole(&entry.path(), &to.join(entry.file_name()))?;
        }
    } else if kind.is_symlink() {
        symlink(fs::read_link(from)?, to)?;
    } else if kind.is_file() {
        io::copy(&mut File::open(from)?, &mut File::create_new(to)?)?;
    } else if kind.is_fifo() {
        mknod(to, SFlag::S_IFIFO, Mode::empty(), 0)?;
    } else {
        // Devices would be dead there, and sockets are made anew by who listens.
        return Ok(());
    }
    // A change of the owner takes the set-user-ID bit and capabilities away, so it comes first.
    lchown(to, Some(metadata.uid()), Some(metadata.gid()))?;
    copy_attributes(from, to)?;
    if !kind.is_symlink() {
        fs::set_permissions(to, Permissions::from_mode(metadata.mode() & 0o7777))?;
    }
    let (accessed, modified) = (
        TimeSpec::new(metadata.atime(), metadata.atime_nsec()),
        TimeSpec::new(metadata.mtime(), metadata.mtime_nsec()),
    );
    utimensat(
        nix::fcntl::AT_FDCWD,
        to,
        &accessed,
        &modified,
        UtimensatFlags::NoFollowSymlink,
    )?;
    Ok(())
}

/// Copies extended attributes, which a system image without any does not even know.
fn copy_attributes(from: &Path, to: &Path) -> io::Result<()> {
    let names = match xattr::list(from) {
        Err(error) if error.kind() == ErrorKind::Unsupported => return Ok(()),
        names => names?,
    };
    for name in names {
        if let Some(value) = xattr::get(from, &name)? {
            xattr::set(to, &name, &value)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn srv() -> PersistPath {
        "/srv/data".parse().unwrap()
    }

    #[test]
    fn a_new_folder_begins_with_what_the_system_has() {
        let dir = tempfile::tempdir().unwrap();
        let (root, data) = (dir.path().join("root"), dir.path().join("data"));
        let system = root.join("srv/data");
        fs::create_dir_all(system.join("inside/deep")).unwrap();
        fs::create_dir(&data).unwrap();
        fs::write(system.join("inside/program"), "x").unwrap();
        symlink("/nowhere", system.join("link")).unwrap();
        lchown(system.join("inside/program"), Some(1000), Some(1001)).unwrap();
        lchown(system.join("link"), Some(1000), Some(1001)).unwrap();
        fs::set_permissions(system.join("inside/program"), Permissions::from_mode(0o4750)).unwrap();
        xattr::set(system.join("inside/program"), "user.x", b"1").unwrap();
        fs::set_permissions(&system, Permissions::from_mode(0o700)).unwrap();
        lchown(&system, Some(300), Some(301)).unwrap();
        mknod(&system.join("pipe"), SFlag::S_IFIFO, Mode::S_IRUSR, 0).unwrap();

        let copy = kept(&data, &srv(), &system).unwrap();
        assert_eq!(copy, data.join("folders/srv-data"));
        for path in ["", "inside", "inside/deep", "inside/program", "link", "pipe"] {
            let facts = |place: &Path| {
                let metadata = fs::symlink_metadata(place.join(path)).unwrap();
                let times = (metadata.mtime(), metadata.mtime_nsec());
                (metadata.mode(), metadata.uid(), metadata.gid(), times)
            };
            assert_eq!(facts(&copy), facts(&system), "{path}");
        }
        assert_eq!(
            xattr::get(copy.join("inside/program"), "user.x")
                .unwrap()
                .unwrap(),
            b"1"
        );
        assert_eq!(fs::read_link(copy.join("link")).unwrap(), Path::new("/nowhere"));

        // What is kept stays, whatever the system has now.
        fs::remove_file(copy.join("inside/program")).unwrap();
        assert_eq!(kept(&data, &srv(), &system).unwrap(), copy);
        assert!(!copy.join("inside/program").exists());
        remove_incoming(&data).unwrap();
        remove_incoming(&data).unwrap();
    }

    #[test]
    fn half_a_copy_gets_no_name() {
        let dir = tempfile::tempdir().unwrap();
        let (system, data) = (dir.path().join("system"), dir.path().join("data"));
        fs::create_dir_all(&system).unwrap();
        // Something of an interrupted start is in the way.
        fs::create_dir_all(data.join("incoming/srv-data")).unwrap();
        let error = format!("{:#}", kept(&data, &srv(), &system).unwrap_err());
        assert!(error.starts_with("copying /srv/data of the system: "), "{error}");
        assert!(!data.join("folders/srv-data").exists() && !data.join("incoming/srv-data").exists());
        assert!(kept(&data, &srv(), &system).is_ok());
    }

    #[test]
    fn links_do_not_lead_out_of_the_system() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        assert_eq!(real_folder(root, &srv()).unwrap(), root.join("srv/data"));
        fs::remove_dir_all(root.join("srv")).unwrap();
        symlink("/etc", root.join("srv")).unwrap();
        let error = real_folder(root, &srv()).unwrap_err().to_string();
        assert_eq!(error, "srv in it is no folder");
    }
}
