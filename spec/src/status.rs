//! Every sentence that a device says to people: `STATUS.txt`, `README.txt`, the console.
//!
//! The texts made here are plain ASCII unless what they repeat is not. All functions are pure.

mod device;
mod failure;
mod settings_file;
mod text;
mod verdict;

pub use failure::{BootFailure, boot_failure_text};
pub use text::date;

use text::Page;
use verdict::Verdict;

use crate::layout::card::{STATUS_TXT, SYSTEM_INI};
use crate::report::{AddressOrigin, BootReport, RunReport};
use crate::system_ini::shorten;

/// Begins the line that says when a `STATUS.txt` was written.
const WRITTEN: &str = "Written: ";

/// Returns `STATUS.txt`: the verdict, every line of `system.ini` that was not used as written, and how to reach the
/// device. CRLF line ends. `written_at` is the time (UTC) in the form in which it shall stand there.
pub fn status_txt(boot: &BootReport, run: Option<&RunReport>, written_at: Option<&str>) -> String {
    let verdict = Verdict::of(boot, run);
    let mut page = Page::default();
    page.paragraph(&format!("{} {}", verdict.sentence, verdict.remark));
    settings_file::write(boot, &mut page);
    if !verdict.attention.is_empty() {
        page.heading("What needs attention");
        for sentence in &verdict.attention {
            page.item("* ", sentence);
        }
    }
    device::write(boot, run, &mut page);
    if let Some(time) = written_at {
        page.blank();
        page.line(format!("{WRITTEN}{time}"));
    }
    card_text(&page.finish())
}

/// Returns how many things `STATUS.txt` says are not as they should be; 0 is what it calls well.
pub fn problem_count(boot: &BootReport, run: &RunReport) -> usize {
    Verdict::of(boot, Some(run)).problems
}

/// Most lines of the text above the login prompt.
const ISSUE_LINES: usize = 12;

/// Longest verdict there, in characters: two lines.
const ISSUE_VERDICT_LIMIT: usize = 110;

/// Returns what the console shows above the login prompt: host name, addresses, verdict. LF line ends, at most
/// 12 lines. Backslashes, which agetty(8) would interpret, are doubled.
pub fn issue_text(boot: &BootReport, run: Option<&RunReport>) -> String {
    let mut page = Page::default();
    page.blank();
    page.line(format!("  {}  ({})", boot.hostname, boot.image.name));
    page.blank();
    let mut addresses = Vec::new();
    for link in run.iter().flat_map(|run| &run.links) {
        let reaching = link
            .addresses
            .iter()
            .filter(|a| a.origin != AddressOrigin::LinkLocal);
        addresses.extend(reaching.map(|a| format!("  {:<10}  {}", link.name, a.address.addr())));
    }
    // Name, three blanks, verdict of at most two lines.
    let room = ISSUE_LINES - 7;
    if addresses.is_empty() {
        page.line(match run {
            Some(run) if run.started => "  This device has no address in the network.",
            _ => "  Waiting for an address in the network ...",
        });
    } else if addresses.len() > room {
        let more = addresses.split_off(room);
        addresses.push(format!(
            "  and {} more",
            text::count(more.len(), "address", "addresses")
        ));
    }
    for line in addresses {
        page.line(line);
    }
    page.blank();
    let verdict = Verdict::of(boot, run);
    let pointer = format!(" See {STATUS_TXT} on the card.");
    let sentence =
        shorten(&verdict.sentence, ISSUE_VERDICT_LIMIT) + if verdict.problems == 0 { "" } else { &pointer };
    page.item("  ", &sentence);
    page.blank();
    page.finish().replace('\\', "\\\\")
}

/// Returns the `README.txt` of a card. CRLF line ends.
pub fn readme_txt(image_name: &str) -> String {
    let mut page = Page::default();
    page.paragraph(&format!("This card starts a device: {image_name}."));
    page.blank();
    page.paragraph(&format!(
        "To change its settings, open {SYSTEM_INI} with Notepad, TextEdit or any other text editor. The file \
         explains itself. Save it as plain text, eject the card, put it back into the device, and start the device."
    ));
    page.blank();
    page.paragraph(&format!(
        "The device answers in {STATUS_TXT}: its name and its addresses, and for every line of {SYSTEM_INI} that it \
         could not use, why, and what to write instead."
    ));
    page.blank();
    page.paragraph("Leave the folders boot and EFI alone: the device starts from them.");
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

/// Whether two `STATUS.txt` say the same, whenever they were written.
pub fn same_content(a: &str, b: &str) -> bool {
    fn content(text: &str) -> impl Iterator<Item = &str> {
        text.lines()
            .filter(|line| !line.is_empty() && !line.starts_with(WRITTEN))
    }
    content(a).eq(content(b))
}
