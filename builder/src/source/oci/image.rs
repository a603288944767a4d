//! One container image: which of those that a layout has, what it is made of, and its files.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use oci_spec::image::{
    ANNOTATION_REF_NAME, Descriptor, DigestAlgorithm, ImageConfiguration, ImageIndex, ImageManifest,
};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::store::Store;
use crate::hash;
use crate::source::compressed::{self, Measured};
use crate::source::unpack::{self, Kind, UnpackError};

/// What an OCI layout begins with (OCI image specification, "Image Layout").
const INDEX: &str = "index.json";
/// What an archive of `docker save` begins with (Docker image specification v1.2).
const DOCKER_MANIFEST: &str = "manifest.json";
/// The name that containerd, and so newer Dockers, give.
const CONTAINERD_NAME: &str = "io.containerd.image.name";
/// Media types of indexes and manifests.
const INDEX_TYPES: [&str; 2] = [
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
];
const MANIFEST_TYPES: [&str; 2] = [
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
];
/// Media types of layers. Their first bytes tell how they are compressed.
const LAYER_TYPES: [&str; 10] = [
    "application/vnd.oci.image.layer.v1.tar",
    "application/vnd.oci.image.layer.v1.tar+gzip",
    "application/vnd.oci.image.layer.v1.tar+zstd",
    "application/vnd.oci.image.layer.nondistributable.v1.tar",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
    "application/vnd.docker.image.rootfs.diff.tar",
    "application/vnd.docker.image.rootfs.diff.tar.gzip",
    "application/vnd.docker.image.rootfs.diff.tar.zstd",
    "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
];
/// How deep indexes may lie in indexes.
const DEEPEST: u32 = 4;

/// A container image, of which everything but the layers' content has been looked at.
pub struct Image {
    store: Store,
    /// The hash that says everything about it: `sha256:` and that of its manifest; in an archive of `docker save`, that of its
    /// configuration.
    pub id: String,
    /// The name that was found for it.
    pub name: Option<String>,
    /// What it runs, and how.
    pub configuration: ImageConfiguration,
    layers: Vec<Layer>,
}

/// One layer.
struct Layer {
    file: PathBuf,
    /// SHA-256 of the file, where something says so.
    sha256: Option<String>,
    /// SHA-256 of its content, after decompression.
    diff_id: String,
}

/// An image of a layout, with its names.
#[derive(Debug, Clone)]
struct Candidate {
    descriptor: Descriptor,
    names: BTreeSet<String>,
}

/// An entry of `manifest.json`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DockerImage {
    config: PathBuf,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    layers: Vec<PathBuf>,
}

impl Image {
    /// Finds the image for an architecture, by the name that Go, and Debian, have for it, at `place`.
    ///
    /// # Errors
    /// [`crate::blueprint::InputError`] when there is none or more than one, or what is there can't be used.
    pub fn open(place: &Path, name: Option<&str>, arch: &str) -> Result<Image> {
        let store = Store::open(place)?;
        let image = if store.has(Path::new(INDEX))? {
            Image::of_layout(store, name, arch)?
        } else if store.has(Path::new(DOCKER_MANIFEST))? {
            Image::of_docker(store, name)?
        } else {
            bail!(store.mistake(format!(
                "it is neither an OCI layout, which has an {INDEX}, nor what docker save writes, which has a \
                 {DOCKER_MANIFEST}"
            )));
        };
        image.check(arch)?;
        Ok(image)
    }

    fn of_layout(store: Store, name: Option<&str>, arch: &str) -> Result<Image> {
        let index: ImageIndex = json(&store, Path::new(INDEX), store.text(Path::new(INDEX))?)?;
        let mut candidates = Vec::new();
        for descriptor in index.manifests() {
            if platforms_fit(descriptor, arch) {
                flatten(
                    &store,
                    descriptor,
                    names_of(descriptor),
                    arch,
                    DEEPEST,
                    &mut candidates,
                )?;
            }
        }
        let Candidate { descriptor, names } = choose(&store, candidates, name, arch)?;
        let manifest: ImageManifest = blob(&store, &descriptor)?;
        let configuration: ImageConfiguration = blob(&store, manifest.config())?;
        let diff_ids = configuration.rootfs().diff_ids();
        if diff_ids.len() != manifest.layers().len() {
            bail!(store.mistake(format!(
                "its manifest has {} layers, and its configuration {}",
                manifest.layers().len(),
                diff_ids.len()
            )));
        }
        let mut layers = Vec::new();
        for (layer, diff_id) in manifest.layers().iter().zip(diff_ids) {
            let kind = layer.media_type().to_string();
            if !LAYER_TYPES.contains(&kind.as_str()) {
                bail!(store.mistake(format!(
                    "a layer is of the media type {kind:?}, which can't be unpacked"
                )));
            }
            let (file, sha256) = blob_file(&store, layer)?;
            layers.push(Layer {
                file,
                sha256: Some(sha256),
                diff_id: diff_id.clone(),
            });
        }
        Ok(Image {
            id: descriptor.digest().to_string(),
            name: name.map(String::from).or_else(|| names.first().cloned()),
            configuration,
            layers,
            store,
        })
    }

