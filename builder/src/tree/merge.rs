//! Copying a folder of a developer's over the tree.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown, symlink};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::changes::TRANSIENT;
use super::links::{self, Place};
use crate::blueprint::InputError;

/// What can be done about two things of different kinds that want the same place.
const COLLISION: &str = "give it another name, or let a script in files/build.d put it there";

/// Copies everything in `from` over the tree at `root`. Modes and links are kept, everything belongs to root, and a
/// folder that the tree has keeps its mode. A link of the tree to a folder, such as `/lib`, is followed inside the
/// tree.
///
/// # Errors
/// [`InputError`] for a file in the place of a folder, or the other way round.
pub fn merge(from: &Path, root: &Path) -> Result<()> {
    merge_folder(from, root, Path::new(""), None)
}

/// Does what [`merge`] does, and leaves out what is at `without`, relative to `from`.
///
/// # Errors
/// [`InputError`], too, for a file that a link of the tree leads to a place that is no part of a system.
pub fn merge_without(from: &Path, root: &Path, without: &Path) -> Result<()> {
    merge_folder(from, root, Path::new(""), Some(without))
}

fn merge_folder(from: &Path, root: &Path, relative: &Path, without: Option<&Path>) -> Result<()> {
    let mut entries: Vec<_> = fs::read_dir(from.join(relative))
        .and_then(|entries| entries.collect::<io::Result<Vec<_>>>())
        .with_context(|| format!("reading {}", from.join(relative).display()))?;
    entries.sort_by_key(|entry| entry.file_name());
    for entry in entries {
        let relative = relative.join(entry.file_name());
        if without == Some(relative.as_path()) {
            continue;
        }
        let source = entry.path();
        let metadata = entry
            .metadata()
            .with_context(|| format!("reading {}", source.display()))?;
        let folder = resolve(root, relative.parent().unwrap_or(Path::new("")))?;
        let target = folder.join(entry.file_name());
        if without.is_some() && !metadata.is_dir() {
            check_place(&source, &relative, folder.strip_prefix(root).unwrap_or(&folder))?;
        }
        let copying = || format!("copying {} to /{}", source.display(), relative.display());
        if metadata.is_dir() {
            let target = resolve(root, &relative)?;
            if !target.exists() {
                fs::create_dir(&target).with_context(copying)?;
                set_mode(&target, metadata.mode()).with_context(copying)?;
            } else if !target.is_dir() {
                bail!(InputError::plain(format!(
                    "{} is a folder, and /{} of the system is not; {COLLISION}",
                    source.display(),
                    relative.display()
                )));
            }
            merge_folder(from, root, &relative, without)?;
            continue;
        }
        if target.is_dir() && !target.is_symlink() {
            bail!(InputError::plain(format!(
                "{} is no folder, and /{} of the system is one; {COLLISION}",
                source.display(),
                relative.display()
            )));
        }
        match fs::remove_file(&target) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error).with_context(copying),
            _ => {}
        }
        if metadata.is_symlink() {
            fs::read_link(&source)
                .and_then(|to| symlink(to, &target))
                .with_context(copying)?;
        } else if metadata.is_file() {
            fs::copy(&source, &target).with_context(copying)?;
        } else {
            bail!("{} is neither a file nor a folder nor a link", source.display());
        }
        lchown(&target, Some(0), Some(0)).with_context(copying)?;
        if metadata.is_file() {
            // Afterwards, because a new owner takes set-user-ID and set-group-ID away (chown(2)).
            set_mode(&target, metadata.mode()).with_context(copying)?;
        }
    }
    Ok(())
}

/// Fails when a file would be lost, because the folder that it goes to is empty in every image.
fn check_place(source: &Path, relative: &Path, folder: &Path) -> Result<()> {
    let Some(place) = TRANSIENT.iter().find(|place| folder.starts_with(place)) else {
        return Ok(());
    };
    bail!(InputError::plain(format!(
        "{}: /{} of the system leads to /{}, and what is in /{place} is made at every start, and is no part of a system",
        source.display(),
        relative.parent().unwrap_or(relative).display(),
        folder.display(),
    )));
}

fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    fs::set_permissions(path, fs::Permissions::from_mode(mode & 0o7777))
}

