//! Units that start by themselves.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use genpack_spec::types::UnitName;

use super::chroot::Chroot;
use super::rooted::Rooted;
use super::starts::{self, Flaw};
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
/// [`InputError`] with all units that do not exist, can't be enabled, or would not be started all the same.
pub fn enable_services(root: &Path, profile: &[UnitName], blueprint: &[UnitName]) -> Result<()> {
    let chroot = Chroot::enter(root)?;
    let rooted = Rooted::open(root)?;
    let aliases = units::aliases(&rooted);
    let mut mistakes = Vec::new();
    let mut enabled = Vec::new();
    for unit in profile.iter().chain(blueprint).map(UnitName::as_str) {
        // It does not enable links.
        let real = aliases.get(unit).map_or(unit, String::as_str);
        if let Some(flaw) = starts::refusal(&rooted, real) {
            Problem::add(&mut mistakes, [flawed(unit, &flaw)]);
            continue;
        }
        match chroot.run("systemctl", &["enable", real], &[]) {
            Err(error) if is_unknown(&error) => {
                Problem::add(&mut mistakes, [missing(unit, &units::files(&rooted))]);
            }
            outcome => {
                outcome.with_context(|| format!("enabling {unit}, which services: names"))?;
                enabled.push((unit, real));
            }
        }
    }
    // Only now, because one of them may start another.
    let inert = |(unit, real): (&str, &str)| Some(flawed(unit, &starts::inert(&rooted, real)?));
    Problem::add(&mut mistakes, enabled.into_iter().filter_map(inert));
    Ok(InputError::unless_none(mistakes, ())?)
}

fn flawed(unit: &str, flaw: &Flaw) -> Problem {
    let (why, help) = match flaw {
        Flaw::Masked => (
            format!("{unit} is masked, and can't be started"),
            "take it out here, or remove the link to /dev/null or the empty file that masks it".into(),
        ),
        Flaw::Template => (
            format!("{unit} is a template, and no unit by itself"),
            format!(
                "write what it is for behind the @, for example {:?}",
                unit.replacen("@.", "@1.", 1)
            ),
        ),
        Flaw::Inert(trigger) => (
            format!("{unit} has no [Install] section, so nothing starts it"),
            match trigger {
                Some(trigger) => format!("name {trigger:?}, which starts it"),
                None => "add [Install] with WantedBy=multi-user.target to its file, or in a drop-in".into(),
            },
        ),
    };
    Problem::about(&["services"], unit, why).with_help(help)
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
    fn a_unit_that_would_not_be_started_is_a_mistake_of_the_blueprint() {
        let inert = flawed("app.service", &Flaw::Inert(None));
        assert_eq!(
            inert.label(),
            "app.service has no [Install] section, so nothing starts it"
        );
        let flaws = [
            Flaw::Masked,
            Flaw::Template,
            Flaw::Inert(Some("app.timer".into())),
        ];
        for flaw in flaws {
            let mention = flawed("app.service", &flaw);
            assert_eq!(mention.mention().unwrap().name, "app.service");
        }
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