    fn of_docker(store: Store, name: Option<&str>) -> Result<Image> {
        let file = Path::new(DOCKER_MANIFEST);
        let images: Vec<DockerImage> = json(&store, file, store.text(file)?)?;
        let tags = |image: &DockerImage| image.repo_tags.clone().unwrap_or_default();
        let all: BTreeSet<_> = images.iter().flat_map(tags).collect();
        let mut fitting: Vec<_> = images
            .into_iter()
            .filter(|image| name.is_none_or(|name| tags(image).iter().any(|tag| tag == name)))
            .collect();
        let (Some(image), true) = (fitting.pop(), fitting.is_empty()) else {
            bail!(unclear(&store, name, &all, !fitting.is_empty()));
        };
        let text = store.text(&image.config)?;
        let id = format!("sha256:{}", hash::bytes(&text));
        let configuration: ImageConfiguration = json(&store, &image.config, text)?;
        let diff_ids = configuration.rootfs().diff_ids().clone();
        if diff_ids.len() != image.layers.len() {
            bail!(store.mistake(format!(
                "{DOCKER_MANIFEST} has {} layers, and its configuration {}",
                image.layers.len(),
                diff_ids.len()
            )));
        }
        let mut layers = Vec::new();
        for (file, diff_id) in image.layers.iter().zip(diff_ids) {
            store.file(file)?;
            layers.push(Layer {
                file: file.clone(),
                sha256: None,
                diff_id,
            });
        }
        Ok(Image {
            id,
            name: name.map(String::from).or_else(|| tags(&image).into_iter().next()),
            configuration,
            layers,
            store,
        })
    }

    /// Fails when the image is not for this kind of machine.
    fn check(&self, arch: &str) -> Result<()> {
        let (os, own) = (
            self.configuration.os().to_string(),
            self.configuration.architecture().to_string(),
        );
        if os != "linux" || own != arch {
            bail!(self.store.mistake(format!(
                "the image is for {os}/{own}, and this build is for linux/{arch}; make one for linux/{arch}, or build with \
                 --arch"
            )));
        }
        Ok(())
    }

    /// Returns a mistake in the image, with its place in front.
    pub fn mistake(&self, why: impl std::fmt::Display) -> anyhow::Error {
        self.store.mistake(why)
    }

    /// Unpacks all layers, one over the other, into the folder `root`.
    ///
    /// # Errors
    /// [`crate::blueprint::InputError`] for a layer that is damaged, or that has what no layer may have.
    pub fn unpack(&self, root: &Path) -> Result<()> {
        for (index, layer) in self.layers.iter().enumerate() {
            let said = format!(
                "layer {} of {}, {}",
                index + 1,
                self.layers.len(),
                layer.file.display()
            );
            self.verify(layer, &said)?;
            let (file, _) = self.store.file(&layer.file)?;
            let damaged = |error| self.mistake(format!("{said}: {}", compressed::fault(&error)));
            let mut content = Measured::new(compressed::open(file).map_err(damaged)?);
            match unpack::unpack(&mut content, root, Kind::Layer) {
                Err(UnpackError::Input(why)) => bail!(self.mistake(format!("{said}: {why}"))),
                outcome => outcome?,
            }
            let (sha256, _) = content.finish().map_err(damaged)?;
            if layer.diff_id != format!("sha256:{sha256}") {
                bail!(self.mistake(format!(
                    "{said}: its content has the hash sha256:{sha256}, and the image's configuration says {}; it is damaged, \
                     or belongs to another image",
                    layer.diff_id
                )));
            }
        }
        Ok(())
    }

    fn verify(&self, layer: &Layer, said: &str) -> Result<()> {
        let Some(wanted) = &layer.sha256 else {
            return Ok(());
        };
        let (file, _) = self.store.file(&layer.file)?;
        let (sha256, _) = Measured::new(file)
            .finish()
            .map_err(|error| self.mistake(error))?;
        if sha256 != *wanted {
            bail!(self.mistake(format!(
                "{said}: it has the hash sha256:{sha256}, and not the one that it is called by; it is damaged"
            )));
        }
        Ok(())
    }
}

fn json<T: DeserializeOwned>(store: &Store, file: &Path, text: Vec<u8>) -> Result<T> {
    serde_json::from_slice(&text)
        .map_err(|error| store.mistake(format!("{} can't be read: {error}", file.display())))
}

