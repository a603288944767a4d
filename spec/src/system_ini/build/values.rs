//! The values of one section, taken by the names of their settings. What can't be used is told of on the way.

use super::super::Context;
use super::super::document::{Body, Setting};
use super::super::findings::{Findings, Place, Words};
use super::super::kinds::Value;
use super::super::lexer::Piece;
use super::super::schema::{Fallback, Key, List, Section};
use super::super::typing::{self, Item};
use crate::facts::Feature;
use crate::report::Severity;
use crate::text;
use crate::text::Text;

/// The values of one section.
pub(super) struct Values<'a, 'r> {
    pub(super) section: &'r Section<'a>,
    body: &'r Body<'a>,
    label: &'r str,
    context: &'r Context<'r>,
    pub(super) findings: &'r mut Findings,
}

impl<'a, 'r> Values<'a, 'r> {
    /// Returns the values, after saying what in this section the device can't do at all.
    pub(super) fn new(
        section: &'r Section<'a>,
        body: &'r Body<'a>,
        label: &'r str,
        context: &'r Context<'r>,
        findings: &'r mut Findings,
    ) -> Values<'a, 'r> {
        let mut values = Values {
            section,
            body,
            label,
            context,
            findings,
        };
        values.report_features();
        values
    }

    pub(super) fn context(&self) -> &'r Context<'r> {
        self.context
    }

    pub(super) fn body(&self) -> &'r Body<'a> {
        self.body
    }

    /// Whether the file has a line for this setting, whatever stands there.
    pub(super) fn has(&self, name: &str) -> bool {
        self.body.contains_key(name)
    }

    /// The value of a setting; when it is none, that is told.
    pub(super) fn one<T: TryFrom<Value<'r>>>(&mut self, name: &str) -> Option<T> {
        self.list(name).pop()
    }

    /// The values of a list; those that are none are told of and left out.
    pub(super) fn list<T: TryFrom<Value<'r>>>(&mut self, name: &str) -> Vec<T> {
        let items = self.items(name);
        let Some(setting) = self.body.get(name) else {
            return Vec::new();
        };
        let some_good = items.iter().any(|item| item.outcome.is_ok());
        let mut good = Vec::new();
        for item in items {
            match item.outcome {
                Ok(value) => good.extend(T::try_from(value).ok()),
                Err(refusal) => {
                    let key = setting.schema;
                    let words = Words::from(refusal).or_hint(|| match key.secret {
                        true => text!("see the remark above this setting in a fresh system.ini"),
                        false => text!("for example {example}", example = key.example),
                    });
                    // The other values of a list stay in use: this one is simply left out.
                    let words = match key.list != List::No && some_good {
                        true => words,
                        false => words.used(self.fallback(key)),
                    };
                    self.findings.value(Severity::Error, item.place, || words);
                }
            }
        }
        good
    }

    /// The values of a setting, each judged. That there is none behind the `=` is told.
    pub(super) fn items(&mut self, name: &str) -> Vec<Item<'r>> {
        let Some((name, setting)) = self.body.get_key_value(name) else {
            return Vec::new();
        };
        if self.lacks(self.section.feature) || self.lacks(setting.schema.feature) {
            return Vec::new();
        }
        if let Some(items) = typing::items(setting, self.label, self.context) {
            return items;
        }
        let key = setting.entries[0].key;
        let used = self.fallback(setting.schema);
        let place = Place {
            key: Some(name),
            ..self.at(setting, key)
        };
        self.findings.value(Severity::Note, place, || {
            Words::new(text!("{key} has no value", key = key.text())).used(used)
        });
        Vec::new()
    }

    fn at(&self, setting: &Setting<'a>, piece: Piece<'r>) -> Place<'r> {
        Place {
            section: Some(self.label),
            key: Some(setting.schema.name),
            mask_from: setting
                .schema
                .secret
                .then(|| setting.entries[0].value.trim().offset()),
            ..Place::of(piece)
        }
    }

    /// The last line of a setting.
    pub(super) fn place(&self, name: &str) -> Option<Place<'r>> {
        let setting = self.body.get(name)?;
        let entry = setting.entries.last()?;
        let mask_from = setting.schema.secret.then(|| entry.value.trim().offset());
        Some(Place {
            section: Some(self.label),
            key: Some(setting.schema.name),
            mask_from,
            ..Place::of(entry.key)
        })
    }

    /// The first line of the section.
    pub(super) fn first_place(&self) -> Option<Place<'r>> {
        let first = |setting: &Setting<'a>| setting.entries.first().map(|entry| entry.key.number());
        let (name, _) = self.body.iter().min_by_key(|(_, setting)| first(setting))?;
        let place = self.place(name)?;
        Some(Place { key: None, ..place })
    }

    /// Says that the section as a whole is not used.
    pub(super) fn refuse_section(&mut self, at: Option<&str>, problem: Text, used: Text, hint: Text) {
        let place = at
            .and_then(|name| self.place(name))
            .or_else(|| self.first_place());
        if let Some(place) = place {
            self.findings.value(Severity::Error, place, || {
                Words::new(problem).used(used).hint(hint)
            });
        }
    }

    pub(super) fn fallback(&self, key: &Key<'_>) -> Text {
        match key.fallback {
            Fallback::Text(text) => Text::new(text, Vec::new()),
            Fallback::Value(value) => Text::verbatim(value),
            Fallback::DefaultHostname => Text::verbatim(self.context.default_hostname),
        }
    }

    /// Whether the device can't do this.
    fn lacks(&self, feature: Option<Feature>) -> bool {
        feature.is_some_and(|feature| !self.context.facts.has(feature))
    }

    fn report_features(&mut self) {
        if self.lacks(self.section.feature) {
            if let Some(place) = self.first_place() {
                let section = self.section.name;
                self.findings.value(Severity::Error, place, || {
                    Words::new(text!("this device does not support [{section}]", section))
                        .used(text!("nothing of this section"))
                        .hint(text!("delete the section, or ask the maker of the device"))
                });
            }
            return;
        }
        for setting in self.body.values() {
            if !self.lacks(setting.schema.feature) {
                continue;
            }
            let key = setting.schema;
            let used = self.fallback(key);
            self.findings
                .value(Severity::Error, self.at(setting, setting.entries[0].key), || {
                    Words::new(text!("this device does not support {key}", key = key.name))
                        .used(used)
                        .hint(text!("delete this line, or ask the maker of the device"))
                });
        }
    }
}
