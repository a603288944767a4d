//! Whether the folders that a blueprint wants to keep are folders of the image.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;
use genpack_spec::storage::{Persist, PersistPath};

use crate::blueprint::{InputError, Problem};

/// Checks that every folder of `persist` is in the tree, under its own name. A slip of the pen would otherwise cost the
/// data of a device, and a link could lead out of what is kept.
///
/// # Errors
/// [`InputError`] that says of every such path what is there instead.
pub fn check_persist(root: &Path, persist: Option<&Persist>) -> Result<()> {
    let folders = persist.map_or(&[][..], Persist::folders);
    let mistakes = folders.iter().filter_map(|path| mistake(root, path)).collect();
    Ok(InputError::unless_none(mistakes, ())?)
}

fn mistake(root: &Path, path: &PersistPath) -> Option<Problem> {
    let about = |why: String, help: &str| Problem::about(&["persist"], path.as_str(), why).with_help(help);
    let mut inside = PathBuf::from("/");
    for part in path.as_str().trim_start_matches('/').split('/') {
        inside.push(part);
        let shown = inside.display();
        let place = root.join(inside.strip_prefix("/").unwrap_or(&inside));
        match fs::symlink_metadata(&place) {
            Ok(metadata) if metadata.is_dir() => {}
            Ok(metadata) if metadata.is_symlink() => {
                let target = fs::read_link(&place).unwrap_or_default();
                return Some(about(
                    format!("{shown} is a link to {}", target.display()),
                    "name the folder that it leads to",
                ));
            }
            Ok(_) => {
                return Some(about(
                    format!("{shown} is a file of the image"),
                    "only folders can be kept",
                ));
            }
            Err(_) => {
                return Some(about(
                    format!("the image has no folder {shown}"),
                    "correct the path, or have the folder made by a package, files/ or a setup command",
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
        let check = |paths: &[&str]| {
            let paths = paths.iter().map(|path| path.parse().unwrap()).collect();
            check_persist(root, Some(&Persist::paths(paths).unwrap()))
        };
        assert!(check(&["/var/lib/mysql"]).is_ok());
        let wrong = ["/var/lib/msql", "/var/state/mysql", "/var/lib/mysql", "/var/file"];
        let error = check(&wrong).unwrap_err().downcast::<InputError>().unwrap();
        let said = error.problems().iter();
        let said: Vec<_> = said
            .map(|problem| (problem.mention().unwrap().name.as_str(), problem.label()))
            .collect();
        assert_eq!(
            said,
            [
                ("/var/lib/msql", "the image has no folder /var/lib/msql"),
                ("/var/state/mysql", "/var/state is a link to /var/lib"),
                ("/var/file", "/var/file is a file of the image"),
            ]
        );
        assert!(check_persist(root, Some(&Persist::All)).is_ok() && check_persist(root, None).is_ok());
    }
}
