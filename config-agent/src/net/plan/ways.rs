//! The ways of answers: an answer leaves by the port whose address was asked.
//!
//! The kernel chooses a way by where a packet goes. Where two ports have a route to the same network (each rescue address
//! brings 169.254.0.0/16, and two gateways are two default routes), every answer takes the first one, and a computer at
//! the other port hears nothing. So such a route stands once more in a table of the port's own, and what comes from an address
//! of the port is looked up there. The longest prefix goes on winning, as within one table: for each length that the own
//! table has, first what the main table has of longer ones, then the own table:
//!
//! ```text
//! 9732: from 169.254.3.4 lookup main suppress_prefixlength 16
//! 9733: from 169.254.3.4 lookup 980000003 suppress_prefixlength 15
//! ```
//!
//! Only IPv4: an IPv6 link-local address names its port, and default routes of IPv6 are the kernel's to make and to remove.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;

use super::{Action, Inputs, Step, is_demoted};
use crate::net::link::Kind;
use crate::net::port::{Port, Route};
use crate::net::rule::{MAIN, Rule};

/// The own table of the port with index 0. The indexes end at 2^31, so that the sum is always a table's number; what people and other
/// programs use (Docker, Tailscale, wg-quick, NetworkManager, systemd-networkd) is far below.
const OWN: u32 = 980_000_000;

/// The priority for prefixes of length 32; there are two for each length, the last two are 9764 and 9765. All before those
/// of tunnels, which would take an answer elsewhere.
const FIRST: u32 = 9700;

/// Returns the number of the port's own table.
pub fn own_table(index: u32) -> u32 {
    OWN.saturating_add(index)
}

/// Returns the steps about the ways of answers. They follow what the ports have, not what is wanted of them: an address
/// that comes or goes in this plan matters in the next one.
pub(super) fn ways(inputs: Inputs<'_>) -> Vec<Step> {
    let Some(have) = inputs.rules else {
        return Vec::new();
    };
    let wanted: Vec<(&Port, Vec<Route>)> = inputs
        .ports
        .iter()
        .map(|port| (port, contested(port, inputs)))
        .collect();
    let rules: BTreeSet<Rule> = wanted
        .iter()
        .flat_map(|(port, routes)| rules_for(port, routes))
        .collect();
    let all = || inputs.ports.iter().chain(&inputs.links.others);
    // Of a port that udev hasn't finished with, as after a restart of the agent, nothing is known yet.
    let known = |port: &&Port| !port.link.settling;
    let mut steps = Vec::new();
    for rule in have.difference(&rules) {
        let port = all().find(|port| is_about(rule, port));
        if port.as_ref().is_none_or(known) {
            steps.push(step(port, Action::RemoveRule(*rule)));
        }
    }
    for port in all().filter(known) {
        let routes = wanted.iter().find(|(one, _)| one.index == port.index);
        let stale = port
            .ways
            .iter()
            .filter(|way| !routes.is_some_and(|(_, routes)| routes.contains(way)));
        steps.extend(stale.map(|way| step(Some(port), Action::RemoveRoute(way.clone()))));
    }
    for (port, routes) in &wanted {
        let missing = routes.iter().filter(|route| !port.ways.contains(route));
        steps.extend(missing.map(|route| step(Some(port), Action::AddRoute(route.clone()))));
    }
    for rule in rules.difference(have) {
        let port = all().find(|port| is_about(rule, port));
        steps.push(step(port, Action::AddRule(*rule)));
    }
    steps
}

fn step(port: Option<&Port>, action: Action) -> Step {
    Step {
        index: port.map_or(0, |port| port.index),
        port: port.map_or("answers", |port| port.name.as_str()).to_string(),
        action,
    }
}

fn is_about(rule: &Rule, port: &Port) -> bool {
    match rule.table {
        MAIN => own_addresses(port).any(|ip| rule.source == Some(IpAddr::V4(ip))),
        table => table == own_table(port.index),
    }
}

/// Returns the routes of a port that another port may take the packets of, as they shall stand in its own table.
fn contested(port: &Port, inputs: Inputs<'_>) -> Vec<Route> {
    // Through a port without a cable no answer gets anywhere; another one of the same wire may still do.
    if !port.carrier || port.link.kind == Kind::Wireguard {
        return Vec::new();
    }
    let others = inputs.links.others.iter();
    let managed = others.filter(|other| other.link.manager.is_some());
    let rivals: Vec<&Route> = inputs
        .ports
        .iter()
        .chain(managed)
        .filter(|rival| rival.index != port.index && rival.link.kind != Kind::Wireguard)
        .flat_map(|rival| &rival.routes)
        .collect();
    let mut routes: Vec<&Route> = port
        .routes
        .iter()
        .filter(|route| is_of(route, port) && !is_demoted(route))
        .collect();
    routes.sort_by_key(|route| (route.destination, route.metric));
    routes.dedup_by_key(|route| route.destination);
    let wins =
        |rival: &Route, route: &Route| rival.destination == route.destination && rival.metric <= route.metric;
    routes.retain(|route| rivals.iter().any(|rival| wins(rival, route)));
    let own = |route: &Route| Route {
        source: None,
        metric: 0,
        ours: true,
        table: own_table(port.index),
        ..route.clone()
    };
    routes.into_iter().map(own).collect()
}

/// Whether a route is an IPv4 one of ours, or the kernel's because of an address of ours.
fn is_of(route: &Route, port: &Port) -> bool {
    let on_wire = |net: &IpNet| route.gateway.is_none() && net.trunc() == route.destination;
    let mut addresses = port.addresses.iter();
    route.destination.addr().is_ipv4()
        && (route.ours || addresses.any(|have| have.ours && on_wire(&have.net)))
}

fn own_addresses(port: &Port) -> impl Iterator<Item = Ipv4Addr> {
    port.addresses.iter().filter_map(|have| match have.net.addr() {
        IpAddr::V4(ip) if have.ours => Some(ip),
        _ => None,
    })
}

/// Returns the rules for the addresses of a port whose own table has these routes.
fn rules_for(port: &Port, routes: &[Route]) -> Vec<Rule> {
    let lengths: BTreeSet<u8> = routes
        .iter()
        .map(|route| route.destination.prefix_len())
        .collect();
    let mut rules = Vec::new();
    for address in own_addresses(port) {
        // Nothing with a link-local address goes through a router (RFC 3927, 2.7).
        let lengths = lengths
            .iter()
            .filter(|length| **length > 0 || !address.is_link_local());
        for length in lengths.map(|length| u32::from(*length)) {
            let main = Rule {
                ipv6: false,
                priority: FIRST + 2 * (32 - length),
                source: Some(IpAddr::V4(address)),
                without_mark: None,
                table: MAIN,
                suppress: Some(length),
            };
            let own = Rule {
                priority: main.priority + 1,
                table: own_table(port.index),
                suppress: length.checked_sub(1),
                ..main
            };
            rules.extend([main, own]);
        }
    }
    rules
}
