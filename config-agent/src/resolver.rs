//! The resolver's data: name servers and search domains from the settings and from what networks offer.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use genpack_spec::settings::Method;

use crate::net::offered::Offered;
use crate::net::port::Port;
use crate::net::wanted::Wishes;

/// A name server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Its address.
    pub address: IpAddr,
    /// The port on whose wire the address is meant; only link-local ones need it.
    pub port: Option<String>,
}

impl fmt::Display for Server {
    /// Writes it as resolv.conf(5) has it, with the zone of RFC 4007 (11.2).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.port {
            Some(port) => write!(f, "{}%{port}", self.address),
            None => write!(f, "{}", self.address),
        }
    }
}

/// Returns the name servers in the order of the ports, each once. A port whose section names servers uses those; another
/// one uses what its network offers.
pub fn name_servers(wishes: &Wishes<'_>, ports: &[Port], offered: &BTreeMap<u32, Offered>) -> Vec<Server> {
    let mut servers = Vec::new();
    for port in ports {
        let network = wishes.of(port).network;
        let offered = offered.get(&port.index).cloned().unwrap_or_default();
        let own = match network.method {
            Method::Off => Vec::new(),
            // A lease beside a static address means that something about that is wrong: maybe its servers, too.
            Method::Static if !network.dns.is_empty() => [network.dns, offered.leased()].concat(),
            Method::Auto if !network.dns.is_empty() => network.dns,
            _ => offered.servers(),
        };
        for address in own {
            let link_local = matches!(address, IpAddr::V6(ip) if ip.is_unicast_link_local());
            let server = Server {
                address,
                port: link_local.then(|| port.name.clone()),
            };
            if !servers.contains(&server) {
                servers.push(server);
            }
        }
    }
    servers
}

/// Returns the domains with which short names are completed, each once, in the order of the ports. A port whose section
/// names domains uses those; another one uses what its network offers.
pub fn search_domains(wishes: &Wishes<'_>, ports: &[Port], offered: &BTreeMap<u32, Offered>) -> Vec<String> {
    let mut domains = Vec::new();
    for port in ports {
        let network = wishes.of(port).network;
        let own: Vec<String> = match network.method {
            Method::Off => Vec::new(),
            _ if !network.search.is_empty() => network.search.iter().map(ToString::to_string).collect(),
            _ => offered
                .get(&port.index)
                .map_or(Vec::new(), |offered| offered.search.clone()),
        };
        for domain in own {
            if !domains.contains(&domain) {
                domains.push(domain);
            }
        }
    }
    domains
}

/// Returns the text of resolv.conf(5).
pub fn resolv_conf(servers: &[Server], search: &[String]) -> String {
    let mut text = String::from(
        "# Written by genpack-config-agent from system.ini and from what the network offers; changes here are lost.\n",
    );
    for server in servers {
        text.push_str(&format!("nameserver {server}\n"));
    }
    if !search.is_empty() {
        text.push_str(&format!("search {}\n", search.join(" ")));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_what_the_resolver_reads() {
        let server = |address: &str, port: Option<&str>| Server {
            address: address.parse().unwrap(),
            port: port.map(str::to_string),
        };
        let text = resolv_conf(
            &[server("192.0.2.1", None), server("fe80::1", Some("eth0"))],
            &["lan".into(), "example.org".into()],
        );
        let lines: Vec<&str> = text.lines().skip(1).collect();
        assert_eq!(
            lines,
            [
                "nameserver 192.0.2.1",
                "nameserver fe80::1%eth0",
                "search lan example.org"
            ]
        );
        assert_eq!(resolv_conf(&[], &[]).lines().count(), 1);
    }
}
