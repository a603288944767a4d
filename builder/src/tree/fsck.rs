//! The checkers of the card and of the data partition with their libraries in one folder, so that PID 1 can run them
//! without the system around them, and take the card's along.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use genpack_spec::layout;

use super::elf::Needs;
use super::rooted::Rooted;

/// Where the tree has libraries, relative to its root; `*` stands for the architecture's own folder.
const LIBRARY_FOLDERS: [&str; 4] = ["usr/lib", "lib", "usr/lib64", "lib64"];
/// Where a tree has programs of this kind.
const PROGRAM_FOLDERS: [&str; 2] = ["usr/sbin", "sbin"];

/// Copies `fsck.fat`, with a data partition `e2fsck` too, and all that they need into the folder where PID 1 expects them.
pub fn bundle_checkers(root: &Path, data_partition: bool) -> Result<()> {
    let root = Rooted::open(root).context("opening the tree")?;
    let folder = Path::new(layout::FSCK_DIR);
    let mut programs = vec![(layout::FSCK_PROGRAM, "dosfstools")];
    if data_partition {
        programs.push((layout::FSCK_DATA_PROGRAM, "e2fsprogs"));
    }
    let program_folders = PROGRAM_FOLDERS.map(PathBuf::from);
    let libraries = library_folders(&root)?;
    let library = |name: &OsStr| {
        find(&root, &libraries, name).with_context(|| format!("the image has no library {}", name.display()))
    };
    let mut todo = Vec::new();
    for (program, package) in programs {
        let Some(checker) = find(&root, &program_folders, program.as_ref()) else {
            bail!("the image has no {program}; the profile's packages must have {package}");
        };
        todo.push((checker, program.to_string()));
    }
    let mut seen = BTreeSet::new();
    while let Some((path, name)) = todo.pop() {
        let reading = || format!("reading what /{} needs", path.display());
        let needs = root.read(&path).with_context(reading)?;
        let needs = Needs::of(needs.as_slice()).with_context(reading)?;
        let copied = root
            .file(&path)
            .and_then(|file| root.copy(file, &folder.join(&name)));
        copied.with_context(|| format!("copying /{}", path.display()))?;
        if let Some(loader) = needs.loader {
            let file = Path::new(&loader)
                .file_name()
                .context("the program's loader has no name")?;
            if seen.insert(file.to_os_string()) {
                todo.push((library(file)?, layout::FSCK_LOADER.to_string()));
            }
        }
        for name in needs.libraries {
            if seen.insert(name.clone().into()) {
                todo.push((library(name.as_ref())?, name));
            }
        }
    }
    Ok(())
}

fn library_folders(root: &Rooted) -> Result<Vec<PathBuf>> {
    let mut folders = Vec::new();
    for folder in LIBRARY_FOLDERS.map(Path::new) {
        let (_open, entries) = root
            .entries(folder)
            .with_context(|| format!("reading /{}", folder.display()))?;
        let names = entries.iter().map(|entry| entry.file_name());
        let of_architectures = names.filter(|name| name.to_string_lossy().ends_with("-linux-gnu"));
        folders.extend(of_architectures.map(|name| folder.join(name)));
        folders.push(folder.to_path_buf());
    }
    Ok(folders)
}

fn find(root: &Rooted, folders: &[PathBuf], name: &OsStr) -> Option<PathBuf> {
    let mut places = folders.iter().map(|folder| folder.join(name));
    places.find(|path| root.metadata(path).is_ok_and(|found| found.is_file()))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
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

    #[test]
    fn what_lies_outside_the_tree_is_not_taken() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("tree");
        fs::create_dir_all(root.join("usr")).unwrap();
        symlink("/usr/sbin", root.join("usr/sbin")).unwrap();
        symlink("/usr/lib", root.join("lib")).unwrap();
        let error = bundle_checkers(&root, false).unwrap_err().to_string();
        assert!(error.contains("no fsck.fat"), "{error}");
    }
}
