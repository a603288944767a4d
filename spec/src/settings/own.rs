//! Values of the sections that a blueprint declares.

use serde::{Deserialize, Serialize};

use crate::types::Secret;

/// A value of a declared setting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum OwnValue {
    /// On or off.
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// Text, a choice, a web address or an IP address.
    Text(String),
    /// Several values.
    List(Vec<String>),
    /// What must not be shown.
    Secret(Secret),
}
