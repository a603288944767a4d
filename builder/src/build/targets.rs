//! Which of the images that a blueprint describes are meant.

use std::ffi::OsString;
use std::path::Path;

use anyhow::{Result, bail};

use super::{Arch, Target};
use crate::blueprint::{BlueprintFile, InputError, PROFILES_DIR, names_in};
use crate::install_dirs::InstallDirs;

/// What every profile inherits from, and nothing is built for.
const ABSTRACT_PROFILE: &str = "base";

/// Names of images on the command line. Several are for `--all`.
#[derive(Clone, clap::Args)]
pub struct TargetArguments {
    /// Variant to build, in place of the blueprint's default
    #[arg(long, value_name = "VARIANT", value_delimiter = ',')]
    variant: Vec<String>,
    /// Kind of machine to build for, in place of the blueprint's own
    #[arg(long, value_name = "PROFILE", value_delimiter = ',')]
    profile: Vec<String>,
    /// Architecture to build for: x86_64 or aarch64 [default: this machine's]
    #[arg(long, value_name = "ARCH", value_delimiter = ',')]
    arch: Vec<Arch>,
}

impl TargetArguments {
    /// Returns the one image that is meant.
    ///
    /// # Errors
    /// [`InputError`] when several are named.
    pub fn one(&self) -> Result<Target> {
        let several = [
            ("--variant", self.variant.len()),
            ("--profile", self.profile.len()),
            ("--arch", self.arch.len()),
        ];
        if let Some((flag, _)) = several.iter().find(|(_, count)| *count > 1) {
            bail!(InputError::plain(format!(
                "{flag} names several; add --all to build all of them"
            )));
        }
        Ok(Target {
            variant: self.variant.first().cloned(),
            profile: self.profile.first().cloned(),
            arch: self.arch.first().copied().unwrap_or(Arch::of_host()),
        })
    }

    /// Returns every image of the blueprint in `folder`, or of those that are named: each variant for each profile, those
    /// of the blueprint and those that came with genpack, and each architecture that genpack is installed for.
    pub fn all(&self, folder: &Path) -> Result<Vec<Target>> {
        let dirs = InstallDirs::of_running_program()?;
        let file = BlueprintFile::load(folder)?;
        let variants = match self.variant.as_slice() {
            [] => file
                .buildable()
                .into_iter()
                .map(|variant| variant.map(String::from))
                .collect(),
            named => named.iter().cloned().map(Some).collect::<Vec<_>>(),
        };
        let profiles = match self.profile.as_slice() {
            [] => {
                let mut names = names_in(&folder.join(PROFILES_DIR));
                names.extend(names_in(&dirs.profiles()));
                names.sort();
                names.dedup();
                names.retain(|name| name != ABSTRACT_PROFILE);
                names
            }
            named => named.to_vec(),
        };
        let archs = match self.arch.as_slice() {
            [] => dirs
                .architectures()
                .iter()
                .filter_map(|name| name.parse().ok())
                .collect(),
            named => named.to_vec(),
        };
        let mut targets = Vec::new();
        for variant in &variants {
            for profile in &profiles {
                targets.extend(archs.iter().map(|arch| Target {
                    variant: variant.clone(),
                    profile: Some(profile.clone()),
                    arch: *arch,
                }));
            }
        }
        Ok(targets)
    }

    /// Returns the flags that name `target`.
    pub fn flags(target: &Target) -> Vec<OsString> {
        let mut flags = vec!["--arch".into(), target.arch.to_string().into()];
        for (flag, value) in [("--variant", &target.variant), ("--profile", &target.profile)] {
            flags.extend(value.iter().flat_map(|value| [flag.into(), value.into()]));
        }
        flags
    }
}
