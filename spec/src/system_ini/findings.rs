//! Collecting what there is to say, in bounded memory and readable length.

use std::borrow::Cow;

use super::address::Refusal;
use super::characters::plain;
use super::lexer::Piece;
use crate::report::{Diagnostic, Severity};
use crate::text;
use crate::text::Text;

/// At most this many diagnostics are reported; what lies beyond is counted.
pub const DIAGNOSTIC_LIMIT: usize = 100;
/// Longest line of the file that is repeated, in characters.
const TEXT_LIMIT: usize = 80;
/// A password in a web address is looked for in so many characters of a line.
const LINE_LIMIT: usize = 1000;
/// Longest value inside a phrase, in characters.
const ARGUMENT_LIMIT: usize = 120;
/// What stands in place of a secret.
const MASK: &str = "********";

/// Where something was found.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) piece: Piece<'a>,
    pub(super) section: Option<&'a str>,
    pub(super) key: Option<&'a str>,
    /// Offset in the line from which on it must not be shown.
    pub(super) mask_from: Option<usize>,
}

impl<'a> Place<'a> {
    pub(super) fn of(piece: Piece<'a>) -> Place<'a> {
        Place {
            piece,
            section: None,
            key: None,
            mask_from: None,
        }
    }

    fn shown_line(&self) -> String {
        let line = self.piece.line();
        let (shown, mask) = match self.mask_from {
            Some(from) => (&line[..from.min(line.len())], MASK),
            None => (line, ""),
        };
        let shown = shown.trim_start();
        // A line may be the whole of a large file, and most of it is cut off anyway.
        let end = shown
            .char_indices()
            .nth(LINE_LIMIT)
            .map_or(shown.len(), |(at, _)| at);
        let line = format!("{}{mask}", &shown[..end]);
        shorten(line.trim(), TEXT_LIMIT)
    }
}

/// What is said about a place.
#[derive(Debug, Clone)]
pub(super) struct Words {
    problem: Text,
    used: Option<Text>,
    hint: Option<Text>,
}

impl Words {
    pub(super) fn new(problem: Text) -> Words {
        Words {
            problem,
            used: None,
            hint: None,
        }
    }

    /// About the earlier of two lines that say the same thing, by their keys.
    pub(super) fn twice(earlier: Piece<'_>, later: Piece<'_>) -> Words {
        Words::new(text!(
            "{key} is on line {first} and again on line {second}; the last one counts",
            key = earlier.text(),
            first = earlier.number(),
            second = later.number()
        ))
        .used(text!("line {number}", number = later.number()))
        .hint(text!("delete one of the two lines"))
    }

    pub(super) fn used(self, used: Text) -> Words {
        Words {
            used: Some(used),
            ..self
        }
    }

    pub(super) fn hint(self, hint: Text) -> Words {
        Words {
            hint: Some(hint),
            ..self
        }
    }

    /// Adds a hint unless there is one.
    pub(super) fn or_hint(self, hint: impl FnOnce() -> Text) -> Words {
        Words {
            hint: self.hint.or_else(|| Some(hint())),
            ..self
        }
    }

    pub(super) fn maybe_hint(self, hint: Option<Text>) -> Words {
        Words { hint, ..self }
    }
}

impl From<Refusal> for Words {
    fn from(refusal: Refusal) -> Words {
        Words::new(refusal.problem).maybe_hint(refusal.hint)
    }
}

/// The collection.
///
/// What was found about values matters more than what was found about lines: a thousand stray lines must not crowd
/// out the reason why the address is another. Each kind therefore has its own share of memory.
#[derive(Debug, Default)]
pub(super) struct Findings {
    about_file: Vec<Diagnostic>,
    about_values: Vec<Diagnostic>,
    about_lines: Vec<Diagnostic>,
    not_kept: usize,
    worst_not_kept: Option<Severity>,
}

/// What a finding is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum About {
    Line,
    Value,
}

impl Findings {
    /// Adds a finding about the file as a whole. There are few of them, so they are not counted.
    pub(super) fn file(&mut self, severity: Severity, words: Words) {
        self.about_file.push(diagnostic(None, severity, words));
    }

    /// Adds a finding; `words` is asked only when there is room, so that a hostile file costs no work.
    pub(super) fn add(
        &mut self,
        about: About,
        severity: Severity,
        place: Place<'_>,
        words: impl FnOnce() -> Words,
    ) {
        let share = match about {
            About::Line => &mut self.about_lines,
            About::Value => &mut self.about_values,
        };
        if share.len() < DIAGNOSTIC_LIMIT {
            share.push(diagnostic(Some(place), severity, words()));
        } else {
            self.drop_one(severity);
        }
    }

    pub(super) fn value(&mut self, severity: Severity, place: Place<'_>, words: impl FnOnce() -> Words) {
        self.add(About::Value, severity, place, words);
    }

