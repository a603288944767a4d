//! Profiles: what a kind of machine needs beside the blueprint.

use std::fs;
use std::path::PathBuf;

use genpack_spec::types::UnitName;
use serde::{Deserialize, Serialize};

use super::located::{self, InputError};
use super::text;
use super::types::PackageName;

/// A profile as its file has it.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawProfile {
    /// The profile that this one adds to.
    pub inherits: Option<String>,
    packages: Vec<PackageName>,
    #[serde(deserialize_with = "text::parse_list")]
    services: Vec<UnitName>,
    kernel: RawKernel,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawKernel {
    package: Option<String>,
    parameters: Vec<String>,
    initramfs_modules: Vec<String>,
    optional_initramfs_modules: Vec<String>,
}

/// A profile with everything that it inherits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Profile {
    /// Its name.
    pub name: String,
    /// Packages that every image of this profile has.
    pub packages: Vec<PackageName>,
    /// Units to enable.
    pub services: Vec<UnitName>,
    /// The kernel.
    pub kernel: Kernel,
}

/// The kernel of a profile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Kernel {
    /// The package that has it, or that depends on the one that has it.
    pub package: String,
    /// Kernel parameters, beside genpack's own.
    pub parameters: Vec<String>,
    /// Modules that the initramfs can't do without.
    pub initramfs_modules: Vec<String>,
    /// Modules that the initramfs has when this kernel has them.
    pub optional_initramfs_modules: Vec<String>,
}

/// Reads one profile's file from the first folder that has it.
pub fn read(name: &str, folders: &[PathBuf]) -> Result<RawProfile, InputError> {
    let file = format!("{name}.json5");
    if !name.contains(['/', '\\'])
        && let Some(path) = folders
            .iter()
            .map(|folder| folder.join(&file))
            .find(|path| path.is_file())
    {
        let text = fs::read_to_string(&path);
        let text = text.map_err(|e| InputError::plain(format!("{} can't be read: {e}", path.display())))?;
        return located::parse(&path, &text);
    }
    let mut known: Vec<_> = folders
        .iter()
        .filter_map(|folder| fs::read_dir(folder).ok())
        .flatten()
        .flatten()
        .filter_map(|entry| Some(entry.file_name().to_str()?.strip_suffix(".json5")?.to_string()))
        .filter(|name| name != "base")
        .collect();
    known.sort();
    Err(InputError::plain(format!(
        "there is no profile {name:?}; there is {}",
        known.join(", ")
    )))
}

/// Joins profiles, the one that the others add to first.
pub fn resolve(name: &str, chain: impl Iterator<Item = RawProfile>) -> Result<Profile, String> {
    let mut joined = RawProfile::default();
    for raw in chain {
        joined.packages.extend(raw.packages);
        joined.services.extend(raw.services);
        joined.kernel.package = raw.kernel.package.or(joined.kernel.package);
        joined.kernel.parameters.extend(raw.kernel.parameters);
        joined
            .kernel
            .initramfs_modules
            .extend(raw.kernel.initramfs_modules);
        joined
            .kernel
            .optional_initramfs_modules
            .extend(raw.kernel.optional_initramfs_modules);
    }
    Ok(Profile {
        name: name.to_string(),
        packages: joined.packages,
        services: joined.services,
        kernel: Kernel {
            package: joined
                .kernel
                .package
                .ok_or_else(|| format!("the profile {name} names no kernel package"))?,
            parameters: joined.kernel.parameters,
            initramfs_modules: joined.kernel.initramfs_modules,
            optional_initramfs_modules: joined.kernel.optional_initramfs_modules,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_adds_to_what_it_inherits_from() {
        let parse = |text| json5::from_str::<RawProfile>(text).unwrap();
        let base = parse("{ packages: ['systemd'], kernel: { package: 'linux-a', parameters: ['quiet'] } }");
        let kvm = parse("{ inherits: 'base', packages: ['dbus'], kernel: { package: 'linux-b' } }");
        let profile = resolve("kvm", [base, kvm].into_iter()).unwrap();
        let names: Vec<_> = profile.packages.iter().map(PackageName::name).collect();
        assert_eq!(names, ["systemd", "dbus"]);
        assert_eq!(
            (profile.kernel.package.as_str(), profile.kernel.parameters.len()),
            ("linux-b", 1)
        );
        assert!(resolve("x", [RawProfile::default()].into_iter()).is_err());
    }

    #[test]
    fn an_unknown_profile_names_those_that_there_are() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["kvm", "base", "baremetal"] {
            fs::write(dir.path().join(format!("{name}.json5")), "{}").unwrap();
        }
        let error = read("kwm", &[dir.path().to_path_buf()]).unwrap_err().to_string();
        assert_eq!(error, "there is no profile \"kwm\"; there is baremetal, kvm");
    }
}
