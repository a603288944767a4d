//! What to say when the device can't start.

use super::text::{Page, sentence};
use crate::image::Damage;
use crate::layout::card::SYSTEM_INI;

/// Why a boot can't go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BootFailure {
    /// No boot partition was found.
    CardMissing,
    /// The boot partition was found and can't be read; the reason as a phrase.
    CardUnreadable(String),
    /// The slot has no `system.img`.
    SystemMissing,
    /// The slot's `system.img` is not whole.
    SystemDamaged(Damage),
    /// The slot's `system.img` looks whole and can't be mounted or started; the reason as a phrase.
    SystemUnusable(String),
    /// Something else; the reason as a phrase.
    Other(String),
}

/// What a person can do about it.
enum Remedy {
    SeatCard,
    WriteImage,
}

impl BootFailure {
    fn what_happened(&self) -> String {
        match self {
            BootFailure::CardMissing => "the device did not find the card that it starts from".into(),
            BootFailure::CardUnreadable(reason) => format!("the card can't be read: {reason}"),
            BootFailure::SystemMissing => "the system is missing on the card: its file is not there".into(),
            BootFailure::SystemDamaged(damage) => {
                format!("the system on the card is damaged: its file is not whole; {damage}")
            }
            BootFailure::SystemUnusable(reason) => {
                format!("the system on the card is damaged and can't be started: {reason}")
            }
            BootFailure::Other(reason) => format!("the system on the card can't be started: {reason}"),
        }
    }

    fn remedy(&self) -> Remedy {
        match self {
            BootFailure::CardMissing => Remedy::SeatCard,
            _ => Remedy::WriteImage,
        }
    }
}

/// Returns what to say when the boot can't go on: what happened, what was tried (whole sentences), what a person
/// can do. LF line ends, for the console; [`super::card_text`] makes `STATUS.txt` of it.
pub fn boot_failure_text(failure: &BootFailure, tried: &[String]) -> String {
    let mut page = Page::default();
    page.paragraph("This device could not start.");
    page.heading("What happened");
    page.paragraph(&sentence(&failure.what_happened()));
    if !tried.is_empty() {
        page.heading("What was tried");
        for attempt in tried {
            page.item("* ", attempt);
        }
    }
    page.heading("What you can do");
    match failure.remedy() {
        Remedy::SeatCard => {
            page.item(
                "1. ",
                "Switch the device off, push the card in firmly, and switch it on again.",
            );
            page.item(
                "2. ",
                "If that does not help, look at the card in a computer: can it be opened there?",
            );
            page.item("3. ", "If not, write the image of this device to another card.");
        }
        Remedy::WriteImage => {
            page.item(
                "1. ",
                &format!("Put the card into a computer, and copy {SYSTEM_INI} to a safe place."),
            );
            page.item("2. ", "Write the image of this device to the card again.");
            page.item(
                "3. ",
                &format!("Copy {SYSTEM_INI} back, eject the card, and start the device."),
            );
            page.item(
                "4. ",
                "If the same happens again, the card is worn out: use another one.",
            );
        }
    }
    page.finish()
}
