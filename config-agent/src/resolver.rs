//! The resolver's data: name servers and search domains from the settings and the leases.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr, SocketAddrV6};

use genpack_spec::settings::Method;

use crate::net::offered::Offered;
use crate::net::port::Port;
use crate::net::wanted::Wishes;

/// The port of name servers.
const PORT: u16 = 53;

/// What one port knows about names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortDns {
    /// The kernel's number for the port.
    pub index: u32,
    /// The kernel's name for it.
    pub port: String,
    /// Name servers that are reached through it, the first choice first.
    pub servers: Vec<IpAddr>,
    /// Domains with which short names are completed, and whose names its servers know best.
    pub search: Vec<String>,
    /// Whether its servers are asked for names of any other domain.
    pub default_route: bool,
}

impl PortDns {
    /// Returns where its name servers are asked.
    pub fn sockets(&self) -> impl Iterator<Item = SocketAddr> + '_ {
        self.servers.iter().map(|server| match server {
            IpAddr::V6(ip) if ip.is_unicast_link_local() => {
                SocketAddrV6::new(*ip, PORT, 0, self.index).into()
            }
            _ => SocketAddr::new(*server, PORT),
        })
    }

    /// Returns the name servers as resolv.conf(5) has them: link-local ones with the zone of RFC 4007 (11.2).
    fn zoned_servers(&self) -> impl Iterator<Item = String> + '_ {
        self.servers.iter().map(|server| match server {
            IpAddr::V6(ip) if ip.is_unicast_link_local() => format!("{ip}%{}", self.port),
            _ => server.to_string(),
        })
    }
}

/// Returns what each port knows, in the order of the ports; a port that knows nothing is left out. A port whose section
/// names servers or domains uses those; another one uses what its network offers.
pub fn by_port(wishes: &Wishes<'_>, ports: &[Port], offered: &BTreeMap<u32, Offered>) -> Vec<PortDns> {
    let has_gateway = |port: &Port| {
        let mut routes = port.routes.iter();
        routes.any(|route| route.destination.prefix_len() == 0)
    };
    let mut known: Vec<PortDns> = ports
        .iter()
        .filter_map(|port| {
            let network = wishes.of(port).network;
            if network.method == Method::Off {
                return None;
            }
            let offered = offered.get(&port.index).cloned().unwrap_or_default();
            let servers = match network.method {
                // A lease beside a static address means that something about that is wrong: maybe its servers, too.
                Method::Static if !network.dns.is_empty() => [network.dns, offered.leased()].concat(),
                _ => or_else(network.dns, || offered.servers()),
            };
            let named = network.search.iter().map(ToString::to_string).collect();
            let dns = PortDns {
                index: port.index,
                port: port.name.clone(),
                servers,
                search: or_else(named, || offered.search.clone()),
                default_route: has_gateway(port),
            };
            (!dns.servers.is_empty() || !dns.search.is_empty()).then_some(dns)
        })
        .collect();
    // On a network that leads nowhere its servers are the only ones to ask.
    if !known
        .iter()
        .any(|dns| dns.default_route && !dns.servers.is_empty())
    {
        known.iter_mut().for_each(|dns| dns.default_route = true);
    }
    known
}

fn or_else<T>(first: Vec<T>, second: impl FnOnce() -> Vec<T>) -> Vec<T> {
    if first.is_empty() { second() } else { first }
}

/// Returns all name servers, each once.
pub fn name_servers(known: &[PortDns]) -> Vec<IpAddr> {
    once(known.iter().flat_map(|dns| dns.servers.iter().copied()))
}

/// Returns all domains with which short names are completed, each once.
pub fn search_domains(known: &[PortDns]) -> Vec<String> {
    once(known.iter().flat_map(|dns| dns.search.iter().cloned()))
}

fn once<T: PartialEq>(values: impl Iterator<Item = T>) -> Vec<T> {
    let mut kept = Vec::new();
    for value in values {
        if !kept.contains(&value) {
            kept.push(value);
        }
    }
    kept
}

/// Who answers the programs that ask for names.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Stub {
    /// The name servers themselves.
    #[default]
    None,
    /// systemd-resolved, at its own address on this device.
    Resolved,
}

/// Where systemd-resolved listens (systemd-resolved.service(8)).
const STUB_ADDRESS: &str = "127.0.0.53";

