//! Errors in a developer's input, shown where they stand.

use std::path::Path;

use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme, NamedSource, SourceSpan};
use serde::de::DeserializeOwned;

/// A mistake in what the developer wrote. The program ends with status 2 for these.
#[derive(Debug, Clone, thiserror::Error, Diagnostic)]
#[error("{message}")]
pub struct InputError {
    message: String,
    #[help]
    help: Option<String>,
    #[source_code]
    source_code: Option<NamedSource<String>>,
    #[label("{label}")]
    span: Option<SourceSpan>,
    label: String,
}

impl InputError {
    /// Returns an error that no single line is to blame for.
    pub fn plain(message: impl Into<String>) -> InputError {
        InputError {
            message: message.into(),
            help: None,
            source_code: None,
            span: None,
            label: String::new(),
        }
    }

    /// Returns the error as text: the message, and, when a place is known, file, line, and a caret below it.
    pub fn render(&self, colours: bool) -> String {
        if self.source_code.is_none() {
            // Lines are not broken: they have commands and addresses that people copy.
            return self.message.clone();
        }
        let theme = if colours {
            GraphicalTheme::unicode()
        } else {
            GraphicalTheme::unicode_nocolor()
        };
        let mut text = String::new();
        let handler = GraphicalReportHandler::new_themed(theme)
            .with_links(false)
            .with_width(100);
        match handler.render_report(&mut text, self) {
            Ok(()) => text,
            Err(_) => self.message.clone(),
        }
    }
}

/// Reads JSON5 as `T`.
pub fn parse<T: DeserializeOwned>(path: &Path, text: &str) -> Result<T, InputError> {
    if text.trim().is_empty() {
        let message = format!("{} is empty; it begins with {{ and ends with }}", path.display());
        return Err(InputError::plain(message));
    }
    json5::from_str(text).map_err(|error| {
        let (label, help) = explain(&error);
        let offset = error
            .position()
            .map_or(text.len(), |position| offset_of(text, position));
        InputError {
            message: format!("{} can't be used", path.display()),
            help,
            source_code: Some(
                NamedSource::new(path.display().to_string(), text.to_string()).with_language("json5"),
            ),
            span: Some(span_at(text, offset)),
            label,
        }
    })
}

/// Returns what the caret says, and what to do about it.
fn explain(error: &json5::Error) -> (String, Option<String>) {
    use json5::ErrorCode as E;
    let (label, help) = match error.code() {
        Some(E::EofParsingObject | E::ExpectedClosingBrace) => {
            ("a closing } is missing for what begins here", None)
        }
        Some(E::EofParsingArray | E::ExpectedClosingBracket) => {
            ("a closing ] is missing for what begins here", None)
        }
        Some(E::EofParsingString | E::LineTerminatorInString) => ("this string has no closing quote", None),
        Some(E::EofParsingValue) => ("a value was expected here, and the file ends", None),
        Some(E::ExpectedColon) => ("a colon was expected here", Some("write a field as name: value")),
        Some(E::ExpectedComma) => (
            "a comma was expected here",
            Some("separate fields and list entries with commas"),
        ),
        Some(E::ExpectedString) => (
            "a string was expected here",
            Some("strings stand in quotes: \"like this\""),
        ),
        Some(E::ExpectedNumber) => ("a number was expected here", None),
        Some(E::ExpectedBool) => ("true or false was expected here", None),
        Some(E::ExpectedOpeningBracket) => (
            "a list was expected here",
            Some("lists stand in brackets: [\"a\", \"b\"]"),
        ),
        Some(E::ExpectedOpeningBrace) => (
            "an object was expected here",
            Some("objects stand in braces: { name: value }"),
        ),
        Some(E::ExpectedIdentifier | E::InvalidKey) => ("the name of a field was expected here", None),
        Some(E::ExpectedValue) => ("a value was expected here", None),
        Some(E::TrailingCharacters) => ("the file should have ended before this", None),
        _ => {
            // serde's own sentences, without json5's "at line 1 column 2", which the caret shows.
            let text = error.to_string();
            let text = text
                .rsplit_once(" at line ")
                .map_or(text.as_str(), |(text, _)| text);
            return (text.replace('`', "\""), nearest_name(text));
        }
    };
    (label.to_string(), help.map(String::from))
}

/// Returns a hint when one of the names in "unknown field `x`, expected one of `y`, `z`" is much like the first.
fn nearest_name(text: &str) -> Option<String> {
    let (unknown, known) = text.strip_prefix("unknown field ")?.split_once(", expected ")?;
    let names = known.split('`').skip(1).step_by(2);
    let likeness = |name: &str| strsim::jaro_winkler(unknown.trim_matches('`'), name);
    names
        .map(|name| (likeness(name), name))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| format!("did you mean {name:?}?"))
}

