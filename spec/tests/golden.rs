//! One folder for each rule of `system.ini`: the bytes of a file, and what it comes to.
//!
//! What the image has and which machine it is stand in `tests/golden/facts.json` and `machine.json`; a case may have its
//! own.

mod common;

use std::fs;
use std::path::Path;

use genpack_spec::system_ini::{Context, Encoding, parse};
use genpack_spec::text::Text;
use serde::de::DeserializeOwned;
use serde_json::json;

fn read<T: DeserializeOwned>(case: &Path, name: &str) -> T {
    let own = case.join(name);
    let path = if own.exists() {
        own
    } else {
        case.with_file_name(name)
    };
    let text = fs::read_to_string(&path).expect("the facts can be read");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn every_rule_holds() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let default_hostname = "web-123456".parse().unwrap();
    let mut cases: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    cases.sort();
    assert!(cases.len() >= 120, "only {} cases were found", cases.len());
    let differences = cases.iter().filter_map(|case| {
        let context = Context {
            default_hostname: &default_hostname,
            facts: &read(case, "facts.json"),
            machine: Some(&read(case, "machine.json")),
        };
        let parsed = parse(&fs::read(case.join("system.ini")).unwrap(), &context);
        let actual = json!({
            "encoding": parsed.encoding as Encoding,
            "settings": parsed.settings.shown(),
            "diagnostics": parsed.diagnostics.iter().map(|found| found.said(Text::english)).collect::<Vec<_>>(),
        });
        let text = format!("{}\n", serde_json::to_string_pretty(&actual).unwrap());
        common::compare(&case.join("expected.json"), &text)
    });
    common::assert_none(differences.collect());
}
