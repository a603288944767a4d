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
    both_of(&contents(), "ID=debian\nVERSION_ID=\"13\"\n", None)
}

fn both_of(contents: &Contents, os_release: &str, made_from: Option<&MadeFrom>) -> [Value; 2] {
    let image = image();
    let subject = Subject {
        image: &image,
        contents,
        system: Distribution::parse(os_release),
        made_from,
        inside: made_from
            .filter(|made_from| made_from.is_container)
            .map(|_| Inside {
                kind: "apk",
                distribution: Distribution::parse("ID=alpine\nVERSION_ID=3.20.1\n"),
                packages: contents.packages.clone(),
            }),
    };
    [cyclonedx::document(&subject), spdx::document(&subject)]
}

fn made_from(is_container: bool) -> MadeFrom {
    MadeFrom {
        origin: Origin {
            file: "shop.tar".into(),
            name: is_container.then(|| "example/shop:1".into()),
            sha256: "ef".repeat(32),
        },
        is_container,
    }
}

/// Every object below a value.
fn objects(value: &Value) -> Vec<&Value> {
    let below: Vec<_> = match value {
        Value::Object(fields) => fields.values().flat_map(objects).collect(),
        Value::Array(values) => values.iter().flat_map(objects).collect(),
        _ => return Vec::new(),
    };
    [value].into_iter().chain(below).collect()
}

fn find<'a>(document: &'a Value, name: &str) -> &'a Value {
    let lists = ["components", "packages"].into_iter();
    let mut all = lists.filter_map(|list| document[list].as_array()).flatten();
    all.find(|component| component["name"] == name).unwrap()
}

/// A second one, and Trivy takes either for the distribution.
#[test]
fn there_is_one_operating_system() {
    let [cyclonedx, spdx] = both();
    let systems: Vec<_> = objects(&cyclonedx)
        .into_iter()
        .filter(|object| object["type"] == "operating-system")
        .collect();
    assert_eq!(systems.len(), 1, "{systems:?}");
    let packages = spdx["packages"].as_array().unwrap().iter();
    let known_by_id = |package: &&Value| {
        let id = package["SPDXID"].as_str().unwrap();
        id.starts_with("SPDXRef-OperatingSystem")
    };
    let systems: Vec<_> = packages.filter(known_by_id).collect();
    assert_eq!(systems.len(), 1, "{systems:?}");
    assert_eq!(
        (&systems[0]["name"], &systems[0]["versionInfo"]),
        (&json!("debian"), &json!("13"))
    );
}

/// The values of the schema: spdx/spdx-spec, `schemas/spdx-schema.json` of version 2.3. The specification's text has a hyphen.
#[test]
fn purposes_are_those_of_the_schema() {
    let known = "OTHER INSTALL ARCHIVE FIRMWARE APPLICATION FRAMEWORK LIBRARY CONTAINER SOURCE DEVICE OPERATING_SYSTEM FILE";
    for is_container in [false, true] {
        let made_from = made_from(is_container);
        let [_, document] = both_of(&contents(), "ID=debian\n", Some(&made_from));
        for package in document["packages"].as_array().unwrap() {
            if let Some(purpose) = package["primaryPackagePurpose"].as_str() {
                assert!(known.split(' ').any(|one| one == purpose), "{purpose}");
            }
        }
    }
}

#[test]
fn what_the_image_is_made_from_is_named() {
    let container = made_from(true);
    let [cyclonedx, spdx] = both_of(&contents(), "ID=debian\n", Some(&container));
    let component = find(&cyclonedx, "example/shop:1");
    let purl = format!(
        "pkg:oci/shop@sha256:{}?repository_url=example%2Fshop&tag=1",
        "ef".repeat(32)
    );
    assert_eq!(
        (&component["type"], &component["purl"]),
        (&json!("container"), &json!(purl))
    );
    assert_eq!(
        cyclonedx["compositions"],
        json!([{ "aggregate": "incomplete", "assemblies": [component["bom-ref"]] }])
    );
    let package = find(&spdx, "example/shop:1");
    assert_eq!(package["externalRefs"][0]["referenceLocator"], purl);
    assert!(
        package["comment"]
            .as_str()
            .unwrap()
            .contains("in the CycloneDX document")
    );
    // Its packages are of its own distribution, and parts of it: at the top they would be the system's.
    assert_eq!(
        component["components"][0]["purl"],
        "pkg:apk/alpine/libx%2B%2B@1:2.0-3%2Bb1?arch=amd64&distro=alpine-3.20.1&upstream=x%401:2.0-3"
    );
    let names = objects(&cyclonedx)
        .into_iter()
        .filter_map(|object| object["bom-ref"].as_str());
    let names: Vec<_> = names.collect();
    assert_eq!(
        names.iter().collect::<BTreeSet<_>>().len(),
        names.len(),
        "{names:?}"
    );

    let [cyclonedx, spdx] = both_of(&contents(), "ID=debian\n", Some(&made_from(false)));
    let (component, package) = (find(&cyclonedx, "shop.tar"), find(&spdx, "shop.tar"));
    assert_eq!(
        (&component["type"], &component["purl"]),
        (&json!("file"), &Value::Null)
    );
    assert_eq!(component["hashes"][0]["content"], "ef".repeat(32));
    assert_eq!(package["checksums"][0]["checksumValue"], "ef".repeat(32));
}

/// Debian's kernel in a system of another distribution, and a system that does not say which it is.
#[test]
fn a_package_has_its_own_distributions_name_or_none() {
    let mut contents = contents();
    contents.packages[1].distribution = Some(Distribution::debian("trixie"));
    let purls = |os_release| {
        let [cyclonedx, spdx] = both_of(&contents, os_release, None);
        ["libx++", "web"].map(|name| {
            let packages = spdx["packages"].as_array().unwrap();
            let package = packages.iter().rfind(|package| package["name"] == name).unwrap();
            let purl = find(&cyclonedx, name)["purl"].clone();
            assert_eq!(package["externalRefs"][0]["referenceLocator"], purl);
            purl.as_str().map(String::from)
        })
    };
    let kernel = "pkg:deb/debian/web@1:2.0-3?arch=amd64&distro=debian-13";
    let [other, debian] = purls("ID=ubuntu\nVERSION_ID=24.04\n");
    assert!(other.unwrap().contains("distro=ubuntu-24.04"));
    assert_eq!(debian.as_deref(), Some(kernel));
    assert_eq!(purls(""), [None, Some(kernel.into())]);
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
    let [cyclonedx, spdx] = both_of(&contents(), "ID=debian\n", Some(&made_from(true)));
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
