//! From texts to typed values, as the schema says.

use std::borrow::Cow;

use super::Context;
use super::address::{Refusal, refuse};
use super::characters;
use super::document::{Entry, Setting};
use super::findings::Place;
use super::header::unquote;
use super::kinds::{Value, value};
use super::lexer::{Piece, before_comment, is_blank};
use super::schema::{Key, Kind, List};
use super::strays::holds_private_key;
use crate::text;

/// A value where it stands, or why it is none.
#[derive(Debug, Clone)]
pub(super) struct Item<'a> {
    pub(super) place: Place<'a>,
    pub(super) outcome: Result<Value<'a>, Refusal>,
}

/// A list longer than this is an accident, and would only burden the device.
pub(super) const LIST_LIMIT: usize = 100;

/// Reads all values of a setting. None: every one of its lines is empty.
pub(super) fn items<'a>(
    setting: &Setting<'a>,
    section: &'a str,
    context: &Context<'_>,
) -> Option<Vec<Item<'a>>> {
    let key = setting.schema;
    let mut items = Vec::new();
    for entry in &setting.entries {
        for piece in values(entry, key) {
            let text = meant(piece.text(), key);
            let place = Place {
                piece,
                section: Some(section),
                key: Some(key.name),
                mask_from: (key.secret || holds_private_key(&text)).then(|| entry.value.trim().offset()),
            };
            if items.len() == LIST_LIMIT {
                let outcome = refuse(text!(
                    "{key} has more than {limit} values",
                    key = key.name,
                    limit = LIST_LIMIT
                ));
                items.push(Item { place, outcome });
                return Some(items);
            }
            let outcome = value(&text, key.kind, context);
            items.push(Item { place, outcome });
        }
    }
    (!items.is_empty()).then_some(items)
}

/// Whether every character of a value counts as it is, curly quotes and all: in secrets, and in texts, because a phone
/// does call its network "Anna\u{2019}s iPhone".
pub(super) fn to_the_letter(key: &Key<'_>) -> bool {
    key.secret || matches!(key.kind, Kind::Text { .. })
}

/// Returns what stands between the curly quotes around a whole text; they are the word processor's, not the text's.
pub(super) fn between_curly_quotes<'t>(text: &'t str, key: &Key<'_>) -> Option<&'t str> {
    if key.secret {
        return None;
    }
    let inside = text.strip_prefix(['\u{201c}', '\u{201e}', '\u{ab}', '\u{2018}'])?;
    inside.strip_suffix(['\u{201d}', '\u{201c}', '\u{bb}', '\u{2019}'])
}

/// Returns what is meant by a text of this setting.
fn meant<'t>(text: &'t str, key: &Key<'_>) -> Cow<'t, str> {
    match to_the_letter(key) {
        true => Cow::Borrowed(text),
        false => characters::plain(text),
    }
}

/// Splits the text of an entry into values, and frees each of comment and quotes.
pub(super) fn values<'a>(entry: &Entry<'a>, key: &Key<'_>) -> Vec<Piece<'a>> {
    let whole = entry.value;
    let meant = meant(whole.text(), key);
    let text = if key.is_literal() {
        &meant
    } else {
        before_comment(&meant)
    };
    let text = text.trim_matches(is_blank);
    let parts = match key.list {
        List::No | List::Lines => vec![text],
        List::Words => words(whole_quoted(text)),
    };
    let bare = |part| {
        between_curly_quotes(part, key)
            .unwrap_or_else(|| unquote(part))
            .trim_matches(is_blank)
    };
    let parts = parts.into_iter().map(bare).filter(|part| !part.is_empty());
    characters::origins(whole.text(), &meant, parts)
        .map(|part| whole.part(part))
        .collect()
}

/// Returns an entry's value without the comment behind it.
pub(super) fn without_comment<'a>(value: Piece<'a>, key: &Key<'_>) -> Piece<'a> {
    if key.is_literal() {
        return value.trim();
    }
    let meant = meant(value.text(), key);
    let before = before_comment(&meant);
    let origin = characters::origins(value.text(), &meant, [before]).next();
    origin.map_or(value, |origin| value.part(origin)).trim()
}

/// Frees a whole list of the quotes around it.
fn whole_quoted(text: &str) -> &str {
    let inside = unquote(text);
    if inside.contains(['"', '\'']) {
        text
    } else {
        inside
    }
}

/// Splits at commas, semicolons and blanks, but keeps `192.168.1.30 / 24` together, and `192,168,1,30` too: that is
/// one address with a slip in it.
fn words(text: &str) -> Vec<&str> {
    let slip =
        text.matches(',').count() == 3 && text.chars().all(|c| c.is_ascii_digit() || matches!(c, ',' | '/'));
    if slip {
        return vec![text];
    }
    let separates = |c: char| matches!(c, ',' | ';') || is_blank(c);
    let mut found: Vec<&str> = Vec::new();
    let mut start = 0;
    // Each round takes one word, so that the whole is linear.
    while let Some(skip) = text[start..].find(|c| !separates(c)) {
        let from = start + skip;
        let mut to = from + text[from..].find(separates).unwrap_or(text.len() - from);
        loop {
            let rest = text[to..].trim_start_matches(is_blank);
            let joined = rest.starts_with('/') || (text[..to].ends_with('/') && !rest.is_empty());
            if !joined || rest.starts_with([',', ';']) {
                break;
            }
            let begin = text.len() - rest.len();
            let after = begin + rest.chars().next().map_or(0, char::len_utf8);
            to = after + text[after..].find(separates).unwrap_or(text.len() - after);
        }
        found.push(&text[from..to]);
        start = to;
        if found.len() > LIST_LIMIT {
            break;
        }
    }
    found
}
