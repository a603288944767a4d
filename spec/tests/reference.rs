//! The reference page in `docs/` is what the table says.

mod common;

use std::path::Path;

use genpack_spec::facts::Facts;
use genpack_spec::system_ini::{reference, schema_json};

#[test]
fn the_page_is_what_the_table_says() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/system-ini-reference.md");
    common::assert_none(
        common::compare(&page, &reference(&Facts::default()))
            .into_iter()
            .collect(),
    );
}

#[test]
fn declared_sections_stand_beside_the_built_in_ones() {
    let facts: Facts = serde_json::from_value(serde_json::json!({
        "features": ["ssh"],
        "settings": [{"name": "kiosk", "help": "The page.", "keys": [
            {"name": "zoom", "type": "integer", "min": 1, "max": 9, "default": 3, "help": "How large."},
            {"name": "mode", "type": "choice", "choices": ["day", "night"]},
            {"name": "pin", "type": "secret"},
        ]}],
    }))
    .unwrap();
    let schema = schema_json(&facts);
    let sections = schema["sections"].as_array().unwrap();
    let section = |name: &str| sections.iter().find(|section| section["name"] == name);
    assert!(section("ssh").is_some() && section("wifi").is_none());
    let kiosk = section("kiosk").unwrap();
    assert_eq!(kiosk["help"], "The page.");
    let keys = kiosk["keys"].as_array().unwrap();
    assert_eq!(
        (
            &keys[0]["type"],
            &keys[0]["min"],
            &keys[0]["max"],
            &keys[0]["default"],
            &keys[0]["list"]
        ),
        (&"integer".into(), &1.into(), &9.into(), &3.into(), &false.into())
    );
    assert_eq!(keys[1]["choices"], serde_json::json!(["day", "night"]));
    assert_eq!(
        (&keys[2]["secret"], &keys[2]["default"]),
        (&true.into(), &serde_json::Value::Null)
    );
    assert!(reference(&facts).contains("## `[kiosk]`"));
}
