//! What a port shall have of DHCPv6.

use genpack_spec::settings::{Ipv6, Method, Network};
use ipnet::{IpNet, Ipv6Net};

use crate::net::dhcp6::{Lease6, Mode};
use crate::net::port::Port;

fn has_ipv6(network: &Network) -> bool {
    network.method != Method::Off && network.ipv6 != Some(Ipv6::Off)
}

/// Returns what to ask DHCPv6 servers for: what routers say there is. A port with a fixed address hears them too.
pub(super) fn wanted_dhcp6(port: &Port, network: &Network) -> Option<Mode> {
    if !has_ipv6(network) || !port.speaks_ipv6() || !port.hears_routers() {
        return None;
    }
    match port.routers {
        flags if flags.managed => Some(Mode::Address),
        flags if flags.other => Some(Mode::Information),
        _ => None,
    }
}

/// Returns the address of a lease with the seconds that the kernel keeps it. It stands alone: what is on the wire, routers say
/// (RFC 5942, 4).
pub(super) fn wanted_address6(
    network: &Network,
    lease: Option<&Lease6>,
    now: u64,
) -> Option<(IpNet, Option<u32>)> {
    let lease = lease.filter(|_| has_ipv6(network))?;
    let valid = lease
        .remaining(now)
        .map(|left| left.min(u64::from(u32::MAX - 1)) as u32);
    let address = lease.address.filter(|_| valid != Some(0))?;
    Some((IpNet::V6(Ipv6Net::from(address)), valid))
}
