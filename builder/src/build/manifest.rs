//! What went into an image and what came out: `OUT.manifest.json`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use genpack_spec::image::ImageInfo;
use serde::Serialize;

use super::Request;
use super::folder::{self, Content, FolderFile};
use crate::blueprint::{FILES_DIR, Profile};
use crate::hash;
use crate::source::{InstalledPackage, Origin};

/// The manifest.
#[derive(Serialize)]
pub struct Manifest<'a> {
    genpack: &'static str,
    image: &'a ImageInfo,
    inputs: Inputs<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    base_file: Option<Origin>,
    kernel: &'a InstalledPackage,
    packages: &'a [InstalledPackage],
    outputs: Vec<OutputFile>,
}

#[derive(Serialize)]
struct Inputs<'a> {
    blueprint_sha256: String,
    /// Every file of `files/` by its path, with its hash; a link with its target.
    files: BTreeMap<String, String>,
    profile: &'a Profile,
    packages: &'a [String],
    compression: String,
}

/// One file that the build made.
#[derive(Serialize)]
pub struct OutputFile {
    name: String,
    bytes: u64,
    sha256: String,
}

impl OutputFile {
    /// Measures a file.
    pub fn of(name: &str, path: &Path) -> Result<OutputFile> {
        let read = || -> std::io::Result<OutputFile> {
            Ok(OutputFile {
                name: name.into(),
                bytes: fs::metadata(path)?.len(),
                sha256: hash::file(path)?,
            })
        };
        read().with_context(|| format!("hashing {}", path.display()))
    }

    /// Returns its name and size, for people.
    pub fn summary(&self) -> String {
        format!("{} {:.1} MiB", self.name, self.bytes as f64 / f64::from(1 << 20))
    }

    /// Returns its SHA-256 in hexadecimal.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// Returns its length.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

/// Writes the manifest to `path`.
pub fn write(
    path: &Path,
    request: &Request,
    image: &ImageInfo,
    base_file: Option<Origin>,
    kernel: &InstalledPackage,
    packages: &[InstalledPackage],
    outputs: Vec<OutputFile>,
) -> Result<()> {
    let manifest = Manifest {
        genpack: env!("CARGO_PKG_VERSION"),
        image,
        inputs: Inputs {
            blueprint_sha256: request.file.sha256(),
            files: hashes(&request.folder.join(FILES_DIR))?,
            profile: &request.profile,
            packages: &request.packages,
            compression: request.blueprint.compression.to_string(),
        },
        base_file,
        kernel,
        packages,
        outputs,
    };
    let text = serde_json::to_string_pretty(&manifest)? + "\n";
    fs::write(path, text).with_context(|| format!("writing {}", path.display()))
}

/// Returns the hash of every file below `folder`, which need not exist.
fn hashes(folder: &Path) -> Result<BTreeMap<String, String>> {
    let named = |(path, file): (PathBuf, FolderFile)| match file.content {
        Content::Folder => None,
        Content::Link(to) => Some((path.display().to_string(), format!("link to {}", to.display()))),
        Content::File(hash) => Some((path.display().to_string(), hash)),
        Content::Other => None,
    };
    Ok(folder::read(folder)?.into_iter().filter_map(named).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_developer_is_named() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("etc")).unwrap();
        fs::write(dir.path().join("etc/a"), "abc").unwrap();
        std::os::unix::fs::symlink("a", dir.path().join("etc/b")).unwrap();
        let found = hashes(dir.path()).unwrap();
        assert_eq!(found["etc/a"], hash::text("abc"));
        assert_eq!(found["etc/b"], "link to a");
        assert_eq!(found.len(), 2);
        assert!(hashes(Path::new("/nonexistent")).unwrap().is_empty());
    }
}
