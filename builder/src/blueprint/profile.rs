//! Profiles: what a kind of machine needs beside the blueprint.

use std::fs;
use std::path::{Path, PathBuf};

use genpack_spec::types::UnitName;
use serde::{Deserialize, Serialize};

use super::fields::{LINES, PACKAGES, PROFILE_NAME, UNITS};
use super::judge::{judge, nearest};
use super::problems::{InputError, Problem, Source};
use super::shape::{Field, Record, Shape, TextRule, parses};
use super::types::{PackageName, ProfileName};
use super::{packages, syntax, text};

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
    let chain = inherited(name, folders)?;
    resolve(name, chain.into_iter().rev()).map_err(InputError::plain)
}

/// Checks a profile that need not be whole: it may be there only to be inherited from.
///
/// # Errors
/// [`InputError`] when it or one that it inherits from can't be used.
pub fn check_profile(name: &str, folders: &[PathBuf]) -> Result<(), InputError> {
    inherited(name, folders).map(drop)
}

/// Returns a profile and those that it inherits from, the one with the name first.
fn inherited(name: &str, folders: &[PathBuf]) -> Result<Vec<RawProfile>, InputError> {
    let mut names: Vec<String> = Vec::new();
    let mut chain = Vec::new();
    let mut next = Some(name.to_string());
    while let Some(name) = next {
        if names.contains(&name) {
            return Err(InputError::plain(format!(
                "the profile {name} inherits from itself"
            )));
        }
        let raw = read(&name, folders)?;
        next = raw.inherits.clone();
        names.push(name);
        chain.push(raw);
    }
    Ok(chain)
}

/// Reads one profile's file from the first folder that has it.
fn read(name: &str, folders: &[PathBuf]) -> Result<RawProfile, InputError> {
    let file = format!("{name}.json5");
    if name.parse::<ProfileName>().is_ok()
        && let Some(path) = folders
            .iter()
            .map(|folder| folder.join(&file))
            .find(|path| path.is_file())
    {
        let text = fs::read_to_string(&path);
        let text = text.map_err(|e| InputError::plain(format!("{} can't be read: {e}", path.display())))?;
        return parse(&path, text);
    }
    let known = known(folders);
    let problem = Problem::plain(format!(
        "there is no profile {name:?}; there is {}",
        known.join(", ")
    ));
    Err(match nearest(name, known.iter().map(String::as_str)) {
        Some(help) => problem.with_help(help).into(),
        None => problem.into(),
    })
}

/// Returns the names of all profiles that can be built, sorted.
fn known(folders: &[PathBuf]) -> Vec<String> {
    let mut known: Vec<_> = folders
        .iter()
        .flat_map(|folder| names_in(folder))
        .filter(|name| name != "base")
        .collect();
    known.sort();
    known.dedup();
    known
}

/// Returns the names of the profiles in a folder, which need not exist, sorted.
pub fn names_in(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<_> = entries
        .filter_map(|entry| Some(entry.file_name().to_str()?.strip_suffix(".json5")?.to_string()))
        .collect();
    names.sort();
    names
}

/// Reads the text of a profile, and finds every mistake in it.
fn parse(path: &Path, text: String) -> Result<RawProfile, InputError> {
    let source = Source::new(path, text);
    if source.text.trim().is_empty() {
        let message = format!("{} is empty; it begins with {{ and ends with }}", source.name);
        return Err(InputError::plain(message));
    }
    let tree = syntax::parse(&source.text).map_err(|problem| problem.of(&source))?;
    let problems = judge(&tree, Shape::Object(&PROFILE));
    InputError::unless_none(Problem::all_of(problems, &source), ())?;
    tree.read()
        .map_err(|error| InputError::plain(format!("{}: {error}", source.name)))
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
    use super::*;

    #[test]
    fn a_profile_adds_to_what_it_inherits_from() {
        let parse = |text: &str| parse(Path::new("x.json5"), text.into()).unwrap();
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
        let error = |name| read(name, &[dir.path().to_path_buf()]).unwrap_err().render(false);
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
    fn a_profile_can_not_inherit_from_itself() {
        let dir = tempfile::tempdir().unwrap();
        for (name, parent) in [("a", "b"), ("b", "a")] {
            let text = format!("{{ inherits: '{parent}' }}");
            fs::write(dir.path().join(format!("{name}.json5")), text).unwrap();
        }
        let error = load_profile("a", &[dir.path().to_path_buf()]).unwrap_err();
        assert_eq!(error.to_string(), "the profile a inherits from itself");
    }
}
