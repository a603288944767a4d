//! The checkers of the card and of the data partition with their libraries in one folder, so that PID 1 can run them
//! without the system around them, and take the card's along.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use genpack_spec::layout;

use super::elf::Needs;

/// Where the tree has libraries, relative to its root; `*` stands for the architecture's own folder.
const LIBRARY_FOLDERS: [&str; 4] = ["usr/lib", "lib", "usr/lib64", "lib64"];
/// Where a tree has programs of this kind.
const PROGRAM_FOLDERS: [&str; 2] = ["usr/sbin", "sbin"];

/// Copies `fsck.fat`, with a data partition `e2fsck` too, and all that they need into the folder where PID 1 expects them.
pub fn bundle_checkers(root: &Path, data_partition: bool) -> Result<()> {
    let folder = root.join(layout::FSCK_DIR.trim_start_matches('/'));
    fs::create_dir_all(&folder)?;
    let mut programs = vec![(layout::FSCK_PROGRAM, "dosfstools")];
    if data_partition {
        programs.push((layout::FSCK_DATA_PROGRAM, "e2fsprogs"));
    }
    let libraries = library_folders(root)?;
    let mut todo = Vec::new();
    for (program, package) in programs {
        let mut places = PROGRAM_FOLDERS
            .iter()
            .map(|folder| root.join(folder).join(program));
        let Some(checker) = places.find(|path| path.exists()) else {
            bail!("the image has no {program}; the profile's packages must have {package}");
        };
        todo.push((checker, program.to_string()));
    }
    let mut seen = BTreeSet::new();
    while let Some((path, name)) = todo.pop() {
        let data = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
        let needs = Needs::of(&data).with_context(|| format!("reading what {} needs", path.display()))?;
        fs::copy(&path, folder.join(&name)).with_context(|| format!("copying {}", path.display()))?;
        if let Some(loader) = needs.loader {
            let file = Path::new(&loader)
                .file_name()
                .context("the program's loader has no name")?;
            if seen.insert(file.to_os_string()) {
                todo.push((find(&libraries, file)?, layout::FSCK_LOADER.to_string()));
            }
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
        bundle_checkers(root, false).unwrap();
        let error = bundle_checkers(root, true).unwrap_err().to_string();
        assert!(
            error.contains("no e2fsck; the profile's packages must have e2fsprogs"),
            "{error}"
        );

        let usage = |program: &str, option: &str| {
            let folder = root.join(layout::FSCK_DIR.trim_start_matches('/'));
            let mut run = Command::new(folder.join(layout::FSCK_LOADER));
            run.arg("--library-path")
                .arg(&folder)
                .arg(folder.join(program))
                .arg(option);
            let shown = run.output().unwrap();
            String::from_utf8_lossy(&[shown.stdout, shown.stderr].concat()).into_owned()
        };
        let text = usage(layout::FSCK_PROGRAM, "--help");
        assert!(text.contains("Usage: "), "{text}");

        fs::copy("/usr/sbin/e2fsck", root.join("usr/sbin/e2fsck")).unwrap();
        for library in [
            "libext2fs.so.2",
            "libcom_err.so.2",
            "libblkid.so.1",
            "libuuid.so.1",
            "libe2p.so.2",
        ] {
            let from = Path::new("/usr/lib/x86_64-linux-gnu").join(library);
            fs::copy(from, root.join("usr/lib").join(library)).unwrap();
        }
        bundle_checkers(root, true).unwrap();
        let text = usage(layout::FSCK_DATA_PROGRAM, "-V");
        assert!(text.contains("Using EXT2FS Library"), "{text}");
    }
}
