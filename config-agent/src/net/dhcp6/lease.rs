//! What a DHCPv6 server gave, checked, and until when.

use std::net::Ipv6Addr;

use mozim::DhcpV6Lease;
use serde::{Deserialize, Serialize};

use crate::Paths;
use crate::files;
use crate::net::lease::is_domain;
use crate::net::names::is_server;

/// What a DHCPv6 server gave.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease6 {
    /// The address; none when there was none to ask for.
    pub address: Option<Ipv6Addr>,
    /// Name servers.
    pub dns: Vec<Ipv6Addr>,
    /// Domains to complete short names with.
    pub search: Vec<String>,
    /// When it ends, in seconds since the machine started; none when with the client.
    pub expires: Option<u64>,
}

/// Name servers and domains that are taken of one answer.
const COUNT_LIMIT: usize = 6;

impl Lease6 {
    /// Checks what a server granted at the time `now`. The error is a phrase for the journal.
    pub fn from_server(sent: &DhcpV6Lease, now: u64) -> Result<Lease6, String> {
        let ip = sent.address;
        if !is_server(ip) || ip.is_unicast_link_local() || ip.to_ipv4_mapped().is_some() {
            return Err(format!("{ip} can't be the address of a device"));
        }
        Ok(Lease6 {
            address: Some(ip),
            // "For ever" (RFC 8415, 7.7) is as long as the kernel counts, so that the address is seen to be borrowed.
            expires: Some(now + u64::from(sent.valid_time_sec.min(u32::MAX - 1))),
            ..Lease6::information(sent.dns_srvs.clone(), sent.domain_list.clone())
        })
    }

    /// Checks what a server told beside addresses.
    pub fn information(dns: Vec<Ipv6Addr>, search: Vec<String>) -> Lease6 {
        let dns = dns.into_iter().filter(|ip| is_server(*ip));
        // A list of mozim's ends its names with the dot of the root.
        let search = search
            .into_iter()
            .map(|name| name.trim_end_matches('.').to_string());
        Lease6 {
            dns: dns.take(COUNT_LIMIT).collect(),
            search: search.filter(|name| is_domain(name)).take(COUNT_LIMIT).collect(),
            ..Lease6::default()
        }
    }

    /// Returns the seconds that are left at the time `now`: none means that nothing ends it, zero that it is over.
    pub fn remaining(&self, now: u64) -> Option<u64> {
        self.expires.map(|end| end.saturating_sub(now))
    }

    /// Reads the lease that was kept for a port, if it still runs at the time `now`.
    pub fn load(paths: &Paths, identity: &str, now: u64) -> Option<Lease6> {
        let text = std::fs::read_to_string(paths.lease6(identity)).ok()?;
        let lease: Lease6 = serde_json::from_str(&text).ok()?;
        (lease.remaining(now) != Some(0)).then_some(lease)
    }

    /// Keeps the lease of a port, for a restart of the agent.
    pub fn store(&self, paths: &Paths, identity: &str) {
        let written = serde_json::to_string(self)
            .map_err(std::io::Error::from)
            .and_then(|text| files::write_atomic(&paths.lease6(identity), &text));
        if let Err(error) = written {
            log::warn!("The DHCPv6 lease of {identity} can't be kept for a restart: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(address: &str) -> DhcpV6Lease {
        let mut lease = DhcpV6Lease::default();
        lease.address = address.parse().unwrap();
        lease.valid_time_sec = 600;
        lease
    }

    #[test]
    fn an_ordinary_answer_and_one_without_end() {
        let mut sent = sent("2001:db8::5");
        sent.dns_srvs = vec!["2001:db8::1".parse().unwrap(), "ff02::1".parse().unwrap()];
        sent.domain_list = vec!["lan".into(), "example.org.".into(), "x\nnameserver ::1".into()];
        let lease = Lease6::from_server(&sent, 1000).unwrap();
        assert_eq!(lease.address, Some(sent.address));
        assert_eq!(lease.dns.len(), 1);
        assert_eq!(lease.search, ["lan", "example.org"]);
        assert_eq!(
            (lease.remaining(1590), lease.remaining(1600)),
            (Some(10), Some(0))
        );
        sent.valid_time_sec = u32::MAX;
        assert!(Lease6::from_server(&sent, 0).unwrap().remaining(9) > Some(1 << 31));
    }

    #[test]
    fn addresses_that_no_device_can_have_are_refused() {
        for ip in ["::", "::1", "ff02::1", "fe80::1", "::ffff:10.0.0.1"] {
            assert!(Lease6::from_server(&sent(ip), 0).is_err(), "{ip}");
        }
    }
}
