//! `<host name>.local` on the wires of this device: a Multicast DNS responder (RFC 6762) for the host's name, its
//! addresses, and the names of these addresses.
//!
//! It offers no services (DNS-SD): which there are is known to the programs of the image only.
//!
//! `records` says what there is to tell on a port, `wire` reads and writes messages, `responder` decides what to
//! send and when, without sockets or a clock of its own; `service` has both.

mod answer;
mod conflict;
mod link;
mod name;
mod records;
mod responder;
mod service;
mod socket;
mod wire;

use std::net::IpAddr;

use ipnet::IpNet;

use crate::net::port::Port;
use crate::net::rescue;
use crate::net::wanted::Wishes;

pub use service::Service;

/// What shall be served, and where.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// One label of a host name.
    pub label: String,
    /// The ports to serve it on.
    pub ports: Vec<Wire>,
}

/// A port on which the name is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wire {
    /// The kernel's number for it.
    pub index: u32,
    /// The kernel's name for it.
    pub name: String,
    /// Its usable addresses with their prefix lengths; at least one.
    pub addresses: Vec<IpNet>,
}

/// Most addresses that are told of one port. A port with more has them from a router that gives away prefixes without end.
const ADDRESSES: usize = 16;

/// Returns what shall be served: the first label of `hostname`, on every port that has a cable and an address, and that
/// `fallback` leaves on. A tunnel has no wire where names could be asked for.
pub fn wanted(wishes: &Wishes<'_>, hostname: &str, ports: &[Port]) -> Wanted {
    let ports = ports.iter().filter_map(|port| {
        let asked = wishes.of(port);
        let served = rescue::is_watched(&asked) && port.carrier && asked.network.fallback != Some(false);
        let mut addresses: Vec<_> = port
            .addresses
            .iter()
            .filter(|address| !address.tentative && !address.duplicate)
            .map(|address| address.net)
            .collect();
        // The rescue address last: who takes the first one should get that which reaches farther.
        let is_rescue = |net: &IpNet| matches!(net.addr(), IpAddr::V4(ip) if ip.is_link_local());
        addresses.sort_by_key(|net| (is_rescue(net), *net));
        addresses.dedup();
        addresses.truncate(ADDRESSES);
        (served && !addresses.is_empty()).then(|| Wire {
            index: port.index,
            name: port.name.clone(),
            addresses,
        })
    });
    Wanted {
        label: hostname.split('.').next().unwrap_or_default().to_string(),
        ports: ports.collect(),
    }
}
