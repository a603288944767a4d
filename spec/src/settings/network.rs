//! Settings of wired ports, wireless networks and what is made of ports.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::types::{
    Country, Domain, Endpoint, InterfaceName, MacAddress, Secret, WireguardPublicKey, WireguardSecretKey,
};

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

/// Whether IPv6 is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ipv6 {
    /// By router advertisement and DHCPv6.
    Auto,
    /// Not at all.
    Off,
}

/// One `[network ...]` section, or the same keys in the section of another kind of port.
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
    /// Domains in which short names are looked up.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub search: Vec<Domain>,
    /// Longest packet in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mtu: Option<u32>,
    /// The hardware address to show to the network instead of the port's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac: Option<MacAddress>,
    /// Whether IPv6 is used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ipv6: Option<Ipv6>,
    /// Whether the rescue address stays beside the configured one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback: Option<bool>,
}

/// How a wireless network is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WifiSecurity {
    /// WPA2 or WPA3 with the password, or open without one.
    Auto,
    /// No password.
    Open,
    /// WPA2-Personal.
    Wpa2,
    /// WPA3-Personal.
    Wpa3,
    /// WPA-Enterprise with identity and password.
    Enterprise,
}

/// `[wifi]`, `[wifi NAME]`: a known wireless network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wifi {
    /// What stands behind `wifi` in the header, or `wifi`.
    pub name: String,
    /// The network's name, at most 32 bytes.
    pub ssid: String,
    /// Its password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<Secret>,
    /// The country whose radio rules hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub country: Option<Country>,
    /// Whether it does not announce its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hidden: Option<bool>,
    /// How it is protected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub security: Option<WifiSecurity>,
    /// User name of an enterprise network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
    /// Of several networks in reach, the one with the highest number is used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<i32>,
    /// Its addresses; none when the section says nothing of them.
    #[serde(flatten)]
    pub network: Option<Network>,
}

/// `[vlan NAME]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vlan {
    /// The port that carries it.
    pub parent: InterfaceName,
    /// VLAN ID, 1 to 4094.
    pub id: u16,
    /// Its addresses; none when the section says nothing of them.
    #[serde(flatten)]
    pub network: Option<Network>,
}

/// `[bridge NAME]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bridge {
    /// The ports that it joins.
    pub ports: Vec<InterfaceName>,
    /// Whether it takes part in the spanning tree protocol.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stp: Option<bool>,
    /// Its addresses; none when the section says nothing of them.
    #[serde(flatten)]
    pub network: Option<Network>,
}

/// How a bond uses its ports (kernel: Documentation/networking/bonding.rst).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BondMode {
    /// One at a time.
    ActiveBackup,
    /// LACP.
    #[serde(rename = "802.3ad")]
    Lacp,
    /// Packets in turn.
    BalanceRr,
    /// By a hash of the addresses.
    BalanceXor,
    /// Transmitting by load.
    BalanceTlb,
    /// Transmitting and receiving by load.
    BalanceAlb,
    /// Everything on every port.
    Broadcast,
}

/// `[bond NAME]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bond {
    /// The ports that it joins.
    pub ports: Vec<InterfaceName>,
    /// How it uses them; none is `active-backup`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<BondMode>,
    /// Its addresses; none when the section says nothing of them.
    #[serde(flatten)]
    pub network: Option<Network>,
}

/// `[wireguard NAME]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wireguard {
    /// The private key of this end.
    pub private_key: WireguardSecretKey,
    /// The UDP port to listen on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listen_port: Option<u16>,
    /// Addresses inside the tunnel.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<IpNet>,
    /// The other ends, by name; the peer of the section itself is called `peer`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub peers: BTreeMap<String, WireguardPeer>,
}

/// The other end of a WireGuard tunnel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WireguardPeer {
    /// Its public key.
    pub public_key: WireguardPublicKey,
    /// Where it listens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<Endpoint>,
    /// What is sent to it and accepted from it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allowed_ips: Vec<IpNet>,
    /// A key that both ends share beside their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preshared_key: Option<WireguardSecretKey>,
    /// Seconds between packets that keep the way open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keepalive: Option<u16>,
}
