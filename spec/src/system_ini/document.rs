//! From raw lines to sections with keys: which setting does each line speak of? What the values mean comes later.

mod lookup;
mod unusual;

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::characters::plain;
use super::findings::{Findings, Place, Words};
use super::header::{self, Identity};
use super::kinds;
use super::lexer::{CLOSING, Piece, RawLine, Shape, lex};
use super::names;
use super::schema::{Key, Keys, List, Section, TOP};
use super::strays;
use super::subject::{Condition, Subject};
use super::typing;
use crate::report::Severity;
use crate::text;
use crate::text::Text;
use crate::types::UnitName;
use lookup::{Found, behind_section, find};

/// A value and the key in front of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry<'a> {
    pub(super) key: Piece<'a>,
    pub(super) value: Piece<'a>,
}

/// All lines about one setting.
#[derive(Debug)]
pub(super) struct Setting<'a> {
    pub(super) schema: &'a Key<'a>,
    /// One, unless the setting is a list. Never empty.
    pub(super) entries: Vec<Entry<'a>>,
}

/// Settings of one section by canonical name.
pub(super) type Body<'a> = BTreeMap<String, Setting<'a>>;

/// Settings for some machines only.
#[derive(Debug)]
pub(super) struct Overrides<'a> {
    pub(super) condition: Condition,
    pub(super) sections: BTreeMap<Identity, Body<'a>>,
}

/// The file, sorted by meaning.
#[derive(Debug, Default)]
pub(super) struct Document<'a> {
    pub(super) sections: BTreeMap<Identity, Body<'a>>,
    /// The sections `[match ...]`, in the order of the file.
    pub(super) overrides: Vec<Overrides<'a>>,
    /// Whether any header or key was one that we know.
    pub(super) understood: bool,
    /// Number of lines with characters that no text has.
    pub(super) rubbish: u32,
}

/// Sorts the lines of a text.
pub(super) fn read<'a>(text: &'a str, schema: &'a [Section<'a>], findings: &mut Findings) -> Document<'a> {
    let top = schema.iter().position(|section| section.name == TOP);
    let mut reader = Reader {
        schema,
        findings,
        document: Document::default(),
        conditions: BTreeMap::new(),
        current: top.map(|section| Identity {
            section,
            subject: Subject::None,
        }),
        open: None,
        private_key: false,
        secret: false,
        rubbish: None,
    };
    for line in lex(text) {
        reader.line(line);
    }
    reader.end_rubbish();
    reader.document
}

/// The setting that an indented line may continue.
struct Open<'a> {
    identity: Identity,
    name: Cow<'a, str>,
    schema: &'a Key<'a>,
    key: Piece<'a>,
}

struct Reader<'a, 'f> {
    schema: &'a [Section<'a>],
    findings: &'f mut Findings,
    document: Document<'a>,
    /// Index of each condition among the overrides.
    conditions: BTreeMap<Condition, usize>,
    /// None below a header that leads nowhere.
    current: Option<Identity>,
    open: Option<Open<'a>>,
    /// Within the lines of a private key that somebody pasted.
    private_key: bool,
    /// The line before held a secret, which an editor may have broken in two.
    secret: bool,
    /// First and last of a run of rubbish lines.
    rubbish: Option<(Piece<'a>, u32)>,
}

