//! From text to numbered raw lines. What a line means is not decided here.

use super::characters::{is_invisible, plain_sign};

/// A stretch of one line of the file, and where it stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Piece<'a> {
    line: &'a str,
    number: u32,
    start: usize,
    end: usize,
}

impl<'a> Piece<'a> {
    fn whole(line: &'a str, number: u32) -> Piece<'a> {
        Piece {
            line,
            number,
            start: 0,
            end: line.len(),
        }
    }

    pub(super) fn text(&self) -> &'a str {
        &self.line[self.start..self.end]
    }

    /// The whole line that it is part of.
    pub(super) fn line(&self) -> &'a str {
        self.line
    }

    /// Line number, from 1.
    pub(super) fn number(&self) -> u32 {
        self.number
    }

    /// Column of its first character, from 1, in characters.
    pub(super) fn column(&self) -> u32 {
        let before = self.line[..self.start].chars().count();
        u32::try_from(before + 1).unwrap_or(u32::MAX)
    }

    /// Offset of its first byte in the line.
    pub(super) fn offset(&self) -> usize {
        self.start
    }

    /// The part of it that is `part`, which must be a sub-slice of its text.
    pub(super) fn part(&self, part: &str) -> Piece<'a> {
        let start = (part.as_ptr() as usize).wrapping_sub(self.line.as_ptr() as usize);
        let end = start.wrapping_add(part.len());
        debug_assert!(self.start <= start && start <= end && end <= self.end);
        Piece { start, end, ..*self }
    }

    pub(super) fn trim(&self) -> Piece<'a> {
        self.part(self.text().trim_matches(is_blank))
    }
}

/// Blanks of every kind, also those that can't be seen and that editors and web pages leave in a text.
pub(super) fn is_blank(c: char) -> bool {
    c.is_whitespace() || is_invisible(c)
}

/// Signs of the grammar, plain and in the width of a Chinese character.
pub(super) const OPENING: [char; 2] = ['[', '\u{ff3b}'];
pub(super) const CLOSING: [char; 2] = [']', '\u{ff3d}'];
pub(super) const SEPARATORS: [char; 4] = ['=', ':', '\u{ff1d}', '\u{ff1a}'];
const COMMENT_SIGNS: [char; 4] = ['#', ';', '\u{ff03}', '\u{ff1b}'];

/// What a line looks like.
#[derive(Debug, Clone, Copy)]
pub(super) enum Shape<'a> {
    /// `[name]`, or `[name` when not `closed`.
    Header { name: Piece<'a>, closed: bool },
    /// `key = value` or `key: value`; the key is not empty.
    Pair {
        key: Piece<'a>,
        value: Piece<'a>,
        /// In its plain form.
        separator: char,
    },
    /// Anything else.
    Text,
}

/// A line that is neither blank nor a comment; or what stands behind the `]` of a header, as a line of its own.
#[derive(Debug, Clone, Copy)]
pub(super) struct RawLine<'a> {
    /// The line without blanks at its ends.
    pub(super) content: Piece<'a>,
    pub(super) shape: Shape<'a>,
    pub(super) indented: bool,
    /// Whether it has characters that no text has.
    pub(super) rubbish: bool,
}

/// Returns the raw lines of a text, one at a time, so that memory does not grow with their number.
pub(super) fn lex(text: &str) -> impl Iterator<Item = RawLine<'_>> {
    // Editors of the DOS age end a file with Ctrl-Z.
    let text = text.strip_suffix('\u{1a}').unwrap_or(text);
    physical_lines(text).flat_map(|(number, line)| {
        let (first, second) = read_line(Piece::whole(line, number));
        first.into_iter().chain(second)
    })
}

/// Splits at CRLF, LF and bare CR, mixed as they come.
fn physical_lines(text: &str) -> impl Iterator<Item = (u32, &str)> {
    let mut rest = Some(text);
    let mut number = 0u32;
    std::iter::from_fn(move || {
        let current = rest?;
        number = number.saturating_add(1);
        let Some(end) = current.find(['\r', '\n']) else {
            rest = None;
            return Some((number, current));
        };
        let tail = &current[end..];
        rest = Some(tail.strip_prefix("\r\n").unwrap_or(&tail[1..]));
        Some((number, &current[..end]))
    })
}

/// Returns the line of this number, from 1.
pub(super) fn physical_line(text: &str, number: usize) -> Option<Piece<'_>> {
    let (number, line) = physical_lines(text).nth(number.checked_sub(1)?)?;
    Some(Piece::whole(line, number))
}

