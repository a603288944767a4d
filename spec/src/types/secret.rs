//! Values that must never be shown.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A password or a private key.
///
/// Its debug form is masked. Its JSON form is an object with the one field [`Secret::FIELD`], so that whoever shows
/// settings can find every secret in them by its shape, also one added later: see
/// [`crate::settings::Settings::shown`].
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Secret {
    secret: String,
}

impl Secret {
    /// The name of the only field of its JSON form.
    pub const FIELD: &'static str = "secret";
    /// What is shown in its place.
    pub const MASK: &'static str = "********";

    /// Returns a secret.
    pub fn new(secret: impl Into<String>) -> Secret {
        Secret {
            secret: secret.into(),
        }
    }

    /// Returns what must not be shown.
    pub fn reveal(&self) -> &str {
        &self.secret
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Secret::MASK)
    }
}
