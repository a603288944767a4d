//! Software bills of materials: what is in an image, in the two forms that scanners read.
//!
//! They are written as JSON by hand, because no crate on the registry writes what is needed (docs/decisions/0019-sboms.md). The
//! same image gives the same bytes: the time is the image's own, and numbers that must be unique are made of the content.

mod container;
mod cyclonedx;
mod purl;
mod spdx;
#[cfg(test)]
mod tests;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use chrono::DateTime;
use genpack_spec::image::ImageInfo;
use genpack_spec::layout;
use serde_json::Value;

use self::container::Inside;
use crate::hash;
use crate::packages::Contents;
use crate::packages::contents::Distribution;
use crate::source::Origin;
use crate::tree::rooted::Rooted;

/// What both forms are made of.
#[derive(Debug, Clone)]
pub struct Subject<'a> {
    /// What the image says about itself.
    pub image: &'a ImageInfo,
    /// Its packages.
    pub contents: &'a Contents,
    /// The distribution that they come from, unless they say otherwise.
    pub system: Distribution,
    /// What the image is made from beside packages.
    pub made_from: Option<&'a MadeFrom>,
    /// What is known of a container image's inside.
    pub inside: Option<Inside>,
}

/// The developer's file that an image is made from, beside packages.
#[derive(Debug, Clone)]
pub struct MadeFrom {
    /// The file.
    pub origin: Origin,
    /// Whether it is a container image, and not a tar file with a system.
    pub is_container: bool,
}

/// Writes both forms into the tree and to the given places beside the image.
pub fn write(
    root: &Path,
    image: &ImageInfo,
    contents: &Contents,
    made_from: Option<&MadeFrom>,
    cyclonedx: &Path,
    spdx: &Path,
) -> Result<()> {
    let rooted = Rooted::open(root)?;
    let release = rooted.text_or_empty("usr/lib/os-release".as_ref());
    let container = made_from.is_some_and(|made_from| made_from.is_container);
    let container = container.then(|| root.join(layout::CONTAINER_ROOT.trim_start_matches('/')));
    let subject = Subject {
        image,
        contents,
        system: Distribution::parse(&release),
        made_from,
        inside: container.map(|root| Inside::read(&root)).transpose()?,
    };
    for (value, inside, beside) in [
        (cyclonedx::document(&subject), layout::SBOM_CYCLONEDX, cyclonedx),
        (spdx::document(&subject), layout::SBOM_SPDX, spdx),
    ] {
        let text = serde_json::to_string_pretty(&value)? + "\n";
        rooted
            .write(inside.as_ref(), &text)
            .with_context(|| format!("writing {inside}"))?;
        fs::write(beside, text).with_context(|| format!("writing {}", beside.display()))?;
    }
    Ok(())
}

/// Returns the moment that the image stands for, as ISO 8601 has it.
fn timestamp(image: &ImageInfo) -> String {
    let moment = i64::try_from(image.epoch)
        .ok()
        .and_then(|seconds| DateTime::from_timestamp(seconds, 0));
    moment
        .unwrap_or_default()
        .format("%Y-%m-%dT%H:%M:%SZ")
        .to_string()
}

/// Returns a UUID of the form for own kinds (RFC 9562, 5.8), made of a document's content.
fn uuid(content: &Value) -> String {
    let hash = hash::text(&content.to_string());
    // The version is 8, and the variant's two bits are binary 10.
    let variant = ["8", "9", "a", "b"][usize::from(hash.as_bytes()[16] % 4)];
    format!(
        "{}-{}-8{}-{variant}{}-{}",
        &hash[..8],
        &hash[8..12],
        &hash[13..16],
        &hash[17..20],
        &hash[20..32]
    )
}

/// A person or group as `Maintainer` names it: the name, and the address where there is one.
fn maintainer(text: &str) -> (&str, Option<&str>) {
    match text.split_once('<') {
        Some((name, address)) => (name.trim(), Some(address.trim_end_matches('>').trim())),
        None => (text.trim(), None),
    }
}
