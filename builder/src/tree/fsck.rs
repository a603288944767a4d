//! The checker of FAT file systems with its libraries in one folder, so that PID 1 can take it along.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use genpack_spec::layout;

use super::elf::Needs;

/// Where the tree has libraries, relative to its root; `*` stands for the architecture's own folder.
const LIBRARY_FOLDERS: [&str; 4] = ["usr/lib", "lib", "usr/lib64", "lib64"];
/// Where the checker is (package dosfstools).
const CHECKERS: [&str; 2] = ["usr/sbin/fsck.fat", "sbin/fsck.fat"];

/// Copies `fsck.fat` and all that it needs into the folder where PID 1 expects it.
pub fn bundle_fsck(root: &Path) -> Result<()> {
    let folder = root.join(layout::FSCK_DIR.trim_start_matches('/'));
    fs::create_dir_all(&folder)?;
    let Some(checker) = CHECKERS
        .iter()
        .map(|path| root.join(path))
        .find(|path| path.exists())
    else {
        bail!("the image has no fsck.fat; the profile's packages must have dosfstools");
    };
    let libraries = library_folders(root)?;
    let mut todo = vec![(checker, layout::FSCK_PROGRAM.to_string())];
    let mut seen = BTreeSet::new();
    while let Some((path, name)) = todo.pop() {
        let data = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
        let needs = Needs::of(&data).with_context(|| format!("reading what {} needs", path.display()))?;
        fs::copy(&path, folder.join(&name)).with_context(|| format!("copying {}", path.display()))?;
        if let Some(loader) = needs.loader {
            let file = Path::new(&loader)
                .file_name()
                .context("the program's loader has no name")?;
            todo.push((find(&libraries, file)?, layout::FSCK_LOADER.to_string()));
            seen.insert(file.to_os_string());
        }
        for library in needs.libraries {
            if seen.insert(library.clone().into()) {
                todo.push((find(&libraries, library.as_ref())?, library));
            }
        }
    }
    Ok(())
}

fn library_folders(root: &Path) -> Result<Vec<PathBuf>> {
    let mut folders = Vec::new();
    for folder in LIBRARY_FOLDERS.map(|folder| root.join(folder)) {
        for entry in fs::read_dir(&folder).into_iter().flatten() {
            let entry = entry?;
            if entry.file_name().to_string_lossy().ends_with("-linux-gnu") {
                folders.push(entry.path());
            }
        }
        folders.push(folder);
    }
    Ok(folders)
}

fn find(folders: &[PathBuf], name: &std::ffi::OsStr) -> Result<PathBuf> {
    let place = folders
        .iter()
        .map(|folder| folder.join(name))
        .find(|path| path.exists());
    place.with_context(|| format!("the image has no library {}", name.display()))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn the_bundle_runs_by_itself() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        for (from, to) in [
            ("/usr/sbin/fsck.fat", "usr/sbin"),
            ("/usr/lib/x86_64-linux-gnu/libc.so.6", "usr/lib"),
        ] {
            fs::create_dir_all(root.join(to)).unwrap();
            fs::copy(from, root.join(to).join(Path::new(from).file_name().unwrap())).unwrap();
        }
        fs::create_dir_all(root.join("lib64")).unwrap();
        fs::copy(
            "/lib64/ld-linux-x86-64.so.2",
            root.join("lib64/ld-linux-x86-64.so.2"),
        )
        .unwrap();
        bundle_fsck(root).unwrap();

        let folder = root.join(layout::FSCK_DIR.trim_start_matches('/'));
        let mut run = Command::new(folder.join(layout::FSCK_LOADER));
        run.arg("--library-path")
            .arg(&folder)
            .arg(folder.join(layout::FSCK_PROGRAM))
            .arg("--help");
        let shown = run.output().unwrap();
        let text = String::from_utf8_lossy(&[shown.stdout, shown.stderr].concat()).into_owned();
        assert!(text.contains("Usage: "), "{text}");
    }
}
