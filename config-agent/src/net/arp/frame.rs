//! ARP frames for IPv4 over Ethernet (RFC 826). Pure; what it reads may come from anybody.

use std::net::Ipv4Addr;

use genpack_spec::types::MacAddress;

/// What a frame says about who has which address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arp {
    /// Hardware address of who sent it, as the packet says; Ethernet's own header may name a switch or a bridge.
    pub sender: MacAddress,
    /// The address that the sender has; unspecified in a probe.
    pub sender_ip: Ipv4Addr,
    /// The address that is asked about, or that of the host that is answered.
    pub target_ip: Ipv4Addr,
}

/// Length of a frame without padding: Ethernet's header and the packet.
pub const LENGTH: usize = 14 + 28;

/// Ethernet's type of ARP.
const ETHERTYPE: [u8; 2] = [0x08, 0x06];
/// Ethernet, IPv4, and the lengths of their addresses.
const FORMAT: [u8; 6] = [0, 1, 0x08, 0, 6, 4];
const REQUEST: [u8; 2] = [0, 1];
const REPLY: [u8; 2] = [0, 2];

impl Arp {
    /// Reads a frame, Ethernet's header included; none when it is not a request or a reply about IPv4 on Ethernet.
    pub fn parse(frame: &[u8]) -> Option<Arp> {
        let (header, packet) = (frame.get(..14)?, frame.get(14..LENGTH)?);
        if header[12..] != ETHERTYPE || packet[..6] != FORMAT {
            return None;
        }
        if packet[6..8] != REQUEST && packet[6..8] != REPLY {
            return None;
        }
        let sender: [u8; 6] = packet[8..14].try_into().ok()?;
        // A group of hosts can't have an address.
        if sender[0] & 1 == 1 {
            return None;
        }
        Some(Arp {
            sender: MacAddress::new(sender),
            sender_ip: ipv4(&packet[14..18])?,
            target_ip: ipv4(&packet[24..28])?,
        })
    }

    /// Whether the sender itself only asks whether it may take the address (RFC 5227, 1.1).
    pub fn is_probe(&self) -> bool {
        self.sender_ip.is_unspecified()
    }
}

fn ipv4(bytes: &[u8]) -> Option<Ipv4Addr> {
    Some(Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?))
}

/// Returns the frame that asks whether anybody has the address, without claiming it.
pub fn probe(mac: MacAddress, address: Ipv4Addr) -> [u8; LENGTH] {
    request(mac, Ipv4Addr::UNSPECIFIED, address)
}

/// Returns the frame that tells everybody who has the address; it also defends it.
pub fn announcement(mac: MacAddress, address: Ipv4Addr) -> [u8; LENGTH] {
    request(mac, address, address)
}

fn request(mac: MacAddress, sender_ip: Ipv4Addr, target_ip: Ipv4Addr) -> [u8; LENGTH] {
    let mut frame = [0; LENGTH];
    frame[..6].fill(0xff);
    frame[6..12].copy_from_slice(&mac.bytes());
    frame[12..14].copy_from_slice(&ETHERTYPE);
    frame[14..20].copy_from_slice(&FORMAT);
    frame[20..22].copy_from_slice(&REQUEST);
    frame[22..28].copy_from_slice(&mac.bytes());
    frame[28..32].copy_from_slice(&sender_ip.octets());
    // The target's hardware address is what is asked for: zeros.
    frame[38..42].copy_from_slice(&target_ip.octets());
    frame
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const IP: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 7);

    fn mac() -> MacAddress {
        MacAddress::new([2, 0, 0, 0, 0, 7])
    }

    #[test]
    fn own_frames_are_understood() {
        let read = Arp::parse(&probe(mac(), IP)).unwrap();
        assert_eq!((read.sender, read.target_ip, read.is_probe()), (mac(), IP, true));
        let read = Arp::parse(&announcement(mac(), IP)).unwrap();
        assert_eq!((read.sender_ip, read.target_ip, read.is_probe()), (IP, IP, false));
    }

    #[test]
    fn what_is_not_arp_for_ipv4_is_nothing() {
        let good = announcement(mac(), IP);
        for (at, wrong) in [
            (12, 0x86),
            (15, 6),
            (16, 0x86),
            (18, 8),
            (19, 16),
            (21, 3),
            (22, 1),
        ] {
            let mut frame = good;
            frame[at] = wrong;
            assert_eq!(Arp::parse(&frame), None, "byte {at}");
        }
        let mut padded = good.to_vec();
        padded.resize(60, 0);
        assert!(Arp::parse(&padded).is_some(), "Ethernet pads to 60 bytes");
    }

    proptest! {
        #[test]
        fn no_bytes_do_harm(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = Arp::parse(&bytes);
        }

        #[test]
        fn a_damaged_frame_says_what_its_fields_say(at in 0usize..LENGTH, byte: u8, length in 0usize..=LENGTH) {
            let mut frame = announcement(mac(), IP);
            frame[at] = byte;
            match Arp::parse(&frame[..length]) {
                Some(arp) => {
                    prop_assert_eq!(length, LENGTH);
                    prop_assert!(arp.sender.bytes() == frame[22..28]);
                    prop_assert!(arp.sender_ip.octets() == frame[28..32]);
                    prop_assert!(arp.target_ip.octets() == frame[38..42]);
                }
                None => prop_assert!(length < LENGTH || (12..23).contains(&at)),
            }
        }
    }
}
