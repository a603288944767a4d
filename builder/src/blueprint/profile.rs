//! Profiles: what a kind of machine needs beside the blueprint.

use std::path::PathBuf;

use genpack_spec::types::UnitName;
use serde::{Deserialize, Serialize};

use super::fields::{LINES, PACKAGES, PROFILE_NAME, UNITS};
use super::problems::{InputError, Problem};
use super::shape::{Field, Record, Shape, TextRule, parses};
use super::types::PackageName;
use super::{packages, text};
use chain::inherited;

mod chain;

pub use chain::names_in;

/// A profile's file.
pub static PROFILE: Record = Record {
    fields: || PROFILE_FIELDS.iter().collect(),
    refused: &[],
    rule: None,
};

/// Fields of a profile.
pub static PROFILE_FIELDS: [Field; 4] = [
    Field::new(
        "inherits",
        Shape::Text(&PROFILE_NAME),
        "The profile that this one adds to.",
    ),
    Field::new(
        "packages",
        PACKAGES,
        "Packages that every image of this profile has.",
    ),
    Field::new("services", UNITS, "systemd units to enable."),
    Field::new(
        "kernel",
        Shape::Object(&KERNEL),
        "The kernel, and what it needs to start.",
    ),
];

static KERNEL: Record = Record {
    fields: || KERNEL_FIELDS.iter().collect(),
    refused: &[],
    rule: None,
};

static MODULE: TextRule = TextRule {
    pattern: "^[A-Za-z0-9_-]+$",
    check: |name| {
        let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        match !name.is_empty() && name.chars().all(good) {
            true => Ok(()),
            false => Err(format!("{name:?} can't be a kernel module's name")),
        }
    },
};
static MODULE_ITEM: Shape = Shape::Text(&MODULE);

/// Fields of `kernel`.
pub static KERNEL_FIELDS: [Field; 4] = [
    Field::new(
        "package",
        Shape::Text(&TextRule {
            pattern: "^[a-z0-9][a-z0-9+.-]+$",
            check: |name| match name.strip_prefix('-') {
                Some(_) => Err(format!(
                    "{name:?} takes a package out; the kernel's has to be named"
                )),
                None => parses::<PackageName>(name),
            },
        }),
        "The package that has the kernel, or that depends on the one that has it.",
    ),
    Field::new("parameters", LINES, "Parameters for the kernel's command line."),
    Field::new(
        "initramfs_modules",
        Shape::List(&MODULE_ITEM, None),
        "Modules that the initramfs must have.",
    ),
    Field::new(
        "optional_initramfs_modules",
        Shape::List(&MODULE_ITEM, None),
        "Modules that the initramfs has if the kernel has them.",
    ),
];

/// A profile as its file has it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RawProfile {
    inherits: Option<String>,
    packages: Vec<PackageName>,
    #[serde(deserialize_with = "text::parse_list")]
    services: Vec<UnitName>,
    kernel: RawKernel,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
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

/// Reads the profile `name` and those that it inherits from. `folders` are asked in order: a blueprint may bring
/// `profiles/NAME.json5` of its own.
///
/// # Errors
/// [`InputError`] when there is no such profile, it inherits from itself, or its text is wrong.
pub fn load_profile(name: &str, folders: &[PathBuf]) -> Result<Profile, InputError> {
    let chain = inherited(name, folders);
    InputError::unless_none(chain.mistakes, ())?;
    let files = chain.files.into_iter().rev();
    resolve(name, files.map(|file| file.raw)).map_err(|why| Problem::about(&["profile"], name, why).into())
}

/// Checks a profile that need not be whole: it may be there only to be inherited from.
///
/// # Errors
/// [`InputError`] when it or one that it inherits from can't be used.
pub fn check_profile(name: &str, folders: &[PathBuf]) -> Result<(), InputError> {
    InputError::unless_none(inherited(name, folders).mistakes, ())
}

/// Whether nothing can be built for a profile that is right by itself: it is there to be inherited from.
pub fn is_part(name: &str, folders: &[PathBuf]) -> bool {
    let chain = inherited(name, folders);
    chain.mistakes.is_empty() && chain.files.iter().all(|file| file.raw.kernel.package.is_none())
}

