//! What to say when the device can't start.

use super::page::{Medium, Page};
use super::{SETTINGS_FILE, card_text};
use crate::image::Damage;
use crate::text;
use crate::text::{Language, Text};

/// Why a boot can't go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BootFailure {
    /// No boot partition was found.
    CardMissing,
    /// The boot partition was found and can't be read; the reason as a phrase.
    CardUnreadable(Text),
    /// The slot has no `system.img`.
    SystemMissing,
    /// The slot's `system.img` is not whole.
    SystemDamaged(Damage),
    /// The slot's `system.img` looks whole and can't be mounted or started; the reason as a phrase.
    SystemUnusable(Text),
    /// Something else; the reason as a phrase.
    Other(Text),
}

/// What a person can do about it.
enum Remedy {
    SeatCard,
    WriteImage,
}

impl BootFailure {
    fn what_happened(&self) -> Text {
        match self {
            BootFailure::CardMissing => text!("The device did not find the card that it starts from."),
            BootFailure::CardUnreadable(reason) => {
                text!("The card can't be read: {reason}.", reason = reason.clone())
            }
            BootFailure::SystemMissing => {
                text!("The system is missing on the card: its file is not there.")
            }
            BootFailure::SystemDamaged(damage) => text!(
                "The system on the card is damaged: its file is not whole; {damage}.",
                damage = damage.text()
            ),
            BootFailure::SystemUnusable(reason) => text!(
                "The system on the card is damaged and can't be started: {reason}.",
                reason = reason.clone()
            ),
            BootFailure::Other(reason) => text!(
                "The system on the card can't be started: {reason}.",
                reason = reason.clone()
            ),
        }
    }

    fn remedy(&self) -> Remedy {
        match self {
            BootFailure::CardMissing => Remedy::SeatCard,
            _ => Remedy::WriteImage,
        }
    }
}

/// Returns the `STATUS.txt` of a device that can't start: what happened, what was tried (whole sentences), what a
/// person can do. CRLF line ends.
pub fn boot_failure_txt(failure: &BootFailure, tried: &[Text], language: Language) -> String {
    card_text(&page(failure, tried, Page::new(language, Medium::Card)))
}

/// Returns the same for consoles. LF line ends.
pub fn boot_failure_on_console(failure: &BootFailure, tried: &[Text], language: Language) -> String {
    page(failure, tried, Page::new(language, Medium::Console))
}

fn page(failure: &BootFailure, tried: &[Text], mut page: Page) -> String {
    let file = SETTINGS_FILE;
    page.paragraph(&text!("This device could not start."));
    page.heading(&text!("What happened"));
    page.paragraph(&failure.what_happened());
    if !tried.is_empty() {
        page.heading(&text!("What was tried"));
        for attempt in tried {
            page.item("* ", attempt);
        }
    }
    page.heading(&text!("What you can do"));
    let steps = match failure.remedy() {
        Remedy::SeatCard => vec![
            text!("Switch the device off, push the card in firmly, and switch it on again."),
            text!("If that does not help, look at the card in a computer: can it be opened there?"),
            text!("If not, write the image of this device to another card."),
        ],
        Remedy::WriteImage => vec![
            text!(
                "Put the card into a computer, and copy {file} to a safe place.",
                file
            ),
            text!("Write the image of this device to the card again."),
            text!("Copy {file} back, eject the card, and start the device.", file),
            text!("If the same happens again, the card is worn out: use another one."),
        ],
    };
    for (number, step) in (1..).zip(&steps) {
        page.item(&format!("{number}. "), step);
    }
    page.finish()
}

/// Returns what a console shows while it counts down to the next start.
pub fn countdown_on_console(seconds: u32, language: Language) -> String {
    language.say_on_console(&text!("The device starts again in {seconds} s.", seconds))
}
