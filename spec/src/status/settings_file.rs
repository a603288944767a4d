//! What became of `system.ini`, line by line.

use super::SETTINGS_FILE;
use super::page::{Labels, Page, WIDTH, fit};
use super::verdict::unusable_file;
use crate::report::{BootReport, Diagnostic, SettingsFile, Severity};
use crate::text;
use crate::text::Text;

/// Adds it to a page. `instead` is what holds where the file can't be used as a whole.
pub(super) fn write(boot: &BootReport, instead: &Text, page: &mut Page) {
    let file = match &boot.file {
        SettingsFile::Read { name } | SettingsFile::Unusable { name, .. } => name.as_str(),
        SettingsFile::Missing => SETTINGS_FILE,
    };
    let labels = page.labels(
        "  ",
        1,
        &[wrong(), careful(), note(), used(), better(), perhaps()],
    );
    match &boot.file {
        SettingsFile::Missing => {
            page.heading(&text!("Your settings"));
            let missing = text!(
                "There is no {file} on the card, so every setting has its default.",
                file
            );
            let remedy = text!("A file of that name beside this one is read at the next start.");
            page.sentences("", &[missing, remedy]);
        }
        SettingsFile::Unusable { reason, .. } => {
            page.heading(&text!("{file} was not used", file));
            page.labelled(&labels, &wrong(), reason);
            page.labelled(&labels, &used(), instead);
            let hint = text!(
                "a text file named {file}, written with Notepad or TextEdit",
                file = SETTINGS_FILE
            );
            page.labelled(&labels, &better(), &hint);
        }
        SettingsFile::Read { .. } => {}
    }
    let unused = |found: &&Diagnostic| found.severity == Severity::Error;
    let (errors, remarks): (Vec<_>, Vec<_>) = boot.diagnostics.iter().partition(unused);
    if !errors.is_empty() {
        page.heading(&match unusable_file(boot) {
            Some(_) => text!("{file} was not used", file),
            None => text!("Lines of {file} that were not used as written", file),
        });
        list(&errors, &labels, page);
    }
    if !remarks.is_empty() {
        page.heading(&text!("Remarks on {file}", file));
        list(&remarks, &labels, page);
    }
}

fn wrong() -> Text {
    text!("Wrong:")
}

fn careful() -> Text {
    text!("Careful:")
}

fn note() -> Text {
    text!("Note:")
}

fn used() -> Text {
    text!("Used:")
}

fn better() -> Text {
    text!("Better:")
}

fn perhaps() -> Text {
    text!("Perhaps:")
}

fn list(diagnostics: &[&Diagnostic], labels: &Labels, page: &mut Page) {
    for (index, found) in diagnostics.iter().enumerate() {
        if index > 0 {
            page.blank();
        }
        one(found, labels, page);
    }
}

fn one(found: &Diagnostic, labels: &Labels, page: &mut Page) {
    if let Some(number) = found.line {
        let label = page.say(&text!("Line {number}:", number)) + "  ";
        let quote = found.text.as_deref().unwrap_or("");
        page.line(fit(&format!("{label}{quote}"), WIDTH).trim_end());
    }
    let label = match found.severity {
        Severity::Error => wrong(),
        Severity::Warning => careful(),
        Severity::Note => note(),
    };
    page.labelled(labels, &label, &found.problem);
    match (&found.used, found.severity) {
        (Some(value), _) => page.labelled(labels, &used(), value),
        (None, Severity::Error) if found.line.is_some() => {
            page.labelled(labels, &used(), &text!("nothing; the line is left out"));
        }
        _ => {}
    }
    if let Some(hint) = &found.hint {
        let label = match hint.english().ends_with('?') {
            true => perhaps(),
            false => better(),
        };
        page.labelled(labels, &label, hint);
    }
}
