//! `[wireguard NAME]`, `[wireguard NAME peer OTHER]`.

use std::collections::BTreeMap;

use ipnet::IpNet;

use super::super::findings::Words;
use super::super::kinds::InterfaceAddress;
use super::Values;
use crate::report::Severity;
use crate::settings::{Wireguard, WireguardPeer};
use crate::text;
use crate::text::Text;
use crate::types::{InterfaceName, WireguardSecretKey};

/// The name of the peer that stands in the tunnel's own section.
const OWN_PEER: &str = "peer";

pub(super) fn tunnel(values: &mut Values<'_, '_>) -> Option<Wireguard> {
    let private_key: Option<WireguardSecretKey> = values.one("private_key");
    let addresses: Vec<InterfaceAddress> = values.list("address");
    let listen_port = number(values, "listen_port");
    let has_peer = values
        .section
        .fixed_keys()
        .any(|key| is_of_peer(key.name) && values.has(key.name));
    let peer = has_peer.then(|| peer(values)).flatten();
    if !values.has("private_key") {
        let hint = text!(
            "a further line: {line}",
            line = Text::verbatim("private_key = ...")
        );
        let problem = text!("a tunnel needs a private key, and none is given");
        values.refuse_section(None, problem, text!("no tunnel"), hint);
    }
    let with_prefix = |(address, prefix): InterfaceAddress| {
        let whole = if address.is_ipv4() { 32 } else { 128 };
        IpNet::new(address, prefix.unwrap_or(whole)).ok()
    };
    Some(Wireguard {
        private_key: private_key?,
        listen_port,
        addresses: addresses.into_iter().filter_map(with_prefix).collect(),
        peers: peer
            .map(|peer| (OWN_PEER.to_string(), peer))
            .into_iter()
            .collect(),
    })
}

/// A section of its own for one more peer.
pub(super) fn further_peer(
    tunnel: &InterfaceName,
    name: &str,
    tunnels: &mut BTreeMap<InterfaceName, Wireguard>,
    values: &mut Values<'_, '_>,
) {
    for key in ["private_key", "address", "listen_port"] {
        if let Some(place) = values.place(key) {
            values.findings.value(Severity::Error, place, || {
                Words::new(text!("{key} is a setting of the tunnel, not of a peer", key))
                    .used(text!("nothing of this line"))
                    .hint(text!(
                        "write this line below [{section}]",
                        section = format!("wireguard {tunnel}")
                    ))
            });
        }
    }
    let peer = peer(values);
    match tunnels.get_mut(tunnel) {
        Some(tunnel) => tunnel.peers.extend(peer.map(|peer| (name.to_string(), peer))),
        None => {
            let problem = text!("there is no usable tunnel {tunnel} for this peer", tunnel);
            let hint = text!("a section [{section}]", section = format!("wireguard {tunnel}"));
            values.refuse_section(None, problem, text!("no peer"), hint);
        }
    }
}

fn is_of_peer(key: &str) -> bool {
    key.starts_with("peer_") || key == "keepalive"
}

fn number(values: &mut Values<'_, '_>, name: &str) -> Option<u16> {
    values
        .one(name)
        .and_then(|number: i64| u16::try_from(number).ok())
}

fn peer(values: &mut Values<'_, '_>) -> Option<WireguardPeer> {
    let public_key = values.one("peer_public_key");
    let preshared_key = values.one("peer_preshared_key");
    let peer = WireguardPeer {
        endpoint: values.one("peer_endpoint"),
        allowed_ips: values.list("peer_allowed_ips"),
        keepalive: number(values, "keepalive"),
        preshared_key,
        public_key: match public_key {
            Some(key) => key,
            None => {
                if !values.has("peer_public_key") {
                    let hint = text!(
                        "a further line: {line}",
                        line = Text::verbatim("peer_public_key = ...")
                    );
                    let problem = text!("a peer needs its public key, and none is given");
                    values.refuse_section(None, problem, text!("no peer"), hint);
                }
                return None;
            }
        },
    };
    // Without the key that was meant, less would be protected than was meant.
    let lost_key = values.has("peer_preshared_key") && peer.preshared_key.is_none();
    (!lost_key).then_some(peer)
}