/// Returns the text of resolv.conf(5).
///
/// Where resolved answers, the file names it and nobody else, so that its caches, its routing by domain and its checks
/// serve every program. It is a file of ours and no link to resolved's own: resolved takes name servers that it finds in a
/// foreign file for its own, and forgets them only when it reads that file anew. Its own address it skips there.
pub fn resolv_conf(known: &[PortDns], stub: Stub) -> String {
    let mut text = String::from(
        "# Written by genpack-config-agent from system.ini and from what the network offers; changes here are lost.\n",
    );
    match stub {
        Stub::None => {
            for server in once(known.iter().flat_map(PortDns::zoned_servers)) {
                text.push_str(&format!("nameserver {server}\n"));
            }
        }
        // The same options as in resolved's own file.
        Stub::Resolved => text.push_str(&format!("nameserver {STUB_ADDRESS}\noptions edns0 trust-ad\n")),
    }
    let search = search_domains(known);
    if !search.is_empty() {
        text.push_str(&format!("search {}\n", search.join(" ")));
    }
    text
}

#[cfg(test)]
mod tests {
    use genpack_spec::settings::Settings;

    use super::*;
    use crate::net::links::Links;
    use crate::net::port::Route;
    use crate::net::rule::MAIN;

    fn dns(index: u32, servers: &[&str], search: &[&str]) -> PortDns {
        PortDns {
            index,
            port: format!("eth{index}"),
            servers: servers.iter().map(|server| server.parse().unwrap()).collect(),
            search: search.iter().map(ToString::to_string).collect(),
            default_route: true,
        }
    }

    fn lines(text: &str) -> Vec<&str> {
        text.lines().skip(1).collect()
    }

    #[test]
    fn the_file_is_what_the_resolver_reads() {
        let known = [
            dns(0, &["192.0.2.1"], &["lan"]),
            dns(
                1,
                &["2001:db8::1", "fe80::1", "192.0.2.1"],
                &["example.org", "lan"],
            ),
        ];
        assert_eq!(
            lines(&resolv_conf(&known, Stub::None)),
            [
                "nameserver 192.0.2.1",
                "nameserver 2001:db8::1",
                "nameserver fe80::1%eth1",
                "search lan example.org"
            ]
        );
        assert_eq!(resolv_conf(&[], Stub::None).lines().count(), 1);
        assert_eq!(
            lines(&resolv_conf(&known, Stub::Resolved)),
            [
                "nameserver 127.0.0.53",
                "options edns0 trust-ad",
                "search lan example.org"
            ]
        );
    }

    fn port(index: u32, gateway: bool) -> Port {
        let route = Route {
            destination: "0.0.0.0/0".parse().unwrap(),
            gateway: None,
            source: None,
            metric: 0,
            onlink: false,
            ours: true,
            table: MAIN,
        };
        Port {
            index,
            name: format!("eth{index}"),
            up: true,
            carrier: true,
            mtu: 1500,
            routes: gateway.then_some(route).into_iter().collect(),
            ..Port::default()
        }
    }

    #[test]
    fn a_port_without_gateway_answers_for_its_own_domains_only() {
        let settings: Settings = serde_json::from_str(
            r#"{"network": {"eth0": {"method": "static", "dns": ["10.0.0.1"], "search": ["plant.example"]},
                "eth1": {"method": "static", "dns": ["9.9.9.9"]}, "eth2": {"method": "off", "dns": ["8.8.8.8"]},
                "eth3": {"method": "auto"}}}"#,
        )
        .unwrap();
        let routed = |gateways: [bool; 4]| -> Vec<(u32, bool)> {
            let ports: Vec<Port> = (0..4)
                .map(|index| port(index, gateways[index as usize]))
                .collect();
            let links = Links::default();
            let known = by_port(&Wishes::new(&settings, &ports, &links), &ports, &BTreeMap::new());
            known.iter().map(|dns| (dns.index, dns.default_route)).collect()
        };
        assert_eq!(routed([false, true, false, false]), [(0, false), (1, true)]);
        assert_eq!(routed([false; 4]), [(0, true), (1, true)]);
        assert_eq!(routed([false, false, false, true]), [(0, true), (1, true)]);
    }
}
