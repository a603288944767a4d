//! What a network offers for finding names.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::lease::Lease;

/// What the network at a port offers for finding names, best first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Offered {
    leased: Vec<Ipv4Addr>,
    over_ipv6: Vec<Ipv6Addr>,
    /// Domains to complete short names with.
    pub search: Vec<String>,
}

impl Offered {
    /// Puts together what DHCPv4 gave and what came over IPv6.
    pub fn new(lease: Option<&Lease>, (servers, domains): (Vec<Ipv6Addr>, Vec<String>)) -> Offered {
        let search = lease.map_or(Vec::new(), |lease| lease.search.clone());
        Offered {
            leased: lease.map_or(Vec::new(), |lease| lease.dns.clone()),
            over_ipv6: servers,
            search: [search, domains].concat(),
        }
    }

    /// Returns the name servers.
    pub fn servers(&self) -> Vec<IpAddr> {
        let over_ipv6 = self.over_ipv6.iter().copied().map(IpAddr::V6);
        self.leased().into_iter().chain(over_ipv6).collect()
    }

    /// Returns the name servers of the DHCPv4 lease alone.
    pub fn leased(&self) -> Vec<IpAddr> {
        self.leased.iter().copied().map(IpAddr::V4).collect()
    }
}