/// Joins profiles, the one that the others add to first.
fn resolve(name: &str, chain: impl Iterator<Item = RawProfile>) -> Result<Profile, String> {
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
        packages: packages::join([joined.packages.as_slice()]),
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
    use std::fs;
    use std::path::Path;

    use super::*;

    #[test]
    fn a_profile_adds_to_what_it_inherits_from() {
        let parse = |text: &str| {
            chain::parse("x", Path::new("x.json5"), text.into())
                .unwrap()
                .0
                .raw
        };
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
            let text = match name {
                "base" => "{}",
                _ => "{ kernel: { package: 'linux-image' } }",
            };
            fs::write(dir.path().join(format!("{name}.json5")), text).unwrap();
        }
        let folders = [dir.path().to_path_buf()];
        let error = |name| load_profile(name, &folders).unwrap_err().render(false);
        assert_eq!(
            error("kwm"),
            "there is no profile \"kwm\"; there is baremetal, kvm"
        );
        assert!(error("baremetall").ends_with("help: did you mean \"baremetal\"?"));
        assert!(error("../base").starts_with("there is no profile"));
    }

    #[test]
    fn all_mistakes_of_a_profile_are_found_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let text = "{\n  packages: ['A'],\n  kernel: { pakage: 'linux', initramfs_modules: 'fat' },\n}\n";
        fs::write(dir.path().join("mine.json5"), text).unwrap();
        let error = load_profile("mine", &[dir.path().to_path_buf()]).unwrap_err();
        let said: Vec<_> = error.problems().iter().map(Problem::label).collect();
        assert_eq!(said.len(), 3, "{said:?}");
        assert!(
            error.render(false).contains("mistake 2 of 3"),
            "{}",
            error.render(false)
        );
    }

    #[test]
    fn a_parent_that_is_not_there_is_shown_in_the_profile() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("base.json5"), "{}").unwrap();
        fs::write(dir.path().join(".ok.json5"), "").unwrap();
        fs::write(
            dir.path().join("a.json5"),
            "{\n  inherits: 'bse',\n  services: 3,\n}",
        )
        .unwrap();
        let error = load_profile("a", &[dir.path().to_path_buf()])
            .unwrap_err()
            .render(false);
        for said in [
            "a.json5:2:13]",
            "there is a, base",
            "did you mean \"base\"?",
            "a list was expected",
        ] {
            assert!(error.contains(said), "{error}");
        }
    }

    #[test]
    fn a_circle_is_one_mistake_wherever_it_is_entered() {
        let dir = tempfile::tempdir().unwrap();
        for (name, parent) in [("b", "c"), ("c", "a"), ("a", "b"), ("d", "c")] {
            let text = format!("{{ inherits: '{parent}' }}");
            fs::write(dir.path().join(format!("{name}.json5")), text).unwrap();
        }
        let error = |name| load_profile(name, &[dir.path().to_path_buf()]).unwrap_err();
        let all = ["a", "b", "c", "d"].map(|name| error(name).into_problems());
        assert!(all.iter().all(|mistakes| *mistakes == all[0]), "{all:?}");
        let said = error("a").render(false);
        assert!(
            said.contains("a.json5:1:13]") && said.contains("inherits from itself: a, b, c, a"),
            "{said}"
        );
    }

    #[test]
    fn a_profile_without_a_kernel_is_a_part_of_others() {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in [
            ("part", "{ packages: ['tzdata'] }"),
            (
                "whole",
                "{ inherits: 'part', kernel: { package: 'linux-image' } }",
            ),
            ("child", "{ inherits: 'whole' }"),
            ("wrong", "{ inherits: 'nobody' }"),
        ] {
            fs::write(dir.path().join(format!("{name}.json5")), text).unwrap();
        }
        let parts =
            ["part", "whole", "child", "wrong"].map(|name| is_part(name, &[dir.path().to_path_buf()]));
        assert_eq!(parts, [true, false, false, false]);
    }
}
