//! Saying so when a line is written in characters that are not plain. What stands in a comment does not matter.

use super::super::characters::{self, Unusual};
use super::super::findings::Place;
use super::super::header::{self, Identity};
use super::super::lexer::{CLOSING, Piece};
use super::super::schema::Key;
use super::super::{strays, typing};
use super::Reader;
use crate::report::Severity;

impl<'a> Reader<'a, '_> {
    pub(super) fn unusual_header(&mut self, content: Piece<'a>, name: Piece<'a>, identity: &Identity) {
        let text = content.text();
        let behind = name.offset() - content.offset() + name.text().len();
        let closing = text[behind..].find(CLOSING).map_or(behind, |at| behind + at);
        let end = closing + text[closing..].chars().next().map_or(0, char::len_utf8);
        let Some((at, unusual)) = characters::first_unusual(&text[..end]) else {
            return;
        };
        let label = header::label(identity, self.schema);
        let place = Place {
            section: Some(&label),
            ..Place::of(content.part(&text[at..]))
        };
        self.findings.line(Severity::Warning, place, || {
            unusual.words(Some(&format!("[{label}]")))
        });
    }

    pub(super) fn unusual_value(
        &mut self,
        content: Piece<'a>,
        value: Piece<'a>,
        name: &str,
        key: &Key<'_>,
        identity: &Identity,
    ) {
        let text = content.text();
        if text.is_ascii() || strays::holds_private_key(text) {
            return;
        }
        let value = typing::without_comment(value, key);
        let start = value.offset() - content.offset();
        let end = start + value.text().len();
        let to_the_letter = typing::to_the_letter(key);
        let read = match to_the_letter {
            false => &text[..end],
            true if typing::between_curly_quotes(value.text(), key).is_some() => {
                &text[..start + value.text().chars().next().map_or(0, char::len_utf8)]
            }
            true => &text[..start],
        };
        let kept = match key.secret {
            true => characters::first_unusual(value.text()).map(|(at, _)| start + at),
            false => None,
        };
        let changed = characters::first_unusual(read);
        let Some(at) = kept.or(changed.map(|(at, _)| at)) else {
            return;
        };
        let label = header::label(identity, self.schema);
        let place = Place {
            section: Some(&label),
            key: Some(name),
            mask_from: key.secret.then(|| value.offset()),
            ..Place::of(content.part(&text[at..]))
        };
        self.findings.line(Severity::Warning, place, || match changed {
            Some((_, unusual)) if kept.is_none() => {
                let line = (!to_the_letter).then(|| characters::plain(read));
                unusual.words(line.as_deref())
            }
            _ => Unusual::words_in_a_secret(),
        });
    }
}
