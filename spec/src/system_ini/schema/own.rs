//! Sections that a blueprint declares, in the form of the table.

use super::{Fallback, Key, Keys, Kind, List, PLAIN, Sample, Section, SubjectKind};
use crate::declared::{DeclaredKey, DeclaredKind, DeclaredSection};
use crate::settings::OwnValue;

/// Longest text that a declared setting takes, in bytes.
const TEXT_LIMIT: usize = 4096;

pub(super) fn section(declared: &DeclaredSection) -> Section<'_> {
    Section {
        name: &declared.name,
        subject: SubjectKind::None,
        help: &declared.help,
        keys: Keys::Declared(declared.keys.iter().map(key).collect()),
        feature: None,
    }
}

fn key(declared: &DeclaredKey) -> Key<'_> {
    let default = declared.default.as_ref().and_then(in_the_file);
    let (kind, list) = match declared.kind {
        DeclaredKind::List => (
            kind(declared.items.unwrap_or(DeclaredKind::String), declared),
            List::Words,
        ),
        single => (kind(single, declared), List::No),
    };
    let example = match (&declared.example, default) {
        (Some(example), _) => Sample::Text(example),
        (None, Some(default)) => default,
        (None, None) => example(kind),
    };
    Key {
        name: &declared.name,
        secret: declared.kind == DeclaredKind::Secret || declared.items == Some(DeclaredKind::Secret),
        kind,
        list,
        help: &declared.help,
        example,
        fallback: default.map_or(Fallback::Text("not set"), Fallback::Value),
        ..PLAIN
    }
}

fn kind<'a>(kind: DeclaredKind, declared: &'a DeclaredKey) -> Kind<'a> {
    match kind {
        DeclaredKind::Integer => Kind::Number {
            min: declared.min.unwrap_or(i64::MIN),
            max: declared.max.unwrap_or(i64::MAX),
        },
        DeclaredKind::Bool => Kind::Bool,
        DeclaredKind::Choice => Kind::Words(&declared.choices),
        DeclaredKind::Url => Kind::Url,
        DeclaredKind::Ip => Kind::HostAddress,
        DeclaredKind::String | DeclaredKind::Secret | DeclaredKind::List => Kind::Text { max: TEXT_LIMIT },
    }
}

/// A default as a person would write it; none for a secret, which is nobody's to see.
fn in_the_file(value: &OwnValue) -> Option<Sample<'_>> {
    match value {
        OwnValue::Bool(true) => Some(Sample::Text("on")),
        OwnValue::Bool(false) => Some(Sample::Text("off")),
        OwnValue::Integer(number) => Some(Sample::Number(*number)),
        OwnValue::Text(text) => Some(Sample::Text(text)),
        OwnValue::List(values) => Some(Sample::List(values)),
        OwnValue::Secret(_) => None,
    }
}

fn example(kind: Kind<'_>) -> Sample<'_> {
    match kind {
        Kind::Bool => Sample::Text("on"),
        Kind::Number { min, max } => Sample::Number(1.clamp(min, max)),
        Kind::Words(words) => words
            .first()
            .map_or(Sample::Text("..."), |word| Sample::Text(word)),
        Kind::Url => Sample::Text("https://example.com/"),
        Kind::HostAddress => Sample::Text("192.168.1.1"),
        _ => Sample::Text("..."),
    }
}
