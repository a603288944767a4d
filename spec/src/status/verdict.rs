//! Is all well? One sentence, and what needs attention besides `system.ini`.

use std::collections::BTreeSet;

use super::text::count;
use crate::layout::card::SYSTEM_INI;
use crate::report::{BootReport, Diagnostic, LinkReport, RunReport, SettingsFile, Severity};
use crate::settings::Method;

/// What it all comes to.
pub(super) struct Verdict {
    /// The first sentence of `STATUS.txt`.
    pub(super) sentence: String,
    /// What may follow it; often empty.
    pub(super) remark: String,
    /// How many things went wrong: lines of `system.ini`, the file as a whole, and everything in `attention`.
    pub(super) problems: usize,
    /// Sentences about everything that went wrong other than in `system.ini`.
    pub(super) attention: Vec<String>,
}

impl Verdict {
    pub(super) fn of(boot: &BootReport, run: Option<&RunReport>) -> Verdict {
        let attention = attention(boot, run);
        let about_file = about_file(boot);
        let of_file = match about_file {
            Some(_) => bad_lines(&boot.diagnostics).max(1),
            None => 0,
        };
        let problems = of_file + attention.len();
        let others = count(attention.len(), "other thing needs", "other things need") + " attention.";
        let sentence = match (about_file, attention.as_slice()) {
            (Some(file), []) => file,
            (Some(file), _) => format!("{file} {others}"),
            (None, [only]) => only.clone(),
            (None, [_, ..]) => format!("{} things need attention.", attention.len()),
            (None, []) if run.is_some_and(|run| run.started) => "All is well.".into(),
            (None, []) => "The device is still starting; nothing is wrong so far.".into(),
        };
        Verdict {
            sentence,
            remark: if problems == 0 {
                remark(boot)
            } else {
                String::new()
            },
            problems,
            attention,
        }
    }
}

/// What is wrong with `system.ini`, in a sentence or two.
fn about_file(boot: &BootReport) -> Option<String> {
    if let Some(reason) = unusable_file(boot) {
        return Some(format!(
            "The file {SYSTEM_INI} could not be used: {reason}. Every setting has its default."
        ));
    }
    match bad_lines(&boot.diagnostics) {
        0 => None,
        1 => Some(format!("1 line of {SYSTEM_INI} was not used as written.")),
        number => {
            let more = if more_than_listed(&boot.diagnostics) {
                "More than "
            } else {
                ""
            };
            Some(format!(
                "{more}{number} lines of {SYSTEM_INI} were not used as written."
            ))
        }
    }
}

/// What there is to say about `system.ini` when nothing in it is wrong.
fn remark(boot: &BootReport) -> String {
    match (&boot.file, boot.diagnostics.len()) {
        (SettingsFile::Missing, _) => {
            format!("There is no {SYSTEM_INI} on the card, so every setting has its default.")
        }
        (_, 0) => String::new(),
        (_, 1) => format!("There is a remark on {SYSTEM_INI} below."),
        (_, number) => format!("There are {number} remarks on {SYSTEM_INI} below."),
    }
}

/// Why the whole file was put aside, as a phrase.
pub(super) fn unusable_file(boot: &BootReport) -> Option<String> {
    if let SettingsFile::Unusable { reason, .. } = &boot.file {
        return Some(reason.clone());
    }
    boot.diagnostics
        .iter()
        .find(|found| found.severity == Severity::Error && found.line.is_none() && found.used.is_some())
        .map(|found| found.problem.english())
}

fn bad_lines(diagnostics: &[Diagnostic]) -> usize {
    let errors = diagnostics
        .iter()
        .filter(|found| found.severity == Severity::Error);
    errors
        .filter_map(|found| found.line)
        .collect::<BTreeSet<_>>()
        .len()
}

/// Whether the diagnostics end with a count of those that were left out.
fn more_than_listed(diagnostics: &[Diagnostic]) -> bool {
    diagnostics
        .iter()
        .any(|found| found.severity == Severity::Error && found.line.is_none() && found.used.is_none())
}

fn attention(boot: &BootReport, run: Option<&RunReport>) -> Vec<String> {
    let notices = boot.notices.iter().chain(run.iter().flat_map(|run| &run.notices));
    let mut sentences: Vec<String> = notices
        .filter(|notice| notice.severity == Severity::Error)
        .map(|notice| notice.text.clone())
        .collect();
    let Some(run) = run else { return sentences };
    sentences.extend(network(run));
    for link in &run.links {
        sentences.extend(
            link.problems
                .iter()
                .map(|problem| format!("{}: {problem}", link.name)),
        );
    }
    let services = run.services.iter();
    sentences.extend(services.filter_map(|service| {
        let problem = service.problem.as_ref()?;
        Some(format!("{}: {problem}", service.unit))
    }));
    sentences.extend(
        run.failed_units
            .iter()
            .map(|unit| format!("The program {unit} has failed.")),
    );
    sentences
}

/// What is wrong with the network as a whole.
fn network(run: &RunReport) -> Option<String> {
    if !run.started {
        return None;
    }
    let in_use: Vec<&LinkReport> = run
        .links
        .iter()
        .filter(|link| link.method != Method::Off)
        .collect();
    if run.links.is_empty() {
        return Some("The device found no network port of its own.".into());
    }
    if !in_use.is_empty() && in_use.iter().all(|link| !link.carrier) {
        return Some("No network cable is plugged in, or nothing is switched on at its other end.".into());
    }
    None
}
