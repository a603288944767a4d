//! CycloneDX 1.6 (<https://cyclonedx.org/docs/1.6/json/>).

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Subject, maintainer, purl, timestamp, uuid};
use crate::packages::{Entry, is_spdx};

/// Returns the document.
pub fn document(subject: &Subject<'_>) -> Value {
    let Subject {
        image,
        contents,
        system,
    } = subject;
    let mut refs = BTreeMap::new();
    for entry in &contents.packages {
        refs.insert(entry.name.as_str(), purl::of_package(entry, system));
    }
    let image_ref = format!("image:{}", image.name);
    let system_ref = format!("system:{}-{}", system.id, system.version);
    let mut components = vec![json!({
        "bom-ref": system_ref,
        "type": "operating-system",
        "name": system.id,
        "version": system.version,
    })];
    let mut dependencies = Vec::new();
    let mut all = vec![system_ref];
    for entry in &contents.packages {
        components.push(package(entry, &refs[entry.name.as_str()]));
        let on: Vec<_> = entry
            .depends
            .iter()
            .filter_map(|name| refs.get(name.as_str()))
            .collect();
        dependencies.push(json!({ "ref": refs[entry.name.as_str()], "dependsOn": on }));
    }
    all.extend(refs.values().cloned());
    for program in &contents.own {
        let name = purl::of_program(&program.name, &program.version);
        components.push(json!({
            "bom-ref": name,
            "type": "application",
            "name": program.name,
            "version": program.version,
            "purl": name,
            "licenses": [{ "license": { "id": "MIT" } }],
            "hashes": [{ "alg": "SHA-256", "content": program.sha256 }],
        }));
        all.push(name);
    }
    dependencies.insert(0, json!({ "ref": image_ref, "dependsOn": all }));
    let mut document = json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "timestamp": timestamp(image),
            "tools": { "components": [
                { "type": "application", "name": "genpack", "version": env!("CARGO_PKG_VERSION") },
            ] },
            "component": {
                "bom-ref": image_ref,
                "type": "operating-system",
                "name": image.name,
                "version": timestamp(image),
                "properties": [
                    { "name": "genpack:profile", "value": image.profile },
                    { "name": "genpack:base", "value": image.base },
                    { "name": "genpack:kernel", "value": image.kernel },
                ],
            },
        },
        "components": components,
        "dependencies": dependencies,
    });
    document["serialNumber"] = format!("urn:uuid:{}", uuid(&document)).into();
    document
}

fn package(entry: &Entry, name: &str) -> Value {
    let mut component = json!({
        "bom-ref": name,
        "type": "library",
        "name": entry.name,
        "version": entry.version,
        "description": entry.summary,
        "purl": name,
        "properties": properties(entry),
    });
    let (who, address) = maintainer(&entry.maintainer);
    if !who.is_empty() {
        component["supplier"] = json!({ "name": who });
        if let Some(address) = address {
            component["supplier"]["contact"] = json!([{ "name": who, "email": address }]);
        }
    }
    if !entry.licences.is_empty() {
        component["licenses"] = licences(entry);
    }
    if let Some(hash) = &entry.sha256 {
        component["hashes"] = json!([{ "alg": "SHA-256", "content": hash }]);
    }
    if !entry.homepage.is_empty() {
        component["externalReferences"] = json!([{ "type": "website", "url": entry.homepage }]);
    }
    component
}

/// One expression, or a list of names: the form allows no mixture. Names that are no expressions go without SPDX's identifiers.
fn licences(entry: &Entry) -> Value {
    if entry.licences.iter().all(|licence| is_spdx(licence)) {
        return json!([{ "expression": joined(entry.licences.iter().map(String::as_str)) }]);
    }
    let names = entry
        .licences
        .iter()
        .map(|name| json!({ "license": { "name": name } }));
    names.collect()
}

/// Joins expressions that all hold.
pub fn joined<'a>(licences: impl Iterator<Item = &'a str>) -> String {
    let licences: Vec<_> = licences.collect();
    let alone = licences.len() == 1;
    let one = |licence: &&str| match !alone && licence.contains(' ') {
        true => format!("({licence})"),
        false => licence.to_string(),
    };
    licences.iter().map(one).collect::<Vec<_>>().join(" AND ")
}

/// The source package, for scanners that look for it here (Trivy's names), and whether all of the package is there.
fn properties(entry: &Entry) -> Value {
    let (epoch, rest) = match entry.source_version.split_once(':') {
        Some((epoch, rest)) => (Some(epoch), rest),
        None => (None, entry.source_version.as_str()),
    };
    let (version, revision) = match rest.rsplit_once('-') {
        Some((version, revision)) => (version, Some(revision)),
        None => (rest, None),
    };
    let named = [
        ("aquasecurity:trivy:PkgType", Some("debian")),
        ("aquasecurity:trivy:SrcEpoch", epoch),
        ("aquasecurity:trivy:SrcName", Some(entry.source.as_str())),
        ("aquasecurity:trivy:SrcRelease", revision),
        ("aquasecurity:trivy:SrcVersion", Some(version)),
        ("genpack:part", entry.part.then_some("only files that others use")),
    ];
    let known = named.into_iter().filter_map(|(name, value)| Some((name, value?)));
    known
        .map(|(name, value)| json!({ "name": name, "value": value }))
        .collect()
}
