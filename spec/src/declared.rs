//! Sections of `system.ini` that a blueprint declares under `settings`, and their keys: the same facts as the built-in
//! table has, as data.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::settings::OwnValue;
use crate::types::UserName;

/// A section.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeclaredSection {
    /// Its name in the brackets.
    pub name: String,
    /// What it is for, in whole sentences.
    #[serde(default)]
    pub help: String,
    /// The user who may read its secrets, beside root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<UserName>,
    /// Its settings, in the order in which the template shows them.
    pub keys: Vec<DeclaredKey>,
}

/// A setting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeclaredKey {
    /// Its name in front of the `=`.
    pub name: String,
    /// What its value, or each value of its list, must be.
    #[serde(rename = "type")]
    pub kind: DeclaredKind,
    /// What holds when it is absent or unusable; none leaves it unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<OwnValue>,
    /// What it does, in whole sentences.
    #[serde(default)]
    pub help: String,
    /// A value that is right; the default, when there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub example: Option<String>,
    /// Smallest number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<i64>,
    /// Largest number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<i64>,
    /// The words of a choice.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<String>,
    /// The type of each value of a list; string when not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub items: Option<DeclaredKind>,
}

/// The type of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeclaredKind {
    /// One line of text.
    String,
    /// Whole number.
    Integer,
    /// On or off.
    Bool,
    /// One of `choices`.
    Choice,
    /// Web address.
    Url,
    /// IP address.
    Ip,
    /// Several values, each of the type `items`.
    List,
    /// Text that must not be shown.
    Secret,
}

/// Returns the values of a section that hold: those of `set`, and the defaults of the others.
pub fn effective(
    section: &DeclaredSection,
    set: Option<&BTreeMap<String, OwnValue>>,
) -> BTreeMap<String, OwnValue> {
    let chosen = |key: &DeclaredKey| {
        set.and_then(|set| set.get(&key.name))
            .or(key.default.as_ref())
            .cloned()
    };
    section
        .keys
        .iter()
        .filter_map(|key| Some((key.name.clone(), chosen(key)?)))
        .collect()
}
