//! Every field of a blueprint.

use genpack_spec::storage::{Persist, PersistPath};
use genpack_spec::types::UnitName;

use super::accounts::{GROUP_OR_NAME, USER_OR_NAME};
use super::base::Base;
use super::persist::DataSize;
use super::settings;
use super::shape::{Field, Names, Record, Shape, TextRule, parses};
use super::types::{
    ArtifactName, CompressionSetting, Mirror, OutFile, PackageName, ProfileName, VariantName,
};

/// Architectures that `arch` knows, by the names that `uname -m` has for them.
pub const ARCHITECTURES: [&str; 2] = ["x86_64", "aarch64"];

/// A whole blueprint.
pub static BLUEPRINT: Record = Record {
    fields: || FIELDS.iter().collect(),
    refused: GENTOO_ONLY,
    rule: None,
};

/// An entry of `variants`.
static VARIANT: Record = Record {
    fields: || {
        let other = |field: &&Field| !matches!(field.name, "variants" | "default_variant" | "$schema");
        FIELDS.iter().filter(other).collect()
    },
    refused: GENTOO_ONLY,
    rule: None,
};

/// An entry of `arch`.
static ARCH: Record = Record {
    fields: || {
        let mergeable = ["packages", "buildtime_packages", "services", "setup_commands"];
        FIELDS
            .iter()
            .filter(|field| mergeable.contains(&field.name))
            .collect()
    },
    refused: GENTOO_ONLY,
    rule: None,
};

const PORTAGE: &str = "it is for Gentoo's Portage, which genpack for Debian does not use; take it out";

/// Fields of genpack for Gentoo.
const GENTOO_ONLY: &[(&str, &str)] = &[
    ("accept_keywords", PORTAGE),
    ("binpkg_exclude", PORTAGE),
    ("binpkg_excludes", PORTAGE),
    ("buildtime_packages_first", PORTAGE),
    ("circulardep_breaker", PORTAGE),
    ("devel", PORTAGE),
    ("env", PORTAGE),
    ("independent_binpkgs", PORTAGE),
    ("license", PORTAGE),
    (
        "lower_layer_capacity",
        "no layer of a fixed size is made here; take it out",
    ),
    ("mask", PORTAGE),
    ("use", PORTAGE),
];

static PACKAGE: TextRule = TextRule {
    pattern: PackageName::PATTERN,
    check: parses::<PackageName>,
};
static PACKAGE_ITEM: Shape = Shape::Text(&PACKAGE);
/// A list of packages.
pub const PACKAGES: Shape = Shape::List(&PACKAGE_ITEM, None);

static UNIT: TextRule = TextRule {
    // systemd.unit(5), "Description"; `-` at the beginning would be an option to systemctl.
    pattern: r"^[A-Za-z0-9:_\\][A-Za-z0-9:_.\\@-]*$",
    check: unit,
};
static UNIT_ITEM: Shape = Shape::Text(&UNIT);
/// A list of units.
pub const UNITS: Shape = Shape::List(&UNIT_ITEM, None);

fn unit(text: &str) -> Result<(), String> {
    if text.starts_with('-') {
        return Err(format!(
            "{text:?} can't be enabled; a minus takes out packages, and not services"
        ));
    }
    match text.parse::<UnitName>() {
        Ok(_) => Ok(()),
        Err(_) => Err(format!(
            "{text:?} can't be a unit's name, such as \"nginx\", \"getty@tty2\" or \"fstrim.timer\""
        )),
    }
}

static LINE: TextRule = TextRule {
    pattern: r"^[^\x00]*[^\s\x00][^\x00]*$",
    check: |text| {
        if text.contains('\0') {
            return Err("a command or parameter can't hold a NUL character".into());
        }
        match text.trim().is_empty() {
            true => Err("this says nothing".into()),
            false => Ok(()),
        }
    },
};
static LINE_ITEM: Shape = Shape::Text(&LINE);
/// A list of texts that are not empty.
pub const LINES: Shape = Shape::List(&LINE_ITEM, None);

/// The name of a profile.
pub static PROFILE_NAME: TextRule = TextRule {
    pattern: ProfileName::PATTERN,
    check: parses::<ProfileName>,
};

