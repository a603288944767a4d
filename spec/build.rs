//! Turns the translations into tables that need no reading at run time.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{env, fs};

const LANGUAGES: [&str; 2] = ["ja", "de"];

fn main() {
    let variable =
        |name: &str| PathBuf::from(env::var_os(name).unwrap_or_else(|| panic!("cargo sets {name}")));
    let (source, out) = (variable("CARGO_MANIFEST_DIR"), variable("OUT_DIR"));
    println!("cargo::rerun-if-changed=build.rs");
    for language in LANGUAGES {
        let path = source.join("translations").join(format!("{language}.po"));
        println!("cargo::rerun-if-changed={}", path.display());
        let table = format!("&{:?}", read(&path).into_iter().collect::<Vec<_>>());
        let target = out.join(format!("{language}.rs"));
        fs::write(&target, table).unwrap_or_else(|error| panic!("writing {}: {error}", target.display()));
    }
}

/// Returns phrases and their translations; those that are missing or in doubt (fuzzy) are left out, so that English is
/// shown.
fn read(path: &Path) -> BTreeMap<String, String> {
    let catalogue = polib::po_file::parse(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    catalogue
        .messages()
        .filter(|message| message.is_translated() && !message.is_fuzzy())
        .map(|message| {
            let translation = message
                .msgstr()
                .unwrap_or_else(|_| panic!("{}: plural forms are not used", path.display()));
            (message.msgid().to_string(), translation.to_string())
        })
        .collect()
}
