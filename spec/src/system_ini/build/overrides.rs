//! `[match ...]`: settings for some machines only.

use std::collections::BTreeMap;

use super::super::Context;
use super::super::document::{Document, Overrides, Setting};
use super::super::findings::{Findings, Place, Words};
use super::super::header::{self, Identity};
use super::super::schema::Section;
use super::super::typing;
use crate::report::Severity;
use crate::text;

/// Puts the settings for this machine in place of those for all; those for others are only checked.
pub(super) fn apply(
    document: &mut Document<'_>,
    schema: &[Section<'_>],
    context: &Context<'_>,
    findings: &mut Findings,
) {
    let machine = context.machine;
    let (these, others): (Vec<_>, Vec<_>) = std::mem::take(&mut document.overrides)
        .into_iter()
        .partition(|overrides| machine.is_some_and(|machine| overrides.condition.holds_for(machine)));
    for overrides in &others {
        check(overrides, schema, context, findings);
    }
    let mut lines: BTreeMap<(Identity, String), u32> = BTreeMap::new();
    for overrides in these {
        for (identity, body) in overrides.sections {
            for (name, setting) in body {
                report_twice(&identity, &name, &setting, schema, &mut lines, findings);
                let base = document.sections.entry(identity.clone()).or_default();
                base.insert(name, setting);
            }
        }
    }
}

/// Says when two sections that both hold for this machine set the same.
fn report_twice(
    identity: &Identity,
    name: &str,
    setting: &Setting<'_>,
    schema: &[Section<'_>],
    lines: &mut BTreeMap<(Identity, String), u32>,
    findings: &mut Findings,
) {
    let Some(entry) = setting.entries.first() else {
        return;
    };
    let number = entry.key.number();
    let Some(earlier) = lines.insert((identity.clone(), name.to_string()), number) else {
        return;
    };
    let label = header::label(identity, schema);
    let place = Place {
        section: Some(&label),
        key: Some(setting.schema.name),
        mask_from: setting.schema.secret.then(|| entry.value.trim().offset()),
        ..Place::of(entry.key)
    };
    findings.value(Severity::Warning, place, || {
        Words::new(text!(
            "line {earlier} and line {later} set {key} for this device; the last one counts",
            earlier,
            later = number,
            key = setting.schema.name
        ))
        .used(text!("line {number}", number))
    });
}

/// What is wrong in a section for another machine is wrong in the file of this one.
fn check(overrides: &Overrides<'_>, schema: &[Section<'_>], context: &Context<'_>, findings: &mut Findings) {
    for (identity, body) in &overrides.sections {
        let label = header::label(identity, schema);
        for setting in body.values() {
            for item in typing::items(setting, &label, context).into_iter().flatten() {
                if let Err(refusal) = item.outcome {
                    let words = Words::from(refusal).used(text!("nothing; this line is for another device"));
                    findings.value(Severity::Error, item.place, || words);
                }
            }
        }
    }
}
