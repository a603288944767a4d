//! From the text of a JSON5 file to a tree with places.
//!
//! json5 says whether a text is JSON5, and explains best where it is not. It has no places of values, though; those are
//! jsonc-parser's, which takes more than JSON5 (values without commas between them) and is asked second.

use std::ops::Range;

use jsonc_parser::ast;
use jsonc_parser::common::Ranged;
use serde::de::IgnoredAny;

use super::node::{Entry, Node, Value};
use super::problems::Problem;

/// How many brackets may be around a value; no field needs a tenth of it.
const MOST_BRACKETS: usize = 128;

/// Returns the tree of a text, or the first place where it is not JSON5.
pub fn parse(text: &str) -> Result<Node, Problem> {
    // A byte order mark is white space to JSON5 only. As blanks it is as long, so every place stays what it is.
    let unmarked = text.strip_prefix('\u{feff}').map(|rest| format!("   {rest}"));
    let text = unmarked.as_deref().unwrap_or(text);
    // json5 would go on until the stack is full.
    if let Some(offset) = too_deep(text) {
        return Err(Problem::at(
            word_at(text, offset),
            "too many brackets inside of others",
        ));
    }
    let tree = jsonc_parser::parse_to_ast(text, &Default::default(), &Default::default());
    if let Err(error) = json5::from_str::<IgnoredAny>(text) {
        let offset = error
            .position()
            .map_or(text.len(), |position| offset_of(text, position));
        if let Some(problem) = hyphen(text, offset, &error) {
            return Err(problem);
        }
        let (label, help) = explain(&error);
        let problem = Problem::at(word_at(text, offset), label);
        return Err(match help {
            Some(help) => problem.with_help(help),
            None => problem,
        });
    }
    match tree {
        Ok(tree) => Ok(tree.value.map_or_else(
            || Node {
                place: text.len()..text.len(),
                value: Value::Null,
            },
            node,
        )),
        Err(error) => Err(Problem::at(
            word_at(text, error.range().start),
            "genpack can't read this, although it is JSON5; write it in a simpler way",
        )),
    }
}

