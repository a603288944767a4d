//! Is all well? One sentence, and what needs attention besides `system.ini`.

use std::collections::BTreeSet;

use super::SETTINGS_FILE;
use crate::report::{BootReport, Diagnostic, LinkReport, RunReport, SettingsFile, Severity};
use crate::settings::Method;
use crate::text;
use crate::text::Text;

/// What it all comes to.
pub(super) struct Verdict {
    /// The first sentences of `STATUS.txt`.
    pub(super) sentences: Vec<Text>,
    /// What may follow them.
    pub(super) remark: Option<Text>,
    /// How many things went wrong: lines of `system.ini`, the file as a whole, and everything in `attention`.
    pub(super) problems: usize,
    /// Sentences about everything that went wrong other than in `system.ini`.
    pub(super) attention: Vec<Text>,
}

impl Verdict {
    pub(super) fn of(boot: &BootReport, run: Option<&RunReport>) -> Verdict {
        let attention = attention(boot, run);
        let mut sentences = about_file(boot);
        let of_file = match sentences.as_slice() {
            [] => 0,
            _ => bad_lines(&boot.diagnostics).max(1),
        };
        let problems = of_file + attention.len();
        sentences.extend(match (of_file, attention.as_slice()) {
            (0, [only]) => Some(only.clone()),
            (0, [_, ..]) => Some(text!("{count} things need attention.", count = attention.len())),
            (0, []) if run.is_some_and(|run| run.started) => Some(text!("All is well.")),
            (0, []) => Some(text!("The device is still starting; nothing is wrong so far.")),
            (_, []) => None,
            (_, [_]) => Some(text!("1 other thing needs attention.")),
            (_, [_, ..]) => Some(text!(
                "{count} other things need attention.",
                count = attention.len()
            )),
        });
        Verdict {
            sentences,
            remark: remark(boot).filter(|_| problems == 0),
            problems,
            attention,
        }
    }
}

/// What is wrong with `system.ini`, in a sentence or two.
fn about_file(boot: &BootReport) -> Vec<Text> {
    let file = SETTINGS_FILE;
    if let Some(reason) = unusable_file(boot) {
        return vec![
            text!("The file {file} could not be used: {reason}.", file, reason),
            text!("Every setting has its default."),
        ];
    }
    match bad_lines(&boot.diagnostics) {
        0 => Vec::new(),
        1 => vec![text!("1 line of {file} was not used as written.", file)],
        count if more_than_listed(&boot.diagnostics) => vec![text!(
            "More than {count} lines of {file} were not used as written.",
            count,
            file
        )],
        count => vec![text!(
            "{count} lines of {file} were not used as written.",
            count,
            file
        )],
    }
}

/// What there is to say about `system.ini` when nothing in it is wrong.
fn remark(boot: &BootReport) -> Option<Text> {
    let file = SETTINGS_FILE;
    match (&boot.file, boot.diagnostics.len()) {
        (SettingsFile::Missing, _) => Some(text!(
            "There is no {file} on the card, so every setting has its default.",
            file
        )),
        (_, 0) => None,
        (_, 1) => Some(text!("There is a remark on {file} below.", file)),
        (_, count) => Some(text!("There are {count} remarks on {file} below.", count, file)),
    }
}

/// Why the whole file was put aside, as a phrase.
pub(super) fn unusable_file(boot: &BootReport) -> Option<Text> {
    if let SettingsFile::Unusable { reason, .. } = &boot.file {
        return Some(reason.clone());
    }
    boot.diagnostics
        .iter()
        .find(|found| found.severity == Severity::Error && found.replaces_file())
        .map(|found| found.problem.clone())
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

fn attention(boot: &BootReport, run: Option<&RunReport>) -> Vec<Text> {
    let notices = boot.notices.iter().chain(run.iter().flat_map(|run| &run.notices));
    let mut sentences: Vec<Text> = notices
        .filter(|notice| notice.severity == Severity::Error)
        .map(|notice| notice.text.clone())
        .collect();
    let Some(run) = run else { return sentences };
    sentences.extend(network(run));
    for link in &run.links {
        let problems = link.problems.iter();
        sentences.extend(problems.map(|problem| about(&link.name, problem)));
    }
    let services = run.services.iter();
    sentences.extend(services.filter_map(|service| {
        let problem = service.problem.as_ref()?;
        Some(about(service.unit.as_str(), problem))
    }));
    // A service that the settings ask for was told with them.
    let told = |unit: &str| {
        let mut services = run.services.iter();
        services.any(|service| service.unit.as_str() == unit && service.problem.is_some())
    };
    let failed = run.failed_units.iter().map(|failed| &failed.unit);
    sentences.extend(
        failed
            .filter(|unit| !told(unit))
            .map(|unit| text!("The program {unit} has failed.", unit)),
    );
    sentences
}

fn about(name: &str, problem: &Text) -> Text {
    text!("{name}: {problem}", name, problem = problem.clone())
}

/// What is wrong with the network as a whole.
fn network(run: &RunReport) -> Option<Text> {
    if !run.started {
        return None;
    }
    let in_use: Vec<&LinkReport> = run
        .links
        .iter()
        .filter(|link| link.method != Method::Off)
        .collect();
    if run.links.is_empty() {
        return Some(text!("The device found no network port of its own."));
    }
    if !in_use.is_empty() && in_use.iter().all(|link| !link.carrier) {
        return Some(match in_use.iter().all(|link| link.kind.has_cable()) {
            true => text!("No network cable is plugged in, or nothing is switched on at its other end."),
            false => text!(
                "No network cable is plugged in, and the device is not connected to a wireless network."
            ),
        });
    }
    None
}
