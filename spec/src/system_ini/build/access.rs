//! `[ssh]`, `[user NAME]`, `[services]`.

use std::collections::{BTreeMap, BTreeSet};

use super::super::characters::plain;
use super::super::findings::{Place, Words};
use super::super::kinds::Value;
use super::{Values, protected};
use crate::report::Severity;
use crate::settings::{Ssh, User};
use crate::text;
use crate::text::Text;
use crate::types::UnitName;

pub(super) fn ssh(values: &mut Values<'_, '_>) -> Ssh {
    Ssh {
        enabled: values.one("enabled"),
        keys: once(values.list("key")),
        password_login: values.one("password_login"),
    }
}

pub(super) fn user(values: &mut Values<'_, '_>) -> User {
    let mut user = User {
        password: values.one("password"),
        password_hash: values.one("password_hash"),
        ssh_keys: once(values.list("ssh_key")),
        groups: once(values.list("groups")),
        shell: values.one("shell"),
    };
    // Whoever has a hash there and writes a password beside it wants the new password.
    if user.password.is_some()
        && user.password_hash.take().is_some()
        && let Some(place) = values.place("password_hash")
    {
        values.findings.value(Severity::Warning, place, || {
            Words::new(text!(
                "a password stands here twice: as password and as password_hash"
            ))
            .used(text!("password"))
            .hint(text!("delete this line"))
        });
    }
    user
}

/// Keeps the first of equal values.
fn once<T: Ord + Clone>(mut values: Vec<T>) -> Vec<T> {
    let mut seen = BTreeSet::new();
    values.retain(|value| seen.insert(value.clone()));
    values
}

pub(super) fn services(values: &mut Values<'_, '_>) -> BTreeMap<UnitName, bool> {
    let mut services: BTreeMap<UnitName, (bool, Place<'_>)> = BTreeMap::new();
    // The last line counts, and with it the spelling of the unit there.
    let mut lines: Vec<_> = values
        .body()
        .iter()
        .filter_map(|(folded, setting)| Some((folded, setting, setting.entries.last()?)))
        .collect();
    lines.sort_by_key(|(_, _, entry)| entry.key.number());
    for (folded, setting, entry) in lines {
        let name = &*plain(entry.key.text());
        let Ok(written) = name.parse::<UnitName>() else {
            continue;
        };
        let unit = values.context().facts.unit(&written);
        let used = values.fallback(setting.schema);
        for item in values.items(folded) {
            let place = Place {
                key: Some(written.as_str()),
                ..item.place
            };
            let words = match item.outcome {
                Ok(Value::Bool(on)) => match protected::refusal(unit, on) {
                    None => {
                        let place = Place {
                            piece: entry.key,
                            key: Some(folded),
                            ..item.place
                        };
                        // By another name of the same unit.
                        if let Some((_, earlier)) = services.insert(unit.clone(), (on, place)) {
                            values.findings.value(Severity::Warning, earlier, || {
                                Words::twice(earlier.piece, entry.key)
                            });
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