static REACTIONS: Shape = Shape::Words(&["off", "check", "apply"]);
static SETTINGS_FROM: Record = Record {
    fields: || SETTINGS_FROM_FIELDS.iter().collect(),
    refused: &[],
    rule: None,
};
static SETTINGS_FROM_FIELDS: [Field; 2] = [
    Field::new(
        "card",
        REACTIONS,
        "What is made of a changed system.ini on the device's card.",
    )
    .default("`\"apply\"`"),
    Field::new(
        "stick",
        REACTIONS,
        "What is made of a system.ini on a stick that is plugged in.",
    )
    .default("`\"off\"`"),
];

static KEPT: Shape = Shape::Text(&TextRule {
    pattern: r"^(all|(/[^/\x00-\x1f\x7f]+)+)$",
    check: |text| match text.parse::<Persist>() {
        Ok(_) => Ok(()),
        Err(_) if !text.starts_with('/') => Err(format!(
            "{text:?} is neither \"all\" nor the path of a folder, which begins with /"
        )),
        Err(_) => parses::<PersistPath>(text),
    },
});

/// The words of `outputs`.
static OUTPUT: Shape = Shape::Words(&["image", "qcow2", "system"]);

static ARCH_NAMES: Names = Names {
    name: TextRule {
        pattern: r"^(x86_64|aarch64)(\|(x86_64|aarch64))*$",
        check: arch_key,
    },
    folded: |name| name.to_string(),
    clash: "",
    value: Shape::Object(&ARCH),
    empty: None,
};

fn arch_key(key: &str) -> Result<(), String> {
    match key.split('|').find(|name| !ARCHITECTURES.contains(name)) {
        None => Ok(()),
        Some(name) => {
            let usual = match name {
                "amd64" | "x86-64" | "x64" => "; Debian's amd64 is x86_64",
                "arm64" => "; Debian's arm64 is aarch64",
                _ => "",
            };
            Err(format!(
                "{name:?} is none of \"x86_64\", \"aarch64\", and | stands between two{usual}"
            ))
        }
    }
}

static VARIANT_NAMES: Names = Names {
    name: VARIANT_NAME,
    folded: |name| name.to_string(),
    clash: "",
    value: Shape::Object(&VARIANT),
    empty: None,
};
const VARIANT_NAME: TextRule = TextRule {
    pattern: VariantName::PATTERN,
    check: parses::<VariantName>,
};
static DEFAULT_VARIANT: TextRule = VARIANT_NAME;

