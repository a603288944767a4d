//! What to wait for on a serial console.

use crate::error::Result;
use regex::bytes::Regex;
use std::fmt;

/// Text or a regular expression to look for in a machine's serial output.
#[derive(Debug, Clone)]
pub struct Pattern(Kind);

#[derive(Debug, Clone)]
enum Kind {
    Literal(String),
    Regex(Regex),
}

impl Pattern {
    /// A regular expression, in which `^` and `$` match at line ends too.
    ///
    /// A match has to begin in a line that has not been searched whole yet, so an expression that spans lines may miss.
    /// One that ends where the output ends is taken only when nothing follows for a moment: `address (\S+)` gets
    /// the whole address even though output comes byte by byte.
    ///
    /// # Errors
    /// When the expression does not parse.
    pub fn regex(expression: &str) -> Result<Pattern> {
        let regex = regex::bytes::RegexBuilder::new(expression)
            .multi_line(true)
            .build()?;
        Ok(Pattern(Kind::Regex(regex)))
    }

    /// Looks for the pattern in `text` from `from` on.
    pub(crate) fn find(&self, text: &[u8], from: usize) -> Option<Found> {
        match &self.0 {
            Kind::Literal(literal) => {
                let needle = literal.as_bytes();
                let start = match needle.is_empty() {
                    true => from,
                    false => {
                        from + text[from..]
                            .windows(needle.len())
                            .position(|window| window == needle)?
                    }
                };
                let end = start + needle.len();
                Some(Found {
                    end,
                    settled: true,
                    groups: vec![Some(literal.clone())],
                })
            }
            Kind::Regex(regex) => {
                let captures = regex.captures_at(text, from)?;
                let end = captures.get(0).map_or(from, |whole| whole.end());
                let lossy =
                    |group: regex::bytes::Match<'_>| String::from_utf8_lossy(group.as_bytes()).into_owned();
                let groups = captures.iter().map(|group| group.map(lossy)).collect();
                Some(Found {
                    end,
                    settled: end < text.len(),
                    groups,
                })
            }
        }
    }

    /// Where to go on searching when `text` has been searched from `from` without success and more is appended:
    /// output comes in small pieces, so searching all of it at each would take quadratic time.
    pub(crate) fn resume(&self, text: &[u8], from: usize) -> usize {
        let begin = match &self.0 {
            Kind::Literal(literal) => text.len().saturating_sub(literal.len().saturating_sub(1)),
            Kind::Regex(_) => text
                .iter()
                .rposition(|&byte| byte == b'\n')
                .map_or(0, |newline| newline + 1),
        };
        begin.max(from)
    }
}

impl From<&str> for Pattern {
    fn from(literal: &str) -> Pattern {
        Pattern(Kind::Literal(literal.to_owned()))
    }
}

impl From<String> for Pattern {
    fn from(literal: String) -> Pattern {
        Pattern(Kind::Literal(literal))
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Literal(literal) => write!(f, "{literal:?}"),
            Kind::Regex(regex) => write!(f, "/{regex}/"),
        }
    }
}

/// A pattern found in a piece of text.
pub(crate) struct Found {
    /// Where it ends.
    pub(crate) end: usize,
    /// Whether more text could not make it longer.
    pub(crate) settled: bool,
    groups: Vec<Option<String>>,
}

/// What a pattern matched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Match {
    groups: Vec<Option<String>>,
}

impl Match {
    /// All that was matched.
    pub fn text(&self) -> &str {
        self.group(0).unwrap_or_default()
    }

    /// What the capture group of that number matched, if it took part; 0 is the whole match.
    pub fn group(&self, number: usize) -> Option<&str> {
        self.groups.get(number)?.as_deref()
    }
}

impl From<Found> for Match {
    fn from(found: Found) -> Match {
        Match { groups: found.groups }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds `text` byte by byte, as a serial port does.
    fn search(pattern: &Pattern, text: &[u8]) -> Option<usize> {
        let mut from = 0;
        for end in 1..=text.len() {
            match pattern.find(&text[..end], from) {
                Some(found) if found.settled => return Some(found.end),
                Some(_) => {}
                None => from = pattern.resume(&text[..end], from),
            }
        }
        None
    }

    #[test]
    fn a_literal_is_found_wherever_the_pieces_break() {
        assert_eq!(search(&"aab".into(), b"aaaab."), Some(5));
        assert_eq!(search(&"b\nc".into(), b"a b\nc"), Some(5));
        assert_eq!(search(&"x".into(), b"abc"), None);
    }

    #[test]
    fn a_regex_waits_for_the_end_of_a_word() {
        let pattern = Pattern::regex(r"^address (\S+)").unwrap();
        let text = b"no address 1\naddress 10.0.2.15\n";
        assert_eq!(search(&pattern, text), Some(text.len() - 1));
        let found = Match::from(pattern.find(text, 0).unwrap());
        assert_eq!(found.group(1), Some("10.0.2.15"));
        assert_eq!(found.group(2), None);
    }

    #[test]
    fn a_regex_is_not_settled_at_the_end_of_the_output() {
        let found = Pattern::regex("login: ")
            .unwrap()
            .find(b"host login: ", 0)
            .unwrap();
        assert!(!found.settled);
    }

    #[test]
    fn a_bad_expression_is_an_error() {
        assert!(
            Pattern::regex("(")
                .unwrap_err()
                .to_string()
                .starts_with("bad pattern")
        );
    }
}
