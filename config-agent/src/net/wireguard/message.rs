//! Messages of the kernel's `wireguard` family (`include/uapi/linux/wireguard.h`), from and to our own types.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;
use netlink_packet_wireguard::{
    WireguardAddressFamily, WireguardAllowedIp, WireguardAllowedIpAttr, WireguardAttribute, WireguardCmd,
    WireguardMessage, WireguardPeer, WireguardPeerAttribute, WireguardPeerFlags, WireguardTimeSpec,
};

use super::device::{Device, Peer};
use super::key::Key;

/// What to change about a peer. What is none stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PeerChange {
    /// The key that both ends share, or that they share none.
    pub preshared_key: Option<Option<Key>>,
    /// Where packets are sent.
    pub endpoint: Option<SocketAddr>,
    /// Seconds between packets that keep the way open; zero for none.
    pub keepalive: Option<u16>,
    /// Everything that is sent to it and accepted from it.
    pub allowed: Option<BTreeSet<IpNet>>,
}

/// Most networks in one message: one takes up to 40 bytes, and an attribute has less than 64 KiB.
const ALLOWED_AT_ONCE: usize = 1000;

/// Returns the question for all about a tunnel.
pub fn get(index: u32) -> WireguardMessage {
    WireguardMessage {
        cmd: WireguardCmd::GetDevice,
        attributes: vec![WireguardAttribute::IfIndex(index)],
    }
}

/// Returns the message that changes one thing about a tunnel.
pub fn set(index: u32, attribute: WireguardAttribute) -> WireguardMessage {
    WireguardMessage {
        cmd: WireguardCmd::SetDevice,
        attributes: vec![WireguardAttribute::IfIndex(index), attribute],
    }
}

/// Returns the message that removes a peer.
pub fn remove_peer(index: u32, key: &Key) -> WireguardMessage {
    one_peer(
        index,
        vec![
            WireguardPeerAttribute::PublicKey(key.reveal()),
            WireguardPeerAttribute::Flags(WireguardPeerFlags::RemoveMe),
        ],
    )
}

/// Returns the messages that change a peer, or add it.
pub fn set_peer(index: u32, key: &Key, change: &PeerChange) -> Vec<WireguardMessage> {
    let mut attributes = vec![WireguardPeerAttribute::PublicKey(key.reveal())];
    if let Some(preshared) = change.preshared_key {
        let bytes = preshared.map_or([0; 32], |key| key.reveal());
        attributes.push(WireguardPeerAttribute::PresharedKey(bytes));
    }
    if change.allowed.is_some() {
        let flags = WireguardPeerFlags::ReplaceAllowedIps;
        attributes.push(WireguardPeerAttribute::Flags(flags));
    }
    let nets: Vec<IpNet> = change.allowed.iter().flatten().copied().collect();
    let mut parts = nets.chunks(ALLOWED_AT_ONCE);
    if let Some(first) = parts.next() {
        attributes.push(allowed(first));
    }
    if let Some(endpoint) = change.endpoint {
        attributes.push(WireguardPeerAttribute::Endpoint(endpoint));
    }
    // The last: it may send the first packet, for which all else has to be there.
    if let Some(seconds) = change.keepalive {
        attributes.push(WireguardPeerAttribute::PersistentKeepalive(seconds));
    }
    let mut messages = vec![one_peer(index, attributes)];
    messages.extend(parts.map(|part| {
        let key = WireguardPeerAttribute::PublicKey(key.reveal());
        one_peer(index, vec![key, allowed(part)])
    }));
    messages
}

fn one_peer(index: u32, attributes: Vec<WireguardPeerAttribute>) -> WireguardMessage {
    set(index, WireguardAttribute::Peers(vec![WireguardPeer(attributes)]))
}

fn allowed(nets: &[IpNet]) -> WireguardPeerAttribute {
    let one = |net: &IpNet| {
        let family = match net {
            IpNet::V4(_) => WireguardAddressFamily::Ipv4,
            IpNet::V6(_) => WireguardAddressFamily::Ipv6,
        };
        WireguardAllowedIp(vec![
            WireguardAllowedIpAttr::Family(family),
            WireguardAllowedIpAttr::IpAddr(net.network()),
            WireguardAllowedIpAttr::Cidr(net.prefix_len()),
        ])
    };
    WireguardPeerAttribute::AllowedIps(nets.iter().map(one).collect())
}

/// Takes a part of the kernel's answer over: it is split anywhere between two networks, and then begins anew with the key
/// of the peer.
pub fn absorb(device: &mut Device, message: WireguardMessage) {
    for attribute in message.attributes {
        match attribute {
            WireguardAttribute::PrivateKey(bytes) => device.private_key = Key::new(bytes).if_set(),
            WireguardAttribute::PublicKey(bytes) => device.public_key = Key::new(bytes).if_set(),
            WireguardAttribute::ListenPort(port) => device.listen_port = port,
            WireguardAttribute::Fwmark(mark) => device.mark = mark,
            WireguardAttribute::Peers(peers) => {
                for WireguardPeer(attributes) in peers {
                    absorb_peer(device, attributes);
                }
            }
            _ => {}
        }
    }
}

