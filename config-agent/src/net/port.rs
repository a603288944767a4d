//! A port as the kernel has it, and which links are wired ports.

use std::net::{IpAddr, Ipv6Addr};

use genpack_spec::types::MacAddress;
use ipnet::IpNet;

use super::link::{Kind, Link};
use super::original::Original;

/// A port: a wired one, a radio, or a link that this agent has made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Port {
    /// The kernel's number for it; never used twice in one boot.
    pub index: u32,
    /// The kernel's name for it.
    pub name: String,
    /// Its hardware address.
    pub mac: Option<MacAddress>,
    /// Switched on.
    pub up: bool,
    /// Switched on, and something alive is at the other end of the cable; for a radio, connected.
    pub carrier: bool,
    /// Largest packet in bytes.
    pub mtu: u32,
    /// The most that the driver takes for it; zero when it doesn't say.
    pub max_mtu: u32,
    /// What the kernel does about router advertisements here; none when it has no IPv6.
    pub ipv6: Option<Ipv6Conf>,
    /// What routers say there is beside their own advertisements.
    pub routers: RouterFlags,
    /// Addresses, whoever set them.
    pub addresses: Vec<Address>,
    /// Unicast routes of the main table, whoever set them.
    pub routes: Vec<Route>,
    /// Routes of ours in the table of the port's own; see [`super::plan::own_table`].
    pub ways: Vec<Route>,
    /// What it is, and what it belongs to.
    pub link: Link,
}

impl Port {
    /// Returns the hardware address by which settings name it: its maker's, whatever it shows to the network.
    pub fn own_mac(&self, original: Option<&Original>) -> Option<MacAddress> {
        let replaced = original.and_then(|original| original.mac);
        self.link.permanent_mac.or(replaced).or(self.mac)
    }

    /// Returns what tells it from every other port over restarts of the agent. A link that is made of ports often has the
    /// hardware address of one of them.
    pub fn identity(&self, original: Option<&Original>) -> Option<String> {
        let mac = self.own_mac(original)?;
        Some(match self.link.kind {
            Kind::Wired | Kind::Wireless { .. } => mac.to_string(),
            _ => format!("{mac}-{}", self.name),
        })
    }
}

/// The switches under `/proc/sys/net/ipv6/conf` (kernel: `Documentation/networking/ip-sysctl.rst`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ipv6Conf {
    /// `accept_ra`: 1 takes router advertisements, 2 even while the machine forwards.
    pub accept_ra: u32,
    /// `autoconf`: 1 makes addresses from them.
    pub autoconf: u32,
    /// `disable_ipv6`
    pub disabled: u32,
    /// `forwarding`
    pub forwarding: u32,
}

impl Ipv6Conf {
    /// Returns what must hold without IPv6, given what is.
    pub fn off(self) -> Ipv6Conf {
        Ipv6Conf { disabled: 1, ..self }
    }

    /// Returns what must hold where only the addresses of the settings are used, given what is.
    pub fn quiet(self) -> Ipv6Conf {
        Ipv6Conf {
            accept_ra: 0,
            autoconf: 0,
            disabled: 0,
            ..self
        }
    }

    /// Returns what must hold for autoconfiguration, given what is.
    pub fn wanted(self) -> Ipv6Conf {
        Ipv6Conf {
            accept_ra: self.accept_ra.max(if self.forwarding > 0 { 2 } else { 1 }),
            autoconf: 1,
            disabled: 0,
            forwarding: self.forwarding,
        }
    }
}

/// Flags of the last router advertisement (RFC 4861, 4.2).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RouterFlags {
    /// Addresses by DHCPv6, and everything else with them.
    pub managed: bool,
    /// Name servers and the like by DHCPv6.
    pub other: bool,
}

