//! What PID 1 needs to know of the image's own files before it changes them.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use genpack_spec::settings::Settings;

use crate::plan::Owner;

/// What was read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImageFiles {
    /// `/etc/passwd`
    pub passwd: Option<ImageFile>,
    /// `/etc/shadow`
    pub shadow: Option<ImageFile>,
    /// `/etc/group`
    pub group: Option<ImageFile>,
    /// `/etc/gshadow`, which not every image has.
    pub gshadow: Option<ImageFile>,
    /// Login shells that are there: of those that settings name, and of [`USUAL_SHELLS`].
    pub shells: BTreeSet<String>,
    /// What a new home folder begins with: names and files.
    pub skeleton: Vec<(String, ImageFile)>,
}

/// A file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageFile {
    /// Content.
    pub content: Vec<u8>,
    /// Permission bits.
    pub mode: u32,
    /// Whom it belongs to.
    pub owner: Owner,
}

/// Shells for a user whose section names none; the first that is there is taken.
pub const USUAL_SHELLS: [&str; 2] = ["/bin/bash", "/bin/sh"];

/// The most that is read of one file.
const SIZE_LIMIT: u64 = 1024 * 1024;

impl ImageFiles {
    /// Reads what `settings` make necessary, from the system at `root`. The error names the file.
    pub fn read(root: &Path, settings: &Settings) -> io::Result<ImageFiles> {
        let asked_for = settings.user.values().filter_map(|user| user.shell.as_deref());
        let is_there = |shell: &&str| root.join(shell.trim_start_matches('/')).is_file();
        Ok(ImageFiles {
            passwd: read(root, "etc/passwd")?,
            shadow: read(root, "etc/shadow")?,
            group: read(root, "etc/group")?,
            gshadow: read(root, "etc/gshadow")?,
            shells: asked_for
                .chain(USUAL_SHELLS)
                .filter(is_there)
                .map(String::from)
                .collect(),
            skeleton: skeleton(root)?,
        })
    }

    /// Returns the content of a file of accounts; empty when there is none.
    pub(crate) fn content(&self, path: &str) -> Vec<u8> {
        let file = match path {
            "/etc/passwd" => &self.passwd,
            "/etc/shadow" => &self.shadow,
            "/etc/group" => &self.group,
            "/etc/gshadow" => &self.gshadow,
            _ => &None,
        };
        file.as_ref().map_or(Vec::new(), |file| file.content.clone())
    }
}

/// Returns a file; none when there is none. A link is not followed: it may lead out of the image.
fn read(root: &Path, path: &str) -> io::Result<Option<ImageFile>> {
    let place = root.join(path);
    let told = |error: io::Error| io::Error::new(error.kind(), format!("/{path}: {error}"));
    let metadata = match fs::symlink_metadata(&place) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(told(error)),
    };
    if !metadata.is_file() || metadata.len() > SIZE_LIMIT {
        return Err(told(io::Error::other("it is not an ordinary file, or too long")));
    }
    Ok(Some(ImageFile {
        content: fs::read(&place).map_err(told)?,
        mode: metadata.mode() & 0o7777,
        owner: Owner {
            uid: metadata.uid(),
            gid: metadata.gid(),
        },
    }))
}

fn skeleton(root: &Path) -> io::Result<Vec<(String, ImageFile)>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(root.join("etc/skel"))
        .into_iter()
        .flatten()
        .flatten()
    {
        if let Ok(name) = entry.file_name().into_string()
            && entry.file_type().is_ok_and(|kind| kind.is_file())
            && let Some(file) = read(root, &format!("etc/skel/{name}"))?
        {
            files.push((name, file));
        }
    }
    files.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(files)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn what_is_there_is_read_with_its_mode() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        for folder in ["etc/skel/.config", "usr/bin"] {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        symlink("usr/bin", root.join("bin")).unwrap();
        fs::write(root.join("usr/bin/sh"), "").unwrap();
        fs::write(root.join("usr/bin/fish"), "").unwrap();
        fs::write(root.join("etc/shadow"), "root:*::\n").unwrap();
        fs::set_permissions(root.join("etc/shadow"), fs::Permissions::from_mode(0o640)).unwrap();
        fs::write(root.join("etc/skel/.profile"), "umask 022\n").unwrap();
        let settings: Settings =
            serde_json::from_str(r#"{"user": {"a": {"shell": "/bin/fish"}, "b": {"shell": "/bin/zsh"}}}"#)
                .unwrap();
        let files = ImageFiles::read(root, &settings).unwrap();
        assert_eq!(files.passwd, None);
        let shadow = files.shadow.unwrap();
        assert_eq!(
            (shadow.content.as_slice(), shadow.mode),
            (&b"root:*::\n"[..], 0o640)
        );
        assert_eq!(files.shells, ["/bin/fish", "/bin/sh"].map(String::from).into());
        assert_eq!(files.skeleton.len(), 1);
        assert_eq!(files.skeleton[0].0, ".profile");

        symlink("/etc/passwd", root.join("etc/passwd")).unwrap();
        let error = ImageFiles::read(root, &settings).unwrap_err().to_string();
        assert!(error.starts_with("/etc/passwd: "), "{error}");
    }
}
