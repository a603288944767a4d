//! What both forms must have, and that nothing in them depends on chance. The official schemas were checked by hand; see
//! docs/decisions/0019-sboms.md.

use std::collections::BTreeSet;

use genpack_spec::image::ImageInfo;
use serde_json::{Value, json};

use super::*;
use crate::packages::Contents;

fn image() -> ImageInfo {
    serde_json::from_value(json!({
        "name": "web", "profile": "kvm", "base": "debian:trixie", "kernel": "6.12", "epoch": 1_767_225_600,
    }))
    .unwrap()
}

fn contents() -> Contents {
    let entry = |name: &str, version: &str, source: &str, licences: &[&str], depends: &[&str]| {
        json!({
            "name": name, "version": version, "arch": "amd64", "source": source, "source_version": "1:2.0-3",
            "maintainer": "Somebody <some@body.example>", "summary": "A thing", "licences": licences,
            "reason": "asked", "depends": depends, "files": {}, "sha256": "ab".repeat(32),
        })
    };
    serde_json::from_value(json!({
        "packages": [
            entry("libx++", "1:2.0-3+b1", "x", &["MIT", "GPL-2.0-or-later OR ISC"], &[]),
            entry("web", "1:2.0-3", "web", &["public-domain"], &["libx++"]),
        ],
        "own": [{ "name": "genpack-init", "version": "0.1.0", "sha256": "cd".repeat(32) }],
    }))
    .unwrap()
}

fn both() -> [Value; 2] {
    let (image, contents) = (image(), contents());
    let subject = Subject {
        image: &image,
        contents: &contents,
        system: Distribution::parse("ID=debian\nVERSION_ID=\"13\"\n"),
    };
    [cyclonedx::document(&subject), spdx::document(&subject)]
}

#[test]
fn cyclonedx_has_what_matchers_look_for() {
    let [document, _] = both();
    let components = document["components"].as_array().unwrap();
    assert_eq!(components[0]["type"], "operating-system");
    assert_eq!(
        (&components[0]["name"], &components[0]["version"]),
        (&json!("debian"), &json!("13"))
    );
    let library = &components[1];
    assert_eq!(
        library["purl"],
        "pkg:deb/debian/libx%2B%2B@1:2.0-3%2Bb1?arch=amd64&distro=debian-13&upstream=x%401:2.0-3"
    );
    assert_eq!(
        library["licenses"],
        json!([{ "expression": "(GPL-2.0-or-later OR ISC) AND MIT" }])
    );
    assert_eq!(
        components[2]["licenses"],
        json!([{ "license": { "name": "public-domain" } }])
    );
    assert_eq!(library["supplier"]["contact"][0]["email"], "some@body.example");
    let property = |name: &str| {
        let properties = library["properties"].as_array().unwrap();
        let found = properties
            .iter()
            .find(|property| property["name"] == format!("aquasecurity:trivy:{name}"));
        found.map(|property| property["value"].clone()).unwrap()
    };
    let source = ["SrcEpoch", "SrcName", "SrcVersion", "SrcRelease"].map(property);
    assert_eq!(source, ["1", "x", "2.0", "3"]);
    assert_eq!(document["metadata"]["timestamp"], "2026-01-01T00:00:00Z");
}

#[test]
fn every_reference_leads_somewhere() {
    let [cyclonedx, spdx] = both();
    let texts = |values: &Value, key: &str| -> BTreeSet<String> {
        let values = values.as_array().unwrap();
        values
            .iter()
            .map(|value| value[key].as_str().unwrap().to_string())
            .collect()
    };
    let mut known = texts(&cyclonedx["components"], "bom-ref");
    known.insert(
        cyclonedx["metadata"]["component"]["bom-ref"]
            .as_str()
            .unwrap()
            .into(),
    );
    for dependency in cyclonedx["dependencies"].as_array().unwrap() {
        assert!(
            known.contains(dependency["ref"].as_str().unwrap()),
            "{dependency}"
        );
        for on in dependency["dependsOn"].as_array().unwrap() {
            assert!(known.contains(on.as_str().unwrap()), "{on}");
        }
    }
    let mut known = texts(&spdx["packages"], "SPDXID");
    assert_eq!(
        known.len(),
        spdx["packages"].as_array().unwrap().len(),
        "an identifier twice"
    );
    known.insert("SPDXRef-DOCUMENT".into());
    for relationship in spdx["relationships"].as_array().unwrap() {
        for end in ["spdxElementId", "relatedSpdxElement"] {
            assert!(
                known.contains(relationship[end].as_str().unwrap()),
                "{relationship}"
            );
        }
    }
}

#[test]
fn spdx_says_which_licences_are_debians_own_names() {
    let [_, document] = both();
    let package = |name: &str| {
        let packages = document["packages"].as_array().unwrap();
        packages
            .iter()
            .find(|package| package["name"] == name && package["SPDXID"] != "SPDXRef-Image")
            .unwrap()
            .clone()
    };
    assert_eq!(
        package("web")["licenseDeclared"],
        "LicenseRef-Debian-public-domain"
    );
    assert_eq!(
        package("libx++")["licenseDeclared"],
        "(GPL-2.0-or-later OR ISC) AND MIT"
    );
    let own = &document["hasExtractedLicensingInfos"][0];
    assert_eq!(
        (&own["licenseId"], &own["name"]),
        (&json!("LicenseRef-Debian-public-domain"), &json!("public-domain"))
    );
    assert_eq!(package("libx++")["SPDXID"], "SPDXRef-Package-libx-plus-plus");
}

#[test]
fn numbers_are_made_of_the_content() {
    let [first, second] = [both(), both()];
    assert_eq!(first, second);
    let serial = first[0]["serialNumber"].as_str().unwrap();
    let parts: Vec<_> = serial.trim_start_matches("urn:uuid:").split('-').collect();
    assert_eq!(
        parts.iter().map(|part| part.len()).collect::<Vec<_>>(),
        [8, 4, 4, 4, 12]
    );
    assert!(
        parts[2].starts_with('8') && parts[3].starts_with(['8', '9', 'a', 'b']),
        "{serial}"
    );
    assert_ne!(uuid(&json!(1)), uuid(&json!(2)));
}
