//! SPDX 2.3 (<https://spdx.github.io/spdx-spec/v2.3/>).

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::container::Inside;
use super::cyclonedx::joined;
use super::purl::DEB;
use super::{MadeFrom, Subject, maintainer, purl, timestamp, uuid};
use crate::packages::contents::Distribution;
use crate::packages::{Entry, is_spdx};

const NOT_SAID: &str = "NOASSERTION";
const DOCUMENT: &str = "SPDXRef-DOCUMENT";
const IMAGE: &str = "SPDXRef-Image";
const SOURCE_FILE: &str = "SPDXRef-SourceFile";
/// Where the namespaces of documents begin. They need not be anywhere, but unique.
const NAMESPACE: &str = "https://github.com/genpack/genpack-rs/spdx";

/// Returns the document.
pub fn document(subject: &Subject<'_>) -> Value {
    let Subject {
        image,
        contents,
        system,
        made_from,
        inside,
    } = subject;
    let mut packages = vec![json!({
        "SPDXID": IMAGE,
        "name": image.name,
        "versionInfo": timestamp(image),
        "primaryPackagePurpose": "APPLICATION",
        "comment": format!("profile {}, base {}, kernel {}", image.profile, image.base, image.kernel),
        "downloadLocation": NOT_SAID,
        "filesAnalyzed": false,
        "licenseConcluded": NOT_SAID,
        "licenseDeclared": NOT_SAID,
        "copyrightText": NOT_SAID,
    })];
    let related = |from: &str, how: &str, to: &str| json!({ "spdxElementId": from, "relationshipType": how, "relatedSpdxElement": to });
    let mut relationships = vec![related(DOCUMENT, "DESCRIBES", IMAGE)];
    // Trivy knows the distribution by the beginning of this name, and its packages by what it contains.
    let system_id = id("OperatingSystem", &format!("{}-{}", system.id, system.version));
    if !system.id.is_empty() {
        packages.push(operating_system(system, &system_id));
        relationships.push(related(IMAGE, "CONTAINS", &system_id));
    }
    // Licences that SPDX has no name for, with a package that is under each.
    let mut own_licences = BTreeMap::new();
    for entry in &contents.packages {
        let id = id("Package", &entry.name);
        packages.push(package(subject, entry, &id));
        let inside = match entry.distribution.is_none() && !system.id.is_empty() {
            true => system_id.as_str(),
            false => IMAGE,
        };
        relationships.push(related(inside, "CONTAINS", &id));
        let on = entry.depends.iter();
        relationships.extend(on.map(|other| related(&id, "DEPENDS_ON", &self::id("Package", other))));
        for licence in entry.licences.iter().filter(|licence| !is_spdx(licence)) {
            own_licences
                .entry(licence_ref(licence))
                .or_insert((licence, &entry.name));
        }
    }
    if let Some(made_from) = made_from {
        packages.push(source_file(made_from, inside.as_ref()));
        relationships.push(related(IMAGE, "CONTAINS", SOURCE_FILE));
    }
    for program in &contents.own {
        let id = id("Program", &program.name);
        packages.push(json!({
            "SPDXID": id,
            "name": program.name,
            "versionInfo": program.version,
            "primaryPackagePurpose": "APPLICATION",
            "downloadLocation": NOT_SAID,
            "filesAnalyzed": false,
            "licenseConcluded": "MIT",
            "licenseDeclared": "MIT",
            "copyrightText": NOT_SAID,
            "checksums": [{ "algorithm": "SHA256", "checksumValue": program.sha256 }],
            "externalRefs": [purl_ref(&purl::of_program(&program.name, &program.version))],
        }));
        relationships.push(related(IMAGE, "CONTAINS", &id));
    }
    let extracted: Vec<_> = own_licences
        .iter()
        .map(|(id, (name, package))| {
            json!({
                "licenseId": id,
                "name": name,
                "extractedText": format!(
                    "Debian calls it {name}. The text is in /usr/share/doc/{package}/copyright of the image."
                ),
            })
        })
        .collect();
    let mut document = json!({
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": DOCUMENT,
        "name": image.name,
        "creationInfo": {
            "created": timestamp(image),
            "creators": [concat!("Tool: genpack-", env!("CARGO_PKG_VERSION"))],
        },
        "packages": packages,
        "relationships": relationships,
        "hasExtractedLicensingInfos": extracted,
    });
    document["documentNamespace"] = format!("{NAMESPACE}/{}-{}", image.name, uuid(&document)).into();
    document
}

