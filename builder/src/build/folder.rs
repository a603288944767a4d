//! A folder of the developer's, as a build sees it: names, contents, modes.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::hash;

/// What is in a folder at one path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FolderFile {
    /// Permissions with the set-id bits.
    pub mode: u32,
    /// What it is.
    pub content: Content,
}

/// What a file is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// More files.
    Folder,
    /// SHA-256 of what is in it, in hexadecimal.
    File(String),
    /// The target.
    Link(PathBuf),
    /// A device, pipe or socket, which no build takes.
    Other,
}

/// Returns everything below `folder`, which need not exist, by its path relative to it.
pub fn read(folder: &Path) -> Result<BTreeMap<PathBuf, FolderFile>> {
    let mut found = BTreeMap::new();
    let mut todo = vec![folder.to_path_buf()];
    while let Some(current) = todo.pop() {
        let entries = match fs::read_dir(&current) {
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            entries => entries.with_context(|| format!("reading {}", current.display()))?,
        };
        for entry in entries {
            let entry = entry?;
            let path = entry.path();
            let reading = || format!("reading {}", path.display());
            let metadata = entry.metadata().with_context(reading)?;
            let content = if metadata.is_dir() {
                todo.push(path.clone());
                Content::Folder
            } else if metadata.is_symlink() {
                Content::Link(fs::read_link(&path).with_context(reading)?)
            } else if metadata.is_file() {
                Content::File(hash::file(&path).with_context(|| format!("hashing {}", path.display()))?)
            } else {
                Content::Other
            };
            let mode = metadata.permissions().mode() & 0o7777;
            let name = path.strip_prefix(folder).unwrap_or(&path).to_path_buf();
            found.insert(name, FolderFile { mode, content });
        }
    }
    Ok(found)
}
