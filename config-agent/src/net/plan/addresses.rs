//! Which addresses and routes a port shall have.

use std::net::IpAddr;

use genpack_spec::settings::{Method, Network};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::net::WIRED_METRIC;
use crate::net::lease::Lease;
use crate::net::port::Route;

/// Returns the addresses with the seconds that the kernel keeps them; none means for ever.
pub(super) fn wanted_addresses(
    network: &Network,
    lease: Option<&Lease>,
    now: u64,
) -> Vec<(IpNet, Option<u32>)> {
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

/// Returns the routes.
pub(super) fn wanted_routes(network: &Network, lease: Option<&Lease>, index: u32) -> Vec<Route> {
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
