//! What went into an image and what came out: `OUT.manifest.json`.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use genpack_spec::image::ImageInfo;
use serde::Serialize;

use super::Request;
use crate::blueprint::{BLUEPRINT_FILE, Profile};
use crate::hash;
use crate::source::InstalledPackage;

/// The manifest.
#[derive(Serialize)]
pub struct Manifest<'a> {
    genpack: &'static str,
    image: &'a ImageInfo,
    inputs: Inputs<'a>,
    kernel: &'a InstalledPackage,
    packages: &'a [InstalledPackage],
    outputs: Vec<OutputFile>,
}

#[derive(Serialize)]
struct Inputs<'a> {
    blueprint_sha256: String,
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
    kernel: &InstalledPackage,
    packages: &[InstalledPackage],
    outputs: Vec<OutputFile>,
) -> Result<()> {
    let blueprint = request.folder.join(BLUEPRINT_FILE);
    let manifest = Manifest {
        genpack: env!("CARGO_PKG_VERSION"),
        image,
        inputs: Inputs {
            blueprint_sha256: hash::file(&blueprint)
                .with_context(|| format!("hashing {}", blueprint.display()))?,
            profile: &request.profile,
            packages: &request.packages,
            compression: request.blueprint.compression.to_string(),
        },
        kernel,
        packages,
        outputs,
    };
    let text = serde_json::to_string_pretty(&manifest)? + "\n";
    fs::write(path, text).with_context(|| format!("writing {}", path.display()))
}
