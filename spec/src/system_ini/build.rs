//! From typed values to settings: what holds, and what is said about the rest.

use std::collections::BTreeMap;

use super::Context;
use super::document::{Body, Document};
use super::findings::{Findings, Place, Words};
use super::header::{self, Subject};
use super::kinds::Value;
use super::network::{self, Lines};
use super::protected;
use super::schema::{Fallback, Key, List, Section};
use super::typing::{self, Item};
use crate::report::Severity;
use crate::settings::Settings;
use crate::types::{PortId, UnitName};

/// Makes the settings of a document.
pub(super) fn settings(
    document: &Document<'_>,
    schema: &[Section<'_>],
    context: &Context<'_>,
    findings: &mut Findings,
) -> Settings {
    let mut settings = Settings::default();
    for (identity, body) in &document.sections {
        let label = header::label(identity, schema);
        match (schema[identity.section].name, &identity.subject) {
            ("network", Subject::Port(port)) => {
                let lines = network_lines(body, &label, context, findings);
                let network = network::build(port, lines, findings);
                // An empty [network] says nothing; an empty [network eth1] says that [network] is not for eth1.
                if !body.is_empty() || *port != PortId::Default {
                    settings.network.insert(port.clone(), network);
                }
            }
            ("services", _) => services(body, &label, context, findings, &mut settings),
            _ => plain(body, &label, context, findings, &mut settings),
        }
    }
    settings
}

/// Settings whose values stand for themselves.
fn plain(
    body: &Body<'_>,
    label: &str,
    context: &Context<'_>,
    findings: &mut Findings,
    settings: &mut Settings,
) {
    for setting in body.values() {
        let used = fallback(setting.schema, context);
        let Some(items) = typing::items(setting, label, context) else {
            no_value(
                setting.entries[0].key,
                label,
                setting.schema.name,
                &used,
                findings,
            );
            continue;
        };
        let some_good = items.iter().any(|item| item.outcome.is_ok());
        for item in items {
            match item.outcome {
                Ok(Value::Hostname(name)) => settings.system.hostname = Some(name),
                Ok(Value::TimeZone(zone)) => settings.system.timezone = Some(zone),
                Ok(Value::SshKey(key)) => settings.ssh.keys.push(key),
                Ok(_) => {}
                Err(refusal) => {
                    let example = format!("for example {}", setting.schema.example);
                    let hint = refusal.hint.unwrap_or(example.into());
                    let list = setting.schema.list != List::No;
                    findings.value(Severity::Error, item.place, || {
                        let words = Words::new(refusal.problem).hint(hint);
                        // The other values of a list stay in use: this one is simply left out.
                        if list && some_good {
                            words
                        } else {
                            words.used(used.clone())
                        }
                    });
                }
            }
        }
    }
    deduplicate(&mut settings.ssh.keys);
}

fn deduplicate<T: Ord + Clone>(values: &mut Vec<T>) {
    let mut seen = std::collections::BTreeSet::new();
    values.retain(|value| seen.insert(value.clone()));
}

fn services(
    body: &Body<'_>,
    label: &str,
    context: &Context<'_>,
    findings: &mut Findings,
    settings: &mut Settings,
) {
    for setting in body.values() {
        // The last line counts, and with it the spelling of the unit there.
        let Some(entry) = setting.entries.last() else {
            continue;
        };
        let Ok(unit) = entry.key.text().parse::<UnitName>() else {
            continue;
        };
        let name = entry.key.text();
        let as_shipped = || fallback(setting.schema, context);
        let Some(items) = typing::items(setting, label, context) else {
            no_value(entry.key, label, unit.as_str(), &as_shipped(), findings);
            continue;
        };
        for item in items {
            let place = Place {
                key: Some(unit.as_str()),
                ..item.place
            };
            match item.outcome {
                Ok(Value::Bool(on)) => match protected::refusal(&unit, on) {
                    None => {
                        settings.services.insert(unit.clone(), on);
                    }
                    Some(problem) => findings.value(Severity::Error, place, || {
                        Words::new(problem).used(as_shipped()).hint("delete this line")
                    }),
                },
                Ok(_) => {}
                Err(refusal) => findings.value(Severity::Error, place, || {
                    Words::new(refusal.problem)
                        .used(as_shipped())
                        .hint(format!("{name} = on, or {name} = off"))
                }),
            }
        }
    }
}

fn network_lines<'a>(
    body: &Body<'a>,
    label: &'a str,
    context: &Context<'_>,
    findings: &mut Findings,
) -> Lines<'a> {
    let mut lines: BTreeMap<&str, Vec<Item<'a>>> = BTreeMap::new();
    for setting in body.values() {
        match typing::items(setting, label, context) {
            Some(items) => {
                lines.insert(setting.schema.name, items);
            }
            None => {
                let used = fallback(setting.schema, context);
                no_value(
                    setting.entries[0].key,
                    label,
                    setting.schema.name,
                    &used,
                    findings,
                );
            }
        }
    }
    let mut take = |name| lines.remove(name).unwrap_or_default();
    Lines {
        method: take("method").pop(),
        addresses: take("address"),
        netmask: take("netmask").pop(),
        gateways: take("gateway"),
        dns: take("dns"),
    }
}

/// A setting whose value was deleted: nothing is wrong, but its writer may wonder.
fn no_value(key: super::lexer::Piece<'_>, label: &str, name: &str, used: &str, findings: &mut Findings) {
    let place = Place {
        section: Some(label),
        key: Some(name),
        ..Place::of(key)
    };
    findings.value(Severity::Note, place, || {
        Words::new(format!("{} has no value", key.text())).used(used)
    });
}

/// Returns what holds in place of a setting, as a phrase.
fn fallback(key: &Key<'_>, context: &Context<'_>) -> String {
    match key.fallback {
        Fallback::Text(text) => text.to_string(),
        Fallback::DefaultHostname => context.default_hostname.to_string(),
    }
}
