//! The agent's report, made of what was observed. Pure.

use std::net::IpAddr;

use genpack_spec::layout::card::SYSTEM_INI;
use genpack_spec::report::{AddressOrigin, AddressReport, LinkKind, LinkReport, Notice, RunReport, Severity};
use genpack_spec::settings::{Method, Network};
use genpack_spec::text;
use genpack_spec::text::Text;
use ipnet::IpNet;

use crate::net::lease::Lease;
use crate::net::network::Complaint;
use crate::net::port::{Address, Port};
use crate::net::rescue::{self, Standing};
use crate::net::wanted::{Made, State, Wishes};

/// Returns the report about one port. `failures` are sentences about what could not be done.
pub fn link(
    wishes: &Wishes<'_>,
    port: &Port,
    lease: Option<&Lease>,
    complaint: Option<&Complaint>,
    standing: Option<&Standing>,
    failures: &[Text],
) -> LinkReport {
    let wanted = wishes.of(port);
    let addresses = addresses(port, lease);
    let mut problems = failures.to_vec();
    problems.extend(
        wishes
            .made_as(port.index)
            .into_iter()
            .flat_map(|made| made.problems.clone()),
    );
    for address in port.addresses.iter().filter(|address| address.duplicate) {
        problems.push(text!(
            "Another device on this network already uses the address {address}.",
            address = address.net.addr()
        ));
    }
    if let (Some(mtu), Some(limit)) = (wanted.network.mtu, wishes.mtu_limit(port))
        && mtu > limit
    {
        problems.push(text!(
            "An MTU of {mtu} is more than this port can have ({limit}), so {current} stays.",
            mtu,
            limit,
            current = port.mtu
        ));
    }
    problems.extend(
        standing
            .into_iter()
            .flat_map(|standing| rescue::problems(&wanted.network, standing, lease)),
    );
    problems.extend(no_address(port, &wanted.network, &addresses, complaint));
    LinkReport {
        name: port.name.clone(),
        kind: wishes.kind(port),
        mac: port.mac,
        carrier: port.carrier,
        method: wanted.network.method,
        gateways: gateways(port),
        addresses,
        problems,
    }
}

/// Returns the report about a port that another program takes care of.
pub fn managed(wishes: &Wishes<'_>, port: &Port) -> LinkReport {
    let mut problems = Vec::new();
    if let Some(manager) = port.link.manager.filter(|_| wishes.names(port)) {
        problems.push(text!(
            "{program} manages this port, so what {file} says about it is not used; turn one of the two off.",
            program = manager,
            file = SYSTEM_INI
        ));
    }
    LinkReport {
        name: port.name.clone(),
        kind: wishes.kind(port),
        mac: port.mac,
        carrier: port.carrier,
        method: Method::Auto,
        gateways: gateways(port),
        addresses: addresses(port, None),
        problems,
    }
}

/// Returns the report about a radio that is connected to nothing.
pub fn idle_radio(wishes: &Wishes<'_>, port: &Port, failures: &[Text]) -> LinkReport {
    LinkReport {
        name: port.name.clone(),
        kind: wishes.kind(port),
        mac: port.mac,
        carrier: false,
        method: Method::Auto,
        addresses: Vec::new(),
        gateways: Vec::new(),
        problems: failures.to_vec(),
    }
}

/// Returns what there is to say when the settings name wireless networks and there is no radio.
pub fn no_radio() -> Notice {
    Notice {
        severity: Severity::Error,
        text: text!(
            "{file} names a wireless network, but the device has no radio for it (or the image has no driver or firmware \
             for that).",
            file = SYSTEM_INI
        ),
    }
}

/// Returns the reports about links that the settings ask for and that are not there.
pub fn missing(wishes: &Wishes<'_>) -> Vec<LinkReport> {
    let missing = wishes.made().iter().filter(|made| made.state == State::Blocked);
    let report = |made: &Made| LinkReport {
        name: made.name.to_string(),
        kind: made.kind.clone(),
        mac: None,
        carrier: false,
        method: made.network.method,
        addresses: Vec::new(),
        gateways: Vec::new(),
        problems: made.problems.clone(),
    };
    missing.map(report).collect()
}

fn addresses(port: &Port, lease: Option<&Lease>) -> Vec<AddressReport> {
    let usable = port
        .addresses
        .iter()
        .filter(|address| !address.tentative && !address.duplicate);
    let report = |address: &Address| AddressReport {
        address: address.net,
        origin: origin(address, lease),
    };
    usable.map(report).collect()
}

