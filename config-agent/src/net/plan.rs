//! What to do about the network: settings and leases against what the kernel has. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;

use genpack_spec::settings::{Method, Network, Settings};
use genpack_spec::text;
use genpack_spec::text::Text;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::WIRED_METRIC;
use super::lease::Lease;
use super::port::{Ipv6Conf, Port, Route};

/// Everything that a plan depends on.
#[derive(Debug, Clone, Copy)]
pub struct Inputs<'a> {
    /// What is wanted.
    pub settings: &'a Settings,
    /// What the kernel has.
    pub ports: &'a [Port],
    /// What DHCP servers granted, by index of the port.
    pub leases: &'a BTreeMap<u32, Lease>,
    /// Ports on which a DHCP client runs, by index.
    pub clients: &'a BTreeSet<u32>,
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

/// What to do to a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Stop asking DHCP servers.
    StopDhcp,
    /// Remove a route of ours.
    RemoveRoute(Route),
    /// Remove an address of ours.
    RemoveAddress(IpNet),
    /// Switch the port off.
    SetDown,
    /// Let the kernel make IPv6 addresses from router advertisements.
    Autoconf(Ipv6Conf),
    /// Set the largest packet in bytes.
    SetMtu(u32),
    /// Switch the port on.
    SetUp,
    /// Add an address, or change how long the kernel keeps it: seconds, or for ever.
    SetAddress(IpNet, Option<u32>),
    /// Add a route.
    AddRoute(Route),
    /// Start asking DHCP servers.
    StartDhcp,
}

/// A kept lifetime within this many seconds of the wanted one is right: both clocks are read in whole seconds.
const LIFETIME_TOLERANCE: u64 = 5;

/// Returns the steps, in order, that make the ports what the settings say; empty when they are.
pub fn plan(inputs: Inputs<'_>) -> Vec<Step> {
    let mut steps = Vec::new();
    for port in inputs.ports {
        let network = inputs.settings.network_for(&port.name, port.mac);
        let actions = port_actions(port, &network, inputs);
        steps.extend(actions.into_iter().map(|action| Step {
            index: port.index,
            port: port.name.clone(),
            action,
        }));
    }
    steps
}

fn port_actions(port: &Port, network: &Network, inputs: Inputs<'_>) -> Vec<Action> {
    let lease = (network.method == Method::Auto)
        .then(|| inputs.leases.get(&port.index))
        .flatten()
        .filter(|lease| lease.remaining(inputs.now) != Some(0));
    let on = network.method != Method::Off;
    let asks = network.method == Method::Auto && port.carrier;
    let runs = inputs.clients.contains(&port.index);
    let addresses = wanted_addresses(network, lease, inputs.now);
    let routes = wanted_routes(network, lease, port.index);

    let mut actions = Vec::new();
    if runs && !asks {
        actions.push(Action::StopDhcp);
    }
    let stale_routes = port
        .routes
        .iter()
        .filter(|route| route.ours && !routes.contains(route));
    actions.extend(stale_routes.cloned().map(Action::RemoveRoute));
    let stale_addresses = port
        .addresses
        .iter()
        .filter(|have| have.ours && !addresses.iter().any(|(net, _)| *net == have.net));
    actions.extend(stale_addresses.map(|have| Action::RemoveAddress(have.net)));
    if !on {
        if port.up {
            actions.push(Action::SetDown);
        }
        return actions;
    }
    if let Some(conf) = port.ipv6
        && conf != conf.wanted()
    {
        actions.push(Action::Autoconf(conf.wanted()));
    }
    if let Some(mtu) = lease.and_then(|lease| lease.mtu)
        && mtu != port.mtu
        && (port.max_mtu == 0 || mtu <= port.max_mtu)
    {
        actions.push(Action::SetMtu(mtu));
    }
    if !port.up {
        actions.push(Action::SetUp);
    }
    for (net, valid) in addresses {
        let have = port.addresses.iter().find(|have| have.net == net);
        if have.is_none_or(|have| have.ours && !same_lifetime(have.valid, valid)) {
            actions.push(Action::SetAddress(net, valid));
        }
    }
    let missing = routes.into_iter().filter(|route| !port.routes.contains(route));
    actions.extend(missing.map(Action::AddRoute));
    if asks && !runs {
        actions.push(Action::StartDhcp);
    }
    actions
}