fn read_line(line: Piece<'_>) -> (Option<RawLine<'_>>, Option<RawLine<'_>>) {
    let content = line.trim();
    let Some(inside) = content.text().strip_prefix(OPENING) else {
        return (setting_or_text(line), None);
    };
    let (name, behind) = match inside.split_once(CLOSING) {
        Some((name, behind)) => (name, Some(behind)),
        None => (before_comment(inside), None),
    };
    let shape = Shape::Header {
        name: content.part(name).trim(),
        closed: behind.is_some(),
    };
    // Only a setting can stand behind a header, not another header: a line of many brackets must not cost a level of
    // recursion for each.
    let second = behind.and_then(|behind| setting_or_text(content.part(behind)));
    (Some(raw_line(line, shape)), second)
}

/// None: blank, or a comment.
fn setting_or_text(line: Piece<'_>) -> Option<RawLine<'_>> {
    let content = line.trim();
    if content.text().is_empty() || content.text().starts_with(COMMENT_SIGNS) {
        return None;
    }
    Some(raw_line(line, pair(content).unwrap_or(Shape::Text)))
}

fn raw_line<'a>(line: Piece<'a>, shape: Shape<'a>) -> RawLine<'a> {
    let content = line.trim();
    RawLine {
        content,
        shape,
        indented: line.text().starts_with(char::is_whitespace),
        rubbish: content.text().contains(|c: char| c.is_control() && c != '\t'),
    }
}

fn pair(content: Piece<'_>) -> Option<Shape<'_>> {
    let text = content.text();
    // The padding of a pasted SSH key is no equals sign.
    if looks_like_ssh_key(text) {
        return None;
    }
    let (at, sign) = text.char_indices().find(|(_, c)| SEPARATORS.contains(c))?;
    let key = content.part(&text[..at]).trim();
    if key.text().is_empty() {
        return None;
    }
    Some(Shape::Pair {
        key,
        // The blank in front stays: it tells a comment from a value that begins with its sign.
        value: content.part(&text[at + sign.len_utf8()..]),
        separator: plain_sign(sign),
    })
}

/// Whether a line begins as a line of a `.pub` file does.
pub(super) fn looks_like_ssh_key(text: &str) -> bool {
    let mut words = text.split_whitespace();
    let kind = words.next().unwrap_or("");
    ["ssh-", "ecdsa-", "sk-"]
        .iter()
        .any(|start| kind.starts_with(start))
        && words.next().is_some_and(|data| data.starts_with("AAAA"))
}

/// Cuts off a comment: `;` or `#` with a blank before it, outside quotes.
///
/// A quote opens only at the start of a word and only if it is closed again at the end of one, so that the
/// apostrophe of "Anna's" hides nothing.
pub(super) fn before_comment(text: &str) -> &str {
    let bytes = text.as_bytes();
    let edge = |at: usize| bytes.get(at).is_none_or(|b| matches!(b, b' ' | b'\t' | b','));
    let last_closing = |quote: u8| {
        (1..bytes.len())
            .rev()
            .find(|&at| bytes[at] == quote && edge(at + 1))
            .unwrap_or(0)
    };
    let (last_double, last_single) = (last_closing(b'"'), last_closing(b'\''));
    let mut at = 0;
    while at < bytes.len() {
        let word_start = at == 0 || edge(at - 1);
        match bytes[at] {
            b';' | b'#' if at > 0 && matches!(bytes[at - 1], b' ' | b'\t') => return &text[..at],
            quote @ (b'"' | b'\'') if word_start => {
                let last = if quote == b'"' { last_double } else { last_single };
                if at < last {
                    // There is one to find, and everything up to it is passed over: linear in all.
                    at += 1;
                    while !(bytes[at] == quote && edge(at + 1)) {
                        at += 1;
                    }
                }
            }
            _ => {}
        }
        at += 1;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_numbered_as_editors_number_them() {
        let numbers: Vec<_> = lex("a=1\r\nb=2\rc=3\n\n\r\nd=4\r\r\ne=5")
            .map(|line| (line.content.number(), line.content.text()))
            .collect();
        assert_eq!(
            numbers,
            [(1, "a=1"), (2, "b=2"), (3, "c=3"), (6, "d=4"), (8, "e=5")]
        );
    }

    #[test]
    fn comments_end_values_outside_quotes_only() {
        for (text, want) in [
            ("a ; b", "a "),
            ("a # b", "a "),
            ("a;b#c", "a;b#c"),
            ("\"a ; b\" ; c", "\"a ; b\" "),
            ("'a # b', 'c # d' # e", "'a # b', 'c # d' "),
            ("Anna's ; it's", "Anna's "),
            ("'open ; never closed", "'open "),
            ("\"a\" ; \"b\"", "\"a\" "),
            ("; b", "; b"),
            ("", ""),
        ] {
            assert_eq!(before_comment(text), want, "{text}");
        }
    }

    #[test]
    fn columns_count_characters() {
        let line = lex("\u{feff}  ключ = значение").next().unwrap();
        let Shape::Pair { key, value, .. } = line.shape else {
            panic!("{line:?}")
        };
        assert_eq!((key.text(), key.column()), ("ключ", 4));
        assert_eq!((value.trim().text(), value.trim().column()), ("значение", 11));
    }
}
