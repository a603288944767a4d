//! What the lines of a file mean, as far as a change to one of them has to know.

use std::collections::BTreeMap;

use super::EditError;
use super::raw::RawFile;
use crate::system_ini::document::{self, Body, Entry};
use crate::system_ini::findings::Findings;
use crate::system_ini::header::{self, Identity};
use crate::system_ini::lexer::{Shape, is_blank, lex};
use crate::system_ini::schema::{Keys, List, Section, TOP};
use crate::system_ini::subject::Subject;
use crate::system_ini::{encoding, names, typing};

/// A setting by its meaning.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) identity: Identity,
    /// Canonical name of the key.
    pub(super) name: String,
    pub(super) list: List,
    /// Whether `;` and `#` are ordinary characters in its value.
    pub(super) literal: bool,
}

/// Finds the setting of a name such as `hostname`, `network.address` or `network eth0.100.address`.
pub(super) fn target(name: &str, schema: &[Section<'_>]) -> Result<Target, EditError> {
    // What the reader makes of a file with this one setting is what the name means.
    let read = |section: Option<&str>, key: &str| {
        let header = section.map_or(String::new(), |section| format!("[{section}]\n"));
        let text = format!("{header}{key} = x\n");
        let document = document::read(&text, schema, &mut Findings::default());
        let mut found = document.sections.iter().filter_map(|(identity, body)| {
            let (name, setting) = body.iter().next()?;
            Some(Target {
                identity: identity.clone(),
                name: name.clone(),
                list: setting.schema.list,
                literal: setting.schema.is_literal(),
            })
        });
        found.next()
    };
    if let Ok(identity) = header::resolve(name.split('.').next().unwrap_or(name), schema)
        && let Keys::Overrides = schema[identity.section].keys
    {
        return Err(EditError::Override);
    }
    if name.contains(|c: char| c.is_control() || matches!(c, '=' | '[' | ']' | ';' | '#')) {
        return Err(EditError::NoSuchKey(name.to_string(), String::new()));
    }
    // Names of ports and units have dots too: the place to split is where both halves are something.
    let mut splits = name.char_indices().rev().filter(|(_, c)| *c == '.');
    let found = match name.contains('.') {
        true => splits.find_map(|(at, _)| read(Some(&name[..at]), &name[at + 1..])),
        false => read(None, name),
    };
    found.ok_or_else(|| unknown(name, schema))
}

fn unknown(name: &str, schema: &[Section<'_>]) -> EditError {
    let all = || {
        schema
            .iter()
            .flat_map(|section| section.fixed_keys().map(|key| (section.name, key.name)))
    };
    let full: Vec<_> = all().map(|(section, key)| format!("{section}.{key}")).collect();
    let bare = name.rsplit('.').next().unwrap_or(name);
    let by_key = || {
        let meant = names::suggest(bare, all().map(|(_, key)| key))?;
        let at = all().position(|(_, key)| key == meant)?;
        full.get(at).map(String::as_str)
    };
    let meant = names::suggest(name, full.iter().map(String::as_str)).or_else(by_key);
    let hint = meant.map_or(String::new(), |meant| format!("; did you mean {meant}?"));
    EditError::NoSuchKey(name.to_string(), hint)
}

/// The text of a file, or why it can't be changed.
pub(super) fn text(bytes: &[u8]) -> Result<String, EditError> {
    if bytes.len() > crate::system_ini::SIZE_LIMIT {
        return Err(EditError::TooLong);
    }
    if bytes.starts_with(b"{\\rtf") {
        return Err(EditError::RichText);
    }
    Ok(encoding::decode(bytes).text.into_owned())
}

/// A line with a value of the setting.
#[derive(Debug, Clone)]
pub(super) struct Occurrence {
    /// Index of the line, from 0.
    pub(super) line: usize,
    /// The line as it was read.
    pub(super) text: String,
    /// Where in it the key is; none in a line that only continues a list.
    pub(super) key: Option<std::ops::Range<usize>>,
    /// Where in it everything behind the sign is.
    pub(super) value: std::ops::Range<usize>,
}

/// Returns the lines that count for a setting.
pub(super) fn occurrences(text: &str, target: &Target, schema: &[Section<'_>]) -> Vec<Occurrence> {
    let document = document::read(text, schema, &mut Findings::default());
    let setting = document
        .sections
        .get(&target.identity)
        .and_then(|body| body.get(&target.name));
    let occurrence = |entry: &Entry<'_>| {
        let own_key = entry.key.number() == entry.value.number();
        let range = |start: usize, text: &str| start..start + text.len();
        Occurrence {
            line: entry.value.number() as usize - 1,
            text: entry.value.line().to_string(),
            key: own_key.then(|| range(entry.key.offset(), entry.key.text())),
            value: range(entry.value.offset(), entry.value.text()),
        }
    };
    setting.map_or_else(Vec::new, |setting| {
        setting.entries.iter().map(occurrence).collect()
    })
}

/// The values of every setting as they were typed.
pub(super) type Meaning = BTreeMap<(Identity, String), Vec<String>>;

/// Returns what a text means.
pub(super) fn meaning(text: &str, schema: &[Section<'_>]) -> Meaning {
    let document = document::read(text, schema, &mut Findings::default());
    let values = |(identity, body): (&Identity, &Body<'_>)| {
        body.iter()
            .map(|(name, setting)| {
                let values = setting
                    .entries
                    .iter()
                    .flat_map(|entry| typing::values(entry, setting.schema))
                    .map(|piece| piece.text().to_string());
                ((identity.clone(), name.clone()), values.collect())
            })
            .collect::<Vec<_>>()
    };
    document.sections.iter().flat_map(values).collect()
}

/// Where a new line of the setting may stand: before the lines of these indices, the best first.
pub(super) fn places(file: &RawFile<'_>, target: &Target, schema: &[Section<'_>]) -> Vec<usize> {
    let mut current = schema
        .iter()
        .position(|section| section.name == TOP)
        .map(|section| Identity {
            section,
            subject: Subject::None,
        });
    let (mut under_header, mut waiting_block) = (false, false);
    let (mut waiting, mut end) = (None, None);
    for index in 0..file.count() {
        let text = file.text(index).unwrap_or_default();
        let content = text.trim_matches(is_blank);
        if let Some(line) = lex(&text).next() {
            if let Shape::Header { name, .. } = line.shape {
                current = header::resolve(name.text(), schema).ok();
                (under_header, waiting_block) = (true, false);
            }
            if current.as_ref() == Some(&target.identity) {
                end = Some(index + 1);
            }
            continue;
        }
        let Some(remark) = content.strip_prefix([';', '#']) else {
            continue;
        };
        // The example of a section of its own, as the template has it.
        waiting_block |= remark.trim_start_matches(is_blank).starts_with('[');
        let Some((name, _)) = remark.split_once('=').filter(|_| !waiting_block) else {
            continue;
        };
        if current.as_ref() != Some(&target.identity) || !under_header {
            continue;
        }
        if names::same(name, &target.name) {
            waiting = Some(index + 1);
        } else if !remark.starts_with(is_blank) {
            end = Some(index + 1);
        }
    }
    waiting.into_iter().chain(end).collect()
}
