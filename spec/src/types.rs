//! Values that are valid once they exist: each newtype checks at construction the rule of whoever will use it.

mod hostname;
mod net;
mod network;
mod secret;
mod ssh;
mod system;
mod timezone;
mod unit;

pub use hostname::Hostname;
pub use net::{Country, Domain, Endpoint, ProxyUrl, ServerName, Url, WireguardPublicKey, WireguardSecretKey};
pub use network::{InterfaceName, MacAddress, PortId};
pub use secret::Secret;
pub use ssh::AuthorizedKey;
pub use system::{Keyboard, Locale, PasswordHash, Swap, UserName};
pub use timezone::TimeZone;
pub use unit::UnitName;

use crate::text::Text;

/// Why a text is not a value of the wanted type: a phrase for people, without a full stop.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.english())]
pub struct Invalid(pub Text);

/// `Display` and serde for a newtype around `String` that has `FromStr`.
macro_rules! text_newtype {
    ($type:ident) => {
        impl $type {
            /// Returns the validated text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        $crate::types::serde_by_text!($type);
    };
}

/// serde through `Display` and `FromStr`.
macro_rules! serde_by_text {
    ($type:ident) => {
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

pub(crate) use {serde_by_text, text_newtype};
