//! `genpack config set` and `restore`: what writes.

use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use genpack_spec::layout::card::{LAST_GOOD_INI, SYSTEM_INI};
use genpack_spec::report::{Diagnostic, Severity};
use genpack_spec::system_ini::edit;
use genpack_spec::text::Language;

use super::place::Place;
use super::{Image, NOT_ALL_USED, Target, check, is_error};
use crate::print;

/// Where the file goes that `restore` replaces.
const BEFORE_RESTORE: &str = "system-before-restore.ini";

/// Changes settings of a file; all of them, or none when the device would not use one.
pub(super) fn set(place: &Place, image: &Image, pairs: &[[String; 2]], unset: &[String]) -> Result<ExitCode> {
    if let Place::Input = place {
        bail!("standard input can't be changed; name a file");
    }
    let target = Target::of(image, Some(place))?;
    let file = place.settings_file()?;
    let (name, old) = match &file {
        Some(file) => (file.name.as_str(), file.bytes.as_slice()),
        None => (SYSTEM_INI, &[][..]),
    };
    let mut new = old.to_vec();
    for key in unset {
        new = edit::unset(&new, key, &target.facts).with_context(|| format!("{name} was not changed"))?;
    }
    for [key, value] in pairs {
        new = edit::set(&new, key, value, &target.facts)
            .with_context(|| format!("{name} was not changed, because {key} can't be set"))?;
    }
    if new == old && file.is_some() {
        print::answer(&format!("{name} says so already\n"))?;
        return Ok(ExitCode::SUCCESS);
    }
    let before = target.parse(old).diagnostics;
    let after = target.parse(&new).diagnostics;
    let fresh: Vec<_> = after.iter().filter(|one| is_fresh(one, &before)).collect();
    let lines = edit::lines(&new);
    for diagnostic in &fresh {
        eprint!(
            "{}",
            check::block(diagnostic, name, &lines, Language::English, false)
        );
    }
    if fresh.iter().any(|diagnostic| is_error(diagnostic)) {
        eprintln!(
            "genpack: error: {name} was not changed, because the device would not use what it would say"
        );
        return Ok(ExitCode::from(NOT_ALL_USED));
    }
    place.replace(name, &new)?;
    print::answer(&format!("{name} is changed\n"))?;
    Ok(ExitCode::SUCCESS)
}

/// Whether a change brought it about. A note does not matter to whoever sets, and what is said about the file as a whole,
/// such as how many mistakes there are, was so before.
fn is_fresh(diagnostic: &Diagnostic, before: &[Diagnostic]) -> bool {
    let about = |one: &Diagnostic| (one.section.clone(), one.key.clone());
    let said = |one: &Diagnostic| {
        let text = one.problem.english();
        match about(one) {
            // Lines move when one is put in; those that are no setting are told of with their numbers.
            (None, None) => text.replace(|c: char| c.is_ascii_digit(), ""),
            _ => text,
        }
    };
    let same = |other: &Diagnostic| about(other) == about(diagnostic) && said(other) == said(diagnostic);
    diagnostic.line.is_some() && diagnostic.severity > Severity::Note && !before.iter().any(same)
}

/// Puts the last settings with which the network worked in place of those on a card.
pub(super) fn restore(place: &Place) -> Result<ExitCode> {
    if !matches!(place, Place::Folder(_) | Place::Card(_)) {
        bail!("{place} is a file; name the folder of the card, or --image IMG");
    }
    let Some(good) = place.read(LAST_GOOD_INI)? else {
        bail!(
            "there is no {LAST_GOOD_INI} on {place}: the device writes it after a start on which its network worked; \
             nothing was changed"
        );
    };
    let old = place.settings_file()?;
    if let Some(old) = &old {
        if old.bytes == good {
            print::answer(&format!("{} has these settings already\n", old.name))?;
            return Ok(ExitCode::SUCCESS);
        }
        place.replace(BEFORE_RESTORE, &old.bytes)?;
    }
    place.replace(SYSTEM_INI, &good)?;
    match old {
        Some(old) => {
            // Under another name it would stand beside the one that was put back.
            if !old.name.eq_ignore_ascii_case(SYSTEM_INI) {
                place.remove(&old.name)?;
            }
            print::answer(&format!(
                "{SYSTEM_INI} has the last settings with which the network worked; {} is kept as {BEFORE_RESTORE}\n",
                old.name
            ))?;
        }
        None => print::answer(&format!(
            "{SYSTEM_INI} has the last settings with which the network worked\n"
        ))?,
    }
    Ok(ExitCode::SUCCESS)
}
