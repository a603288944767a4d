//! Whether the folders that a blueprint wants to keep are folders of the image.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use genpack_spec::storage::{Persist, PersistPath};

use crate::blueprint::InputError;

/// Checks that every folder of `persist` is in the tree, under its own name. A slip of the pen would otherwise cost the
/// data of a device, and a link could lead out of what is kept.
///
/// # Errors
/// [`InputError`] that says what is at the path instead.
pub fn check_persist(root: &Path, persist: Option<&Persist>) -> Result<()> {
    let folders = persist.map_or(&[][..], Persist::folders);
    for path in folders {
        if let Some(problem) = problem(root, path) {
            bail!(InputError::plain(format!("persist: {problem}")));
        }
    }
    Ok(())
}

fn problem(root: &Path, path: &PersistPath) -> Option<String> {
    let mut inside = PathBuf::from("/");
    for part in path.as_str().trim_start_matches('/').split('/') {
        inside.push(part);
        let shown = inside.display();
        let place = root.join(inside.strip_prefix("/").unwrap_or(&inside));
        match fs::symlink_metadata(&place) {
            Ok(metadata) if metadata.is_dir() => {}
            Ok(metadata) if metadata.is_symlink() => {
                let target = fs::read_link(&place).unwrap_or_default();
                return Some(format!(
                    "{shown} is a link to {}; name the folder that it leads to",
                    target.display()
                ));
            }
            Ok(_) => {
                return Some(format!(
                    "{shown} is a file of the image, and only folders can be kept"
                ));
            }
            Err(_) => {
                return Some(format!(
                    "the image has no folder {shown}; correct the path, or have the folder made by a package, files/ or a \
                     setup command"
                ));
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn only_folders_of_the_image_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        fs::create_dir_all(root.join("var/lib/mysql")).unwrap();
        fs::write(root.join("var/file"), "").unwrap();
        symlink("/var/lib", root.join("var/state")).unwrap();
        let said = |path: &str| {
            let persist = Persist::paths(vec![path.parse().unwrap()]).unwrap();
            check_persist(root, Some(&persist)).map_err(|error| error.to_string())
        };
        assert_eq!(said("/var/lib/mysql"), Ok(()));
        for (path, why) in [
            (
                "/var/lib/msql",
                "persist: the image has no folder /var/lib/msql; correct the path",
            ),
            (
                "/var/state/mysql",
                "persist: /var/state is a link to /var/lib; name the folder",
            ),
            ("/var/file", "persist: /var/file is a file of the image"),
        ] {
            let error = said(path).unwrap_err();
            assert!(error.starts_with(why), "{error}");
        }
        assert!(check_persist(root, Some(&Persist::All)).is_ok() && check_persist(root, None).is_ok());
    }
}
