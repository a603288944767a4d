//! WireGuard as the kernel has it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use ipnet::IpNet;

use super::Rule;
use super::key::Key;

/// What the kernel has of all tunnels of ours, and what they depend on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Observed {
    /// The tunnels, by name.
    pub devices: BTreeMap<String, Device>,
    /// The rules of ours that choose between the ports and the tunnels.
    pub rules: BTreeSet<Rule>,
    /// Addresses of this device on anything but a tunnel, where others may reach it.
    pub addresses: BTreeSet<IpNet>,
}

/// One tunnel.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Device {
    /// The kernel's number for the link.
    pub index: u32,
    /// The private key of this end.
    pub private_key: Option<Key>,
    /// What the kernel made of it.
    pub public_key: Option<Key>,
    /// The UDP port; the kernel chooses one when the link is switched on without one.
    pub listen_port: u16,
    /// The mark of the tunnel's own packets; zero for none.
    pub mark: u32,
    /// The other ends, by public key.
    pub peers: BTreeMap<Key, Peer>,
    /// Addresses inside the tunnel.
    pub addresses: BTreeSet<IpNet>,
    /// The routes of ours into it.
    pub routes: BTreeSet<TunnelRoute>,
}

/// The other end of a tunnel.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Peer {
    /// A key that both ends share beside their own.
    pub preshared_key: Option<Key>,
    /// Where packets are sent: as it was set, or as the peer last called from.
    pub endpoint: Option<SocketAddr>,
    /// Seconds between packets that keep the way open; zero for none.
    pub keepalive: u16,
    /// What is sent to it and accepted from it.
    pub allowed: BTreeSet<IpNet>,
    /// When it last proved to be who it is; none when never.
    pub handshake: Option<Handshake>,
}

/// The time of a handshake by the wall clock, which jumps: good only for telling one handshake from the next.
pub type Handshake = (i64, i64);

/// A route into a tunnel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TunnelRoute {
    /// The table that it stands in.
    pub table: u32,
    /// Where it leads.
    pub destination: IpNet,
    /// Smaller wins.
    pub metric: u32,
}
