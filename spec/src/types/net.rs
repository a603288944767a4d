//! Addresses and names that other hosts go by: URLs, domains, servers, WireGuard keys and endpoints, countries.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use super::{Hostname, Invalid, Secret, serde_by_text, text_newtype};
use crate::text;

/// Longest URL that is taken, in bytes.
const URL_LIMIT: usize = 2048;

/// An absolute `http://` or `https://` address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url(String);

impl FromStr for Url {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let refuse = |why: text::Text| Err(Invalid(why));
        let Some((scheme, rest)) = text.split_once("://") else {
            return refuse(text!("{text} does not begin with http:// or https://", text));
        };
        let scheme = scheme.to_ascii_lowercase();
        if !matches!(scheme.as_str(), "http" | "https") {
            return refuse(text!("{text} does not begin with http:// or https://", text));
        }
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let authority = &rest[..end];
        let host_and_port = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        let printable =
            text.len() <= URL_LIMIT && text.chars().all(|c| !c.is_control() && !c.is_whitespace());
        if !printable || host_and_port.parse::<HostPort>().is_err() {
            return refuse(text!(
                "{text} is not a web address such as https://example.com",
                text
            ));
        }
        Ok(Url(format!("{scheme}://{rest}")))
    }
}

text_newtype!(Url);

/// The address of a proxy. Where it holds a user name and password, its JSON form is that of a [`Secret`].
#[derive(Clone, PartialEq, Eq)]
pub struct ProxyUrl(Url);

impl ProxyUrl {
    fn holds_password(&self) -> bool {
        let host = self.0.as_str().split("://").nth(1).unwrap_or("");
        host.split('/')
            .next()
            .is_some_and(|authority| authority.contains('@'))
    }

    /// Returns the whole address, which must not be shown.
    pub fn reveal(&self) -> &str {
        self.0.as_str()
    }
}

impl FromStr for ProxyUrl {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        text.parse().map(ProxyUrl)
    }
}

impl fmt::Debug for ProxyUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.holds_password() {
            Secret::MASK
        } else {
            self.0.as_str()
        })
    }
}

impl serde::Serialize for ProxyUrl {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.holds_password() {
            Secret::new(self.reveal()).serialize(serializer)
        } else {
            self.0.serialize(serializer)
        }
    }
}

impl<'de> serde::Deserialize<'de> for ProxyUrl {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(serde::Deserialize)]
        #[serde(untagged)]
        enum Form {
            Open(String),
            Masked(Secret),
        }
        let form = Form::deserialize(deserializer)?;
        let text = match &form {
            Form::Open(text) => text,
            Form::Masked(secret) => secret.reveal(),
        };
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// A host with or without a port: `example.com`, `192.168.1.1:3128`, `[2001:db8::1]:3128`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct HostPort;

impl FromStr for HostPort {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (host, behind) = rest.split_once(']').ok_or(())?;
                host.parse::<Ipv6Addr>().map_err(|_| ())?;
                (None, behind.strip_prefix(':'))
            }
            None => match text.split_once(':') {
                Some((host, port)) => (Some(host), Some(port)),
                None => (Some(text), None),
            },
        };
        let port_is_good = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port != 0));
        let host_is_good = host.is_none_or(|host| host.parse::<ServerName>().is_ok());
        (port_is_good && host_is_good).then_some(HostPort).ok_or(())
    }
}

/// A server by name or by address.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum ServerName {
    /// By address.
    Address(IpAddr),
    /// By name.
    Name(Hostname),
}

impl FromStr for ServerName {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        if let Ok(address) = text.parse() {
            return Ok(ServerName::Address(address));
        }
        text.parse().map(ServerName::Name).map_err(|_: Invalid| {
            Invalid(text!(
                "{text} is neither the name nor the address of a server",
                text
            ))
        })
    }
}

impl fmt::Display for ServerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ServerName::Address(address) => address.fmt(f),
            ServerName::Name(name) => name.fmt(f),
        }
    }
}

serde_by_text!(ServerName);

/// A DNS domain to look names up in (RFC 1123 labels).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Domain(String);

impl FromStr for Domain {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let bare = text.strip_suffix('.').unwrap_or(text);
        bare.parse::<Hostname>()
            .map(|name| Domain(name.to_string()))
            .map_err(|_| {
                Invalid(text!(
                    "{text} is not the name of a domain such as example.com",
                    text
                ))
            })
    }
}

text_newtype!(Domain);

/// ISO 3166-1 alpha-2 code, upper case: which radio channels may be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Country(String);

