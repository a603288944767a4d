//! Which addresses and routes a port shall have.

use std::net::IpAddr;

use genpack_spec::settings::{Method, Network};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::net::arp::link_local;
use crate::net::lease::Lease;
use crate::net::link::Kind;
use crate::net::port::{Port, Route};
use crate::net::rescue::{Gateway, Standing};
use crate::net::rule::MAIN;
use crate::net::{WIRED_METRIC, WIRELESS_METRIC};

/// Added to the metric of a default route whose gateway is silent: above those of all other ports and of router advertisements,
/// so that any other way wins.
const SILENT_METRIC: u32 = 100_000;

/// Whether a route has the metric of one whose gateway is silent.
pub fn is_demoted(route: &Route) -> bool {
    route.metric >= SILENT_METRIC
}

/// Returns the addresses with the seconds that the kernel keeps them; none means for ever.
pub(super) fn wanted_addresses(
    network: &Network,
    standing: &Standing,
    lease: Option<&Lease>,
    now: u64,
) -> Vec<(IpNet, Option<u32>)> {
    let mut addresses = Vec::new();
    if network.method == Method::Static {
        let usable = network.addresses.iter().filter(|net| !is_withheld(net, standing));
        addresses.extend(usable.map(|net| (*net, None)));
    }
    // A server may grant the very address that was typed.
    let typed =
        |net: Ipv4Net| network.method == Method::Static && network.addresses.contains(&IpNet::V4(net));
    if let Some(lease) = lease.filter(|lease| !typed(lease.address)) {
        // The kernel takes u32::MAX for "for ever".
        let valid = lease
            .remaining(now)
            .map(|left| left.min(u64::from(u32::MAX - 1)) as u32);
        addresses.push((IpNet::V4(lease.address), valid));
    }
    addresses.extend(rescue_address(Some(standing)).map(|net| (net, None)));
    addresses
}

/// Returns the rescue address with its prefix length.
pub(super) fn rescue_address(standing: Option<&Standing>) -> Option<IpNet> {
    let net = Ipv4Net::new(standing?.rescue?, link_local::PREFIX);
    net.ok().map(IpNet::V4)
}

fn is_withheld(net: &IpNet, standing: &Standing) -> bool {
    matches!(net.addr(), IpAddr::V4(ip) if standing.withheld.contains(&ip))
}

/// Whether the kernel would refuse the gateway, because the address by which it is reached isn't there.
fn is_out_of_reach(gateway: IpAddr, network: &Network, standing: &Standing) -> bool {
    let mut near = network
        .addresses
        .iter()
        .filter(|net| net.contains(&gateway))
        .peekable();
    near.peek().is_some() && near.all(|net| is_withheld(net, standing))
}

/// Returns the metric of the default routes of a port.
fn metric(port: &Port) -> u32 {
    let base = match port.link.kind {
        Kind::Wireless { .. } => WIRELESS_METRIC,
        _ => WIRED_METRIC,
    };
    base.saturating_add(port.index)
}

/// Returns the routes.
pub(super) fn wanted_routes(
    network: &Network,
    standing: &Standing,
    lease: Option<&Lease>,
    port: &Port,
) -> Vec<Route> {
    let metric = metric(port);
    let mut routes = Vec::new();
    if network.method == Method::Static {
        let doubted = match standing.gateway {
            Gateway::Silent => true,
            Gateway::Unknown => lease.is_some(),
            Gateway::Answers | Gateway::None => false,
        };
        // The IPv4 gateways are judged where there are any.
        let judged_v4 = network.gateways.iter().any(IpAddr::is_ipv4);
        let in_reach = network
            .gateways
            .iter()
            .filter(|gateway| !is_out_of_reach(**gateway, network, standing));
        routes.extend(in_reach.map(|gateway| Route {
            destination: default_for(*gateway),
            gateway: Some(*gateway),
            source: None,
            metric: match doubted && gateway.is_ipv4() == judged_v4 {
                true => metric.saturating_add(SILENT_METRIC),
                false => metric,
            },
            onlink: false,
            ours: true,
            table: MAIN,
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
                table: MAIN,
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
