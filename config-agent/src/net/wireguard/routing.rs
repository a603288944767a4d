//! Which routes and rules the tunnels need.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;

use super::device::{Device, TunnelRoute};
use super::plan::{Inputs, wanted_peers};
use super::{MARK, METRIC, TABLE};
use crate::net::rule::{MAIN, Rule, TUNNELS};

/// What shall be there.
pub struct Routing {
    /// The routes, by the tunnel's name.
    pub routes: BTreeMap<String, BTreeSet<TunnelRoute>>,
    /// The rules.
    pub rules: BTreeSet<Rule>,
}

/// Networks with shorter prefixes are wide whatever is in them: nobody means a neighbour's network by them.
const NARROW: u8 = 8;

/// First the source: an answer leaves where the question came in. Then every route of the main table but the default ones, and
/// last the tunnels.
const BY_SOURCE: u32 = TUNNELS;
const BY_MAIN: u32 = TUNNELS + 1;
const BY_TUNNEL: u32 = TUNNELS + 2;

/// Returns the routes and rules.
pub fn routing(inputs: Inputs<'_>) -> Routing {
    let mut routes = BTreeMap::new();
    let reach = Reach::new(inputs);
    let (mut wide_v4, mut wide_v6) = (false, false);
    for (name, settings) in inputs.settings {
        let Some(device) = inputs.observed.devices.get(name.as_str()) else {
            continue;
        };
        let mut wanted = BTreeSet::new();
        for (key, peer) in wanted_peers(settings, device) {
            let proved = device
                .peers
                .get(&key)
                .is_some_and(|peer| peer.handshake.is_some());
            for destination in peer.allowed {
                let wide = reach.is_wide(&destination);
                if is_on_link(device, &destination) || (wide && !proved) {
                    continue;
                }
                if wide {
                    wide_v4 |= destination.addr().is_ipv4();
                    wide_v6 |= destination.addr().is_ipv6();
                }
                wanted.insert(TunnelRoute {
                    table: if wide { TABLE } else { MAIN },
                    destination,
                    // Each tunnel its own: the kernel takes no second route with all the same.
                    metric: METRIC.saturating_add(device.index),
                });
            }
        }
        routes.insert(name.to_string(), wanted);
    }
    let mut rules = BTreeSet::new();
    for (ipv6, needed) in [(false, wide_v4), (true, wide_v6)] {
        if needed {
            rules.extend(rules_for(ipv6, inputs));
        }
    }
    Routing { routes, rules }
}

/// What must stay in reach without any tunnel.
pub(super) struct Reach {
    addresses: BTreeSet<IpAddr>,
}

impl Reach {
    /// Returns the addresses of the peers, and those by which this device is reached.
    pub(super) fn new(inputs: Inputs<'_>) -> Reach {
        let wanted = inputs.targets.values().map(|target| target.address.ip());
        let devices = inputs.observed.devices.values();
        let peers = devices.flat_map(|device| device.peers.values());
        let used = peers
            .filter_map(|peer| peer.endpoint)
            .map(|endpoint| endpoint.ip());
        let own = inputs.observed.addresses.iter().map(IpNet::addr);
        Reach {
            addresses: wanted.chain(used).chain(own).collect(),
        }
    }

    /// Whether a route to the network could cut the device off.
    pub(super) fn is_wide(&self, net: &IpNet) -> bool {
        net.prefix_len() < NARROW || self.addresses.iter().any(|address| net.contains(address))
    }
}

/// Whether the kernel has a route there already, because of an address.
fn is_on_link(device: &Device, destination: &IpNet) -> bool {
    device
        .addresses
        .iter()
        .any(|own| own.trunc() == *destination || own.contains(destination))
}

fn rules_for(ipv6: bool, inputs: Inputs<'_>) -> impl Iterator<Item = Rule> {
    let by_main = Rule {
        ipv6,
        priority: BY_MAIN,
        source: None,
        without_mark: None,
        table: MAIN,
        suppress: Some(0),
    };
    let by_tunnel = Rule {
        priority: BY_TUNNEL,
        without_mark: Some(MARK),
        table: TABLE,
        suppress: None,
        ..by_main
    };
    let own = inputs.observed.addresses.iter().map(IpNet::addr);
    let by_source = own.filter(move |own| own.is_ipv6() == ipv6).map(move |own| Rule {
        priority: BY_SOURCE,
        source: Some(own),
        suppress: None,
        ..by_main
    });
    by_source.chain([by_main, by_tunnel])
}
