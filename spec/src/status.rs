//! Every sentence that a device says to people: `STATUS.txt`, `README.txt`, the console.

use crate::image::Damage;
use crate::report::{BootReport, RunReport};

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

/// Returns `STATUS.txt`: the verdict, every line of `system.ini` that was not used as written, and how to reach the
/// device. CRLF line ends. `written_at` is the time (UTC) in the form in which it shall stand there.
pub fn status_txt(_boot: &BootReport, _run: Option<&RunReport>, _written_at: Option<&str>) -> String {
    String::new()
}

/// Returns what the console shows above the login prompt: host name, addresses, verdict. LF line ends, at most
/// 12 lines.
pub fn issue_text(_boot: &BootReport, _run: Option<&RunReport>) -> String {
    String::new()
}

/// Returns what to say when the boot can't go on: what happened, what was tried (whole sentences), what a person
/// can do. LF line ends, for the console; [`card_text`] makes `STATUS.txt` of it.
pub fn boot_failure_text(_failure: &BootFailure, _tried: &[String]) -> String {
    String::new()
}

/// Returns the `README.txt` of a card. CRLF line ends.
pub fn readme_txt(_image_name: &str) -> String {
    String::new()
}

/// Returns a text as a file on the card: CRLF line ends, and a byte order mark when it is not plain ASCII.
pub fn card_text(text: &str) -> String {
    text.to_string()
}

/// Whether two `STATUS.txt` say the same, whenever they were written.
pub fn same_content(a: &str, b: &str) -> bool {
    a == b
}
