//! `golden/fields/FIELD.txt`: blueprints of one line each, and below each what it comes to or what is said of it.

use std::fs;
use std::path::Path;

use genpack_builder::blueprint::{BlueprintFile, InputError, blueprint_schema};
use serde_json::Value;

use crate::golden;

/// The blueprint in a line of a golden file, if it has one.
pub fn blueprint_of(line: &str) -> Option<&str> {
    line.starts_with('{').then_some(line)
}

/// Reads a blueprint of one line.
pub fn read(line: &str) -> Result<BlueprintFile, InputError> {
    BlueprintFile::parse(Path::new("genpack.json5"), line.into(), "folder")
}

/// Returns the names of all fields.
pub fn all() -> Vec<String> {
    let schema = blueprint_schema();
    let fields = schema["properties"].as_object().unwrap().keys();
    fields.cloned().collect()
}

fn answer(line: &str, field: &str) -> (bool, String) {
    match read(line) {
        Err(error) => (false, error.render(false).trim().to_string()),
        Ok(file) => {
            let value = serde_json::to_value(file.resolve("x86_64", None).unwrap()).unwrap();
            match value.get(field) {
                None | Some(Value::Null) => (true, "fine".into()),
                Some(value) => (true, format!("= {value}")),
            }
        }
    }
}

#[test]
fn every_field_has_good_and_bad_cases_with_their_messages() {
    let mut differences = Vec::new();
    for field in all() {
        let path = golden::folder("fields").join(format!("{field}.txt"));
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let answers: Vec<_> = text
            .lines()
            .filter_map(blueprint_of)
            .map(|line| (line, answer(line, &field)))
            .collect();
        for outcome in [true, false] {
            assert!(
                answers.iter().any(|(_, (good, _))| *good == outcome),
                "{field} lacks a case"
            );
        }
        let block = |(line, (_, said)): &(&str, (bool, String))| format!("{line}\n{said}\n");
        let actual = answers.iter().map(block).collect::<Vec<_>>().join("\n");
        differences.extend(golden::compare(&path, &actual));
    }
    golden::assert_none(differences);
}
