//! What a device says to people: `STATUS.txt`, `README.txt`, the console. All functions are pure.

mod device;
mod failure;
mod issue;
mod moment;
mod page;
mod settings_file;
mod verdict;

pub use failure::{BootFailure, boot_failure_on_console, boot_failure_txt, countdown_on_console};
pub use issue::issue_text;
pub use moment::{Moment, Room, same_content};
pub use page::date;

use page::{Medium, Page};
use verdict::Verdict;

use crate::layout::card::{STATUS_TXT, SYSTEM_INI};
use crate::report::{BootReport, RunReport, SettingsFile};
use crate::system_ini::defaults_of_all;
use crate::text;
use crate::text::{Language, Text};

/// The settings file, as texts name it.
const SETTINGS_FILE: &str = SYSTEM_INI;

/// Returns `STATUS.txt`: the verdict, every line of `system.ini` that was not used as written, and how to reach the
/// device, in the language of the boot. CRLF line ends.
pub fn status_txt(boot: &BootReport, run: Option<&RunReport>, moment: Option<&Moment>) -> String {
    let verdict = Verdict::of(boot, run);
    let mut page = Page::new(boot.language, Medium::Card);
    sum_up(&verdict, &mut page);
    settings_file::write(boot, &defaults_of_all(), &mut page);
    details(&verdict, boot, run, moment, &mut page);
    if let Some((label, time)) = moment.and_then(moment::last_line) {
        let labels = page.labels("", 1, std::slice::from_ref(&label));
        page.blank();
        page.labelled(&labels, &label, &time);
    }
    card_text(&page.finish())
}

fn sum_up(verdict: &Verdict, page: &mut Page) {
    let remark = verdict.remark.iter();
    let sentences: Vec<_> = verdict.sentences.iter().chain(remark).cloned().collect();
    page.sentences("", &sentences);
}

/// What there is to say besides `system.ini`.
fn details(
    verdict: &Verdict,
    boot: &BootReport,
    run: Option<&RunReport>,
    moment: Option<&Moment>,
    page: &mut Page,
) {
    if !verdict.attention.is_empty() {
        page.heading(&text!("What needs attention"));
        for sentence in &verdict.attention {
            page.item("* ", sentence);
        }
    }
    last_words(run, page);
    device::write(boot, run, moment, page);
}

/// What failed programs left in the journal: without it nobody can help.
fn last_words(run: Option<&RunReport>, page: &mut Page) {
    let failed = run.into_iter().flat_map(|run| &run.failed_units);
    let spoke: Vec<_> = failed.filter(|failed| !failed.lines.is_empty()).collect();
    if spoke.is_empty() {
        return;
    }
    page.heading(&text!("What failed programs said last"));
    for failed in spoke {
        page.paragraph(&Text::verbatim(format!("{}:", failed.unit)));
        for line in &failed.lines {
            page.item("  ", &Text::verbatim(line));
        }
    }
}

/// Returns `RESULT.txt`: what became of the settings on a stick, and how the device is. `boot` has the stick's file in
/// place of the card's. CRLF line ends.
pub fn result_txt(verdict: &Text, boot: &BootReport, run: &RunReport) -> String {
    // The way back to the last good settings is a file of the card; there is none of its name here.
    let run = RunReport {
        last_good: None,
        ..run.clone()
    };
    let mut page = Page::new(boot.language, Medium::Card);
    page.paragraph(verdict);
    let status = Verdict::of(boot, Some(&run));
    match boot.file {
        // Nothing to sum up: it was not used, as was said. Unlike at a start, no default takes the place of anything.
        SettingsFile::Unusable { .. } => {
            settings_file::write(boot, &text!("the settings of before"), &mut page);
        }
        SettingsFile::Read { .. } | SettingsFile::Missing => {
            page.blank();
            sum_up(&status, &mut page);
            settings_file::write(boot, &defaults_of_all(), &mut page);
        }
    }
    details(&status, boot, Some(&run), None, &mut page);
    card_text(&page.finish())
}

/// Returns how many things `STATUS.txt` says are not as they should be; 0 is what it calls well.
pub fn problem_count(boot: &BootReport, run: &RunReport) -> usize {
    Verdict::of(boot, Some(run)).problems
}

/// Returns the `README.txt` of a card. CRLF line ends.
pub fn readme_txt(image_name: &str, language: Language) -> String {
    let file = SETTINGS_FILE;
    let mut page = Page::new(language, Medium::Card);
    page.paragraph(&text!("This card starts a device: {name}.", name = image_name));
    page.blank();
    page.paragraph(&text!(
        "To change its settings, open {file} with Notepad, TextEdit or any other text editor. The file \
         explains itself. Save it as plain text, eject the card, put it back into the device, and start the device.",
        file
    ));
    page.blank();
    page.paragraph(&text!(
        "The device answers in {answer}: its name and its addresses, and for every line of {file} that it \
         could not use, why, and what to write instead.",
        answer = STATUS_TXT,
        file
    ));
    page.blank();
    page.paragraph(&text!(
        "Leave the folders boot and EFI alone: the device starts from them."
    ));
    card_text(&page.finish())
}

/// Returns a text as a file on the card: CRLF line ends, and a byte order mark when it is not plain ASCII, because
/// older editions of Notepad take UTF-8 for something else without it.
pub fn card_text(text: &str) -> String {
    let mark = if text.is_ascii() || text.starts_with('\u{feff}') {
        ""
    } else {
        "\u{feff}"
    };
    let mut result = String::from(mark);
    for line in text.lines() {
        result.push_str(line);
        result.push_str("\r\n");
    }
    result
}
