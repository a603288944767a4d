//! The text of a file that TextEdit, WordPad or a word processor saved as rich text.
//!
//! Only what carries text is understood (Rich Text Format Specification 1.9.1, Microsoft 2008). There is no recursion,
//! the result is at most half as long again as the source, and nothing in the source can make it fail.

mod code_pages;

use std::collections::BTreeMap;

use code_pages::{begins_pair, table_of_charset, table_of_code_page};
use encoding_rs::{self as tables, Encoding};

const START: &str = "{\\rtf";
/// Groups deeper than this share the state of the last one that was kept: memory stays bounded.
const DEEPEST: usize = 200;
/// What begins a group that holds no text of the document. Those behind `\*` need no name here.
const NO_TEXT: [&str; 18] = [
    "colortbl",
    "filetbl",
    "fonttbl",
    "footer",
    "footerf",
    "footerl",
    "footerr",
    "header",
    "headerf",
    "headerl",
    "headerr",
    "info",
    "listtext",
    "object",
    "pict",
    "pntext",
    "stylesheet",
    "xmlnstbl",
];

/// Returns the plain text of a file in RTF; none when it is no such file.
pub(super) fn recover(text: &str) -> Option<String> {
    let source = text.trim_start_matches(super::lexer::is_blank);
    if !source.starts_with(START) {
        return None;
    }
    let mut reader = Reader::new(source);
    reader.read();
    Some(reader.text)
}

/// What a group inherits and its end restores.
#[derive(Debug, Clone, Copy)]
struct State {
    /// Nothing of it is text.
    hidden: bool,
    /// Within the table of fonts.
    fonts: bool,
    /// Code page of `\'xx`.
    table: &'static Encoding,
    /// How many characters behind a `\u` stand for it in old programs.
    fallbacks: u32,
}

struct Reader<'a> {
    /// What was not read yet.
    rest: &'a str,
    text: String,
    state: State,
    outer: Vec<State>,
    /// Groups that are open beyond [`DEEPEST`].
    too_deep: usize,
    /// Whether a group has just begun.
    begins: bool,
    /// Bytes of `\'xx`, which make characters only together.
    bytes: Vec<u8>,
    /// Whether the last of `bytes` is the first half of a character.
    half: bool,
    /// First half of a character beyond U+FFFF.
    surrogate: Option<u16>,
    /// Fallback characters still to pass over.
    skip: u32,
    /// The code page of the file.
    default_table: &'static Encoding,
    /// Code pages of fonts, and the font that the table of fonts is describing.
    fonts: BTreeMap<i32, &'static Encoding>,
    font: i32,
}

