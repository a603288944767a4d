//! Which IPv4 link-local addresses a port tries, and in which order (RFC 3927, 2.1).

use std::net::Ipv4Addr;

use genpack_spec::types::MacAddress;
use sha2::{Digest, Sha256};

/// Prefix length of the link-local network.
pub const PREFIX: u8 = 16;

/// Returns the candidate with this number, from zero. It depends on nothing but the hardware address, so that a device has the
/// same one after every start, and two devices hardly ever have the same.
pub fn candidate(mac: MacAddress, number: u32) -> Ipv4Addr {
    let hash = Sha256::new()
        .chain_update(b"genpack rescue address")
        .chain_update(mac.bytes())
        .chain_update(number.to_be_bytes())
        .finalize();
    let random = u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]]);
    // The first and the last 256 addresses are reserved.
    const USABLE: u32 = 254 * 256;
    Ipv4Addr::from(u32::from(Ipv4Addr::new(169, 254, 1, 0)) + random % USABLE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn candidates_are_stable_different_and_not_reserved() {
        let mac = MacAddress::new([2, 0, 0, 0, 0, 7]);
        assert_eq!(candidate(mac, 0), candidate(mac, 0));
        let all: std::collections::BTreeSet<_> = (0..1000).map(|number| candidate(mac, number)).collect();
        assert!(all.len() > 950, "{}", all.len());
        assert!(
            all.iter()
                .all(|ip| ip.is_link_local() && (1..=254).contains(&ip.octets()[2]))
        );
        assert_ne!(
            candidate(mac, 0),
            candidate(MacAddress::new([2, 0, 0, 0, 0, 8]), 0)
        );
    }
}
