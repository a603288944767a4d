//! Units that start by themselves.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use genpack_spec::types::UnitName;

use super::chroot::Chroot;
use crate::blueprint::{self, InputError, Problem};
use crate::command::Failed;

/// Folders of units below a system's root; what is in an earlier one wins (systemd.unit(5)).
pub const UNIT_FOLDERS: [&str; 3] = [
    "etc/systemd/system",
    "usr/local/lib/systemd/system",
    "usr/lib/systemd/system",
];
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
    let mut unknown = Vec::new();
    for unit in profile.iter().chain(blueprint).map(UnitName::as_str) {
        match chroot.run("systemctl", &["enable", &behind_alias(root, unit)], &[]) {
            Err(error) if is_unknown(&error) => unknown.push(unit),
            outcome => outcome.with_context(|| format!("enabling {unit}, which services: names"))?,
        }
    }
    let mistakes = unknown.into_iter().map(|unit| missing(unit, &files(root)));
    Ok(InputError::unless_none(mistakes.collect(), ())?)
}

/// Returns what a name stands for that is a link to another unit, such as `sshd.service`: systemctl does not enable a link.
fn behind_alias(root: &Path, unit: &str) -> String {
    let links = UNIT_FOLDERS
        .iter()
        .filter_map(|folder| fs::read_link(root.join(folder).join(unit)).ok());
    let mut names = links.filter_map(|link| Some(link.file_name()?.to_str()?.to_string()));
    // A masked unit is a link to /dev/null, and systemctl says so.
    names
        .find(|name| name.contains('.'))
        .unwrap_or_else(|| unit.to_string())
}

fn is_unknown(error: &anyhow::Error) -> bool {
    let failed = error.downcast_ref::<Failed>();
    failed.is_some_and(|failed| failed.said.contains(UNKNOWN))
}

fn missing(unit: &str, known: &[String]) -> Problem {
    let near = blueprint::nearest(unit, known.iter().map(String::as_str));
    let help = near.unwrap_or_else(|| NO_PACKAGE.into());
    Problem::about(&["services"], unit, format!("there is no unit {unit:?}")).with_help(help)
}

/// Returns the names of all unit files.
fn files(root: &Path) -> Vec<String> {
    let folders = UNIT_FOLDERS
        .iter()
        .filter_map(|folder| fs::read_dir(root.join(folder)).ok());
    let names = folders.flatten().flatten().map(|entry| entry.file_name());
    names.filter_map(|name| name.into_string().ok()).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn aliases_lead_to_units_and_masks_nowhere() {
        let root = tempfile::tempdir().unwrap();
        let vendor = root.path().join(UNIT_FOLDERS[2]);
        fs::create_dir_all(&vendor).unwrap();
        fs::write(vendor.join("ssh.service"), "").unwrap();
        symlink("ssh.service", vendor.join("sshd.service")).unwrap();
        symlink("/dev/null", vendor.join("masked.service")).unwrap();
        for (unit, want) in [
            ("sshd.service", "ssh.service"),
            ("ssh.service", "ssh.service"),
            ("masked.service", "masked.service"),
            ("of-nowhere.service", "of-nowhere.service"),
        ] {
            assert_eq!(behind_alias(root.path(), unit), want);
        }
    }

    #[test]
    fn a_misspelt_unit_is_recognised() {
        let known = ["ssh.service".to_string(), "nginx.service".into()];
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