/// Returns where `relative` is on the developer's disk, following links of the tree as the running system would.
fn resolve(root: &Path, relative: &Path) -> Result<PathBuf> {
    let look = |place: &Path| fs::read_link(root.join(place)).map_or(Place::End, Place::Link);
    match links::follow(relative, look) {
        Ok((_, inside)) => Ok(root.join(inside)),
        Err(_) => bail!("/{} of the system is a link to itself", relative.display()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Case {
        _dir: tempfile::TempDir,
        from: PathBuf,
        root: PathBuf,
    }

    fn case() -> Case {
        let dir = tempfile::tempdir().unwrap();
        let (from, root) = (dir.path().join("files"), dir.path().join("tree"));
        fs::create_dir_all(from.join("etc")).unwrap();
        fs::create_dir_all(root.join("etc")).unwrap();
        Case {
            _dir: dir,
            from,
            root,
        }
    }

    #[test]
    fn files_links_and_modes_arrive() {
        let case = case();
        let modes = [("run", 0o750), ("as-owner", 0o4755), ("as-group", 0o2755)];
        for (name, mode) in modes {
            let file = case.from.join("etc").join(name);
            fs::write(&file, "x").unwrap();
            set_mode(&file, mode).unwrap();
        }
        symlink("/somewhere", case.from.join("etc/link")).unwrap();
        fs::write(case.root.join("etc/link"), "old").unwrap();
        merge(&case.from, &case.root).unwrap();
        for (name, mode) in modes {
            let metadata = fs::metadata(case.root.join("etc").join(name)).unwrap();
            assert_eq!((metadata.mode() & 0o7777, metadata.uid()), (mode, 0), "{name}");
        }
        assert_eq!(
            fs::read_link(case.root.join("etc/link")).unwrap(),
            Path::new("/somewhere")
        );
    }

    #[test]
    fn links_to_folders_are_followed_inside_the_tree() {
        let case = case();
        fs::create_dir_all(case.root.join("usr/lib")).unwrap();
        for (link, to) in [
            ("lib", "usr/lib"),
            ("absolute", "/usr/lib"),
            ("up", "../../../usr/lib"),
        ] {
            symlink(to, case.root.join(link)).unwrap();
            fs::create_dir_all(case.from.join(link)).unwrap();
            fs::write(case.from.join(link).join(format!("by-{link}")), "x").unwrap();
        }
        merge(&case.from, &case.root).unwrap();
        for name in ["by-lib", "by-absolute", "by-up"] {
            assert!(case.root.join("usr/lib").join(name).is_file(), "{name}");
        }
        assert!(case.root.join("lib").is_symlink());
    }

    #[test]
    fn collisions_are_named() {
        let case = case();
        fs::create_dir(case.root.join("etc/conf")).unwrap();
        fs::write(case.from.join("etc/conf"), "x").unwrap();
        let said = || {
            let error = merge(&case.from, &case.root).unwrap_err();
            assert!(error.downcast_ref::<InputError>().is_some(), "{error:#}");
            error.to_string()
        };
        let error = said();
        assert!(
            error.contains("is no folder, and /etc/conf of the system is one; give it another name"),
            "{error}"
        );

        fs::remove_dir(case.root.join("etc/conf")).unwrap();
        fs::remove_file(case.from.join("etc/conf")).unwrap();
        fs::write(case.root.join("etc/conf"), "x").unwrap();
        fs::create_dir(case.from.join("etc/conf")).unwrap();
        let error = said();
        assert!(
            error.contains("is a folder, and /etc/conf of the system is not; give it another name"),
            "{error}"
        );
    }

    #[test]
    fn a_link_leads_no_file_to_where_it_would_be_lost() {
        let case = case();
        fs::create_dir_all(case.root.join("run/lock")).unwrap();
        fs::create_dir_all(case.root.join("var")).unwrap();
        symlink("/run", case.root.join("var/run")).unwrap();
        fs::create_dir_all(case.from.join("var/run/lock")).unwrap();
        let nowhere = Path::new("build.d");
        merge_without(&case.from, &case.root, nowhere).unwrap();
        fs::write(case.from.join("var/run/lock/x"), "").unwrap();
        let error = merge_without(&case.from, &case.root, nowhere).unwrap_err();
        assert!(error.downcast_ref::<InputError>().is_some(), "{error:#}");
        let error = error.to_string();
        assert!(
            error.contains(
                "files/var/run/lock/x: /var/run/lock of the system leads to /run/lock, and what is in /run is"
            ),
            "{error}"
        );
    }
}
