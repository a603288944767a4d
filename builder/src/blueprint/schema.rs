//! The blueprint, `genpack.json5`.

use std::fmt;
use std::str::FromStr;

use genpack_spec::image::SettingsFrom;
use genpack_spec::storage::Persist;
use genpack_spec::text::Language;
use genpack_spec::types::UnitName;
use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::persist::DataSize;
use super::settings::OwnSections;
use super::text;
use super::types::{ArtifactName, Base, CompressionSetting, Mirror, PackageName};

/// A blueprint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Blueprint {
    /// What is built.
    pub name: ArtifactName,
    /// The profile to build for when the command line names none.
    #[serde(default = "default_profile")]
    pub profile: String,
    /// Where the packages come from.
    #[serde(default)]
    pub base: Base,
    /// Packages beside the profile's; `-name` removes one of the profile's.
    #[serde(default)]
    pub packages: Vec<PackageName>,
    /// Commands that run inside the system after everything has been copied.
    #[serde(default)]
    pub setup_commands: Vec<String>,
    /// Accounts to make.
    #[serde(default)]
    pub users: Vec<User>,
    /// Units to enable.
    #[serde(default, deserialize_with = "text::parse_list")]
    pub services: Vec<UnitName>,
    /// How the system image is compressed.
    #[serde(default)]
    pub compression: CompressionSetting,
    /// The language in which the device speaks to people unless its owner chooses another.
    #[serde(default, deserialize_with = "text::parse")]
    pub language: Language,
    /// What the running device makes of settings that appear.
    #[serde(default)]
    pub settings_from: SettingsFrom,
    /// What is kept over a restart; without it, the image has no data partition.
    #[serde(default)]
    pub persist: Option<Persist>,
    /// How large the data partition of a new image is.
    #[serde(default)]
    pub data_size: Option<DataSize>,
    /// Sections of `system.ini` of its own.
    #[serde(default)]
    pub settings: OwnSections,
    /// The mirror to take packages from instead of the host's.
    #[serde(default)]
    pub mirror: Option<Mirror>,
}

fn default_profile() -> String {
    "kvm".into()
}

/// An account: in the file a name, or an object with these fields.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct User {
    /// Login name.
    pub name: String,
    /// Number; the next free one when absent.
    pub uid: Option<u32>,
    /// Full name or purpose.
    pub comment: Option<String>,
    /// Home folder.
    pub home: Option<String>,
    /// Login shell.
    pub shell: Option<String>,
    /// Primary group; one of the user's own name when absent.
    pub initial_group: Option<String>,
    /// Further groups.
    pub additional_groups: Vec<String>,
    /// Whether the home folder is made.
    pub create_home: bool,
    /// Whether the account can be used without a password. Otherwise it has none that anyone could type.
    pub empty_password: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UserFields {
    #[serde(deserialize_with = "text::parse")]
    name: LoginName,
    uid: Option<u32>,
    comment: Option<String>,
    home: Option<String>,
    shell: Option<String>,
    initial_group: Option<String>,
    #[serde(default)]
    additional_groups: Vec<String>,
    #[serde(default = "yes")]
    create_home: bool,
    #[serde(default)]
    empty_password: bool,
}

fn yes() -> bool {
    true
}

/// A login name as useradd(8) of Debian takes them without `--badname`.
struct LoginName(String);

impl FromStr for LoginName {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let begins = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_');
        let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-');
        if name.len() > 32 || !begins || !name.chars().all(good) {
            return Err(format!(
                "{name:?} can't be a user's name; letters in lower case, digits, - and _ can"
            ));
        }
        Ok(LoginName(name.to_string()))
    }
}

impl User {
    fn named(name: String) -> User {
        User {
            name,
            uid: None,
            comment: None,
            home: None,
            shell: None,
            initial_group: None,
            additional_groups: Vec::new(),
            create_home: true,
            empty_password: false,
        }
    }
}

