//! What plans are made from.

use genpack_config_agent::net::dhcp6::{Lease6, Mode};
use genpack_config_agent::net::lease::{Lease, LeaseRoute};
use genpack_config_agent::net::links::Links;
use genpack_config_agent::net::plan::{Inputs, plan};
use genpack_config_agent::net::port::{Address, Ipv6Conf, Port, Route};
use genpack_config_agent::net::rescue::Standing;
use genpack_config_agent::net::rule::MAIN;
use genpack_spec::settings::Settings;
use std::collections::{BTreeMap, BTreeSet};

pub const NOW: u64 = 1000;

pub fn settings(json: &str) -> Settings {
    serde_json::from_str(json).unwrap()
}

/// A port as it is when its driver has just made it.
pub fn fresh(index: u32, name: &str) -> Port {
    Port {
        index,
        name: name.into(),
        mtu: 1500,
        max_mtu: 1500,
        ipv6: Some(Ipv6Conf {
            accept_ra: 1,
            autoconf: 1,
            disabled: 0,
            forwarding: 0,
        }),
        ..Port::default()
    }
}

pub fn plugged(index: u32, name: &str) -> Port {
    Port {
        up: true,
        carrier: true,
        ..fresh(index, name)
    }
}

pub fn address(net: &str, ours: bool, valid: Option<u32>) -> Address {
    Address {
        net: net.parse().unwrap(),
        ours,
        valid,
        autoconf: false,
        tentative: false,
        duplicate: false,
    }
}

pub fn route(destination: &str, gateway: &str, source: Option<&str>, metric: u32, ours: bool) -> Route {
    Route {
        destination: destination.parse().unwrap(),
        gateway: Some(gateway.parse().unwrap()),
        source: source.map(|ip| ip.parse().unwrap()),
        metric,
        onlink: false,
        ours,
        table: MAIN,
    }
}

pub fn lease(address: &str, gateway: &str, expires: Option<u64>) -> Lease {
    Lease {
        address: address.parse().unwrap(),
        routes: vec![LeaseRoute {
            destination: "0.0.0.0/0".parse().unwrap(),
            gateway: Some(gateway.parse().unwrap()),
        }],
        dns: Vec::new(),
        search: Vec::new(),
        mtu: None,
        expires,
    }
}

/// The plan, one step a line.
pub fn planned(settings: &Settings, ports: &[Port], leases: &[(u32, Lease)], clients: &[u32]) -> String {
    planned_with(settings, ports, &Links::default(), leases, clients)
}

pub fn planned_with(
    settings: &Settings,
    ports: &[Port],
    links: &Links,
    leases: &[(u32, Lease)],
    clients: &[u32],
) -> String {
    planned_for(settings, ports, links, leases, clients, &BTreeMap::new())
}

/// The plan for a port of which this is known.
pub fn planned_as(
    settings: &Settings,
    port: Port,
    leases: &[(u32, Lease)],
    clients: &[u32],
    standing: Standing,
) -> String {
    let standing = [(port.index, standing)].into();
    planned_for(settings, &[port], &Links::default(), leases, clients, &standing)
}

pub fn planned_for(
    settings: &Settings,
    ports: &[Port],
    links: &Links,
    leases: &[(u32, Lease)],
    clients: &[u32],
    standing: &BTreeMap<u32, Standing>,
) -> String {
    planned_all(settings, ports, links, (leases, clients), standing, (&[], &[]))
}

/// What there is of DHCPv6: leases and clients.
pub type Of6<'a> = (&'a [(u32, Lease6)], &'a [(u32, Mode)]);

pub fn planned6(
    settings: &Settings,
    ports: &[Port],
    clients: &[u32],
    leases6: &[(u32, Lease6)],
    clients6: &[(u32, Mode)],
) -> String {
    planned_all(
        settings,
        ports,
        &Links::default(),
        (&[], clients),
        &BTreeMap::new(),
        (leases6, clients6),
    )
}

pub fn planned_all(
    settings: &Settings,
    ports: &[Port],
    links: &Links,
    (leases, clients): (&[(u32, Lease)], &[u32]),
    standing: &BTreeMap<u32, Standing>,
    (leases6, clients6): Of6<'_>,
) -> String {
    let leases: BTreeMap<u32, Lease> = leases.iter().cloned().collect();
    let clients: BTreeSet<u32> = clients.iter().copied().collect();
    let steps = plan(Inputs {
        settings,
        ports,
        links,
        leases: &leases,
        clients: &clients,
        standing,
        leases6: &leases6.iter().cloned().collect(),
        clients6: &clients6.iter().copied().collect(),
        rules: None,
        now: NOW,
    });
    steps.iter().map(|step| format!("{step}\n")).collect()
}

/// A port with a lease.
pub fn bound() -> Port {
    let mut port = plugged(2, "eth0");
    port.addresses = vec![address("10.0.0.5/24", true, Some(599))];
    port.routes = vec![route("0.0.0.0/0", "10.0.0.1", Some("10.0.0.5"), 102, true)];
    port
}
