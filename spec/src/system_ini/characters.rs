//! Characters that word processors, web pages and Asian keyboards write where plain ones are meant.

use std::borrow::Cow;

use super::findings::Words;
use crate::text;

/// A character that is not taken as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unusual {
    character: char,
    /// None when it is left out.
    meant: Option<char>,
    sort: Sort,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sort {
    Quote,
    FullWidth,
    Dash,
    Blank,
    Invisible,
}

impl Unusual {
    /// Returns what to say where what is meant was read, which was `line` as a whole; none when that must not be shown.
    pub(super) fn words(self, line: Option<&str>) -> Words {
        let character = self.character;
        let (what, hint) = match self.sort {
            Sort::Quote => (
                text!(
                    "there are curly quotes such as {character} in this line",
                    character
                ),
                text!("write \" instead; in TextEdit: Edit, Substitutions, switch Smart Quotes off"),
            ),
            Sort::FullWidth => (
                text!(
                    "there are full-width characters such as {character} in this line",
                    character
                ),
                text!("switch the keyboard to half-width letters"),
            ),
            Sort::Dash => (
                text!(
                    "there is a dash ({character}) in this line, not a hyphen",
                    character
                ),
                text!("write - instead; in TextEdit: Edit, Substitutions, switch Smart Dashes off"),
            ),
            Sort::Blank => (
                text!("there are blanks of an unusual kind in this line"),
                text!("write the line with the keyboard instead of copying it from a document or a web page"),
            ),
            Sort::Invisible => (
                text!("there are invisible characters in this line"),
                text!("write the line with the keyboard instead of copying it from a document or a web page"),
            ),
        };
        Words::new(match line {
            Some(line) => text!("{what}; it was read as: {line}", what, line),
            None => text!(
                "{what}; it was read as if it were written with ordinary ones",
                what
            ),
        })
        .hint(hint)
    }

    /// Returns what to say where such a character was left as it is, because nobody else can know what is meant.
    pub(super) fn words_in_a_secret() -> Words {
        Words::new(text!(
            "this secret has characters that word processors and web pages put in place of ordinary ones, such as curly \
             quotes; it was used exactly as it is written"
        ))
        .hint(text!(
            "if it does not work, write it with the keyboard instead of copying it from a document or a web page"
        ))
    }
}

/// Returns what is meant by a character that is not plain; no character at all by an invisible one.
fn meant(c: char) -> Option<(Sort, Option<char>)> {
    Some(match c {
        '\u{201c}'..='\u{201f}' | '\u{ab}' | '\u{bb}' | '\u{301d}'..='\u{301f}' => (Sort::Quote, Some('"')),
        '\u{2018}'..='\u{201b}' | '\u{2039}' | '\u{203a}' => (Sort::Quote, Some('\'')),
        // Unicode repeats ASCII in the width of a Chinese character, in the same order.
        '\u{ff01}'..='\u{ff5e}' => {
            let plain = u32::from(c) - 0xff01 + u32::from('!');
            (Sort::FullWidth, char::from_u32(plain))
        }
        '\u{3001}' | '\u{ff64}' => (Sort::FullWidth, Some(',')),
        '\u{3002}' | '\u{ff61}' => (Sort::FullWidth, Some('.')),
        '\u{2010}'..='\u{2015}' | '\u{2212}' => (Sort::Dash, Some('-')),
        c if is_invisible(c) => (Sort::Invisible, None),
        c if c.is_whitespace() && !c.is_ascii() => (Sort::Blank, Some(' ')),
        _ => return None,
    })
}

/// Characters that can't be seen and take no room: joiners, marks of direction, soft hyphens, byte order marks.
pub(super) fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{2064}'
            | '\u{2066}'..='\u{2069}'
            | '\u{feff}'
    )
}

/// Returns the plain form of a character that is part of the grammar: `［` is `[`.
pub(super) fn plain_sign(c: char) -> char {
    meant(c).and_then(|(_, plain)| plain).unwrap_or(c)
}

