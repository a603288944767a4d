//! What a person should know about tunnels. Pure.

use std::collections::BTreeMap;

use genpack_spec::settings::Wireguard;
use genpack_spec::text;
use genpack_spec::text::Text;
use ipnet::IpNet;

use super::device::{Device, Observed};
use super::key::Key;

/// Returns what of the settings of a tunnel can't be as it is written, as sentences.
pub fn problems(settings: &Wireguard, device: &Device, observed: &Observed) -> Vec<Text> {
    let mut problems = Vec::new();
    let mut keys: BTreeMap<Key, &str> = BTreeMap::new();
    let mut nets: BTreeMap<IpNet, &str> = BTreeMap::new();
    for (name, peer) in &settings.peers {
        let Some(key) = Key::public(&peer.public_key) else {
            continue;
        };
        if device.public_key == Some(key) {
            problems.push(text!(
                "The public key of the peer {name} is this device's own; the other end's has to stand there.",
                name
            ));
            continue;
        }
        if let Some(first) = keys.get(&key) {
            problems.push(text!(
                "The peers {first} and {name} have the same public key, so {name} is left out.",
                first,
                name
            ));
            continue;
        }
        keys.insert(key, name);
        for net in peer.allowed_ips.iter().map(IpNet::trunc) {
            if let Some(first) = nets.get(&net) {
                problems.push(text!(
                    "The network {net} is behind the peers {first} and {name}; {first} gets everything for it.",
                    net,
                    first,
                    name
                ));
                continue;
            }
            nets.insert(net, name);
            if observed
                .addresses
                .iter()
                .any(|own| own.trunc() == net && net.prefix_len() != net.max_prefix_len())
            {
                problems.push(text!(
                    "The network {net} behind the tunnel is also the device's own network, so it is not reached through the tunnel. One of the two needs other addresses.",
                    net
                ));
            }
        }
    }
    problems
}

/// Says that a name can't be found.
pub fn lost_name(peer: &str, host: String) -> Text {
    text!(
        "The server {host} of the peer {peer} can't be found under this name; the device keeps asking.",
        host,
        peer
    )
}

/// Says that a peer doesn't answer.
pub fn silent(peer: &str, endpoint: impl std::fmt::Display) -> Text {
    text!(
        "The peer {peer} at {endpoint} does not answer. Check its address, its port, and that each end has the other's public key.",
        peer,
        endpoint
    )
}
