//! Which versions of packages are taken, where the lock file has none.

use std::collections::BTreeMap;

use anyhow::Result;

use super::Debian;
use crate::blueprint::{InputError, Problem};
use crate::lock::{LOCK_FILE, Pin, PinnedSet, Purpose, SetRequest};
use crate::progress::Stage;
use crate::source::apt::Apt;

/// Where a blueprint names packages.
const PACKAGE_FIELDS: [&str; 2] = ["packages", "buildtime_packages"];

impl Debian {
    /// Asks the archives for all sets that are missing.
    pub(super) fn choose(
        &self,
        missing: &[SetRequest],
        prefer: &BTreeMap<String, String>,
        stage: &Stage,
    ) -> Result<Vec<PinnedSet>> {
        let apt = self.open_apt(stage)?;
        if let Some(reason) = apt.update()? {
            stage.note(&format!(
                "warning: the package lists could not be renewed; older ones serve: {reason}"
            ));
        }
        let known = apt.package_names()?;
        let asked = missing.iter().flat_map(|request| &request.asked);
        let mut unknown: Vec<_> = asked.filter(|name| !known.contains(name)).collect();
        unknown.sort_unstable();
        unknown.dedup();
        if !unknown.is_empty() {
            let mistakes = unknown
                .iter()
                .map(|name| missing_package(name, &known, &apt.describe()));
            InputError::unless_none(mistakes.collect(), ())?;
        }
        let date = apt.date()?;
        // What is chosen first holds for the sets after it, so that all are of one make.
        let mut prefer = prefer.clone();
        let mut sets = Vec::new();
        for request in missing {
            let packages = match request.purpose {
                Purpose::System | Purpose::Build => apt.choose(&request.asked, true, &prefer)?,
                Purpose::Tools => apt.choose(&request.asked, false, &prefer)?,
                Purpose::Kernel => {
                    let mut kernels = request.asked.iter();
                    kernels.try_fold(Vec::new(), |mut pins, name| -> Result<_> {
                        pins.push(apt.choose_one(&real_kernel(&apt, name)?)?);
                        Ok(pins)
                    })?
                }
            };
            prefer.extend(packages.iter().map(|pin| (pin.name.clone(), pin.version.clone())));
            sets.push(PinnedSet::new(request.clone(), date, packages));
        }
        Ok(sets)
    }
}

/// What scripts make must fit what the image has: where both have a package, it is in the same version.
pub(super) fn check_versions(sets: &[PinnedSet]) -> Result<(), InputError> {
    let packages = |purpose| {
        let of = move |set: &&PinnedSet| set.request.purpose == purpose;
        sets.iter().filter(of).flat_map(|set| &set.packages)
    };
    let system: BTreeMap<_, _> = packages(Purpose::System)
        .map(|pin| (&pin.name, &pin.version))
        .collect();
    let other = |pin: &Pin| {
        let version = system
            .get(&pin.name)
            .filter(|version| **version != &pin.version)?;
        Some(format!(
            "{} {version} in the image, {} for scripts",
            pin.name, pin.version
        ))
    };
    let others: Vec<_> = packages(Purpose::Build).filter_map(other).collect();
    if others.is_empty() {
        return Ok(());
    }
    Err(InputError::plain(format!(
        "scripts would get other versions than the image has, because the archives no longer have all that {LOCK_FILE} names: {}; \
         \"genpack update\" chooses all of them anew",
        others.join("; ")
    )))
}

/// Packages such as `linux-image-amd64` only depend on the one that has the kernel of the day.
fn real_kernel(apt: &Apt, package: &str) -> Result<String> {
    let record = apt.show(package)?;
    let depends = record
        .lines()
        .find_map(|line| line.strip_prefix("Depends: "))
        .unwrap_or_default();
    let real = depends
        .split([',', '|'])
        .filter_map(|dependency| dependency.split_whitespace().next())
        .find(|name| {
            name.strip_prefix("linux-image-")
                .is_some_and(|r| r.starts_with(|c: char| c.is_ascii_digit()))
        });
    Ok(real.unwrap_or(package).to_string())
}

fn missing_package(name: &str, known: &[String], archives: &str) -> Problem {
    let near = known
        .iter()
        .map(|candidate| (strsim::jaro_winkler(name, candidate), candidate))
        .filter(|(likeness, _)| *likeness > 0.88)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    let help = match near {
        Some((_, candidate)) => format!("did you mean {candidate:?}? (asked: {archives})"),
        None => format!("asked: {archives}"),
    };
    Problem::about(&PACKAGE_FIELDS, name, format!("there is no package {name:?}")).with_help(help)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_package_is_recognised() {
        let known = ["nginx".to_string(), "nginx-light".into(), "openssh-server".into()];
        let missing = |name: &str, help: &str| {
            let label = format!("there is no package {name:?}");
            let want = Problem::about(&PACKAGE_FIELDS, name, label).with_help(help);
            assert_eq!(missing_package(name, &known, "a mirror"), want);
        };
        missing("ngnix", "did you mean \"nginx\"? (asked: a mirror)");
        missing("quux", "asked: a mirror");
    }

    #[test]
    fn scripts_get_the_versions_of_the_image() {
        let set = |purpose, packages: &[(&str, &str)]| {
            let request = SetRequest {
                base: "debian:trixie".into(),
                arch: "x86_64".into(),
                purpose,
                asked: Vec::new(),
            };
            let pin = |(name, version): &(&str, &str)| {
                let text = format!("{name} {version} amd64 7 {} pool/x.deb", "ab".repeat(32));
                text.parse().unwrap()
            };
            PinnedSet::new(request, 1, packages.iter().map(pin).collect())
        };
        let system = set(Purpose::System, &[("libc6", "2.41-1"), ("nginx", "1")]);
        let build = |libc6| set(Purpose::Build, &[("libc6", libc6), ("gcc", "14")]);
        // Tools run in a tree of their own.
        let tools = set(Purpose::Tools, &[("libc6", "2.41-2")]);
        assert!(check_versions(&[system.clone(), build("2.41-1"), tools]).is_ok());
        let said = check_versions(&[system, build("2.41-2")])
            .unwrap_err()
            .to_string();
        assert!(
            said.contains("libc6 2.41-1 in the image, 2.41-2 for scripts; \"genpack update\" chooses"),
            "{said}"
        );
    }
}
