//! The effective settings in canonical form: what `system.ini` comes to once every line has been judged.
//!
//! PID 1 writes them to `/run/genpack/settings.json` and the config agent reads them there. What was not set is left
//! out, so that "not set" and "set to the default" stay different things.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::types::{AuthorizedKey, Hostname, PortId, TimeZone, UnitName};

/// All settings.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// `[system]`
    #[serde(default)]
    pub system: System,
    /// `[network]` under [`PortId::Default`], `[network NAME-or-MAC]` under the port that it names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub network: BTreeMap<PortId, Network>,
    /// `[ssh]`
    #[serde(default)]
    pub ssh: Ssh,
    /// `[services]`: true is on, false is off.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub services: BTreeMap<UnitName, bool>,
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
}

/// How a port gets its addresses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// DHCPv4, and IPv6 by router advertisement.
    #[default]
    Auto,
    /// The addresses of the file; IPv6 by router advertisement goes on beside them.
    Static,
    /// The port stays down.
    Off,
}

/// One `[network ...]` section.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    /// Effective method: what the file says, or implies by naming an address.
    pub method: Method,
    /// Static addresses with their prefix lengths.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<IpNet>,
    /// Default gateways; each is reachable from one of `addresses`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gateways: Vec<IpAddr>,
    /// Name servers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dns: Vec<IpAddr>,
}

/// `[ssh]`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ssh {
    /// Keys that may log in as root, beside those that the image has.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<AuthorizedKey>,
}

impl Settings {
    /// Returns what holds for a wired port: its own section by name, then by MAC, then `[network]`, then the
    /// defaults. Sections do not mix: a port with a section of its own takes everything from there. Names ignore case.
    pub fn network_for(&self, name: &str, mac: Option<crate::types::MacAddress>) -> Network {
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
            .or_else(|| self.network.get_key_value(&PortId::Default))
            .map(|(_, network)| network.clone())
            .unwrap_or_default()
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
}
