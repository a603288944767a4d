//! Programs that make an image, of the base and not of the host: every host makes the same image with them.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::command;

/// Where programs are in an unpacked tree.
const PROGRAMS: [&str; 4] = ["usr/bin", "usr/sbin", "bin", "sbin"];
/// Where the loader of dynamic programs is (System V ABI, AMD64 supplement), also where `/lib64` is no link.
const LOADERS: [&str; 2] = ["lib64/ld-linux-x86-64.so.2", "usr/lib64/ld-linux-x86-64.so.2"];
/// Where libraries are.
const LIBRARIES: [&str; 2] = ["usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu"];

/// An unpacked tree of tools.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tools {
    root: PathBuf,
}

impl Tools {
    /// Returns the tools below `root`.
    pub fn at(root: &Path) -> Tools {
        Tools {
            root: root.to_path_buf(),
        }
    }

    /// Returns where a file of the tools is.
    pub fn path(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }

    /// Runs a program to its end, with the arguments that `complete` gives it. It sees the host's files, and uses its
    /// own libraries.
    pub fn run(&self, program: &str, complete: impl FnOnce(&mut Command) -> &mut Command) -> Result<()> {
        let find = |folders: &[&str], name: &str| {
            let places = folders.iter().map(|folder| self.root.join(folder).join(name));
            places.into_iter().find(|path| path.symlink_metadata().is_ok())
        };
        let path = find(&PROGRAMS, program).with_context(|| format!("the base has no program {program}"))?;
        let Some(loader) = find(&[""], LOADERS[0]).or_else(|| find(&[""], LOADERS[1])) else {
            bail!("the base has no loader for {program}");
        };
        let libraries = LIBRARIES.map(|folder| self.root.join(folder));
        let libraries: OsString =
            std::env::join_paths(libraries).context("naming the folders of libraries")?;
        let mut command = Command::new(loader);
        command.arg("--library-path").arg(libraries).arg(path);
        command::run(complete(&mut command)).map(drop)
    }
}
