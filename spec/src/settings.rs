//! The effective settings in canonical form: what `system.ini` comes to once every line has been judged.
//!
//! PID 1 writes them to `/run/genpack/settings.json` and the config agent reads them there. What was not set is left
//! out, so that "not set" and "set to the default" stay different things.

mod network;
mod own;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use network::{
    Bond, BondMode, Bridge, Ipv6, Method, Network, Vlan, Wifi, WifiSecurity, Wireguard, WireguardPeer,
};
pub use own::OwnValue;

use crate::types::{
    AuthorizedKey, Hostname, InterfaceName, Keyboard, Locale, MacAddress, PasswordHash, PortId, ProxyUrl,
    Secret, ServerName, Swap, TimeZone, UnitName, Url, UserName,
};

/// All settings.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// `[system]`
    #[serde(default)]
    pub system: System,
    /// `[network]` under [`PortId::Default`], `[network NAME-or-MAC]` under the port that it names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub network: BTreeMap<PortId, Network>,
    /// `[wifi]`, `[wifi NAME]`: known networks, in the order of their names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub wifi: Vec<Wifi>,
    /// `[vlan NAME]`
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub vlan: BTreeMap<InterfaceName, Vlan>,
    /// `[bridge NAME]`
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub bridge: BTreeMap<InterfaceName, Bridge>,
    /// `[bond NAME]`
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub bond: BTreeMap<InterfaceName, Bond>,
    /// `[wireguard NAME]`
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub wireguard: BTreeMap<InterfaceName, Wireguard>,
    /// `[ssh]`
    #[serde(default)]
    pub ssh: Ssh,
    /// `[user NAME]`
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub user: BTreeMap<UserName, User>,
    /// `[services]`: true is on, false is off.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub services: BTreeMap<UnitName, bool>,
    /// `[time]`
    #[serde(default, skip_serializing_if = "is_default")]
    pub time: Time,
    /// `[proxy]`
    #[serde(default, skip_serializing_if = "is_default")]
    pub proxy: Proxy,
    /// `[storage]`
    #[serde(default, skip_serializing_if = "is_default")]
    pub storage: Storage,
    /// `[update]`
    #[serde(default, skip_serializing_if = "is_default")]
    pub update: Update,
    /// Sections that the blueprint declares: section, key, value.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub own: BTreeMap<String, BTreeMap<String, OwnValue>>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// `[system]`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct System {
    /// The name that the person chose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hostname: Option<Hostname>,
    /// A zone that the image has, in IANA spelling.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timezone: Option<TimeZone>,
    /// A locale that the image has, in its spelling.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locale: Option<Locale>,
    /// A keyboard layout that the image has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keyboard: Option<Keyboard>,
    /// Whether the console logs in by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub autologin: Option<bool>,
    /// Whether more is logged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub debug: Option<bool>,
    /// The swap file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub swapfile: Option<Swap>,
}

/// `[ssh]`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ssh {
    /// Whether sshd runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Keys that may log in as root, beside those that the image has.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<AuthorizedKey>,
    /// Whether a password is enough to log in from the network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_login: Option<bool>,
}

/// `[user NAME]`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// The password as typed; it is replaced on the card by its hash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<Secret>,
    /// The password in the form of crypt(5).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_hash: Option<PasswordHash>,
    /// Keys that may log in as this user, beside those that the image has.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ssh_keys: Vec<AuthorizedKey>,
    /// Groups that the user belongs to beside those of the image.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<UserName>,
    /// Absolute path of the login shell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shell: Option<String>,
}

/// `[time]`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Time {
    /// Time servers; an empty list is `off`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ntp: Option<Vec<ServerName>>,
    /// The earliest time that the clock may show, in seconds since 1970 (UTC).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock: Option<u64>,
}

/// `[proxy]`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proxy {
    /// For `http://` addresses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<ProxyUrl>,
    /// For `https://` addresses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub https: Option<ProxyUrl>,
    /// Hosts, domains and networks that are reached directly.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub no_proxy: Vec<String>,
}

/// What is kept over a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Persistence {
    /// Nothing.
    None,
    /// The folders that the blueprint names.
    Paths,
    /// Everything.
    All,
}

