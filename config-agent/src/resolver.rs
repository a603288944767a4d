//! The resolver's data: name servers and search domains from the settings and the leases.

use std::collections::BTreeMap;
use std::net::IpAddr;

use genpack_spec::settings::Method;

use crate::net::lease::Lease;
use crate::net::port::Port;
use crate::net::wanted::Wishes;

/// Returns the name servers in the order of the ports, each once. A port whose section names servers uses those; another
/// one uses its lease's.
pub fn name_servers(wishes: &Wishes<'_>, ports: &[Port], leases: &BTreeMap<u32, Lease>) -> Vec<IpAddr> {
    let mut servers = Vec::new();
    for port in ports {
        let network = wishes.of(port).network;
        let granted = leases.get(&port.index).map_or(Vec::new(), |lease| {
            lease.dns.iter().copied().map(IpAddr::V4).collect()
        });
        let own = match network.method {
            Method::Off => Vec::new(),
            // A lease beside a static address means that something about that is wrong: maybe its servers, too.
            Method::Static => [network.dns, granted].concat(),
            Method::Auto if !network.dns.is_empty() => network.dns,
            Method::Auto => granted,
        };
        for server in own {
            if !servers.contains(&server) {
                servers.push(server);
            }
        }
    }
    servers
}

/// Returns the domains with which short names are completed, each once, in the order of the ports. A port whose section
/// names domains uses those; another one uses its lease's.
pub fn search_domains(wishes: &Wishes<'_>, ports: &[Port], leases: &BTreeMap<u32, Lease>) -> Vec<String> {
    let mut domains = Vec::new();
    for port in ports {
        let network = wishes.of(port).network;
        let own: Vec<String> = match network.method {
            Method::Off => Vec::new(),
            _ if !network.search.is_empty() => network.search.iter().map(ToString::to_string).collect(),
            _ => leases
                .get(&port.index)
                .map_or(Vec::new(), |lease| lease.search.clone()),
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
pub fn resolv_conf(servers: &[IpAddr], search: &[String]) -> String {
    let mut text =
        String::from("# Written by genpack-config-agent from system.ini and DHCP; changes here are lost.\n");
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
        let text = resolv_conf(
            &["192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap()],
            &["lan".into(), "example.org".into()],
        );
        let lines: Vec<&str> = text.lines().skip(1).collect();
        assert_eq!(
            lines,
            [
                "nameserver 192.0.2.1",
                "nameserver 2001:db8::1",
                "search lan example.org"
            ]
        );
        assert_eq!(resolv_conf(&[], &[]).lines().count(), 1);
    }
}
