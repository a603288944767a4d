//! What a developer writes: blueprints and profiles, from JSON5 to values without an invalid state.

mod located;
mod persist;
mod profile;
mod schema;
mod settings;
mod text;
mod types;

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

pub use located::InputError;
pub use persist::DataSize;
pub use profile::{Kernel, Profile};
pub use schema::{Blueprint, User};
pub use settings::OwnSections;
pub use types::{ArtifactName, Base, CompressionSetting, Mirror, PackageName};

/// The blueprint's file name inside its folder.
pub const BLUEPRINT_FILE: &str = "genpack.json5";
/// The folder beside the blueprint whose content is copied to `/`.
pub const FILES_DIR: &str = "files";

/// Reads the blueprint in `folder`.
///
/// # Errors
/// [`InputError`] with the line when the text is wrong; another error when there is none or it can't be read.
pub fn load(folder: &Path) -> Result<Blueprint> {
    if folder.is_file() {
        bail!(InputError::plain(format!(
            "{} is a file; name the folder that it is in: genpack build DIR",
            folder.display()
        )));
    }
    let path = folder.join(BLUEPRINT_FILE);
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(located::parse(&path, &text)?),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => bail!(InputError::plain(format!(
            "there is no {BLUEPRINT_FILE} in {}; name the folder of a blueprint: genpack build DIR",
            folder.display()
        ))),
        Err(error) => bail!(InputError::plain(format!(
            "{} can't be read: {error}",
            path.display()
        ))),
    }
}

/// Reads the profile `name` and those that it inherits from. `folders` are asked in order: a blueprint may bring
/// `profiles/NAME.json5` of its own.
///
/// # Errors
/// [`InputError`] when there is no such profile, it inherits from itself, or its text is wrong.
pub fn load_profile(name: &str, folders: &[PathBuf]) -> Result<Profile> {
    let mut chain = Vec::new();
    let mut next = Some(name.to_string());
    while let Some(name) = next {
        if chain.iter().any(|(seen, _): &(String, _)| *seen == name) {
            bail!(InputError::plain(format!(
                "the profile {name} inherits from itself"
            )));
        }
        let raw = profile::read(&name, folders)?;
        next = raw.inherits.clone();
        chain.push((name, raw));
    }
    let profiles = chain.into_iter().rev().map(|(_, raw)| raw);
    profile::resolve(name, profiles).map_err(|problem| InputError::plain(problem).into())
}

/// Joins package lists in order, each package once; `-name` removes what came before (genpack's published rule).
pub fn join_packages<'a>(lists: impl IntoIterator<Item = &'a [PackageName]>) -> Vec<String> {
    let mut joined: Vec<String> = Vec::new();
    for package in lists.into_iter().flatten() {
        joined.retain(|name| name != package.name());
        if !package.is_removed() {
            joined.push(package.name().to_string());
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(names: &[&str]) -> Vec<PackageName> {
        names.iter().map(|name| name.parse().unwrap()).collect()
    }

    #[test]
    fn lists_join_without_duplicates_and_honour_removal() {
        let (profile, own) = (
            list(&["systemd", "dbus", "nano"]),
            list(&["nginx", "-nano", "dbus"]),
        );
        assert_eq!(
            join_packages([profile.as_slice(), &own]),
            ["systemd", "nginx", "dbus"]
        );
    }

    #[test]
    fn a_missing_blueprint_says_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let error = load(dir.path()).unwrap_err().to_string();
        assert!(error.contains("there is no genpack.json5 in"), "{error}");
        assert!(error.contains("genpack build DIR"), "{error}");
    }

    #[test]
    fn a_profile_can_not_inherit_from_itself() {
        let dir = tempfile::tempdir().unwrap();
        for (name, parent) in [("a", "b"), ("b", "a")] {
            let text = format!("{{ inherits: '{parent}' }}");
            std::fs::write(dir.path().join(format!("{name}.json5")), text).unwrap();
        }
        let error = load_profile("a", &[dir.path().to_path_buf()])
            .unwrap_err()
            .to_string();
        assert_eq!(error, "the profile a inherits from itself");
    }
}
