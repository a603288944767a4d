//! What is written from settings means these settings.

use std::fs;
use std::path::Path;

use genpack_spec::facts::{Facts, Machine};
use genpack_spec::settings::Settings;
use genpack_spec::system_ini::{Context, Secrets, parse, write};

fn read(bytes: &[u8], facts: &Facts, machine: &Machine) -> Settings {
    let default_hostname = "web-123456".parse().expect("a valid name");
    let context = Context {
        default_hostname: &default_hostname,
        facts,
        machine: Some(machine),
    };
    parse(bytes, &context).settings
}

/// Every golden file, which together have every setting in every form.
#[test]
fn every_golden_file_can_be_written_from_its_settings() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let json = |name: &str| fs::read(folder.join(name)).unwrap();
    let facts: Facts = serde_json::from_slice(&json("facts.json")).unwrap();
    let machine: Machine = serde_json::from_slice(&json("machine.json")).unwrap();
    let mut count = 0;
    for case in fs::read_dir(&folder).unwrap() {
        let Ok(bytes) = fs::read(case.unwrap().path().join("system.ini")) else {
            continue;
        };
        let mut settings = read(&bytes, &facts, &machine);
        // A section of which nothing could be used says nothing.
        settings.user.retain(|_, user| *user != Default::default());
        let text = write(&settings, Secrets::Plain);
        assert_eq!(read(text.as_bytes(), &facts, &machine), settings, "{text}");
        let shown = write(&settings, Secrets::Masked);
        for secret in secrets(&serde_json::to_value(&settings).unwrap()) {
            assert!(!shown.contains(&format!(" = {secret}\n")), "{shown}");
        }
        count += 1;
    }
    assert!(count > 120, "{count}");
}

fn secrets(value: &serde_json::Value) -> Vec<String> {
    match value {
        serde_json::Value::Object(fields) => match fields.get("secret").and_then(|secret| secret.as_str()) {
            Some(secret) => vec![secret.to_string()],
            None => fields.values().flat_map(secrets).collect(),
        },
        serde_json::Value::Array(values) => values.iter().flat_map(secrets).collect(),
        _ => Vec::new(),
    }
}

#[test]
fn texts_of_every_kind_read_back() {
    let facts: Facts = serde_json::from_value(serde_json::json!({"settings": [{"name": "own", "keys": [
        {"name": "text", "type": "string"}, {"name": "pin", "type": "secret"}]}]}))
    .unwrap();
    for value in [
        "a",
        "a ; b",
        "# a",
        "'a'",
        "\"a\"",
        "it's",
        "a \" b",
        "\"",
        "'",
        "a \u{fc} \u{53f0}",
        "%\\=[]:",
        "a;b#c",
    ] {
        let settings: Settings = serde_json::from_value(
            serde_json::json!({"own": {"own": {"text": value, "pin": {"secret": value}}}}),
        )
        .unwrap();
        let text = write(&settings, Secrets::Plain);
        assert_eq!(
            read(text.as_bytes(), &facts, &Machine::default()),
            settings,
            "{text}"
        );
    }
}