impl<'de> Deserialize<'de> for User {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameOrObject;

        impl<'de> Visitor<'de> for NameOrObject {
            type Value = User;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a user's name or an object that describes one")
            }

            fn visit_str<E: de::Error>(self, name: &str) -> Result<User, E> {
                let LoginName(name) = name.parse().map_err(E::custom)?;
                Ok(User::named(name))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<User, A::Error> {
                let fields = UserFields::deserialize(de::value::MapAccessDeserializer::new(map))?;
                Ok(User {
                    name: fields.name.0,
                    uid: fields.uid,
                    comment: fields.comment,
                    home: fields.home,
                    shell: fields.shell,
                    initial_group: fields.initial_group,
                    additional_groups: fields.additional_groups,
                    create_home: fields.create_home,
                    empty_password: fields.empty_password,
                })
            }
        }

        deserializer.deserialize_any(NameOrObject)
    }
}

#[cfg(test)]
mod tests {
    use genpack_spec::image::Reaction;

    use super::*;

    #[test]
    fn what_is_left_out_has_a_default() {
        let blueprint: Blueprint = json5::from_str("{ name: 'web' }").unwrap();
        assert_eq!(blueprint.profile, "kvm");
        assert_eq!(blueprint.base.to_string(), "debian:trixie");
        assert_eq!(blueprint.compression.to_string(), "zstd:15");
        assert!(blueprint.packages.is_empty() && blueprint.mirror.is_none());
    }

    #[test]
    fn a_user_is_a_name_or_an_object() {
        let text = "{ name: 'web', users: ['guest', { name: 'op', uid: 1500, additional_groups: ['adm'] }] }";
        let users = json5::from_str::<Blueprint>(text).unwrap().users;
        assert_eq!(users[0], User::named("guest".into()));
        assert_eq!(
            (users[1].uid, users[1].additional_groups.as_slice()),
            (Some(1500), &["adm".to_string()][..])
        );
        assert!(users[1].create_home && !users[1].empty_password);
    }

    #[test]
    fn sticks_are_off_unless_they_are_asked_for() {
        let from = |text: &str| json5::from_str::<Blueprint>(text).map(|blueprint| blueprint.settings_from);
        let default = from("{ name: 'web' }").unwrap();
        assert_eq!((default.card, default.stick), (Reaction::Apply, Reaction::Off));
        let asked = from("{ name: 'web', settings_from: { stick: 'check' } }").unwrap();
        assert_eq!((asked.card, asked.stick), (Reaction::Apply, Reaction::Check));
        assert!(from("{ name: 'web', settings_from: { stick: 'yes' } }").is_err());
        assert!(from("{ name: 'web', settings_from: { usb: 'apply' } }").is_err());
    }

    #[test]
    fn what_is_kept_is_a_word_or_folders() {
        let persist = |text: &str| json5::from_str::<Blueprint>(text).map(|blueprint| blueprint.persist);
        assert_eq!(persist("{ name: 'web' }").unwrap(), None);
        assert_eq!(
            persist("{ name: 'web', persist: 'all' }").unwrap(),
            Some(Persist::All)
        );
        let folders = persist("{ name: 'web', persist: ['/srv', '/home'] }")
            .unwrap()
            .unwrap();
        assert_eq!(folders.folders().len(), 2);
        for wrong in ["'none'", "true", "['srv']", "['/srv', '/srv/a']"] {
            assert!(
                persist(&format!("{{ name: 'web', persist: {wrong} }}")).is_err(),
                "{wrong}"
            );
        }
    }

    #[test]
    fn services_get_their_suffix() {
        let text = "{ name: 'web', services: ['nginx', 'fstrim.timer'] }";
        let services = json5::from_str::<Blueprint>(text).unwrap().services;
        assert_eq!(
            services.iter().map(UnitName::as_str).collect::<Vec<_>>(),
            ["nginx.service", "fstrim.timer"]
        );
    }
}