fn absorb_peer(device: &mut Device, attributes: Vec<WireguardPeerAttribute>) {
    let key = attributes.iter().find_map(|attribute| match attribute {
        WireguardPeerAttribute::PublicKey(bytes) => Some(Key::new(*bytes)),
        _ => None,
    });
    let Some(key) = key else { return };
    let peer: &mut Peer = device.peers.entry(key).or_default();
    for attribute in attributes {
        match attribute {
            WireguardPeerAttribute::PresharedKey(bytes) => peer.preshared_key = Key::new(bytes).if_set(),
            WireguardPeerAttribute::Endpoint(address) => peer.endpoint = Some(address),
            WireguardPeerAttribute::PersistentKeepalive(seconds) => peer.keepalive = seconds,
            WireguardPeerAttribute::LastHandshake(time) => {
                peer.handshake =
                    (time != WireguardTimeSpec::default()).then_some((time.seconds, time.nano_seconds));
            }
            WireguardPeerAttribute::AllowedIps(nets) => {
                peer.allowed.extend(nets.iter().filter_map(net));
            }
            _ => {}
        }
    }
}

fn net(WireguardAllowedIp(attributes): &WireguardAllowedIp) -> Option<IpNet> {
    let (mut address, mut length): (Option<IpAddr>, _) = (None, None);
    for attribute in attributes {
        match attribute {
            WireguardAllowedIpAttr::IpAddr(ip) => address = Some(*ip),
            WireguardAllowedIpAttr::Cidr(bits) => length = Some(*bits),
            _ => {}
        }
    }
    IpNet::new(address?, length?).ok()
}

#[cfg(test)]
mod tests {
    use netlink_packet_core::{Emitable, ParseableParametrized};
    use netlink_packet_generic::GenlHeader;

    use super::*;

    fn key(first: u8) -> Key {
        let mut bytes = [7; 32];
        bytes[0] = first;
        Key::new(bytes)
    }

    fn over_the_wire(message: &WireguardMessage) -> WireguardMessage {
        let mut bytes = vec![0; message.buffer_len()];
        message.emit(&mut bytes);
        let header = GenlHeader {
            cmd: message.cmd.into(),
            version: 1,
        };
        WireguardMessage::parse_with_param(&bytes, header).unwrap()
    }

    #[test]
    fn a_peer_of_many_networks_comes_in_parts() {
        let allowed: BTreeSet<IpNet> = (0..2500_u32)
            .map(|number| IpNet::new(IpAddr::V6((u128::from(number) << 64).into()), 64).unwrap())
            .collect();
        let change = PeerChange {
            preshared_key: Some(Some(key(2))),
            endpoint: Some("[2001:db8::1]:51820".parse().unwrap()),
            keepalive: Some(25),
            allowed: Some(allowed.clone()),
        };
        let messages = set_peer(4, &key(1), &change);
        assert_eq!(messages.len(), 3);
        let mut device = Device::default();
        for message in &messages {
            assert!(message.buffer_len() < 0xffff);
            absorb(&mut device, over_the_wire(message));
        }
        let peer = Peer {
            preshared_key: Some(key(2)),
            endpoint: change.endpoint,
            keepalive: 25,
            allowed,
            handshake: None,
        };
        assert_eq!(device.peers, [(key(1), peer)].into());
    }

    #[test]
    fn what_stays_is_not_named() {
        let change = PeerChange {
            keepalive: Some(0),
            ..PeerChange::default()
        };
        let messages = set_peer(4, &key(1), &change);
        assert_eq!(
            messages,
            [one_peer(
                4,
                vec![
                    WireguardPeerAttribute::PublicKey(key(1).reveal()),
                    WireguardPeerAttribute::PersistentKeepalive(0),
                ]
            )]
        );
    }

    #[test]
    fn nothing_allowed_is_said_as_such() {
        let change = PeerChange {
            allowed: Some(BTreeSet::new()),
            preshared_key: Some(None),
            ..PeerChange::default()
        };
        let messages = set_peer(4, &key(1), &change);
        assert_eq!(
            messages,
            [one_peer(
                4,
                vec![
                    WireguardPeerAttribute::PublicKey(key(1).reveal()),
                    WireguardPeerAttribute::PresharedKey([0; 32]),
                    WireguardPeerAttribute::Flags(WireguardPeerFlags::ReplaceAllowedIps),
                ]
            )]
        );
    }
}
