//! A DHCPv4 lease as the agent keeps it: what was granted, checked, and until when.

use std::fmt;
use std::net::Ipv4Addr;

use genpack_spec::text;
use genpack_spec::text::Text;
use ipnet::Ipv4Net;
use mozim::DhcpV4Lease;
use serde::{Deserialize, Serialize};

use crate::Paths;
use crate::files;

/// What a DHCP server granted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// The address with its prefix length.
    pub address: Ipv4Net,
    /// Routes: the default one, or those of option 121.
    pub routes: Vec<LeaseRoute>,
    /// Name servers.
    pub dns: Vec<Ipv4Addr>,
    /// Domains to complete short names with.
    pub search: Vec<String>,
    /// Largest packet in bytes.
    pub mtu: Option<u32>,
    /// When it ends, in seconds since the machine started; none when never.
    pub expires: Option<u64>,
}

/// A route that a DHCP server gave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseRoute {
    /// Where it leads.
    pub destination: Ipv4Net,
    /// The router; none when the destination is on the wire.
    pub gateway: Option<Ipv4Addr>,
}

/// A lease time that means "for ever" (RFC 2131, 3.3).
const FOREVER: u32 = u32::MAX;
/// MTUs from DHCP are believed in this range: from IPv6's minimum (RFC 8200, 5), below which the kernel turns IPv6 off, to
/// the largest that jumbo frames have in practice.
const MTU_RANGE: std::ops::RangeInclusive<u32> = 1280..=9216;

impl Lease {
    /// Checks what a server sent at the time `now`. The error is a phrase.
    pub fn from_server(sent: &DhcpV4Lease, now: u64) -> Result<Lease, Text> {
        let ip = sent.yiaddr;
        if ip.is_unspecified() || ip.is_broadcast() || ip.is_multicast() || ip.is_loopback() {
            return Err(text!("{address} can't be the address of a device", address = ip));
        }
        let prefix = prefix_length(ip, sent.subnet_mask)?;
        let address = Ipv4Net::new(ip, prefix).map_err(Text::verbatim)?;
        let search = sent.domain_search.clone().unwrap_or_default();
        let search = if search.is_empty() {
            sent.domain_name.iter().cloned().collect()
        } else {
            search
        };
        Ok(Lease {
            address,
            routes: routes(sent),
            dns: usable(sent.dns_srvs.as_deref()).collect(),
            search: search.into_iter().filter(|name| is_domain(name)).collect(),
            mtu: sent.mtu.map(u32::from).filter(|mtu| MTU_RANGE.contains(mtu)),
            expires: (sent.lease_time_sec != FOREVER).then(|| now + u64::from(sent.lease_time_sec)),
        })
    }

    /// Returns the seconds that are left at the time `now`: none means for ever, zero that it is over.
    pub fn remaining(&self, now: u64) -> Option<u64> {
        self.expires.map(|end| end.saturating_sub(now))
    }

    /// Reads the lease that was kept for a port, if it still runs at the time `now`.
    pub fn load(paths: &Paths, identity: impl fmt::Display, now: u64) -> Option<Lease> {
        let text = std::fs::read_to_string(paths.lease(identity)).ok()?;
        let lease: Lease = serde_json::from_str(&text).ok()?;
        (lease.remaining(now) != Some(0)).then_some(lease)
    }

    /// Keeps the lease of a port, for a restart of the agent.
    pub fn store(&self, paths: &Paths, identity: impl fmt::Display) {
        let written = serde_json::to_string(self)
            .map_err(std::io::Error::from)
            .and_then(|text| files::write_atomic(&paths.lease(&identity), &text));
        if let Err(error) = written {
            log::warn!("The lease of {identity} can't be kept for a restart: {error}");
        }
    }

    /// Removes what [`Lease::store`] kept.
    pub fn forget(paths: &Paths, identity: impl fmt::Display) {
        match std::fs::remove_file(paths.lease(&identity)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                log::warn!("The lease of {identity} can't be removed: {error}");
            }
            _ => {}
        }
    }
}

/// A server that names no mask means the class of the address (RFC 950, 2.1).
fn prefix_length(ip: Ipv4Addr, mask: Ipv4Addr) -> Result<u8, Text> {
    if mask.is_unspecified() {
        return Ok(match ip.octets()[0] {
            0..=127 => 8,
            128..=191 => 16,
            _ => 24,
        });
    }
    let bits = u32::from(mask);
    if bits.leading_ones() == bits.count_ones() {
        Ok(bits.leading_ones() as u8)
    } else {
        Err(text!("{value} is not a netmask", value = mask))
    }
}