static FIELDS: [Field; 22] = [
    Field::new(
        "name",
        Shape::Text(&TextRule {
            pattern: ArtifactName::PATTERN,
            check: parses::<ArtifactName>,
        }),
        "What is built: the first part of the default host name and of the image's file name.",
    )
    .default("the folder's name, with a warning")
    .sample("\"web\""),
    Field::new("profile", Shape::Text(&PROFILE_NAME), "The kind of machine.")
        .default("`\"kvm\"`")
        .sample("\"kvm\"")
        .nullable(),
    Field::new(
        "base",
        Shape::Text(&TextRule {
            pattern: Base::PATTERN,
            check: parses::<Base>,
        }),
        "What the system is made from: debian: and a suite, tar: and a file, or oci: and a container image.",
    )
    .default("`\"debian:trixie\"`")
    .sample("\"debian:trixie\""),
    Field::new(
        "packages",
        PACKAGES,
        "Debian packages, beside the profile's; \"-name\" takes one of the profile's out.",
    )
    .default("empty")
    .sample("[\"openssh-server\", \"-tzdata\"]"),
    Field::new(
        "buildtime_packages",
        PACKAGES,
        "Packages that are there while scripts and setup commands run, and absent from the image.",
    )
    .default("empty")
    .sample("[\"gcc\", \"libc6-dev\"]"),
    Field::new("groups", Shape::List(&GROUP_OR_NAME, None), "Groups to make, before the users.")
        .default("empty")
        .sample("[\"operators\", { name: \"sensors\", gid: 2000 }]"),
    Field::new("users", Shape::List(&USER_OR_NAME, None), "Accounts to make. None has a password.")
        .default("empty")
        .sample("[\"guest\", { name: \"op\", uid: 1500, comment: \"Operator\", additional_groups: [\"operators\"] }]"),
    Field::new(
        "services",
        UNITS,
        "systemd units to enable; a name without a suffix is a service.",
    )
    .default("empty")
    .sample("[\"ssh\", \"getty@tty2\", \"fstrim.timer\"]"),
    Field::new(
        "setup_commands",
        LINES,
        "Shell commands that run inside the system, as root, after files/ and scripts, before services are enabled.",
    )
    .default("empty")
    .sample("[\"chmod 700 /srv\"]"),
    Field::new(
        "settings",
        Shape::Map(&settings::SECTIONS_OF_ITS_OWN),
        "Sections of system.ini of its own. Services read them as /run/genpack/settings/NAME.env.",
    )
    .default("empty")
    .sample("{ kiosk: { keys: { url: { type: \"url\", default: \"https://example.com\", help: \"The page to show.\" } } } }"),
    Field::new(
        "persist",
        Shape::OneOrList(&KEPT),
        "Folders whose content outlives a restart, on a data partition; \"all\" keeps everything that is written.",
    )
    .default("nothing is kept, and there is no data partition")
    .sample("[\"/srv\"]"),
    Field::new(
        "data_size",
        Shape::Text(&TextRule {
            pattern: DataSize::PATTERN,
            check: parses::<DataSize>,
        }),
        "How large the data partition of a new image is. It grows on the device.",
    )
    .default("`\"64M\"`")
    .sample("\"64M\""),
    Field::new(
        "settings_from",
        Shape::Object(&SETTINGS_FROM),
        "What the running device makes of a system.ini that appears.",
    )
    .default("`{ card: \"apply\", stick: \"off\" }`")
    .sample("{ card: \"apply\", stick: \"off\" }"),
    Field::new(
        "language",
        Shape::Words(&["en", "ja", "de"]),
        "The language in which the device speaks to people, unless its owner chooses another.",
    )
    .default("`\"en\"`")
    .sample("\"en\""),
    Field::new(
        "compression",
        Shape::Text(&TextRule {
            pattern: CompressionSetting::PATTERN,
            check: parses::<CompressionSetting>,
        }),
        "How system.img is compressed: zstd, zstd:1 to zstd:22, gzip, xz or lz4.",
    )
    .default("`\"zstd:15\"`")
    .sample("\"zstd:15\""),
    Field::new(
        "outputs",
        Shape::List(&OUTPUT, Some("nothing would be written; name at least one of \"image\", \"qcow2\", \"system\"")),
        "What is written: a raw disk image, one for QEMU, and system.img by itself.",
    )
    .default("`[\"image\"]`")
    .sample("[\"image\", \"qcow2\"]"),
    Field::new(
        "outfile",
        Shape::Text(&TextRule {
            pattern: OutFile::PATTERN,
            check: parses::<OutFile>,
        }),
        "The image's file, seen from the current folder, when the command line names none.",
    )
    .default("`NAME-PROFILE.img`")
    .sample("\"web.img\""),
    Field::new(
        "mirror",
        Shape::Text(&TextRule {
            pattern: Mirror::PATTERN,
            check: parses::<Mirror>,
        }),
        "A Debian mirror, in place of the host's.",
    )
    .default("the host's mirrors")
    .sample("\"https://mirror.example/debian\"")
    .nullable(),
    Field::new(
        "arch",
        Shape::Map(&ARCH_NAMES),
        "Packages, services and commands for some architectures only.",
    )
    .default("empty")
    .sample("{ x86_64: { packages: [\"dmidecode\"] }, \"x86_64|aarch64\": { packages: [\"usbutils\"] } }"),
    Field::new(
        "variants",
        Shape::Map(&VARIANT_NAMES),
        "Other forms of the same thing: whatever a variant says is added, or wins.",
    )
    .default("empty")
    .sample("{ debug: { packages: [\"strace\"], compression: \"zstd:1\" } }"),
    Field::new(
        "default_variant",
        Shape::Text(&DEFAULT_VARIANT),
        "The variant that is built when the command line names none.",
    )
    .sample("\"debug\"")
    .nullable(),
    Field::new(
        "$schema",
        Shape::Text(&LINE),
        "For editors: where they find what `genpack schema` prints. genpack does not look at it.",
    )
    .sample("\"./genpack.schema.json\""),
];

#[cfg(test)]
mod tests;
