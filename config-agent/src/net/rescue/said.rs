//! What a person is told about clashes and silent gateways.

use genpack_spec::settings::Network;
use genpack_spec::text;
use genpack_spec::text::Text;

use super::{Gateway, Standing};
use crate::net::lease::Lease;

/// Returns sentences about a port. `lease` is the one in use there.
pub fn problems(network: &Network, standing: &Standing, lease: Option<&Lease>) -> Vec<Text> {
    let mut problems = Vec::new();
    for (address, mac) in &standing.clashes {
        problems.push(text!(
            "{address} is already used by another device on this network (its hardware address is {mac}). This device \
             takes the address once it is free.",
            address,
            mac
        ));
    }
    for (address, mac) in &standing.contests {
        problems.push(text!(
            "Another device on this network (its hardware address is {mac}) uses {address}, too, the address of this \
             device. One of the two needs another address.",
            address,
            mac
        ));
    }
    let gateways = network.gateways.iter();
    let wanted = gateways
        .clone()
        .find(|ip| ip.is_ipv4())
        .or(gateways.clone().next());
    if let (Gateway::Silent, Some(gateway)) = (standing.gateway, wanted) {
        problems.push(text!(
            "The gateway {gateway} does not answer. Check that it is switched on, and that this is its address.",
            gateway
        ));
    }
    if let Some(lease) = lease
        && standing.wants_dhcp(network, true)
        && !problems.is_empty()
    {
        problems.push(text!(
            "Until that is settled, the device also uses the address {address} that the network gives it (DHCP).",
            address = lease.address.addr()
        ));
    }
    problems
}