/// With option 121 the router option is not to be used (RFC 3442, "DHCP Client Behavior").
fn routes(sent: &DhcpV4Lease) -> Vec<LeaseRoute> {
    match sent.classless_routes.as_deref() {
        Some(routes) if !routes.is_empty() => routes
            .iter()
            .filter_map(|route| {
                Some(LeaseRoute {
                    destination: Ipv4Net::new(route.destination, route.prefix_length).ok()?.trunc(),
                    gateway: Some(route.router).filter(|router| !router.is_unspecified()),
                })
            })
            .collect(),
        // Routers come in the order of preference (RFC 2132, 3.5); the first one serves.
        _ => usable(sent.gateways.as_deref())
            .take(1)
            .map(|gateway| LeaseRoute {
                destination: Ipv4Net::default(),
                gateway: Some(gateway),
            })
            .collect(),
    }
}

fn usable(addresses: Option<&[Ipv4Addr]>) -> impl Iterator<Item = Ipv4Addr> {
    addresses
        .unwrap_or_default()
        .iter()
        .copied()
        .filter(|ip| !ip.is_unspecified() && !ip.is_broadcast())
}

/// What may stand in `resolv.conf`; a server must not be able to write other lines there.
pub(super) fn is_domain(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 253
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
}

#[cfg(test)]
mod tests {
    use genpack_spec::types::MacAddress;

    use super::*;
    use mozim::DhcpV4ClasslessRoute;

    fn sent() -> DhcpV4Lease {
        let mut lease = DhcpV4Lease::default();
        lease.yiaddr = Ipv4Addr::new(10, 0, 0, 5);
        lease.subnet_mask = Ipv4Addr::new(255, 255, 255, 0);
        lease.lease_time_sec = 600;
        lease.gateways = Some(vec![Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2)]);
        lease
    }

    #[test]
    fn an_ordinary_answer() {
        let lease = Lease::from_server(&sent(), 1000).unwrap();
        assert_eq!(lease.address.to_string(), "10.0.0.5/24");
        assert_eq!(lease.expires, Some(1600));
        assert_eq!(lease.remaining(1590), Some(10));
        assert_eq!(lease.remaining(2000), Some(0));
        assert_eq!(lease.routes.len(), 1);
        assert_eq!(lease.routes[0].gateway, Some(Ipv4Addr::new(10, 0, 0, 1)));
    }

    #[test]
    fn option_121_replaces_the_router() {
        let mut sent = sent();
        sent.classless_routes = Some(vec![DhcpV4ClasslessRoute {
            destination: Ipv4Addr::new(192, 0, 2, 7),
            prefix_length: 24,
            router: Ipv4Addr::UNSPECIFIED,
        }]);
        let lease = Lease::from_server(&sent, 0).unwrap();
        assert_eq!(
            lease.routes,
            [LeaseRoute {
                destination: "192.0.2.0/24".parse().unwrap(),
                gateway: None
            }]
        );
    }

    #[test]
    fn answers_that_make_no_sense_are_refused_or_trimmed() {
        for ip in [Ipv4Addr::UNSPECIFIED, Ipv4Addr::BROADCAST, Ipv4Addr::LOCALHOST] {
            let mut sent = sent();
            sent.yiaddr = ip;
            assert!(Lease::from_server(&sent, 0).is_err(), "{ip}");
        }
        let mut odd = sent();
        odd.subnet_mask = Ipv4Addr::new(255, 0, 255, 0);
        assert!(Lease::from_server(&odd, 0).is_err());

        let mut odd = sent();
        odd.subnet_mask = Ipv4Addr::UNSPECIFIED;
        odd.lease_time_sec = FOREVER;
        odd.mtu = Some(68);
        odd.domain_name = Some("lan\nnameserver 6.6.6.6".into());
        let lease = Lease::from_server(&odd, 5).unwrap();
        assert_eq!(lease.address.prefix_len(), 8);
        assert_eq!((lease.expires, lease.remaining(99)), (None, None));
        assert_eq!(lease.mtu, None);
        assert!(lease.search.is_empty());
    }

    #[test]
    fn a_kept_lease_comes_back_until_it_ends() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::below(dir.path());
        let mac = MacAddress::new([2, 0, 0, 0, 0, 1]);
        assert_eq!(Lease::load(&paths, mac, 0), None);
        let lease = Lease::from_server(&sent(), 1000).unwrap();
        lease.store(&paths, mac);
        assert_eq!(Lease::load(&paths, mac, 1599), Some(lease));
        assert_eq!(Lease::load(&paths, mac, 1600), None);
    }
}