/// `[storage]`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Storage {
    /// What is kept over a restart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub persistence: Option<Persistence>,
    /// A word; each new one deletes once what was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub factory_reset: Option<String>,
}

/// `[update]`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Update {
    /// Where new versions are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<Url>,
    /// Whether they are installed without being asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auto: Option<bool>,
}

impl Settings {
    /// Returns them as JSON to be shown: every secret is masked.
    pub fn shown(&self) -> serde_json::Value {
        let mut value = serde_json::to_value(self).unwrap_or_default();
        mask(&mut value);
        value
    }

    /// Returns what holds for a wired port: its own section by name, then by MAC, then `[network]`, then the
    /// defaults. Sections do not mix: a port with a section of its own takes everything from there. Names ignore case.
    pub fn network_for(&self, name: &str, mac: Option<MacAddress>) -> Network {
        self.network_of(name, mac)
            .or_else(|| self.network.get(&PortId::Default))
            .cloned()
            .unwrap_or_default()
    }

    /// Returns the section that names a port: by its name first, by its hardware address second.
    pub fn network_of(&self, name: &str, mac: Option<MacAddress>) -> Option<&Network> {
        self.network
            .iter()
            .find(|(id, _)| matches!(id, PortId::Name(n) if n.as_str().eq_ignore_ascii_case(name)))
            .or_else(|| {
                mac.and_then(|mac| {
                    self.network
                        .iter()
                        .find(|(id, _)| matches!(id, PortId::Mac(m) if *m == mac))
                })
            })
            .map(|(_, network)| network)
    }
}

/// Replaces every [`Secret`] by its mask.
fn mask(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::Object(fields) if fields.len() == 1 && fields.contains_key(Secret::FIELD) => {
            *value = Secret::MASK.into();
        }
        serde_json::Value::Object(fields) => fields.values_mut().for_each(mask),
        serde_json::Value::Array(values) => values.iter_mut().for_each(mask),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_named_port_beats_the_default_section() {
        let settings: Settings = serde_json::from_str(
            r#"{"network": {"default": {"method": "off"}, "eth1": {"method": "static"},
                "02:00:00:00:00:01": {"method": "auto", "dns": ["9.9.9.9"]}}}"#,
        )
        .unwrap();
        let mac = "02:00:00:00:00:01".parse().ok();
        assert_eq!(settings.network_for("eth0", None).method, Method::Off);
        assert_eq!(settings.network_for("eth1", mac).method, Method::Static);
        assert_eq!(settings.network_for("ETH1", None).method, Method::Static);
        assert_eq!(settings.network_for("eth7", mac).dns.len(), 1);
        assert_eq!(Settings::default().network_for("eth0", None).method, Method::Auto);
    }

    #[test]
    fn canonical_json_leaves_out_what_was_not_set() {
        let json = serde_json::to_string(&Settings::default()).unwrap();
        assert_eq!(json, r#"{"system":{},"ssh":{}}"#);
    }

    #[test]
    fn secrets_are_masked_wherever_they_stand() {
        let settings: Settings = serde_json::from_str(
            r#"{"user": {"anna": {"password": {"secret": "hunter2"}}},
                "wifi": [{"name": "wifi", "ssid": "Home", "password": {"secret": "hunter2"}, "country": "JP"}],
                "proxy": {"http": {"secret": "http://me:hunter2@proxy:3128"}, "https": "http://proxy:3128"},
                "own": {"kiosk": {"pin": {"secret": "hunter2"}, "url": "https://example.com", "zoom": 3}}}"#,
        )
        .unwrap();
        let shown = settings.shown().to_string();
        assert!(!shown.contains("hunter2"), "{shown}");
        assert_eq!(
            settings.shown()["wifi"][0],
            serde_json::json!({"name": "wifi", "ssid": "Home", "password": "********", "country": "JP"})
        );
        assert_eq!(settings.shown()["proxy"]["https"], "http://proxy:3128");
        assert_eq!(settings.own["kiosk"]["zoom"], OwnValue::Integer(3));
        assert!(!format!("{settings:?}").contains("hunter2"));
        let json = serde_json::to_string(&settings).unwrap();
        assert_eq!(serde_json::from_str::<Settings>(&json).unwrap(), settings);
    }
}
