//! `golden/profile/FIELD.txt`: profiles of one line each, beside a `base` that has everything, and below each what it comes
//! to or what is said of it.

use std::fs;

use genpack_builder::blueprint::{load_profile, profile_schema};
use serde_json::Value;

use crate::golden;

const BASE: &str = "{ packages: ['tzdata'], services: ['ssh'], kernel: { package: 'linux-image-cloud-amd64', \
                    parameters: ['quiet'], initramfs_modules: ['vfat'], optional_initramfs_modules: ['mmc_block'] } }";

/// Returns the names of all fields; those of `kernel` behind a full stop.
fn all() -> Vec<String> {
    let schema = profile_schema();
    let names = |fields: &Value| fields.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let fields = &schema["properties"];
    let inner = names(&fields["kernel"]["properties"]);
    let inner = inner.iter().map(|name| format!("kernel.{name}"));
    names(fields).into_iter().chain(inner).collect()
}

fn answer(line: &str, field: &str) -> (bool, String) {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in [("base", BASE), ("mine", line)] {
        fs::write(dir.path().join(format!("{name}.json5")), text).unwrap();
    }
    match load_profile("mine", &[dir.path().to_path_buf()]) {
        Err(error) => {
            let folder = format!("{}/", dir.path().display());
            (false, error.render(false).replace(&folder, "").trim().to_string())
        }
        Ok(profile) => {
            let profile = serde_json::to_value(profile).unwrap();
            let value = profile.pointer(&format!("/{}", field.replace('.', "/")));
            (true, value.map_or("fine".into(), |value| format!("= {value}")))
        }
    }
}

#[test]
fn every_field_has_good_and_bad_cases_with_their_messages() {
    golden::every_field("profile", &all(), answer);
}
