//! The blueprint as a value, with its architecture and variant merged in.

use genpack_spec::image::SettingsFrom;
use genpack_spec::storage::Persist;
use genpack_spec::text::Language;
use genpack_spec::types::UnitName;
use serde::{Deserialize, Serialize};

use super::accounts::{Group, User};
use super::base::Base;
use super::packages;
use super::persist::DataSize;
use super::settings::OwnSections;
use super::text;
use super::types::{ArtifactName, CompressionSetting, Mirror, OutFile, Output, PackageName, ProfileName};

/// A blueprint for one architecture and one variant. Equal blueprints have equal serialisations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blueprint {
    /// What is built.
    pub name: ArtifactName,
    /// The variant that was merged in, if any.
    #[serde(skip_deserializing)]
    pub variant: Option<String>,
    /// The profile to build for when the command line names none.
    #[serde(default = "default_profile", deserialize_with = "profile")]
    pub profile: String,
    /// What the system is made from.
    #[serde(default)]
    pub base: Base,
    /// Packages beside the profile's; `-name` removes one of the profile's. Each name once.
    #[serde(default)]
    pub packages: Vec<PackageName>,
    /// Packages that are there while the image is built, and not in it. None of them is a removal.
    #[serde(default)]
    pub buildtime_packages: Vec<PackageName>,
    /// Groups to make, before the users.
    #[serde(default)]
    pub groups: Vec<Group>,
    /// Accounts to make.
    #[serde(default)]
    pub users: Vec<User>,
    /// Units to enable.
    #[serde(default, deserialize_with = "text::parse_list")]
    pub services: Vec<UnitName>,
    /// Commands that run inside the system after everything has been copied.
    #[serde(default)]
    pub setup_commands: Vec<String>,
    /// Sections of `system.ini` of its own.
    #[serde(default)]
    pub settings: OwnSections,
    /// What is kept over a restart; without it, the image has no data partition.
    #[serde(default)]
    pub persist: Option<Persist>,
    /// How large the data partition of a new image is.
    #[serde(default)]
    pub data_size: Option<DataSize>,
    /// What the running device makes of settings that appear.
    #[serde(default)]
    pub settings_from: SettingsFrom,
    /// The language in which the device speaks to people unless its owner chooses another.
    #[serde(default, deserialize_with = "text::parse")]
    pub language: Language,
    /// How the system image is compressed.
    #[serde(default)]
    pub compression: CompressionSetting,
    /// What is written, at least one.
    #[serde(default = "default_outputs")]
    pub outputs: Vec<Output>,
    /// The image's file, seen from the current folder, when the command line names none.
    #[serde(default)]
    pub outfile: Option<OutFile>,
    /// The mirror to take packages from instead of the host's.
    #[serde(default)]
    pub mirror: Option<Mirror>,
}

/// The profile when none is named.
pub const DEFAULT_PROFILE: &str = "kvm";

fn default_profile() -> String {
    DEFAULT_PROFILE.into()
}

fn profile<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    ProfileName::deserialize(deserializer).map(|name| name.to_string())
}

fn default_outputs() -> Vec<Output> {
    vec![Output::Image]
}

impl Blueprint {
    /// Makes of lists in which everything stands that base, architecture and variant say those that hold.
    pub(super) fn tidy(&mut self) {
        self.packages = packages::join([self.packages.as_slice()]);
        self.buildtime_packages = packages::join([self.buildtime_packages.as_slice()]);
        self.buildtime_packages.retain(|package| !package.is_removed());
        dedupe(&mut self.groups);
        dedupe(&mut self.users);
        dedupe(&mut self.services);
        dedupe(&mut self.outputs);
    }
}

/// Keeps the first of equal values.
pub fn dedupe<T: PartialEq>(list: &mut Vec<T>) {
    let mut kept: Vec<T> = Vec::with_capacity(list.len());
    for item in list.drain(..) {
        if !kept.contains(&item) {
            kept.push(item);
        }
    }
    *list = kept;
}