fn no_address(
    port: &Port,
    network: &Network,
    addresses: &[AddressReport],
    complaint: Option<&Complaint>,
) -> Option<Text> {
    let reachable = addresses
        .iter()
        .any(|address| address.origin != AddressOrigin::LinkLocal);
    if network.method != Method::Auto || !port.carrier || reachable {
        return None;
    }
    match complaint? {
        Complaint::Silent => Some(text!(
            "Nothing on this network gives the device an address (no DHCP server answers); it keeps asking."
        )),
        Complaint::Unusable(problem) => Some(text!(
            "The DHCP server on this network answers with something that can't be used: {problem}.",
            problem = problem.clone()
        )),
    }
}

fn origin(address: &Address, lease: Option<&Lease>) -> AddressOrigin {
    match address.net {
        net if lease.is_some_and(|lease| IpNet::V4(lease.address) == net) => AddressOrigin::Dhcp,
        // What ends was not written in the settings file.
        IpNet::V6(_) if address.ours && address.valid.is_some() => AddressOrigin::Dhcp,
        IpNet::V4(v4) if v4.addr().is_link_local() => AddressOrigin::LinkLocal,
        IpNet::V6(v6) if v6.addr().is_unicast_link_local() => AddressOrigin::LinkLocal,
        _ if address.autoconf => AddressOrigin::RouterAdvertisement,
        _ => AddressOrigin::Static,
    }
}

fn gateways(port: &Port) -> Vec<IpAddr> {
    let mut routes: Vec<_> = port
        .routes
        .iter()
        .filter(|route| route.destination.prefix_len() == 0)
        .collect();
    routes.sort_by_key(|route| route.metric);
    let mut gateways = Vec::new();
    for gateway in routes.iter().filter_map(|route| route.gateway) {
        if !gateways.contains(&gateway) {
            gateways.push(gateway);
        }
    }
    gateways
}

/// Whether some port has an address that works beyond its own wire. A tunnel has its address before it leads anywhere.
pub fn is_online(report: &RunReport) -> bool {
    report
        .links
        .iter()
        .filter(|link| link.kind != LinkKind::Wireguard)
        .flat_map(|link| &link.addresses)
        .any(|address| address.origin != AddressOrigin::LinkLocal)
}

/// Whether an address may still come: some port isn't turned off, or no port is known yet.
pub fn may_come_online(report: &RunReport) -> bool {
    report.links.is_empty() || report.links.iter().any(|link| link.method != Method::Off)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::links::Links;
    use genpack_spec::settings::Settings;

    fn port(addresses: &[&str]) -> Port {
        Port {
            index: 2,
            name: "eth0".into(),
            up: true,
            carrier: true,
            mtu: 1500,
            addresses: addresses
                .iter()
                .map(|net| Address {
                    net: net.parse().unwrap(),
                    ours: false,
                    valid: None,
                    autoconf: net.starts_with("2001"),
                    tentative: false,
                    duplicate: false,
                })
                .collect(),
            ..Port::default()
        }
    }

    fn report(port: &Port, complaint: Option<&Complaint>) -> LinkReport {
        let (settings, links) = (Settings::default(), Links::default());
        let wishes = Wishes::new(&settings, std::slice::from_ref(port), &links);
        link(&wishes, port, None, complaint, None, &[])
    }

    #[test]
    fn origins_by_address() {
        let report = report(
            &port(&["169.254.3.4/16", "fe80::1/64", "2001:db8::5/64", "10.0.0.1/8"]),
            None,
        );
        let origins: Vec<_> = report.addresses.iter().map(|address| address.origin).collect();
        use AddressOrigin::*;
        assert_eq!(origins, [LinkLocal, LinkLocal, RouterAdvertisement, Static]);
    }

    #[test]
    fn a_missing_server_matters_only_without_any_address() {
        let silent = Some(&Complaint::Silent);
        assert_eq!(report(&port(&["fe80::1/64"]), silent).problems.len(), 1);
        assert!(report(&port(&["2001:db8::5/64"]), silent).problems.is_empty());
        let mut unplugged = port(&[]);
        unplugged.carrier = false;
        assert!(report(&unplugged, silent).problems.is_empty());
    }

    #[test]
    fn addresses_in_doubt_are_not_reported_as_usable() {
        let mut port = port(&["10.0.0.1/8", "2001:db8::5/64"]);
        port.addresses[0].tentative = true;
        port.addresses[1].duplicate = true;
        let report = report(&port, None);
        assert!(report.addresses.is_empty());
        assert!(
            report.problems[0].english().contains("2001:db8::5"),
            "{:?}",
            report.problems
        );
    }
}
