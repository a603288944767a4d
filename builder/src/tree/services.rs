//! Units that start by themselves.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use genpack_spec::types::UnitName;

use super::chroot::Chroot;
use super::units;
use crate::blueprint::{self, InputError, Problem};
use crate::command::Failed;

/// What systemctl says of a unit that there is no file of.
const UNKNOWN: &str = "does not exist";
/// What to do about a unit that is like no other.
const NO_PACKAGE: &str =
    "name the package that brings it in packages, or put it into files/etc/systemd/system/";

/// Enables units of the profile and of the blueprint.
///
/// # Errors
/// [`InputError`] with all units that do not exist.
pub fn enable_services(root: &Path, profile: &[UnitName], blueprint: &[UnitName]) -> Result<()> {
    let chroot = Chroot::enter(root)?;
    let aliases = units::aliases(root);
    let mut unknown = Vec::new();
    for unit in profile.iter().chain(blueprint).map(UnitName::as_str) {
        // It does not enable links.
        let real = aliases.get(unit).map_or(unit, String::as_str);
        match chroot.run("systemctl", &["enable", real], &[]) {
            Err(error) if is_unknown(&error) => unknown.push(unit),
            outcome => outcome.with_context(|| format!("enabling {unit}, which services: names"))?,
        }
    }
    let mistakes = unknown.into_iter().map(|unit| missing(unit, &units::files(root)));
    Ok(InputError::unless_none(mistakes.collect(), ())?)
}

fn is_unknown(error: &anyhow::Error) -> bool {
    let failed = error.downcast_ref::<Failed>();
    failed.is_some_and(|failed| failed.said.contains(UNKNOWN))
}

fn missing(unit: &str, known: &[(String, Option<PathBuf>)]) -> Problem {
    let near = blueprint::nearest(unit, known.iter().map(|(name, _)| name.as_str()));
    let help = near.unwrap_or_else(|| NO_PACKAGE.into());
    Problem::about(&["services"], unit, format!("there is no unit {unit:?}")).with_help(help)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_unit_is_recognised() {
        let known = ["ssh.service", "nginx.service"].map(|name| (name.to_string(), None));
        for (unit, help) in [
            ("ngnix.service", "did you mean \"nginx.service\"?"),
            ("of-nowhere.timer", NO_PACKAGE),
        ] {
            let want =
                Problem::about(&["services"], unit, format!("there is no unit {unit:?}")).with_help(help);
            assert_eq!(missing(unit, &known), want);
        }
    }
}