/// Returns the byte offset of a position, which counts lines and characters from 0. CR LF is one line end.
fn offset_of(text: &str, position: json5::Position) -> usize {
    let mut line = 0;
    let mut start = 0;
    let bytes = text.as_bytes();
    for (offset, character) in text.char_indices() {
        if line == position.line {
            break;
        }
        let crlf = character == '\r' && bytes.get(offset + 1) == Some(&b'\n');
        if matches!(character, '\n' | '\r' | '\u{2028}' | '\u{2029}') && !crlf {
            line += 1;
            start = offset + character.len_utf8();
        }
    }
    text[start..]
        .char_indices()
        .nth(position.column)
        .map_or(text.len(), |(offset, _)| start + offset)
}

/// Returns the word at `offset`: a quoted string, a run of word characters, or a single character.
fn span_at(text: &str, offset: usize) -> SourceSpan {
    let rest = &text[offset.min(text.len())..];
    let first = rest.chars().next();
    let length = match first {
        Some(quote @ ('"' | '\'')) => rest[1..].find([quote, '\n']).map_or(1, |end| end + 2),
        Some(c) if c.is_alphanumeric() || matches!(c, '_' | '-') => rest
            .find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '-' | '.')))
            .unwrap_or(rest.len()),
        Some(c) => c.len_utf8(),
        None => 0,
    };
    (offset.min(text.len()), length).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blueprint::Blueprint;

    fn message(text: &str) -> String {
        parse::<Blueprint>(Path::new("web/genpack.json5"), text)
            .unwrap_err()
            .render(false)
    }

    #[test]
    fn the_line_and_the_word_are_shown() {
        let text = message("{\r\n  name: \"web\",\r\n  packges: [\"nginx\"],\r\n}\r\n");
        assert!(text.contains("[web/genpack.json5:3:3]"), "{text}");
        assert!(
            text.contains("unknown field \"packges\", expected one of \"name\""),
            "{text}"
        );
        assert!(text.contains("───┬───"), "{text}");
        assert!(text.contains("help: did you mean \"packages\"?"), "{text}");
    }

    #[test]
    fn the_caret_is_at_the_value_itself() {
        for (text, place) in [
            ("{\n  name: 'My web',\n}", "[web/genpack.json5:2:9]"),
            (
                "{\n  name: 'web',\n  packages: [\n    'nginx',\n    'Nginx!',\n  ],\n}",
                ":5:5]",
            ),
            (
                "{\n  name: 'web',\n  services: [\n    'nginx',\n    'a/b',\n  ],\n}",
                ":5:5]",
            ),
            (
                "{\n  name: 'web',\n  users: [\n    'op', 'Op',\n  ],\n}",
                ":4:11]",
            ),
            (
                "{\n  name: 'web',\n  users: [\n    { name: 'Op' },\n  ],\n}",
                ":4:13]",
            ),
            ("{\n  name: 'web',\n  base: 'debian',\n}", ":3:9]"),
            ("{\n  name: 'web',\n  mirror: 'ftp',\n}", ":3:11]"),
        ] {
            let shown = message(text);
            assert!(shown.contains(place), "{text}\n{shown}");
        }
    }

    #[test]
    fn each_kind_of_mistake_says_what_was_expected() {
        for (text, want) in [
            ("{ name 'web' }", "a colon was expected here"),
            ("{ name: 'web' packages: [] }", "a comma was expected here"),
            ("{ name: 'web', ", "a closing } is missing for what begins here"),
            ("{ name: 'web', packages: ['ab' }", "a comma was expected here"),
            ("{ name: 'web }", "this string has no closing quote"),
            ("{ name: 3 }", "a string was expected here"),
            ("{ name: 'web', packages: 'nginx' }", "a list was expected here"),
            ("{ name: 'web', packages: [3] }", "a string was expected here"),
            ("{ }", "missing field \"name\""),
            ("", "is empty; it begins with"),
            ("[]", "an object was expected here"),
            ("{ name: 'web', name: 'b' }", "duplicate field \"name\""),
            ("{ name: 'my web' }", "a name has letters, digits and hyphens"),
            (
                "{ name: 'web', packages: ['Nginx!'] }",
                "is not the name of a Debian package",
            ),
            ("{ name: 'web', compression: 'zip' }", "is not a compression"),
            ("{ name: 'web', base: 'fedora:40' }", "is not a base"),
            ("{ name: 'web', language: 'fr' }", "fr is none of en, ja, de"),
            ("{ name: 'web', users: [3] }", "a user's name or an object"),
            (
                "{ name: 'web', users: [{ name: 'a', uid: 'b' }] }",
                "a number was expected here",
            ),
            (
                "{ name: 'web', users: [{ name: 'a', uuid: 7 }] }",
                "unknown field \"uuid\"",
            ),
        ] {
            let shown = message(text);
            assert!(shown.contains(want), "{text}\n{shown}");
            assert!(shown.contains("web/genpack.json5"), "{shown}");
        }
    }
}
