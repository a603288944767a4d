//! What to do about the network: settings and leases against what the kernel has. Pure.

mod action;
mod addresses;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use genpack_spec::settings::{Method, Network, Settings};

use super::lease::Lease;
use super::port::Port;
pub use action::Action;
use addresses::{wanted_addresses, wanted_routes};

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
