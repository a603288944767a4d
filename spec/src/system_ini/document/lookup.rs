//! Which setting a key names.

use std::borrow::Cow;

use crate::system_ini::characters::plain;
use crate::system_ini::header::{self, Identity};
use crate::system_ini::lexer::Piece;
use crate::system_ini::names;
use crate::system_ini::schema::{EARLIER_NAMES, Key, Keys, Section, SubjectKind, TOP};
use crate::system_ini::subject::Subject;
use crate::types::{PortId, UnitName};

/// Most dots at which a name is taken apart into section and key.
const DOT_LIMIT: usize = 8;

/// The setting that a key names.
pub(super) struct Found<'a> {
    pub(super) identity: Identity,
    /// Canonical name, and for a unit its folded one.
    pub(super) name: Cow<'a, str>,
    pub(super) schema: &'a Key<'a>,
    /// Number of dots in the key when a section's name stands in front of it; none when there is no section.
    pub(super) dots: Option<usize>,
}

impl<'a> Found<'a> {
    fn new(identity: Identity, name: Cow<'a, str>, schema: &'a Key<'a>) -> Found<'a> {
        Found {
            identity,
            name,
            schema,
            dots: None,
        }
    }
}

/// Finds the setting that a key in a section names.
pub(super) fn find<'a>(identity: &Identity, name: &str, schema: &'a [Section<'a>]) -> Option<Found<'a>> {
    let section = &schema[identity.section];
    let name = &*plain(name);
    match &section.keys {
        Keys::Units(key) => {
            // Unit names have case, and yet nobody means two services by Nginx and nginx.
            let unit: UnitName = name.parse().ok()?;
            let folded = unit.as_str().to_ascii_lowercase();
            return Some(Found::new(identity.clone(), Cow::Owned(folded), key));
        }
        Keys::Overrides => return find_with_section(name, schema),
        Keys::Fixed(_) | Keys::Declared(_) => {}
    }
    if let Some(key) = section.key(name) {
        return Some(Found::new(identity.clone(), Cow::Borrowed(key.name), key));
    }
    match section.name {
        TOP => find_earlier(name, schema),
        _ => None,
    }
}

/// A setting of an earlier genpack card.
fn find_earlier<'a>(name: &str, schema: &'a [Section<'a>]) -> Option<Found<'a>> {
    let (_, section, key) = EARLIER_NAMES
        .iter()
        .find(|(earlier, ..)| names::same(earlier, name))?;
    let index = schema.iter().position(|candidate| candidate.name == *section)?;
    let subject = match schema[index].subject {
        SubjectKind::Label => Subject::Label(String::new()),
        SubjectKind::Port => Subject::Port(PortId::Default),
        _ => Subject::None,
    };
    let identity = Identity {
        section: index,
        subject,
    };
    let key = schema[index].key(key)?;
    Some(Found::new(identity, Cow::Borrowed(key.name), key))
}

/// `section.key`, where both may have dots of their own.
fn find_with_section<'a>(name: &str, schema: &'a [Section<'a>]) -> Option<Found<'a>> {
    let within = |identity: &Identity, key: &str| match schema[identity.section].keys {
        Keys::Overrides => None,
        _ => find(identity, key, schema),
    };
    if !name.contains('.') {
        let section = schema.iter().position(|section| section.name == TOP)?;
        let subject = Subject::None;
        return within(&Identity { section, subject }, name);
    }
    name.rmatch_indices('.').take(DOT_LIMIT).find_map(|(at, _)| {
        let identity = header::resolve(name[..at].trim(), schema).ok()?;
        let key = &name[at + 1..];
        let found = within(&identity, key.trim())?;
        Some(Found {
            dots: Some(key.matches('.').count()),
            ..found
        })
    })
}

/// The key alone, without the section in front of it.
pub(super) fn behind_section<'a>(key: Piece<'a>, dots: Option<usize>) -> Piece<'a> {
    let Some(dots) = dots else { return key };
    let is_dot = |(_, sign): &(usize, &str)| *plain(sign) == *".";
    let text = key.text();
    let signs = text
        .char_indices()
        .map(|(at, c)| (at, &text[at..at + c.len_utf8()]));
    let found = signs.rev().filter(is_dot).nth(dots);
    found.map_or(key, |(at, sign)| key.part(&text[at + sign.len()..]).trim())
}