fn operating_system(system: &Distribution, id: &str) -> Value {
    let mut package = json!({
        "SPDXID": id,
        "name": system.id,
        "primaryPackagePurpose": "OPERATING_SYSTEM",
        "downloadLocation": NOT_SAID,
        "filesAnalyzed": false,
    });
    if !system.version.is_empty() {
        package["versionInfo"] = system.version.as_str().into();
    }
    package
}

fn source_file(made_from: &MadeFrom, inside: Option<&Inside>) -> Value {
    let origin = &made_from.origin;
    let mut package = json!({
        "SPDXID": SOURCE_FILE,
        "name": origin.file,
        "primaryPackagePurpose": "ARCHIVE",
        "comment": "The image is made from it. Not everything in it is in this document.",
        "downloadLocation": NOT_SAID,
        "filesAnalyzed": false,
        "checksums": [{ "algorithm": "SHA256", "checksumValue": origin.sha256 }],
    });
    if made_from.is_container {
        package["name"] = origin.name.as_deref().unwrap_or(&origin.file).into();
        package["primaryPackagePurpose"] = "CONTAINER".into();
        package["externalRefs"] = json!([purl_ref(&purl::of_container(origin))]);
    }
    if inside.is_some_and(|inside| !inside.packages.is_empty()) {
        // SPDX 2.3 has no parts of parts, and scanners would take them for packages of the system's distribution.
        package["comment"] = "The image is made from it. Its packages are in the CycloneDX document.".into();
    }
    package
}

fn package(subject: &Subject<'_>, entry: &Entry, id: &str) -> Value {
    let licences = entry.licences.iter().map(|licence| match is_spdx(licence) {
        true => licence.clone(),
        false => licence_ref(licence),
    });
    let licences: Vec<_> = licences.collect();
    let declared = match licences.is_empty() {
        true => NOT_SAID.to_string(),
        false => joined(licences.iter().map(String::as_str)),
    };
    let mut package = json!({
        "SPDXID": id,
        "name": entry.name,
        "versionInfo": entry.version,
        "summary": entry.summary,
        "sourceInfo": format!("built package from: {} {}", entry.source, entry.source_version),
        "downloadLocation": NOT_SAID,
        "filesAnalyzed": false,
        "licenseConcluded": NOT_SAID,
        "licenseDeclared": declared,
        "copyrightText": NOT_SAID,
        "supplier": supplier(&entry.maintainer),
    });
    if let Some(purl) = purl::of_package(DEB, entry, &subject.system) {
        package["externalRefs"] = json!([purl_ref(&purl)]);
    }
    if let Some(hash) = &entry.sha256 {
        package["checksums"] = json!([{ "algorithm": "SHA256", "checksumValue": hash }]);
    }
    if !entry.homepage.is_empty() {
        package["homepage"] = entry.homepage.as_str().into();
    }
    if entry.part {
        package["comment"] = "Only the files that others use are in the image.".into();
    }
    package
}

/// Whether a maintainer is one person or several can't be told; Debian's packages belong to Debian either way.
fn supplier(text: &str) -> String {
    match maintainer(text) {
        ("", _) => NOT_SAID.to_string(),
        (name, Some(address)) => format!("Organization: {name} ({address})"),
        (name, None) => format!("Organization: {name}"),
    }
}

fn purl_ref(name: &str) -> Value {
    json!({ "referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": name })
}

/// An identifier of letters, digits, `.` and `-`, which all identifiers are made of. `+` is the only other sign in names of
/// packages.
fn id(kind: &str, name: &str) -> String {
    format!("SPDXRef-{kind}-{}", plain(name))
}

fn licence_ref(name: &str) -> String {
    format!("LicenseRef-Debian-{}", plain(name))
}

fn plain(name: &str) -> String {
    let mut plain = String::new();
    for c in name.chars() {
        match c {
            '+' => plain += "-plus",
            c if c.is_ascii_alphanumeric() || c == '.' => plain.push(c),
            _ => plain.push('-'),
        }
    }
    plain
}