impl Port {
    /// Returns the IPv6 link-local address, once the kernel knows that nobody else has it.
    pub fn link_local(&self) -> Option<Ipv6Addr> {
        let sure = self
            .addresses
            .iter()
            .filter(|have| !have.tentative && !have.duplicate);
        sure.filter_map(|have| match have.net.addr() {
            IpAddr::V6(ip) if ip.is_unicast_link_local() => Some(ip),
            _ => None,
        })
        .next()
    }

    /// Whether the kernel takes router advertisements.
    pub fn hears_routers(&self) -> bool {
        self.ipv6
            .is_some_and(|conf| conf.disabled == 0 && conf.accept_ra > 0)
    }

    /// Whether routers and servers can be asked over IPv6 now.
    pub fn speaks_ipv6(&self) -> bool {
        self.carrier && self.ipv6.is_some_and(|conf| conf.disabled == 0) && self.link_local().is_some()
    }
}

/// An address that the kernel has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// The address with its prefix length.
    pub net: IpNet,
    /// Whether this agent, in this life or an earlier one, set it.
    pub ours: bool,
    /// Seconds until the kernel removes it; none when never.
    pub valid: Option<u32>,
    /// Made by the kernel from a router advertisement.
    pub autoconf: bool,
    /// Not usable yet: the kernel still asks whether another machine has it.
    pub tentative: bool,
    /// Another machine has it.
    pub duplicate: bool,
}

/// A route that the kernel has, or shall have.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Route {
    /// Where it leads.
    pub destination: IpNet,
    /// The router; none when the destination is on the wire.
    pub gateway: Option<IpAddr>,
    /// The address to send from.
    pub source: Option<IpAddr>,
    /// Smaller wins.
    pub metric: u32,
    /// The router is on the wire although no address of ours says so.
    pub onlink: bool,
    /// Carries [`super::PROTOCOL`].
    pub ours: bool,
    /// The table that it stands in.
    pub table: u32,
}

/// What tells a wired port from other links.
#[derive(Debug, Clone)]
pub struct LinkTraits<'a> {
    /// Has Ethernet's hardware type, `ARPHRD_ETHER`.
    pub ethernet: bool,
    /// The driver's kind (`IFLA_INFO_KIND`); hardware has none.
    pub kind: Option<String>,
    /// Is a radio.
    pub wireless: bool,
    /// The kernel's name for it.
    pub name: &'a str,
}

/// Host-side ends of container links, by the names that Docker, Podman, LXC and systemd-nspawn give to them. Such a
/// link carries no other sign before its bridge has taken it.
const CONTAINER_PREFIXES: [&str; 3] = ["veth", "ve-", "vb-"];

/// Whether a link is a wired port: hardware or virtio, a port of an Ethernet switch chip, or, seen from inside a container,
/// the container's end of a `veth` pair.
pub fn is_wired(link: &LinkTraits<'_>) -> bool {
    let kind_fits = match link.kind.as_deref() {
        None | Some("dsa") => true,
        Some("veth") => !CONTAINER_PREFIXES
            .iter()
            .any(|prefix| link.name.starts_with(prefix)),
        Some(_) => false,
    };
    link.ethernet && kind_fits && !link.wireless
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hardware_counts_and_what_others_made_does_not() {
        let hardware = LinkTraits {
            ethernet: true,
            kind: None,
            wireless: false,
            name: "eth0",
        };
        let kind = |kind: &str, name| LinkTraits {
            kind: Some(kind.into()),
            name,
            ..hardware.clone()
        };
        assert!(is_wired(&hardware));
        assert!(is_wired(&kind("veth", "host0")));
        assert!(is_wired(&kind("dsa", "lan1")));
        for link in [
            LinkTraits {
                ethernet: false,
                ..hardware.clone()
            },
            LinkTraits {
                wireless: true,
                ..hardware.clone()
            },
            kind("veth", "veth12ab"),
            kind("bridge", "docker0"),
            kind("tun", "vnet0"),
            kind("dummy", "dummy0"),
            kind("wireguard", "wg0"),
            kind("vlan", "eth0.5"),
        ] {
            assert!(!is_wired(&link), "{link:?}");
        }
    }
}