    pub(super) fn line(&mut self, severity: Severity, place: Place<'_>, words: impl FnOnce() -> Words) {
        self.add(About::Line, severity, place, words);
    }

    fn drop_one(&mut self, severity: Severity) {
        self.not_kept += 1;
        self.worst_not_kept = self.worst_not_kept.max(Some(severity));
    }

    /// Returns everything in the order of lines, what concerns the whole file first.
    pub(super) fn finish(mut self) -> Vec<Diagnostic> {
        let room = DIAGNOSTIC_LIMIT - self.about_values.len().min(DIAGNOSTIC_LIMIT);
        for left_out in self.about_lines.split_off(room.min(self.about_lines.len())) {
            self.drop_one(left_out.severity);
        }
        let mut all = self.about_values;
        all.append(&mut self.about_lines);
        all.sort_by_key(|diagnostic| (diagnostic.line, diagnostic.column));
        self.about_file.append(&mut all);
        if let Some(worst) = self.worst_not_kept {
            let words = match self.not_kept {
                1 => Words::new(text!("one more line has something wrong; it is not listed here")),
                count => Words::new(text!(
                    "{count} more lines have something wrong; they are not listed here",
                    count
                )),
            };
            self.about_file.push(diagnostic(None, worst, words));
        }
        self.about_file
    }
}

fn diagnostic(place: Option<Place<'_>>, severity: Severity, words: Words) -> Diagnostic {
    let phrase = |text: Text| text.map_args(&|arg| shorten(arg, ARGUMENT_LIMIT));
    Diagnostic {
        line: place.map(|place| place.piece.number()),
        column: place.map(|place| place.piece.column()),
        section: place
            .and_then(|place| place.section)
            .map(|name| shorten(name, TEXT_LIMIT)),
        key: place
            .and_then(|place| place.key)
            .map(|name| shorten(name, TEXT_LIMIT)),
        severity,
        problem: phrase(words.problem),
        used: words.used.map(phrase),
        hint: words.hint.map(phrase),
        text: place.map(|place| place.shown_line()),
    }
}

/// Masks what stands before the `@` of a web address such as `http://me:password@proxy`, which may be astray in any line.
fn without_url_password(text: &str) -> Cow<'_, str> {
    if !text.contains(['@', '\u{ff20}']) {
        return Cow::Borrowed(text);
    }
    let meant = plain(text);
    let hidden = || {
        let start = meant.find("://")? + "://".len();
        // A password may have blanks and an @ of its own, and a line may have several addresses.
        let end = start + meant[start..].rfind('@')?;
        meant[start..end].contains(':').then_some(start..end)
    };
    match hidden() {
        Some(range) => Cow::Owned(format!("{}{MASK}{}", &meant[..range.start], &meant[range.end..])),
        None => Cow::Borrowed(text),
    }
}

/// Shortens a text to `limit` characters, and replaces those that could upset a terminal or reorder what a person
/// reads. The password of a web address is masked.
pub(crate) fn shorten(text: &str, limit: usize) -> String {
    let text = &*without_url_password(text);
    let shown = |c: char| match c {
        '\t' => ' ',
        c if c.is_control() => '?',
        // Directional overrides and isolates (Unicode Standard Annex 9) can make a line look like another.
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}' => '?',
        c => c,
    };
    if text.chars().nth(limit).is_none() {
        return text.chars().map(shown).collect();
    }
    let kept: String = text.chars().take(limit - 3).map(shown).collect();
    kept + "..."
}

#[cfg(test)]
mod tests {
    use super::super::lexer::lex;
    use super::*;

    #[test]
    fn values_are_heard_above_a_crowd_of_lines() {
        let text = "a=b\n".repeat(1000);
        let mut findings = Findings::default();
        for line in lex(&text) {
            findings.line(Severity::Warning, Place::of(line.content), || {
                Words::new(Text::verbatim("stray"))
            });
        }
        for line in lex(&text).skip(990) {
            findings.value(Severity::Error, Place::of(line.content), || {
                Words::new(Text::verbatim("bad"))
            });
        }
        let all = findings.finish();
        assert_eq!(all.len(), DIAGNOSTIC_LIMIT + 1);
        assert_eq!(all.iter().filter(|d| d.problem.english() == "bad").count(), 10);
        let last = all.last().unwrap();
        assert_eq!(
            last.problem.english(),
            "910 more lines have something wrong; they are not listed here"
        );
        assert_eq!((last.line, last.severity), (None, Severity::Warning));
    }

    #[test]
    fn what_is_repeated_is_short_and_harmless() {
        assert_eq!(shorten("a\u{1b}[2J\tb\u{202e}c\0", 80), "a?[2J b?c?");
        let long = shorten(&"ü".repeat(500_000), 80);
        assert_eq!(long.chars().count(), 80);
        assert!(long.ends_with("..."));
        assert_eq!(shorten(&"x".repeat(80), 80), "x".repeat(80));
    }
}
