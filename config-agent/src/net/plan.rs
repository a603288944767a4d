//! What to do about the network: settings and leases against what the kernel has. Pure.

mod action;
mod addresses;
mod ipv6;
mod links;
mod ways;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;

use genpack_spec::settings::{Ipv6, Method, Settings};
use ipnet::IpNet;

use super::dhcp6::{Lease6, Mode};
use super::lease::Lease;
use super::link::Kind;
use super::links::Links;
use super::port::{Ipv6Conf, Port};
use super::rescue::Standing;
use super::rule::Rule;
use super::wanted::{Role, Wanted, Wishes};
pub use action::Action;
pub use addresses::is_demoted;
use addresses::{wanted_addresses, wanted_routes};
use ipv6::{wanted_address6, wanted_dhcp6};
use links::{bare_port, made_links, set_ipv6, set_mac, set_mtu};
pub use ways::own_table;

/// Everything that a plan depends on.
#[derive(Debug, Clone, Copy)]
pub struct Inputs<'a> {
    /// What is wanted.
    pub settings: &'a Settings,
    /// What the kernel has: the ports that are the agent's to set.
    pub ports: &'a [Port],
    /// What else the kernel has, and what was there before.
    pub links: &'a Links,
    /// What DHCP servers granted, by index of the port.
    pub leases: &'a BTreeMap<u32, Lease>,
    /// Ports on which a DHCP client runs, by index.
    pub clients: &'a BTreeSet<u32>,
    /// How addresses and gateways are doing, by index of the port; a port without an entry is well.
    pub standing: &'a BTreeMap<u32, Standing>,
    /// What DHCPv6 servers granted, by index of the port.
    pub leases6: &'a BTreeMap<u32, Lease6>,
    /// What the DHCPv6 clients ask for, by index of the port.
    pub clients6: &'a BTreeMap<u32, Mode>,
    /// The rules of ours about the ways of answers; none when the kernel has no rules at all.
    pub rules: Option<&'a BTreeSet<Rule>>,
    /// Seconds since the machine started.
    pub now: u64,
}

/// One thing to do to one port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Index of the port.
    pub index: u32,
    /// Its name.
    pub port: String,
    /// What to do.
    pub action: Action,
}

/// A kept lifetime within this many seconds of the wanted one is right: both clocks are read in whole seconds.
const LIFETIME_TOLERANCE: u64 = 5;

/// Returns the steps, in order, that make the ports what the settings say; empty when they are.
pub fn plan(inputs: Inputs<'_>) -> Vec<Step> {
    let wishes = Wishes::new(inputs.settings, inputs.ports, inputs.links);
    let mut steps = made_links(&wishes, inputs);
    for port in inputs.ports {
        let wanted = wishes.of(port);
        let actions = match wanted.role {
            Role::Addresses | Role::Tunnel => port_actions(port, &wanted, &wishes, inputs),
            Role::Member { .. } | Role::VlansOnly => bare_port(port, &wanted, &wishes, inputs),
            Role::Unwanted => Vec::new(),
        };
        steps.extend(actions.into_iter().map(|action| Step {
            index: port.index,
            port: port.name.clone(),
            action,
        }));
    }
    steps.extend(ways::ways(inputs));
    steps
}

fn port_actions(port: &Port, wanted: &Wanted, wishes: &Wishes<'_>, inputs: Inputs<'_>) -> Vec<Action> {
    let network = &wanted.network;
    if port.link.master.is_some() {
        // The rest comes once it is free.
        return vec![Action::Leave];
    }
    if network.method != Method::Off {
        let actions = set_mac(port, wanted, wishes, inputs);
        if !actions.is_empty() {
            // Being off takes routes and IPv6 addresses with it: what is missing then shows in the next pass.
            return actions;
        }
    }
    let well = Standing::default();
    let standing = inputs.standing.get(&port.index).unwrap_or(&well);
    let lease = inputs
        .leases
        .get(&port.index)
        .filter(|lease| lease.remaining(inputs.now) != Some(0));
    let dhcp = network.method == Method::Auto || standing.wants_dhcp(network, lease.is_some());
    let lease = lease.filter(|_| dhcp);
    let on = network.method != Method::Off;
    let asks = dhcp && port.carrier;
    let runs = inputs.clients.contains(&port.index);
    let asks6 = wanted_dhcp6(port, network);
    let runs6 = inputs.clients6.get(&port.index).copied();
    let mut addresses = wanted_addresses(network, standing, lease, inputs.now);
    addresses.extend(wanted_address6(
        network,
        inputs.leases6.get(&port.index),
        inputs.now,
    ));
    let routes = wanted_routes(network, standing, lease, port);

    let mut actions = Vec::new();
    if runs && !asks {
        actions.push(Action::StopDhcp);
    }
    if runs6.is_some() && runs6 != asks6 {
        actions.push(Action::StopDhcp6);
    }
    // Routes into a tunnel belong to whoever knows its peers.
    let stale_routes = port
        .routes
        .iter()
        .filter(|route| route.ours && wanted.role != Role::Tunnel && !routes.contains(route));
    actions.extend(stale_routes.cloned().map(Action::RemoveRoute));
    let again = |net: &IpNet| matches!(net.addr(), IpAddr::V6(ip) if standing.retry.contains(&ip));
    let stale_addresses = port
        .addresses
        .iter()
        .filter(|have| have.ours && (again(&have.net) || !addresses.iter().any(|(net, _)| *net == have.net)));
    actions.extend(stale_addresses.map(|have| Action::RemoveAddress(have.net)));
    if !on {
        // Whether a radio is on is wpa_supplicant's matter.
        if port.up && !matches!(port.link.kind, Kind::Wireless { .. }) {
            actions.push(Action::SetDown);
        }
        return actions;
    }
    actions.extend(set_ipv6(
        port,
        match (network.ipv6, &wanted.role) {
            (Some(Ipv6::Off), _) => Ipv6Conf::off,
            (_, Role::Tunnel) => Ipv6Conf::quiet,
            _ => Ipv6Conf::wanted,
        },
    ));
    let mtu = network.mtu.or(lease.and_then(|lease| lease.mtu));
    actions.extend(set_mtu(port, mtu, wishes));
    if !port.up {
        actions.push(Action::SetUp);
    }
    for (net, valid) in addresses {
        let have = port.addresses.iter().find(|have| have.net == net);
        if have.is_none_or(|have| have.ours && (again(&net) || !same_lifetime(have.valid, valid))) {
            actions.push(Action::SetAddress(net, valid));
        }
    }
    let missing = routes.into_iter().filter(|route| !port.routes.contains(route));
    actions.extend(missing.map(Action::AddRoute));
    if asks && !runs {
        actions.push(Action::StartDhcp);
    }
    if let Some(mode) = asks6
        && runs6 != asks6
    {
        actions.push(Action::StartDhcp6(mode));
    }
    actions
}

fn same_lifetime(have: Option<u32>, want: Option<u32>) -> bool {
    match (have, want) {
        (None, None) => true,
        (Some(have), Some(want)) => u64::from(have.abs_diff(want)) <= LIFETIME_TOLERANCE,
        _ => false,
    }
}

impl fmt::Display for Step {
    /// Writes the step as a line for the journal and for golden tests.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.port, self.action)
    }
}
