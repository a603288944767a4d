//! One folder for each rule of `system.ini`: the bytes of a file, and what it comes to.

mod common;

use std::fs;
use std::path::Path;

use genpack_spec::system_ini::{Context, Encoding, parse};
use genpack_spec::text::Text;
use genpack_spec::types::TimeZone;
use serde_json::json;

const ZONES: [&str; 6] = [
    "UTC",
    "Asia/Tokyo",
    "Europe/Berlin",
    "America/New_York",
    "America/Argentina/Buenos_Aires",
    "Etc/GMT+9",
];

fn zone(name: &str) -> Option<TimeZone> {
    ZONES
        .iter()
        .find(|zone| zone.eq_ignore_ascii_case(name))?
        .parse()
        .ok()
}

#[test]
fn every_rule_holds() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let default_hostname = "web-123456".parse().unwrap();
    let context = Context {
        default_hostname: &default_hostname,
        time_zone: &zone,
    };
    let mut cases: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    cases.sort();
    assert!(cases.len() >= 40, "only {} cases were found", cases.len());
    let differences = cases.iter().filter_map(|case| {
        let parsed = parse(&fs::read(case.join("system.ini")).unwrap(), &context);
        let actual = json!({
            "encoding": parsed.encoding as Encoding,
            "settings": parsed.settings,
            "diagnostics": parsed.diagnostics.iter().map(|found| found.said(Text::english)).collect::<Vec<_>>(),
        });
        let text = format!("{}\n", serde_json::to_string_pretty(&actual).unwrap());
        common::compare(&case.join("expected.json"), &text)
    });
    common::assert_none(differences.collect());
}
