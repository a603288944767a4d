//! `system.ini`: what a person typed, read so that nothing they type can break the device.
//!
//! Bytes become text (`encoding`), text becomes numbered raw lines (`lexer`), lines find their settings
//! (`document`), values get their types (`typing`), and `build` judges what holds. What each setting is stands once, in
//! [`schema`].

mod address;
mod build;
pub mod candidates;
mod characters;
mod document;
pub mod edit;
mod encoding;
mod findings;
mod header;
mod kinds;
mod lexer;
mod moment;
mod names;
pub mod passwords;
mod reference;
mod rtf;
pub mod schema;
mod strays;
mod subject;
mod template;
mod typing;
mod write;

use encoding::Decoded;
pub(crate) use findings::shorten;
use findings::{Findings, Place, Words};
pub use reference::{reference, schema_json};
pub use write::{Secrets, write};

use crate::facts::{Facts, Machine};
use crate::report::{Diagnostic, Severity};
use crate::settings::Settings;
use crate::text;
use crate::types::Hostname;

/// A file longer than this many bytes is not used: memory stays bounded, and nobody types so much.
pub const SIZE_LIMIT: usize = 1024 * 1024;

/// What the meaning of a file depends on besides its bytes.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// The host name that holds when the file gives none.
    pub default_hostname: &'a Hostname,
    /// What the image has.
    pub facts: &'a Facts,
    /// The machine that the file is for; none when it is not known, and then no `[match ...]` holds.
    pub machine: Option<&'a Machine>,
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
    /// Shift-JIS with Microsoft's additions (code page 932): Notepad's "ANSI" in Japan.
    #[serde(rename = "shift_jis")]
    ShiftJis,
    /// GBK (code page 936): Notepad's "ANSI" in mainland China.
    #[serde(rename = "gbk")]
    Gbk,
}

impl Encoding {
    /// Returns the name by which people know it.
    pub fn name(self) -> &'static str {
        match self {
            Encoding::Utf8 => "UTF-8",
            Encoding::Utf16Le | Encoding::Utf16Be => "UTF-16",
            Encoding::Windows1252 => "Windows-1252",
            Encoding::ShiftJis => "Shift-JIS",
            Encoding::Gbk => "GBK",
        }
    }
}

/// What a file comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parsed {
    /// The effective settings.
    pub settings: Settings,
    /// What there is to say: first about the file as a whole, then in the order of its lines; a bounded number.
    pub diagnostics: Vec<Diagnostic>,
    /// How it was read.
    pub encoding: Encoding,
}

/// What is used in place of a file that can't be.
pub(crate) fn defaults_of_all() -> text::Text {
    text!("the default of every setting")
}

/// Reads the bytes of a `system.ini`. Never fails: what can't be used is left out or replaced by its safe default,
/// and a diagnostic says so. Takes time linear in the number of bytes.
pub fn parse(bytes: &[u8], context: &Context) -> Parsed {
    let mut findings = Findings::default();
    if bytes.len() > SIZE_LIMIT {
        let problem = text!("the file is longer than 1 MB, and a settings file never is");
        findings.file(
            Severity::Error,
            Words::new(problem)
                .used(defaults_of_all())
                .hint(text!("start from a fresh system.ini")),
        );
        return defaults(Encoding::Utf8, findings);
    }
    let decoded = readable(bytes, &mut findings);
    let text: &str = &decoded.text;
    if let Some((severity, words)) = not_a_settings_file(text) {
        findings.file(severity, words.used(defaults_of_all()));
        return defaults(decoded.encoding, findings);
    }
    let schema = schema::sections(&context.facts.settings);
    let document = document::read(text, &schema, &mut findings);
    if document.rubbish > 0 && !document.understood {
        let mut findings = Findings::default();
        let words = Words::new(text!(
            "this is not a text file; perhaps another kind of file has got its name"
        ));
        findings.file(
            Severity::Error,
            words.used(defaults_of_all()).hint(text!(
                "write the settings with Notepad or TextEdit, as plain text"
            )),
        );
        return defaults(decoded.encoding, findings);
    }
    let settings = build::settings(document, &schema, context, &mut findings);
    if let Some(guessed) = decoded.guessed {
        old_characters(text, guessed, decoded.encoding, &mut findings);
    }
    Parsed {
        settings,
        diagnostics: findings.finish(),
        encoding: decoded.encoding,
    }
}

/// Returns a file's text, whatever its encoding.
pub fn text_of(bytes: &[u8]) -> String {
    encoding::decode(bytes).text.into_owned()
}

/// Returns the `system.ini` of a new card: every setting that its image supports, commented out, explained. CRLF line
/// ends.
pub fn template(facts: &Facts) -> String {
    template::template(facts)
}

/// Returns the text of a file, whatever its encoding, without what a word processor wrapped it in.
fn readable<'a>(bytes: &'a [u8], findings: &mut Findings) -> Decoded<'a> {
    let decoded = encoding::decode(bytes);
    let Some(recovered) = rtf::recover(&decoded.text) else {
        return decoded;
    };
    findings.file(
        Severity::Warning,
        Words::new(text!(
            "the file was saved as rich text (RTF); its text was recovered, and line numbers are those of that text"
        ))
        .hint(text!(
            "in TextEdit: Format, Make Plain Text; in Word or WordPad: save as plain text"
        )),
    );
    Decoded {
        text: recovered.into(),
        guessed: None,
        ..decoded
    }
}

fn defaults(encoding: Encoding, findings: Findings) -> Parsed {
    Parsed {
        settings: Settings::default(),
        diagnostics: findings.finish(),
        encoding,
    }
}

/// Files that need no look at their lines.
fn not_a_settings_file(text: &str) -> Option<(Severity, Words)> {
    if text.chars().all(lexer::is_blank) {
        return Some((Severity::Note, Words::new(text!("the file is empty"))));
    }
    if text.chars().all(|c| c == '\0' || lexer::is_blank(c)) {
        let words = Words::new(text!(
            "the file holds nothing but zeros: it was damaged, perhaps when the card was pulled out"
        ));
        return Some((
            Severity::Error,
            words.hint(text!(
                "write the file again, and eject the card before pulling it out"
            )),
        ));
    }
    None
}

fn old_characters(text: &str, guessed: u32, encoding: Encoding, findings: &mut Findings) {
    let number = usize::try_from(guessed).unwrap_or(usize::MAX);
    if let Some(piece) = lexer::physical_line(text, number) {
        let text = piece.text();
        let value = strays::behind_separator(text).filter(|&at| names::may_be_secret(&text[..at]));
        let place = Place {
            mask_from: strays::secret_behind(text).or(value),
            ..Place::of(piece)
        };
        findings.line(Severity::Note, place, || {
            Words::new(text!(
                "from here on there are letters in an old encoding; they were read as {encoding}",
                encoding = encoding.name()
            ))
            .hint(text!(
                "if letters come out wrong, save the file again and choose UTF-8 as its encoding"
            ))
        });
    }
}