/// Returns where the first bracket is that has too many others around it. It may count brackets that neither parser would
/// come to, because something before them is wrong, but misses none that they would.
fn too_deep(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    let mut rest = text.char_indices().peekable();
    while let Some((offset, character)) = rest.next() {
        let next = rest.peek().map(|(_, next)| *next);
        match (character, next) {
            ('"' | '\'', _) => {
                // A string ends with its line unless a backslash goes before; what is behind it counts again.
                while let Some((_, inner)) = rest.next_if(|(_, inner)| !matches!(inner, '\n' | '\r')) {
                    if inner == character {
                        break;
                    }
                    // CR LF is one character to a backslash.
                    if inner == '\\' && rest.next().is_some_and(|(_, escaped)| escaped == '\r') {
                        rest.next_if(|(_, next)| *next == '\n');
                    }
                }
            }
            ('/', Some('/')) => while rest.next_if(|(_, inner)| !is_line_end(*inner)).is_some() {},
            ('/', Some('*')) => {
                rest.next();
                while let Some((_, inner)) = rest.next() {
                    if inner == '*' && rest.next_if(|(_, next)| *next == '/').is_some() {
                        break;
                    }
                }
            }
            ('[' | '{', _) if depth == MOST_BRACKETS => return Some(offset),
            ('[' | '{', _) => depth += 1,
            (']' | '}', _) => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    None
}

fn is_line_end(character: char) -> bool {
    matches!(character, '\n' | '\r' | '\u{2028}' | '\u{2029}')
}

fn node(value: ast::Value) -> Node {
    let range = value.range();
    Node {
        place: range.start..range.end,
        value: match value {
            ast::Value::NullKeyword(_) => Value::Null,
            ast::Value::BooleanLit(literal) => Value::Bool(literal.value),
            ast::Value::NumberLit(literal) => number(literal.value),
            ast::Value::StringLit(literal) => Value::Text(literal.value.into_owned()),
            ast::Value::Array(list) => Value::List(list.elements.into_iter().map(node).collect()),
            ast::Value::Object(object) => Value::Object(object.properties.into_iter().map(entry).collect()),
        },
    }
}

fn entry(property: ast::ObjectProp) -> Entry {
    let range = property.name.range();
    Entry {
        place: range.start..range.end,
        name: property.name.into_string(),
        node: node(property.value),
    }
}

/// A number without a fraction is whole however it is written, as JSON Schema has it.
fn number(text: &str) -> Value {
    const EXACT: f64 = 9_007_199_254_740_992.0; // 2^53
    if let Ok(whole) = json5::from_str::<i64>(text) {
        return Value::Integer(whole);
    }
    match json5::from_str::<f64>(text) {
        Ok(number) if number.fract() == 0.0 && number.abs() < EXACT => Value::Integer(number as i64),
        Ok(number) => Value::Float(number),
        Err(_) => Value::Float(f64::NAN),
    }
}

/// Returns what is to be said of a name such as `setup-commands`, which JSON5 takes in quotes only (ECMAScript 5.1,
/// "Identifier Names").
fn hyphen(text: &str, offset: usize, error: &json5::Error) -> Option<Problem> {
    let begin = text[..offset]
        .trim_end_matches(|c: char| c.is_alphanumeric() || c == '_')
        .len();
    let is_hyphen = begin < offset && text[offset..].starts_with('-');
    if !is_hyphen || error.code() != Some(json5::ErrorCode::ExpectedColon) {
        return None;
    }
    let place = begin..word_at(text, offset).end;
    let name = &text[place.clone()];
    let help = format!("fields of genpack have _ in place of it; any other name is written as \"{name}\"");
    Some(Problem::at(place, "a name with a hyphen stands in quotes").with_help(help))
}

/// Returns what the caret says, and what to do about it.
fn explain(error: &json5::Error) -> (String, Option<&'static str>) {
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
        Some(E::EofParsingComment) => ("a closing */ is missing, and the file ends", None),
        Some(E::ExpectedColon) => ("a colon was expected here", Some("write a field as name: value")),
        Some(E::ExpectedComma) => (
            "a comma was expected here",
            Some("separate fields and list entries with commas"),
        ),
        Some(E::ExpectedIdentifier | E::InvalidKey) => ("the name of a field was expected here", None),
        Some(E::ExpectedValue) => (
            "a value was expected here",
            Some("strings stand in quotes: \"like this\""),
        ),
        Some(E::LeadingZero) => ("a number can't begin with a 0", None),
        Some(E::TrailingCharacters) => ("the file should have ended before this", None),
        _ => {
            // json5's own words, without its "at line 1 column 2", which the caret shows.
            let text = error.to_string();
            let text = text
                .rsplit_once(" at line ")
                .map_or(text.as_str(), |(text, _)| text);
            return (text.replace('`', "\""), None);
        }
    };
    (label.to_string(), help)
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
        if is_line_end(character) && !crlf {
            line += 1;
            start = offset + character.len_utf8();
        }
    }
    text[start..]
        .char_indices()
        .nth(position.column)
        .map_or(text.len(), |(offset, _)| start + offset)
}

