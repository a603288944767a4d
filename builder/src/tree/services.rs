//! Units that start by themselves.

use std::collections::BTreeMap;
use std::fs::{self, DirEntry};
use std::path::{Path, PathBuf};

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
    let aliases = aliases(root);
    let mut unknown = Vec::new();
    for unit in profile.iter().chain(blueprint).map(UnitName::as_str) {
        // It does not enable links.
        let real = aliases.get(unit).map_or(unit, String::as_str);
        match chroot.run("systemctl", &["enable", real], &[]) {
            Err(error) if is_unknown(&error) => unknown.push(unit),
            outcome => outcome.with_context(|| format!("enabling {unit}, which services: names"))?,
        }
    }
    let mistakes = unknown.into_iter().map(|unit| missing(unit, &unit_files(root)));
    Ok(InputError::unless_none(mistakes.collect(), ())?)
}

/// Returns every name of a unit that is only another name of a second one, with that one's: `sshd.service` is a link to
/// `ssh.service`.
pub fn aliases(root: &Path) -> BTreeMap<String, String> {
    let mut links = BTreeMap::new();
    for (name, link) in unit_files(root) {
        links.entry(name).or_insert(link);
    }
    let alias = |(name, link): (String, Option<PathBuf>)| {
        let target = link?.file_name()?.to_str()?.to_string();
        // What has no ending is no unit: a masked unit is a link to /dev/null.
        (target.contains('.') && target != name).then_some((name, target))
    };
    links.into_iter().filter_map(alias).collect()
}

/// Returns the names of all unit files, with what those lead to that are links. Of two with one name the first counts.
pub fn unit_files(root: &Path) -> Vec<(String, Option<PathBuf>)> {
    let folders = UNIT_FOLDERS
        .iter()
        .filter_map(|folder| fs::read_dir(root.join(folder)).ok());
    let files = folders
        .flatten()
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| !kind.is_dir()));
    let file = |entry: DirEntry| {
        Some((
            entry.file_name().into_string().ok()?,
            fs::read_link(entry.path()).ok(),
        ))
    };
    files.filter_map(file).collect()
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
        // What an administrator has made of it goes first.
        let etc = root.path().join(UNIT_FOLDERS[0]);
        fs::create_dir_all(&etc).unwrap();
        symlink("/usr/lib/systemd/system/own-web.service", etc.join("web.service")).unwrap();
        symlink("nginx.service", vendor.join("web.service")).unwrap();
        symlink("/usr/lib/systemd/system/ssh.service", etc.join("ssh.service")).unwrap();
        fs::write(etc.join("syslog.service"), "").unwrap();
        symlink("rsyslog.service", vendor.join("syslog.service")).unwrap();
        let pair = |alias: &str, unit: &str| (alias.to_string(), unit.to_string());
        let want = [
            pair("sshd.service", "ssh.service"),
            pair("web.service", "own-web.service"),
        ];
        assert_eq!(aliases(root.path()), want.into());
    }

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
