//! CycloneDX 1.6 (<https://cyclonedx.org/docs/1.6/json/>).

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::container::Inside;
use super::purl::DEB;
use super::{MadeFrom, Subject, maintainer, purl, timestamp, uuid};
use crate::packages::contents::Distribution;
use crate::packages::{Entry, is_spdx};

/// Returns the document.
pub fn document(subject: &Subject<'_>) -> Value {
    let Subject {
        image,
        contents,
        system,
        made_from,
        inside,
    } = subject;
    let mut refs = BTreeMap::new();
    for entry in &contents.packages {
        refs.insert(entry.name.as_str(), reference(entry, system));
    }
    let image_ref = format!("image:{}", image.name);
    let mut components = Vec::new();
    let mut dependencies = Vec::new();
    // What belongs to the system, and what is in the image beside it: scanners ask the system's security data about the former.
    let (mut of_system, mut of_image) = (Vec::new(), Vec::new());
    for entry in &contents.packages {
        let own = &refs[entry.name.as_str()];
        let mut component = package(entry, own, purl::of_package(DEB, entry, system));
        component["properties"] = properties(entry);
        components.push(component);
        let on: Vec<_> = entry
            .depends
            .iter()
            .filter_map(|name| refs.get(name.as_str()))
            .collect();
        dependencies.push(json!({ "ref": own, "dependsOn": on }));
        match entry.distribution.is_none() && !system.id.is_empty() {
            true => of_system.push(own.clone()),
            false => of_image.push(own.clone()),
        }
    }
    if !system.id.is_empty() {
        let system_ref = format!("system:{}-{}", system.id, system.version);
        components.insert(0, operating_system(system, &system_ref));
        dependencies.insert(0, json!({ "ref": system_ref, "dependsOn": of_system }));
        of_image.insert(0, system_ref);
    }
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
        of_image.push(name);
    }
    let mut compositions = Vec::new();
    if let Some(made_from) = made_from {
        let name = format!("file:{}", made_from.origin.sha256);
        components.push(source_file(made_from, inside.as_ref(), &name));
        // Not everything in it comes from packages, or from packages that can be told.
        compositions.push(json!({ "aggregate": "incomplete", "assemblies": [name] }));
        of_image.push(name);
    }
    dependencies.insert(0, json!({ "ref": image_ref, "dependsOn": of_image }));
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
                // Trivy takes any operating system that it meets for the one that packages are of, and reads no document about a
                // device or firmware.
                "type": "application",
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
    if !compositions.is_empty() {
        document["compositions"] = compositions.into();
    }
    document["serialNumber"] = format!("urn:uuid:{}", uuid(&document)).into();
    document
}

/// A name within the document.
fn reference(entry: &Entry, system: &Distribution) -> String {
    purl::of_package(DEB, entry, system)
        .unwrap_or_else(|| format!("package:{}@{}", entry.name, entry.version))
}

fn operating_system(system: &Distribution, name: &str) -> Value {
    let mut component = json!({ "bom-ref": name, "type": "operating-system", "name": system.id });
    if !system.version.is_empty() {
        component["version"] = system.version.as_str().into();
    }
    component
}

fn source_file(made_from: &MadeFrom, inside: Option<&Inside>, name: &str) -> Value {
    let origin = &made_from.origin;
    let mut component = json!({
        "bom-ref": name,
        "type": "file",
        "name": origin.file,
        "hashes": [{ "alg": "SHA-256", "content": origin.sha256 }],
    });
    if made_from.is_container {
        component["type"] = "container".into();
        component["name"] = origin.name.as_deref().unwrap_or(&origin.file).into();
        component["purl"] = purl::of_container(origin).into();
    }
    if let Some(inside) = inside.filter(|inside| !inside.packages.is_empty()) {
        component["components"] = packages_inside(inside, name);
    }
    component
}

/// A container's packages, as parts of it: grype knows of each by its URL which distribution it is of. Trivy, for which all
/// packages of a document are of one, does not look there.
fn packages_inside(inside: &Inside, container: &str) -> Value {
    let component = |entry: &Entry| {
        let purl = purl::of_package(inside.kind, entry, &inside.distribution);
        // The system may have the same package.
        let name = format!("{container}/{}:{}@{}", entry.name, entry.arch, entry.version);
        package(entry, &name, purl)
    };
    inside.packages.iter().map(component).collect()
}

fn package(entry: &Entry, name: &str, purl: Option<String>) -> Value {
    let mut component = json!({
        "bom-ref": name,
        "type": "library",
        "name": entry.name,
        "version": entry.version,
        "description": entry.summary,
    });
    if let Some(purl) = purl {
        component["purl"] = purl.into();
    }
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