/// Returns the place of the word at `offset`: a quoted string, a run of word characters, or a single character. At the end
/// of the text it is the last character that can be seen.
fn word_at(text: &str, offset: usize) -> Range<usize> {
    let last = text.trim_end().char_indices().next_back();
    let last = last.map_or(0, |(offset, _)| offset);
    let offset = if offset < text.len() { offset } else { last };
    let rest = &text[offset..];
    let length = match rest.chars().next() {
        Some(quote @ ('"' | '\'')) => rest[1..].find([quote, '\n']).map_or(1, |end| end + 2),
        Some(c) if c.is_alphanumeric() || matches!(c, '_' | '-') => rest
            .find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '-' | '.')))
            .unwrap_or(rest.len()),
        Some(c) => c.len_utf8(),
        None => 0,
    };
    offset..(offset + length).min(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of <https://json5.org>, by features, and what else the specification has.
    const EVERYTHING: &str = "\u{feff}// comment\r\n{ /* another */ bare: 'single \"q\"', $a_1: 0xdecaf, \"q-d\": .5, \
                              b: 5., c: +1, d: -0x10, e: 1e3, f: -Infinity, g: NaN, ünï: 'a\\\nb\\x41\\u0042\\v\\0\\'', \
                              h: [1, null, true,], i: {}, j: [], \u{a0} k: '\u{2028}', Infinity: 1, null: 2, },\n";

    #[test]
    fn all_of_json5_is_read() {
        let text = EVERYTHING.trim_end().trim_end_matches(',');
        let tree = parse(text).unwrap_or_else(|problem| panic!("{problem:?}"));
        let shown: Vec<_> = tree
            .entries()
            .iter()
            .map(|entry| (entry.name.as_str(), format!("{:?}", brief(&entry.node))))
            .collect();
        let want = [
            ("bare", "\"single \\\"q\\\"\""),
            ("$a_1", "912559"),
            ("q-d", "0.5"),
            ("b", "5"),
            ("c", "1"),
            ("d", "-16"),
            ("e", "1000"),
            ("f", "null"),
            ("g", "null"),
            ("ünï", "\"abAB\\u000b\\u0000'\""),
            ("h", "[1,null,true]"),
            ("i", "{}"),
            ("j", "[]"),
            ("k", "\"\u{2028}\""),
            ("Infinity", "1"),
            ("null", "2"),
        ];
        let want: Vec<_> = want.map(|(name, value)| (name, format!("{value:?}"))).into();
        assert_eq!(shown, want);
        let entry = &tree.entries()[1];
        assert_eq!(
            (&text[entry.place.clone()], &text[entry.node.place.clone()]),
            ("$a_1", "0xdecaf")
        );
    }

    fn brief(node: &Node) -> String {
        node.read::<serde_json::Value>()
            .map(|value| value.to_string())
            .unwrap()
    }

    #[test]
    fn what_only_one_of_the_two_parsers_takes_is_refused() {
        for text in [
            "{ a: 1 b: 2 }",
            "{ a: [1 2] }",
            "{ 1: 2 }",
            "{ a: 01 }",
            "{ a: 1 } }",
            "{ a: b }",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_name_with_a_hyphen_is_shown_whole() {
        let text = "{ setup-commands: [] }";
        let want = Problem::at(2..16, "a name with a hyphen stands in quotes").with_help(
            "fields of genpack have _ in place of it; any other name is written as \"setup-commands\"",
        );
        assert_eq!(parse(text).unwrap_err(), want);
        assert_ne!(
            parse("{ a -1 }").unwrap_err().label(),
            "a name with a hyphen stands in quotes"
        );
    }

    #[test]
    fn brackets_do_not_fill_the_stack() {
        let deep = "[".repeat(200_000);
        for before in [
            "",
            "{ \\u0061: 1, b: ",
            "[\u{feff}",
            "{ 'a\\'[': /* ' */ // \"\n ",
            "// \u{2028}",
            "{ a: 'b\\\r\nc', d: ",
        ] {
            let problem = parse(&format!("{before}{deep}")).unwrap_err();
            assert!(
                problem.label().contains("too many brackets"),
                "{before}{problem:?}"
            );
        }
        let fits = format!("{}{}", "[".repeat(MOST_BRACKETS), "]".repeat(MOST_BRACKETS));
        assert!(parse(&fits).is_ok());
        // Those of strings and comments are none.
        let text = format!("['{deep}', \"\\\"{deep}\", // {deep}\n /* {deep} ** */]");
        assert!(parse(&text).is_ok());
    }
}
