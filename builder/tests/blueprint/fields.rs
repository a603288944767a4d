//! `golden/fields/FIELD.txt`: blueprints of one line each, and below each what it comes to or what is said of it.

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
    golden::every_field("fields", &all(), answer);
}
