//! Which of the images that a blueprint describes are meant.

use std::ffi::OsString;
use std::path::Path;

use anyhow::{Result, bail};

use super::{Arch, Target};
use crate::blueprint::{BlueprintFile, InputError, PROFILES_DIR, dedupe, is_part, names_in};
use crate::install_dirs::InstallDirs;

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
            ("--variant", each_once(&self.variant).len()),
            ("--profile", each_once(&self.profile).len()),
            ("--arch", each_once(&self.arch).len()),
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
    /// of the blueprint and those that came with genpack, and each architecture that genpack is installed for. Profiles that
    /// are there only to be inherited from are left out, unless they are named.
    pub fn all(&self, folder: &Path) -> Result<Vec<Target>> {
        let dirs = InstallDirs::of_running_program()?;
        let file = BlueprintFile::load(folder)?;
        let variants = match self.variant.as_slice() {
            [] => file
                .buildable()
                .into_iter()
                .map(|variant| variant.map(String::from))
                .collect(),
            named => each_once(named).into_iter().map(Some).collect::<Vec<_>>(),
        };
        let profiles = match self.profile.as_slice() {
            [] => {
                let folders = [folder.join(PROFILES_DIR), dirs.profiles()];
                let mut names: Vec<_> = folders.iter().flat_map(|folder| names_in(folder)).collect();
                names.sort();
                names.dedup();
                names.retain(|name| !is_part(name, &folders));
                names
            }
            named => each_once(named),
        };
        let archs = match self.arch.as_slice() {
            [] => dirs
                .architectures()
                .iter()
                .filter_map(|name| name.parse().ok())
                .collect(),
            named => each_once(named),
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

fn each_once<T: Clone + PartialEq>(named: &[T]) -> Vec<T> {
    let mut named = named.to_vec();
    dedupe(&mut named);
    named
}