impl<'a> Reader<'a> {
    fn new(source: &'a str) -> Reader<'a> {
        let state = State {
            hidden: false,
            fonts: false,
            table: tables::WINDOWS_1252,
            fallbacks: 1,
        };
        Reader {
            rest: source,
            text: String::new(),
            state,
            outer: Vec::new(),
            too_deep: 0,
            begins: false,
            bytes: Vec::new(),
            half: false,
            surrogate: None,
            skip: 0,
            default_table: tables::WINDOWS_1252,
            fonts: BTreeMap::new(),
            font: 0,
        }
    }

    fn read(&mut self) {
        while let Some(c) = self.rest.chars().next() {
            self.rest = &self.rest[c.len_utf8()..];
            match c {
                '{' => self.open(),
                '}' => {
                    if self.close() {
                        break;
                    }
                }
                '\\' => self.control(),
                '\r' | '\n' | '\0' => {}
                c => self.literal(c),
            }
        }
        self.flush();
        // Somebody may have opened the file with another editor and written behind what TextEdit had saved.
        let added = self.rest.trim_matches(|c| c == '\0' || super::lexer::is_blank(c));
        if !added.is_empty() {
            self.text.push('\n');
            self.text.push_str(added);
        }
    }

    fn open(&mut self) {
        self.flush();
        self.skip = 0;
        self.begins = true;
        if self.outer.len() < DEEPEST {
            self.outer.push(self.state);
        } else {
            self.too_deep += 1;
        }
    }

    /// Returns whether the document ends here.
    fn close(&mut self) -> bool {
        self.flush();
        self.skip = 0;
        self.begins = false;
        if self.too_deep > 0 {
            self.too_deep -= 1;
        } else if let Some(state) = self.outer.pop() {
            self.state = state;
        }
        self.outer.is_empty()
    }

    /// What follows a backslash.
    fn control(&mut self) {
        let begins = std::mem::take(&mut self.begins);
        let Some(c) = self.rest.chars().next() else { return };
        if c.is_ascii_alphabetic() {
            let (word, number) = self.word();
            return self.control_word(word, number, begins);
        }
        self.rest = &self.rest[c.len_utf8()..];
        match c {
            '\'' => self.byte(),
            '\\' | '{' | '}' => self.literal(c),
            '~' => self.character('\u{a0}'),
            '_' => self.character('\u{2011}'),
            '\n' | '\r' => {
                if c == '\r' {
                    self.rest = self.rest.strip_prefix('\n').unwrap_or(self.rest);
                }
                self.character('\n');
            }
            '\t' => self.character('\t'),
            '*' if begins => self.state.hidden = true,
            _ => {}
        }
    }

    /// Reads a control word, its number and the blank that ends it.
    fn word(&mut self) -> (&'a str, Option<i32>) {
        let end =
            |text: &str, part: fn(&u8) -> bool| text.bytes().position(|b| !part(&b)).unwrap_or(text.len());
        let (word, rest) = self.rest.split_at(end(self.rest, u8::is_ascii_alphabetic));
        let digits = rest.strip_prefix('-').unwrap_or(rest);
        let length = end(digits, u8::is_ascii_digit);
        let sign = if length > 0 { rest.len() - digits.len() } else { 0 };
        let (number, rest) = rest.split_at(sign + length);
        self.rest = rest.strip_prefix(' ').unwrap_or(rest);
        (word, number.parse().ok())
    }

    fn control_word(&mut self, word: &str, number: Option<i32>, begins: bool) {
        // A fallback character may also be spelt as a control word, such as \bullet.
        if let Some(c) = character_of(word) {
            return self.character(c);
        }
        match (word, number) {
            ("u", Some(number)) => self.unicode(number),
            ("uc", Some(number)) => self.state.fallbacks = u32::try_from(number).unwrap_or(0).min(64),
            ("bin", Some(number)) => {
                let wanted = usize::try_from(number).unwrap_or(0).min(self.rest.len());
                let at = (wanted..=self.rest.len()).find(|&at| self.rest.is_char_boundary(at));
                self.rest = &self.rest[at.unwrap_or(self.rest.len())..];
            }
            ("ansicpg", Some(number)) => {
                self.flush();
                self.default_table = table_of_code_page(number);
                self.state.table = self.default_table;
            }
            ("mac", None) => {
                self.default_table = tables::MACINTOSH;
                self.state.table = tables::MACINTOSH;
            }
            ("f", Some(number)) if self.state.fonts => self.font = number,
            ("fcharset", Some(number)) if self.state.fonts => {
                let table = table_of_charset(number).unwrap_or(self.default_table);
                self.fonts.insert(self.font, table);
            }
            ("f", Some(number)) => {
                self.flush();
                self.state.table = self.fonts.get(&number).copied().unwrap_or(self.default_table);
            }
            _ if begins && NO_TEXT.contains(&word) => {
                self.state.hidden = true;
                self.state.fonts = word == "fonttbl";
            }
            _ => {}
        }
    }

    /// A character of the source that stands for itself.
    fn literal(&mut self, c: char) {
        self.begins = false;
        match u8::try_from(c) {
            // Windows leaves the second byte of a character as it is where it happens to be a letter.
            Ok(byte @ 0x40..=0x7e) if self.half => self.add_byte(byte),
            _ => self.character(c),
        }
    }

    fn character(&mut self, c: char) {
        // The end of a line is nobody's fallback.
        if self.skip > 0 && c != '\n' {
            self.skip -= 1;
            return;
        }
        self.skip = 0;
        self.surrogate = None;
        self.flush();
        if !self.state.hidden {
            self.text.push(c);
        }
    }

    /// `\'xx`
    fn byte(&mut self) {
        let Some(byte) = self
            .rest
            .get(..2)
            .and_then(|digits| u8::from_str_radix(digits, 16).ok())
        else {
            return;
        };
        self.rest = &self.rest[2..];
        if self.skip > 0 {
            self.skip -= 1;
        } else if !self.state.hidden {
            self.add_byte(byte);
        }
    }

    fn add_byte(&mut self, byte: u8) {
        self.surrogate = None;
        self.bytes.push(byte);
        self.half = !self.half && begins_pair(self.state.table, byte);
    }

    /// `\uN`: a UTF-16 unit, as a signed number.
    fn unicode(&mut self, number: i32) {
        let before = self.surrogate.take();
        self.flush();
        self.skip = self.state.fallbacks;
        // Negative numbers stand for those from 32768.
        let unit = (number & 0xffff) as u16;
        if self.state.hidden {
            return;
        }
        let units = before.into_iter().chain([unit]);
        for decoded in char::decode_utf16(units) {
            match decoded {
                Ok(c) => self.text.push(c),
                Err(error) if (0xd800..0xdc00).contains(&error.unpaired_surrogate()) => {
                    self.surrogate = Some(error.unpaired_surrogate());
                }
                Err(_) => {}
            }
        }
    }

    /// Decodes the bytes collected so far.
    fn flush(&mut self) {
        self.half = false;
        if self.bytes.is_empty() {
            return;
        }
        self.text
            .push_str(&self.state.table.decode_without_bom_handling(&self.bytes).0);
        self.bytes.clear();
    }
}

/// Control words that stand for a character.
fn character_of(word: &str) -> Option<char> {
    Some(match word {
        "par" | "line" | "sect" | "page" | "column" | "row" => '\n',
        "tab" | "cell" => '\t',
        "emdash" => '\u{2014}',
        "endash" => '\u{2013}',
        "emspace" => '\u{2003}',
        "enspace" => '\u{2002}',
        "qmspace" => '\u{2005}',
        "bullet" => '\u{2022}',
        "lquote" => '\u{2018}',
        "rquote" => '\u{2019}',
        "ldblquote" => '\u{201c}',
        "rdblquote" => '\u{201d}',
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
