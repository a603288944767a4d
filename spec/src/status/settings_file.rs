//! What became of `system.ini`, line by line.

use super::text::Page;
use super::verdict::unusable_file;
use crate::layout::card::SYSTEM_INI;
use crate::report::{BootReport, Diagnostic, SettingsFile, Severity};
use crate::system_ini::shorten;
use crate::text::Text;

/// Longest line of the file that is repeated, in characters: with its indent it fits the page.
const QUOTE_WIDTH: usize = 70;

pub(super) fn write(boot: &BootReport, page: &mut Page) {
    let name = match &boot.file {
        SettingsFile::Read { name } | SettingsFile::Unusable { name, .. } => name.as_str(),
        SettingsFile::Missing => SYSTEM_INI,
    };
    match &boot.file {
        SettingsFile::Missing => {
            page.heading("Your settings");
            page.paragraph(&format!(
                "There is no {SYSTEM_INI} on the card, so every setting has its default. A file of that name beside \
                 this one is read at the next start."
            ));
        }
        SettingsFile::Unusable { reason, .. } => {
            page.heading(&format!("{name} was not used"));
            page.item("  Wrong:   ", reason);
            page.item("  Used:    ", "the default of every setting");
            page.item(
                "  Better:  ",
                &format!("a text file named {SYSTEM_INI}, written with Notepad or TextEdit"),
            );
        }
        SettingsFile::Read { .. } => {}
    }
    let unused = |found: &&Diagnostic| found.severity == Severity::Error;
    let (errors, remarks): (Vec<_>, Vec<_>) = boot.diagnostics.iter().partition(unused);
    if !errors.is_empty() {
        page.heading(&match unusable_file(boot) {
            Some(_) => format!("{name} was not used"),
            None => format!("Lines of {name} that were not used as written"),
        });
        list(&errors, page);
    }
    if !remarks.is_empty() {
        page.heading(&format!("Remarks on {name}"));
        list(&remarks, page);
    }
}

fn list(diagnostics: &[&Diagnostic], page: &mut Page) {
    for (index, found) in diagnostics.iter().enumerate() {
        if index > 0 {
            page.blank();
        }
        one(found, page);
    }
}

fn one(found: &Diagnostic, page: &mut Page) {
    if let Some(line) = found.line {
        let text = found.text.as_deref().unwrap_or("");
        page.line(
            format!(
                "Line {line}:  {}",
                shorten(text, QUOTE_WIDTH - line.to_string().len())
            )
            .trim_end(),
        );
    }
    let label = match found.severity {
        Severity::Error => "  Wrong:  ",
        Severity::Warning => "  Careful:",
        Severity::Note => "  Note:   ",
    };
    page.item(&format!("{label} "), &found.problem.english());
    match (&found.used, found.severity) {
        (Some(used), _) => page.item("  Used:    ", &used.english()),
        (None, Severity::Error) if found.line.is_some() => {
            page.item("  Used:    ", "nothing; the line is left out")
        }
        _ => {}
    }
    if let Some(hint) = found.hint.as_ref().map(Text::english) {
        let label = if hint.ends_with('?') {
            "  Perhaps: "
        } else {
            "  Better:  "
        };
        page.item(label, &hint);
    }
}
