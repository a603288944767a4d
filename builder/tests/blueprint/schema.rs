//! The JSON Schema, judged by a validator that is not ours.

use std::fs;
use std::path::Path;

use genpack_builder::blueprint::{blueprint_schema, names_in, profile_schema, template};
use jsonschema::Validator;
use serde_json::Value;

use crate::{fields, golden};

fn validator(schema: &Value) -> Validator {
    jsonschema::meta::validate(schema).unwrap();
    jsonschema::draft202012::new(schema).unwrap()
}

fn json(text: &str) -> Value {
    json5::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn assert_valid(validator: &Validator, text: &str, what: &dyn std::fmt::Display) {
    let value = json(text);
    let errors: Vec<_> = validator
        .iter_errors(&value)
        .map(|error| error.to_string())
        .collect();
    assert!(errors.is_empty(), "{what}: {errors:?}");
}

/// Returns everything of the repository that has this name.
fn repository_files(name: &str) -> Vec<std::path::PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let folders = ["examples", "tests/fixtures"].map(|folder| root.join(folder));
    let folders = folders.iter().flat_map(|folder| golden::entries(folder));
    folders
        .map(|folder| folder.join(name))
        .filter(|path| path.exists())
        .collect()
}

#[test]
fn all_examples_are_valid() {
    let schema = validator(&blueprint_schema());
    let examples = repository_files("genpack.json5");
    assert!(examples.len() >= 2, "{examples:?}");
    for path in examples {
        assert_valid(&schema, &fs::read_to_string(&path).unwrap(), &path.display());
    }
    for path in golden::entries(&golden::folder("merge")) {
        let path = path.join("genpack.json5");
        assert_valid(&schema, &fs::read_to_string(&path).unwrap(), &path.display());
    }
    assert_valid(&schema, &template("web"), &"genpack init");
}

#[test]
fn all_profiles_are_valid() {
    let schema = validator(&profile_schema());
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../profiles");
    let folders = repository_files("profiles").into_iter().chain([own]);
    let files: Vec<_> = folders
        .flat_map(|folder| {
            names_in(&folder)
                .into_iter()
                .map(move |name| folder.join(name + ".json5"))
        })
        .collect();
    assert!(files.len() >= 3, "{files:?}");
    for path in files {
        assert_valid(&schema, &fs::read_to_string(&path).unwrap(), &path.display());
    }
    for wrong in [
        "{ inherit: 'x' }",
        "{ kernel: { package: 'A' } }",
        "{ packages: 'x' }",
        "[]",
    ] {
        assert!(!schema.is_valid(&json(wrong)), "{wrong}");
    }
}

/// What only the reader knows: what fields must be together, or when variants have been merged in.
const ONLY_THE_READER: [&str; 20] = [
    "only with persist",
    "a data partition has",
    "is kept with",
    "is neither \"all\"",
    "has no packages to choose from",
    "is declared twice",
    "is there already",
    "can't be enabled",
    "described twice",
    "has the number",
    "has no variant",
    "duplicate field",
    "is a section that every device has",
    "would be read as",
    "are the same name",
    "belong",
    "a secret has no default",
    "between",
    "is an old name",
    "can't stand in for it",
];

#[test]
fn the_schema_and_the_reader_agree() {
    let schema = validator(&blueprint_schema());
    let (mut refused, mut only_by_the_reader) = (0, Vec::new());
    for field in fields::all() {
        let text = fs::read_to_string(golden::folder("fields").join(field + ".txt")).unwrap();
        for line in text.lines().filter_map(fields::blueprint_of) {
            let value: Result<Value, _> = json5::from_str(line);
            let Ok(value) = value else { continue };
            match (fields::read(line), schema.is_valid(&value)) {
                (Ok(_), true) => {}
                (Err(_), false) => refused += 1,
                // Old names are taken, so that old blueprints go on working, and not proposed.
                (Ok(_), false) => assert!(line.contains("-group"), "only the schema refuses {line}"),
                (Err(error), true) => {
                    let said = error.render(false);
                    let known = ONLY_THE_READER.iter().find(|words| said.contains(*words));
                    assert!(known.is_some(), "only the reader refuses {line}\n{said}");
                    only_by_the_reader.push(line.to_string());
                }
            }
        }
    }
    assert!(refused > 60, "{refused}");
    assert!(only_by_the_reader.len() < 25, "{only_by_the_reader:#?}");
}

#[test]
fn deprecated_names_are_not_proposed() {
    let text = blueprint_schema().to_string();
    for name in ["buildtime-packages", "initial-group", "setup-commands"] {
        assert!(!text.contains(name), "{name}");
    }
}
