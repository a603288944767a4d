//! Whatever was found, the texts for people keep their form.

#![no_main]

use genpack_fuzz::read;
use genpack_spec::cmdline::Slot;
use genpack_spec::image::{ImageInfo, SettingsFrom};
use genpack_spec::report::{BootReport, Diagnostic, FailedUnit, Notice, RunReport, SettingsFile, Severity};
use genpack_spec::status::{Moment, Room, issue_text, problem_count, status_txt};
use genpack_spec::text::{Language, Text};
use genpack_spec::types::TimeZone;
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use unicode_width::UnicodeWidthStr;

/// Longest line, in columns.
const WIDTH: usize = 79;
/// Most lines above the login prompt.
const ISSUE_LINES: usize = 18;

#[derive(Debug, Arbitrary)]
struct Case {
    language: u8,
    system_ini: Vec<u8>,
    more: Vec<Found>,
    notices: Vec<(bool, String)>,
    run: Option<Run>,
    name: String,
    unusable: Option<String>,
    room: Option<(u64, u64)>,
}

#[derive(Debug, Arbitrary)]
struct Found {
    line: Option<(u32, u32)>,
    severity: u8,
    problem: String,
    used: Option<String>,
    hint: Option<String>,
    text: Option<String>,
}

#[derive(Debug, Arbitrary)]
struct Run {
    started: bool,
    failed_units: Vec<(String, Vec<String>)>,
}

impl From<Found> for Diagnostic {
    fn from(found: Found) -> Diagnostic {
        Diagnostic {
            line: found.line.map(|(line, _)| line),
            column: found.line.map(|(_, column)| column),
            section: None,
            key: None,
            severity: [Severity::Note, Severity::Warning, Severity::Error][usize::from(found.severity) % 3],
            problem: Text::verbatim(found.problem),
            used: found.used.map(Text::verbatim),
            hint: found.hint.map(Text::verbatim),
            text: found.text,
        }
    }
}

fuzz_target!(|case: Case| {
    let language = Language::ALL[usize::from(case.language) % Language::ALL.len()];
    let parsed = read(&case.system_ini);
    let mut diagnostics = parsed.diagnostics;
    diagnostics.extend(case.more.into_iter().map(Diagnostic::from));
    let boot = BootReport {
        image: ImageInfo {
            name: "web".into(),
            profile: "kvm".into(),
            base: "debian:trixie".into(),
            kernel: "6.12.57+deb13-cloud-amd64".into(),
            epoch: 1_795_996_799,
            language,
            settings_from: SettingsFrom::default(),
            persist: None,
        },
        slot: Slot::A,
        language,
        hostname: "kitchen".parse().expect("a valid name"),
        default_hostname: None,
        timezone: TimeZone::utc(),
        file: match case.unusable {
            Some(reason) => SettingsFile::Unusable {
                name: case.name,
                reason: Text::verbatim(reason),
            },
            None => SettingsFile::Read { name: case.name },
        },
        diagnostics,
        notices: case
            .notices
            .into_iter()
            .map(|(wrong, text)| Notice {
                severity: if wrong { Severity::Error } else { Severity::Note },
                text: Text::verbatim(text),
            })
            .collect(),
        timings: Vec::new(),
    };
    let run = case.run.map(|run| RunReport {
        started: run.started,
        failed_units: run
            .failed_units
            .into_iter()
            .map(|(unit, lines)| FailedUnit { unit, lines })
            .collect(),
        ..RunReport::default()
    });

    let moment = Moment {
        time: Some("2026-11-23 04:52 UTC".into()),
        card: case.room.map(|(free, total)| Room { free, total }),
        ..Moment::default()
    };

    let status = status_txt(&boot, run.as_ref(), Some(&moment));
    let lines = status.strip_prefix('\u{feff}').unwrap_or(&status);
    assert_eq!(status.is_ascii(), lines.len() == status.len(), "{status:?}");
    check(
        lines
            .strip_suffix("\r\n")
            .expect("a line end at the end")
            .split("\r\n"),
    );

    let issue = issue_text(&boot, run.as_ref());
    assert!(issue.lines().count() <= ISSUE_LINES, "{issue}");
    // Backslashes are doubled there.
    check(issue.replace("\\\\", "\\").split('\n'));
    if let Some(run) = &run {
        problem_count(&boot, run);
    }
});

fn check<'a>(lines: impl Iterator<Item = &'a str>) {
    for line in lines {
        assert!(line.width() <= WIDTH, "{line}");
        assert!(!line.contains(char::is_control), "{line:?}");
    }
}
