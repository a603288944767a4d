//! `system.ini`: what a person typed, read so that nothing they type can break the device.

use crate::report::Diagnostic;
use crate::settings::Settings;
use crate::types::{Hostname, TimeZone};

/// What the meaning of a file depends on besides its bytes.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// The host name that holds when the file gives none.
    pub default_hostname: &'a Hostname,
    /// Returns the zone of this name in the image's own spelling, ignoring case; none when the image lacks it.
    pub time_zone: &'a dyn Fn(&str) -> Option<TimeZone>,
}

/// How the bytes of a file stand for characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Encoding {
    /// UTF-8, and with it ASCII.
    #[serde(rename = "utf-8")]
    Utf8,
    /// UTF-16, low byte first; what Notepad calls "Unicode".
    #[serde(rename = "utf-16le")]
    Utf16Le,
    /// UTF-16, high byte first.
    #[serde(rename = "utf-16be")]
    Utf16Be,
    /// Windows-1252, the western European code page that Notepad calls "ANSI".
    #[serde(rename = "windows-1252")]
    Windows1252,
}

/// What a file comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parsed {
    /// The effective settings.
    pub settings: Settings,
    /// What there is to say about the file, in the order of its lines.
    pub diagnostics: Vec<Diagnostic>,
    /// How it was read.
    pub encoding: Encoding,
}

/// Reads the bytes of a `system.ini`. Never fails: what can't be used is left out or replaced by its safe default,
/// and a diagnostic says so.
pub fn parse(_bytes: &[u8], _context: &Context) -> Parsed {
    Parsed {
        settings: Settings::default(),
        diagnostics: Vec::new(),
        encoding: Encoding::Utf8,
    }
}

/// Returns the `system.ini` of a new card: every setting, commented out, explained. CRLF line ends.
pub fn template() -> String {
    String::new()
}