/// Returns the first character that is not plain, and its offset.
pub(super) fn first_unusual(text: &str) -> Option<(usize, Unusual)> {
    if text.is_ascii() {
        return None;
    }
    text.char_indices().find_map(|(at, character)| {
        let (sort, meant) = meant(character)?;
        let unusual = Unusual {
            character,
            meant,
            sort,
        };
        Some((at, unusual))
    })
}

/// Returns a text in plain characters; itself when it has no others.
pub(super) fn plain(text: &str) -> Cow<'_, str> {
    let Some((at, _)) = first_unusual(text) else {
        return Cow::Borrowed(text);
    };
    let (before, rest) = text.split_at(at);
    let mut plain = String::with_capacity(text.len());
    plain.push_str(before);
    plain.extend(rest.chars().filter_map(|c| match meant(c) {
        Some((_, plain)) => plain,
        None => Some(c),
    }));
    Cow::Owned(plain)
}

/// Returns the parts of `original` from which parts of `plain` were made; the parts are in their order there. `plain` is
/// the plain form of `original`, or the very same text.
pub(super) fn origins<'a, 'p>(
    original: &'a str,
    plain: &'p str,
    parts: impl IntoIterator<Item = &'p str>,
) -> impl Iterator<Item = &'a str> {
    let same = std::ptr::eq(original, plain);
    let mut walk = Walk {
        rest: original,
        at: 0,
    };
    parts.into_iter().map(move |part| {
        let start = (part.as_ptr() as usize).wrapping_sub(plain.as_ptr() as usize);
        let end = start + part.len();
        if same {
            return &original[start..end];
        }
        let from = original.len() - walk.to(start).trim_start_matches(is_invisible).len();
        let to = original.len() - walk.to(end).len();
        &original[from..to.max(from)]
    })
}

/// A walk along a text, which counts the bytes of its plain form.
struct Walk<'a> {
    rest: &'a str,
    at: usize,
}

impl<'a> Walk<'a> {
    /// Goes on until `target` bytes of the plain form lie behind; returns what lies ahead.
    fn to(&mut self, target: usize) -> &'a str {
        while self.at < target
            && let Some(c) = self.rest.chars().next()
        {
            self.rest = &self.rest[c.len_utf8()..];
            self.at += match meant(c) {
                Some((_, plain)) => plain.map_or(0, char::len_utf8),
                None => c.len_utf8(),
            };
        }
        self.rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_meant() {
        for (text, want) in [
            ("＝［］：＃；＂＇", "=[]:#;\"'"),
            ("１９２．１６８", "192.168"),
            ("ｅｔｈ０", "eth0"),
            ("“a” „b“ ‘c’ «d»", "\"a\" \"b\" 'c' \"d\""),
            ("a\u{a0}b\u{3000}c\u{2009}d", "a b c d"),
            ("a\u{200b}b\u{ad}c\u{feff}", "abc"),
            ("a–b—c−d", "a-b-c-d"),
            ("１、２。", "1,2."),
            ("", ""),
        ] {
            assert_eq!(plain(text), want, "{text}");
        }
        for text in ["台所", "Küche", "a\tb", "ｷｯﾁﾝ", "ー", "… € ©"] {
            assert!(
                matches!(plain(text), Cow::Borrowed(same) if same == text),
                "{text}"
            );
        }
    }

    #[test]
    fn parts_are_found_where_they_came_from() {
        let original = "  “１”、\u{200b}台\u{200b}所 – x";
        let text = plain(original);
        assert_eq!(text, "  \"1\",台所 - x");
        let parts = [&text[3..4], &text[6..12], &text[13..14], &text[15..]];
        assert_eq!(parts, ["1", "台所", "-", "x"]);
        let found: Vec<_> = origins(original, &text, parts).collect();
        assert_eq!(found, ["１", "台\u{200b}所", "–", "x"]);
        // A secret is not made plain, and is cut up all the same.
        let found: Vec<_> = origins(original, original, [&original[5..8]]).collect();
        assert_eq!(found, ["１"]);
        assert_eq!(origins("\u{200b}", "", [""]).collect::<Vec<_>>(), [""]);
    }
}
