//! `[services]`.

use std::collections::BTreeMap;

use super::super::characters::plain;
use super::super::findings::{Place, Words};
use super::super::kinds::Value;
use super::super::names;
use super::{Values, protected};
use crate::facts::Facts;
use crate::report::Severity;
use crate::text;
use crate::text::Text;
use crate::types::UnitName;

/// Returns the units that are to be on or off, by the names that the image has for them.
pub(super) fn services(values: &mut Values<'_, '_>) -> BTreeMap<UnitName, bool> {
    let mut services: BTreeMap<UnitName, (bool, Place<'_>)> = BTreeMap::new();
    let units = Units::of(values.context().facts);
    // The last line about a unit counts.
    let mut lines: Vec<_> = values
        .body()
        .iter()
        .filter_map(|(folded, setting)| Some((setting.entries.last()?.key, folded, setting.schema)))
        .collect();
    lines.sort_by_key(|(key, ..)| key.number());
    for (key, folded, schema) in lines {
        let name = &*plain(key.text());
        let (Ok(written), Some(at_key)) = (name.parse::<UnitName>(), values.place(folded)) else {
            continue;
        };
        let Some(unit) = units.find(&written) else {
            let place = Place {
                key: Some(written.as_str()),
                ..at_key
            };
            values
                .findings
                .value(Severity::Error, place, || units.unknown(&written));
            continue;
        };
        let used = values.fallback(schema);
        for item in values.items(folded) {
            let place = Place {
                key: Some(written.as_str()),
                ..item.place
            };
            let words = match item.outcome {
                Ok(Value::Bool(on)) => match protected::refusal(&unit, on) {
                    None => {
                        let at_key = Place {
                            key: Some(folded),
                            ..at_key
                        };
                        // By another name of the same unit.
                        if let Some((_, earlier)) = services.insert(unit.clone(), (on, at_key)) {
                            values
                                .findings
                                .value(Severity::Warning, earlier, || Words::twice(earlier.piece, key));
                        }
                        continue;
                    }
                    Some(problem) => Words::new(problem).hint(text!("delete this line")),
                },
                Ok(_) => continue,
                Err(refusal) => Words::new(refusal.problem).hint(text!(
                    "{on}, or {off}",
                    on = Text::verbatim(format!("{name} = on")),
                    off = Text::verbatim(format!("{name} = off"))
                )),
            };
            values
                .findings
                .value(Severity::Error, place, || words.used(used.clone()));
        }
    }
    services.into_iter().map(|(unit, (on, _))| (unit, on)).collect()
}

/// The image's units, found however people spell them.
struct Units<'a> {
    facts: &'a Facts,
    /// By [`names::fold`].
    spellings: BTreeMap<String, Vec<&'a UnitName>>,
}

impl<'a> Units<'a> {
    fn of(facts: &'a Facts) -> Units<'a> {
        let mut spellings: BTreeMap<String, Vec<&UnitName>> = BTreeMap::new();
        for unit in facts.units.iter().flatten() {
            spellings
                .entry(names::fold(unit.as_str()))
                .or_default()
                .push(unit);
        }
        Units { facts, spellings }
    }

    /// Returns the unit that a name stands for; none when the device has no such unit.
    fn find(&self, written: &UnitName) -> Option<UnitName> {
        let instance = || {
            let (template, instance) = written.template()?;
            self.known(&template)?.with_instance(instance)
        };
        let unseen = self.facts.units.is_none() || self.facts.generated_units;
        self.known(written)
            .cloned()
            .or_else(instance)
            .or_else(|| unseen.then(|| written.clone()))
    }

    fn known(&self, written: &UnitName) -> Option<&UnitName> {
        let same = self.spellings.get(&names::fold(written.as_str()));
        let spelt = same.and_then(|same| {
            same.iter()
                .copied()
                .find(|unit| *unit == written)
                .or(same.first().copied())
        });
        let alias = self.facts.unit_aliases.get(spelt.unwrap_or(written));
        alias.or(spelt)
    }

    fn unknown(&self, written: &UnitName) -> Words {
        let may_be_meant = |unit: &&UnitName| protected::refusal(unit, false).is_none();
        let units = self.facts.units.iter().flatten().filter(may_be_meant);
        let meant = names::suggest(written.short(), units.map(UnitName::short));
        Words::new(text!(
            "there is no service {name} on this device",
            name = written.short()
        ))
        .maybe_hint(meant.map(|word| text!("did you mean {word}?", word)))
        .or_hint(|| text!("delete this line, or ask the maker of the device"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_to_units() {
        let listed = r#""units": ["a-b.service", "a_b.service", "getty@.service", "web.service"],
            "unit_aliases": {"autovt@.service": "getty@.service", "www.service": "web.service"}"#;
        let more = listed.to_string() + r#", "generated_units": true"#;
        let aliases = r#""unit_aliases": {"www.service": "web.service"}"#;
        for (facts, written, want) in [
            (listed, "A_B", Some("a-b.service")),
            (listed, "a_b", Some("a_b.service")),
            (listed, "getty@TTY1", Some("getty@TTY1.service")),
            (listed, "Getty@tty1", Some("getty@tty1.service")),
            (listed, "getty@", Some("getty@.service")),
            (listed, "getty@tty1.socket", None),
            (listed, "web@1", None),
            (listed, "other", None),
            (&more, "Web", Some("web.service")),
            (&more, "Other", Some("Other.service")),
            (aliases, "www", Some("web.service")),
            (aliases, "Other", Some("Other.service")),
        ] {
            let facts: Facts = serde_json::from_str(&format!("{{{facts}}}")).unwrap();
            let unit = Units::of(&facts).find(&written.parse().unwrap());
            assert_eq!(unit.as_ref().map(UnitName::as_str), want, "{written}");
        }
    }
}