impl FromStr for Country {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        if text.len() == 2 && text.chars().all(|c| c.is_ascii_alphabetic()) {
            Ok(Country(text.to_ascii_uppercase()))
        } else {
            Err(Invalid(text!(
                "{text} is not a country code of two letters such as DE",
                text
            )))
        }
    }
}

text_newtype!(Country);

/// Reads 32 bytes in base64, the form of every WireGuard key (wg(8)); returns them in canonical form.
fn wireguard_key(text: &str) -> Option<String> {
    let alphabet = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/');
    let data = text.strip_suffix('=')?;
    // The last of 43 characters carries four bits, so two zero bits stand behind them.
    let last_is_whole = data.ends_with(|c: char| "AEIMQUYcgkosw048".contains(c));
    (data.len() == 43 && data.chars().all(alphabet) && last_is_whole).then(|| text.to_string())
}

/// The public key of a WireGuard peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WireguardPublicKey(String);

impl FromStr for WireguardPublicKey {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        wireguard_key(text).map(WireguardPublicKey).ok_or_else(|| {
            Invalid(text!(
                "this is not a WireGuard key: one has 44 characters and ends with ="
            ))
        })
    }
}

text_newtype!(WireguardPublicKey);

/// A private or preshared WireGuard key.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "Secret", into = "Secret")]
pub struct WireguardSecretKey(Secret);

impl FromStr for WireguardSecretKey {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        wireguard_key(text)
            .map(|key| WireguardSecretKey(Secret::new(key)))
            .ok_or_else(|| {
                Invalid(text!(
                    "this is not a WireGuard key: one has 44 characters and ends with ="
                ))
            })
    }
}

impl WireguardSecretKey {
    /// Returns the key, which must not be shown.
    pub fn reveal(&self) -> &str {
        self.0.reveal()
    }
}

impl TryFrom<Secret> for WireguardSecretKey {
    type Error = Invalid;

    fn try_from(secret: Secret) -> Result<Self, Invalid> {
        secret.reveal().parse()
    }
}

impl From<WireguardSecretKey> for Secret {
    fn from(key: WireguardSecretKey) -> Secret {
        key.0
    }
}

/// Where a WireGuard peer listens: `host:port`, with brackets around an IPv6 address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// The host.
    pub host: ServerName,
    /// Its UDP port.
    pub port: u16,
}

impl FromStr for Endpoint {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let invalid = || {
            Invalid(text!(
                "{text} is not a server with its port, such as vpn.example.com:51820",
                text
            ))
        };
        let (host, port) = text.rsplit_once(':').ok_or_else(invalid)?;
        let port = port
            .parse::<u16>()
            .ok()
            .filter(|&port| port != 0)
            .ok_or_else(invalid)?;
        let host = match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            Some(v6) => ServerName::Address(v6.parse::<Ipv6Addr>().map_err(|_| invalid())?.into()),
            None if host.contains(':') => return Err(invalid()),
            None => host.parse().map_err(|_| invalid())?,
        };
        Ok(Endpoint { host, port })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            ServerName::Address(IpAddr::V6(address)) => write!(f, "[{address}]:{}", self.port),
            host => write!(f, "{host}:{}", self.port),
        }
    }
}

serde_by_text!(Endpoint);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn web_addresses() {
        for text in [
            "https://example.com",
            "HTTP://user:pw@proxy.local:3128/",
            "http://[2001:db8::1]:8080/x?y#z",
            "http://192.168.1.1",
        ] {
            assert!(text.parse::<Url>().is_ok(), "{text}");
        }
        for text in [
            "example.com",
            "ftp://a",
            "http://",
            "http://a b",
            "http://a:0/",
            "https://a:99999",
            "http://[::1",
        ] {
            assert!(text.parse::<Url>().is_err(), "{text}");
        }
    }

    #[test]
    fn wireguard() {
        let key = "yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=";
        assert!(key.parse::<WireguardPublicKey>().is_ok());
        assert!(format!("{:?}", key.parse::<WireguardSecretKey>().unwrap()).contains("****"));
        for text in [
            "",
            "yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk",
            "yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBml=",
        ] {
            assert!(text.parse::<WireguardPublicKey>().is_err(), "{text}");
        }
        for (text, want) in [
            ("vpn.example.com:51820", Some("vpn.example.com:51820")),
            ("[2001:DB8::1]:51820", Some("[2001:db8::1]:51820")),
            ("2001:db8::1:51820", None),
            ("vpn.example.com", None),
            ("vpn:0", None),
        ] {
            assert_eq!(
                text.parse::<Endpoint>().ok().map(|e| e.to_string()).as_deref(),
                want,
                "{text}"
            );
        }
    }
}
