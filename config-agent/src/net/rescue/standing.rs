//! What the plan and the report have to know about a port beyond what the kernel has.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, Ipv6Addr};

use genpack_spec::settings::{Method, Network};
use genpack_spec::types::MacAddress;

/// Whether a static set-up reaches the world.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Gateway {
    /// There is none that was typed.
    #[default]
    None,
    /// Nobody has looked yet, or nobody can: without a cable, or without an address.
    Unknown,
    /// It answers.
    Answers,
    /// It does not.
    Silent,
}

/// How the addresses and the gateway of a port are doing. The default is that of a port that nobody watches: all is well.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// Static addresses that must not be set: nobody has been asked about them yet, or they are taken.
    pub withheld: BTreeSet<Ipv4Addr>,
    /// Who has a static address, so that the port does not.
    pub clashes: BTreeMap<Ipv4Addr, MacAddress>,
    /// Who uses a static address although it is the port's.
    pub contests: BTreeMap<Ipv4Addr, MacAddress>,
    /// The link-local address by which the device can be reached whatever was typed.
    pub rescue: Option<Ipv4Addr>,
    /// How the gateway that was typed is doing.
    pub gateway: Gateway,
    /// IPv6 addresses that another machine had and that are to be tried again, now.
    pub retry: BTreeSet<Ipv6Addr>,
}

impl Standing {
    /// Whether the network's own address (DHCP) is wanted beside the static one. `has_lease`: it is in use already.
    pub fn wants_dhcp(&self, network: &Network, has_lease: bool) -> bool {
        if network.method != Method::Static || network.fallback == Some(false) {
            return false;
        }
        match self.gateway {
            Gateway::Silent => true,
            Gateway::Answers => false,
            _ if !self.clashes.is_empty() => true,
            // What works stays until it is known that it is not needed.
            Gateway::Unknown => has_lease,
            Gateway::None => has_lease && !self.withheld.is_empty(),
        }
    }
}