/// Returns the file of what a descriptor describes, with its hash. It is there and as long as it should be.
fn blob_file(store: &Store, descriptor: &Descriptor) -> Result<(PathBuf, String)> {
    let digest = descriptor.digest();
    // Checked when it was read: hexadecimal digits, and nothing that could be part of a path.
    let sha256 = digest.digest().to_string();
    if *digest.algorithm() != DigestAlgorithm::Sha256 {
        bail!(store.mistake(format!(
            "{digest} is no hash by SHA-256, and no other is known here"
        )));
    }
    let file = Path::new("blobs/sha256").join(&sha256);
    let (_, length) = store.file(&file)?;
    if length != descriptor.size() {
        bail!(store.mistake(format!(
            "{} has {length} bytes, and should have {}; it is damaged",
            file.display(),
            descriptor.size()
        )));
    }
    Ok((file, sha256))
}

/// Returns a JSON file that a descriptor describes, if it is what it should be.
fn blob<T: DeserializeOwned>(store: &Store, descriptor: &Descriptor) -> Result<T> {
    let (file, sha256) = blob_file(store, descriptor)?;
    let text = store.text(&file)?;
    if hash::bytes(&text) != sha256 {
        bail!(store.mistake(format!(
            "{} has another hash than its name says; it is damaged",
            file.display()
        )));
    }
    json(store, &file, text)
}

/// Finds the images in an index, in indexes inside of it too.
fn flatten(
    store: &Store,
    descriptor: &Descriptor,
    names: BTreeSet<String>,
    arch: &str,
    depth: u32,
    found: &mut Vec<Candidate>,
) -> Result<()> {
    let kind = descriptor.media_type().to_string();
    if MANIFEST_TYPES.contains(&kind.as_str()) {
        let descriptor = descriptor.clone();
        found.push(Candidate { descriptor, names });
        return Ok(());
    }
    // Whatever else lies in a layout, such as a signature, is no image.
    if !INDEX_TYPES.contains(&kind.as_str()) || depth == 0 {
        return Ok(());
    }
    let index: ImageIndex = blob(store, descriptor)?;
    for inner in index
        .manifests()
        .iter()
        .filter(|inner| platforms_fit(inner, arch))
    {
        flatten(store, inner, names.clone(), arch, depth - 1, found)?;
    }
    Ok(())
}

/// Whether a descriptor says of no other platform. One that says of none is asked later.
fn platforms_fit(descriptor: &Descriptor, arch: &str) -> bool {
    descriptor.platform().as_ref().is_none_or(|platform| {
        platform.os().to_string() == "linux" && platform.architecture().to_string() == arch
    })
}

fn names_of(descriptor: &Descriptor) -> BTreeSet<String> {
    let annotations = descriptor.annotations().iter().flatten();
    annotations
        .filter(|(key, _)| [ANNOTATION_REF_NAME, CONTAINERD_NAME].contains(&key.as_str()))
        .map(|(_, name)| name.clone())
        .collect()
}

fn choose(store: &Store, candidates: Vec<Candidate>, name: Option<&str>, arch: &str) -> Result<Candidate> {
    let is_called = |candidate: &Candidate, name: &str| {
        let ending = format!("/{name}");
        candidate
            .names
            .iter()
            .any(|own| own == name || own.ends_with(&ending))
    };
    let names: BTreeSet<_> = candidates
        .iter()
        .flat_map(|candidate| candidate.names.clone())
        .collect();
    if candidates.is_empty() {
        bail!(store.mistake(format!("it has no image for linux/{arch}")));
    }
    // One image may have several names.
    let mut fitting: BTreeMap<String, Candidate> = BTreeMap::new();
    for candidate in candidates {
        if name.is_none_or(|name| is_called(&candidate, name)) {
            let same = fitting.entry(candidate.descriptor.digest().to_string());
            same.or_insert_with(|| candidate.clone())
                .names
                .extend(candidate.names);
        }
    }
    match (fitting.pop_first(), fitting.is_empty()) {
        (Some((_, only)), true) => Ok(only),
        (found, _) => bail!(unclear(store, name, &names, found.is_some())),
    }
}

/// The mistake of a name that fits no image, or several.
fn unclear(store: &Store, name: Option<&str>, there: &BTreeSet<String>, several: bool) -> anyhow::Error {
    let names: Vec<_> = there.iter().map(|name| format!("{name:?}")).collect();
    let names = match names.is_empty() {
        true => "none has a name".to_string(),
        false => format!("there is {}", names.join(", ")),
    };
    match (name, several) {
        (Some(name), false) => store.mistake(format!("no image in it is called {name:?}; {names}")),
        (Some(name), true) => store.mistake(format!("several images in it are called {name:?}; {names}")),
        (None, true) => store.mistake(format!(
            "it has several images; choose one with a #TAG behind the place in base:; {names}"
        )),
        (None, false) => store.mistake("it has no image"),
    }
}