fn wanted_addresses(network: &Network, lease: Option<&Lease>, now: u64) -> Vec<(IpNet, Option<u32>)> {
    let mut addresses = Vec::new();
    if network.method == Method::Static {
        addresses.extend(network.addresses.iter().map(|net| (*net, None)));
    }
    if let Some(lease) = lease {
        // The kernel takes u32::MAX for "for ever".
        let valid = lease
            .remaining(now)
            .map(|left| left.min(u64::from(u32::MAX - 1)) as u32);
        addresses.push((IpNet::V4(lease.address), valid));
    }
    addresses
}

fn wanted_routes(network: &Network, lease: Option<&Lease>, index: u32) -> Vec<Route> {
    let metric = WIRED_METRIC.saturating_add(index);
    let mut routes = Vec::new();
    if network.method == Method::Static {
        routes.extend(network.gateways.iter().map(|gateway| Route {
            destination: default_for(*gateway),
            gateway: Some(*gateway),
            source: None,
            metric,
            onlink: false,
            ours: true,
        }));
    }
    if let Some(lease) = lease {
        routes.extend(lease.routes.iter().map(|route| {
            Route {
                destination: IpNet::V4(route.destination),
                gateway: route.gateway.map(IpAddr::V4),
                // With it, the kernel removes the route together with the address.
                source: Some(IpAddr::V4(lease.address.addr())),
                metric,
                onlink: route
                    .gateway
                    .is_some_and(|gateway| !lease.address.contains(&gateway)),
                ours: true,
            }
        }));
    }
    routes
}

fn default_for(gateway: IpAddr) -> IpNet {
    match gateway {
        IpAddr::V4(_) => IpNet::V4(Ipv4Net::default()),
        IpAddr::V6(_) => IpNet::V6(Ipv6Net::default()),
    }
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

impl Action {
    /// Returns what to tell a person when it fails, as a sentence.
    pub fn failure(&self) -> Text {
        match self {
            Action::StopDhcp | Action::StartDhcp => text!("The device could not ask for an address (DHCP)."),
            Action::RemoveRoute(route) => text!("The device could not remove the route {route}.", route),
            Action::RemoveAddress(net) => {
                text!(
                    "The device could not remove the address {address}.",
                    address = net
                )
            }
            Action::SetDown => text!("The device could not switch the port off."),
            Action::Autoconf(_) => text!("The device could not turn on IPv6 autoconfiguration."),
            Action::SetMtu(mtu) => text!("The device could not set the MTU to {mtu}.", mtu),
            Action::SetUp => text!("The device could not switch the port on."),
            Action::SetAddress(net, _) => {
                text!("The device could not set the address {address}.", address = net)
            }
            Action::AddRoute(route) => text!("The device could not add the route {route}.", route),
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Action::StopDhcp => write!(f, "stop DHCP"),
            Action::RemoveRoute(route) => write!(f, "remove the route {route}"),
            Action::RemoveAddress(net) => write!(f, "remove the address {net}"),
            Action::SetDown => write!(f, "switch off"),
            Action::Autoconf(_) => write!(f, "turn on IPv6 autoconfiguration"),
            Action::SetMtu(mtu) => write!(f, "set the MTU to {mtu}"),
            Action::SetUp => write!(f, "switch on"),
            Action::SetAddress(net, None) => write!(f, "set the address {net}"),
            Action::SetAddress(net, Some(valid)) => write!(f, "set the address {net} for {valid} s"),
            Action::AddRoute(route) => write!(f, "add the route {route}"),
            Action::StartDhcp => write!(f, "start DHCP"),
        }
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.destination)?;
        if let Some(gateway) = self.gateway {
            write!(f, " via {gateway}")?;
        }
        if let Some(source) = self.source {
            write!(f, " from {source}")?;
        }
        write!(f, " metric {}", self.metric)?;
        if self.onlink {
            write!(f, " onlink")?;
        }
        Ok(())
    }
}