impl<'a> Reader<'a, '_> {
    fn line(&mut self, line: RawLine<'a>) {
        if self.private_key && strays::is_inside_private_key(line.content.text()) {
            self.private_key = !strays::ends_private_key(line.content.text());
            return;
        }
        self.private_key = false;
        if let Shape::Header { name, closed } = line.shape {
            self.end_rubbish();
            self.document.rubbish += u32::from(line.rubbish);
            return self.header(line.content, name, closed);
        }
        if line.rubbish {
            self.document.rubbish += 1;
            let first = self.rubbish.map_or(line.content, |(first, _)| first);
            self.rubbish = Some((first, line.content.number()));
            return;
        }
        self.end_rubbish();
        match line.shape {
            Shape::Pair { separator, key, .. }
                if line.indented
                    && separator == ':'
                    && !line.content.text().contains('=')
                    && !self.knows(key.text()) =>
            {
                self.text(line);
            }
            Shape::Pair {
                key,
                value,
                separator,
            } if !self.header_without_bracket(line, separator) => {
                self.pair(line, key, value);
            }
            Shape::Pair { .. } => {}
            _ => self.text(line),
        }
    }

    /// Tells of a run of rubbish lines as of one thing.
    fn end_rubbish(&mut self) {
        let Some((first, last)) = self.rubbish.take() else {
            return;
        };
        // Within rubbish nobody can tell a secret from the rest.
        let text = first.text();
        let hidden = [strays::behind_separator(text), strays::secret_behind(text)];
        let place = Place {
            mask_from: hidden.into_iter().flatten().min().map(|at| first.offset() + at),
            ..Place::of(first)
        };
        self.findings.line(Severity::Error, place, || {
            Words::new(match last == first.number() {
                true => text!("this line holds characters that no text has; the file may be damaged"),
                false => text!(
                    "the lines from here to line {last} hold characters that no text has; the file may be damaged",
                    last
                ),
            })
            .hint(text!("write the line again, or start from a fresh system.ini"))
        });
    }

    fn header(&mut self, content: Piece<'a>, name: Piece<'a>, closed: bool) {
        self.open = None;
        self.secret = false;
        if let Some(at) = strays::secret_in_brackets(name.text()) {
            self.current = None;
            let place = Place {
                mask_from: Some(name.offset() + at),
                ..Place::of(name)
            };
            self.findings.line(Severity::Error, place, || {
                Words::new(text!("this line is neither a setting nor a remark"))
                    .used(text!("none of the lines of this section"))
                    .hint(text!("settings look like name = value; remarks begin with #"))
            });
            return;
        }
        match header::resolve(plain(name.text()).trim(), self.schema) {
            Ok(identity) => {
                self.unusual_header(content, name, &identity);
                if !closed {
                    let label = header::label(&identity, self.schema);
                    self.missing_bracket(name, &label, "]");
                }
                self.enter(identity);
            }
            Err(unknown) => {
                self.current = None;
                self.findings.line(Severity::Error, Place::of(name), || {
                    Words::new(unknown.problem)
                        .used(text!("none of the lines of this section"))
                        .maybe_hint(unknown.hint)
                });
            }
        }
    }

    /// A line such as `network]`: its keys must not fall to the section above it.
    fn header_without_bracket(&mut self, line: RawLine<'a>, separator: char) -> bool {
        let Some(name) = line
            .content
            .text()
            .strip_suffix(CLOSING)
            .filter(|name| separator == ':' && strays::secret_behind(name).is_none())
        else {
            return false;
        };
        let Ok(identity) = header::resolve(plain(name).trim(), self.schema) else {
            return false;
        };
        let label = header::label(&identity, self.schema);
        self.missing_bracket(line.content, &label, "[");
        self.enter(identity);
        true
    }

    fn missing_bracket(&mut self, piece: Piece<'a>, label: &str, bracket: &str) {
        let place = Place {
            section: Some(label),
            ..Place::of(piece)
        };
        self.findings.line(Severity::Warning, place, || {
            let header = Text::verbatim(format!("[{label}]"));
            Words::new(text!("the {bracket} of this section is missing", bracket))
                .used(header.clone())
                .hint(header)
        });
    }

    fn enter(&mut self, identity: Identity) {
        self.document.understood = true;
        if !matches!(identity.subject, Subject::Machine(_)) {
            self.document.sections.entry(identity.clone()).or_default();
        }
        self.current = Some(identity);
        self.open = None;
    }

    /// Whether the current section has a setting of this name.
    fn knows(&self, name: &str) -> bool {
        self.current
            .as_ref()
            .is_some_and(|identity| find(identity, name, self.schema).is_some())
    }

    fn pair(&mut self, line: RawLine<'a>, key: Piece<'a>, value: Piece<'a>) {
        self.open = None;
        let behind_secret = std::mem::take(&mut self.secret);
        let Some(identity) = self.current.clone() else {
            return;
        };
        let (key, value) = match self.schema[identity.section].keys {
            Keys::Overrides => split_at_equals(line.content).unwrap_or((key, value)),
            // Names of units may have colons too.
            Keys::Units(_) => split_at_equals(line.content)
                .filter(|(key, _)| key.text().parse::<UnitName>().is_ok())
                .unwrap_or((key, value)),
            _ => (key, value),
        };
        let found = find(&identity, key.text(), self.schema);
        let Some(found) = found.filter(|found| !self.is_secret_astray(found, Entry { key, value })) else {
            // The padding at the end of a WireGuard key looks like the sign behind a long name.
            let is_rest = key.text().len() > 20 && value.trim().text().trim_matches('=').is_empty();
            let in_key = match behind_secret && is_rest {
                true => Some(0),
                false => strays::secret_in_key(key.text()),
            };
            self.secret = in_key.is_some() || names::may_be_secret(&plain(key.text()));
            let label = header::label(&identity, self.schema);
            let place = Place {
                section: Some(&label),
                mask_from: match in_key {
                    Some(at) => Some(key.offset() + at),
                    None => self.secret.then(|| value.trim().offset()),
                },
                ..Place::of(key)
            };
            let sections = self.schema;
            let line = line.content.text();
            self.findings.line(Severity::Error, place, || match in_key {
                Some(_) => strays::stray(line, None),
                None => strays::unknown_key(&plain(key.text()), line, &sections[identity.section], sections),
            });
            return;
        };
        let Found {
            identity,
            name,
            schema,
            dots,
        } = found;
        let key = behind_section(key, dots);
        self.document.understood = true;
        self.secret = schema.secret;
        self.private_key = strays::begins_private_key(value.text());
        self.unusual_value(line.content, value, &name, schema, &identity);
        self.record(&identity, &name, schema, Entry { key, value });
        self.open = Some(Open {
            identity,
            name,
            schema,
            key,
        });
    }

    /// Whether a line of `[services]` is a secret that belongs elsewhere: any name could be that of a service.
    fn is_secret_astray(&self, found: &Found<'a>, entry: Entry<'a>) -> bool {
        let is_switch = |piece: &Piece<'_>| kinds::boolean(&plain(piece.text())).is_ok();
        matches!(self.schema[found.identity.section].keys, Keys::Units(_))
            && !typing::values(&entry, found.schema).iter().all(is_switch)
            && names::may_be_secret(&plain(entry.key.text()))
    }

    /// A line that is no setting: a further value of a list, or astray.
    fn text(&mut self, line: RawLine<'a>) {
        if line.indented
            && let Some(open) = self.open.take()
        {
            if open.schema.list != List::No {
                let entry = Entry {
                    key: open.key,
                    value: line.content,
                };
                self.private_key = strays::begins_private_key(line.content.text());
                self.unusual_value(
                    line.content,
                    line.content,
                    &open.name,
                    open.schema,
                    &open.identity,
                );
                self.record(&open.identity, &open.name, open.schema, entry);
                self.open = Some(open);
                return;
            }
            let label = header::label(&open.identity, self.schema);
            let place = Place {
                section: Some(&label),
                key: Some(open.schema.name),
                mask_from: self.secret_in(line.content),
                ..Place::of(line.content)
            };
            let key = open.key.text();
            self.findings.line(Severity::Error, place, || {
                Words::new(text!(
                    "{key} takes one value, so a second line of it is not used",
                    key
                ))
                .hint(text!("write the value in one line"))
            });
            return;
        }
        if self.header_without_bracket(line, ':') || self.current.is_none() {
            return;
        }
        self.open = None;
        let text = line.content.text();
        self.private_key = strays::begins_private_key(text);
        let section = self
            .current
            .as_ref()
            .map(|identity| &self.schema[identity.section]);
        let label = self
            .current
            .as_ref()
            .map(|identity| header::label(identity, self.schema));
        let place = Place {
            section: label.as_deref(),
            mask_from: self.secret_in(line.content),
            ..Place::of(line.content)
        };
        self.findings
            .line(Severity::Error, place, || strays::stray(text, section));
    }

    /// Offset in its line from which on a line that is no setting may hold a secret.
    fn secret_in(&self, content: Piece<'_>) -> Option<usize> {
        match self.secret {
            true => Some(content.offset()),
            false => strays::secret_behind(content.text()).map(|at| content.offset() + at),
        }
    }

    /// The sections to which the current line belongs.
    fn sections(&mut self) -> &mut BTreeMap<Identity, Body<'a>> {
        let Some(Identity {
            subject: Subject::Machine(condition),
            ..
        }) = &self.current
        else {
            return &mut self.document.sections;
        };
        let all = &mut self.document.overrides;
        let index = self.conditions.get(condition).copied().unwrap_or_else(|| {
            self.conditions.insert(condition.clone(), all.len());
            all.push(Overrides {
                condition: condition.clone(),
                sections: BTreeMap::new(),
            });
            all.len() - 1
        });
        &mut all[index].sections
    }

    fn record(&mut self, identity: &Identity, name: &str, schema: &'a Key<'a>, entry: Entry<'a>) {
        let label = header::label(identity, self.schema);
        let body = self.sections().entry(identity.clone()).or_default();
        let Some(setting) = body.get_mut(name) else {
            let entries = vec![entry];
            body.insert(name.to_string(), Setting { schema, entries });
            return;
        };
        if schema.list != List::No {
            setting.entries.push(entry);
            return;
        }
        for earlier in std::mem::replace(&mut setting.entries, vec![entry]) {
            let place = Place {
                section: Some(&label),
                key: Some(name),
                mask_from: schema.secret.then(|| earlier.value.trim().offset()),
                ..Place::of(earlier.key)
            };
            self.findings
                .line(Severity::Warning, place, || Words::twice(earlier.key, entry.key));
        }
    }
}

/// Splits a line at its first `=`, because the section in front of a key may hold colons.
fn split_at_equals(content: Piece<'_>) -> Option<(Piece<'_>, Piece<'_>)> {
    let (key, value) = content.text().split_once('=')?;
    Some((content.part(key).trim(), content.part(value)))
}
