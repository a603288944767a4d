//! One `[network ...]` section: its lines only make sense together.
//!
//! Whatever is wrong, the outcome is reachable: a section without a usable address gets one by DHCP.

use std::net::IpAddr;

use ipnet::IpNet;

use super::super::address::{self, Refusal};
use super::super::findings::{Findings, Place, Words};
use super::super::kinds::{Netmask, Value};
use super::super::typing::Item;
use super::Values;
use crate::report::Severity;
use crate::settings::{Ipv6, Method, Network};
use crate::text;
use crate::text::Text;
use crate::types::PortId;

/// The lines of a section.
struct Lines<'a> {
    method: Option<Item<'a>>,
    addresses: Vec<Item<'a>>,
    netmask: Option<Item<'a>>,
    gateways: Vec<Item<'a>>,
    dns: Vec<Item<'a>>,
}

fn for_example(example: &str) -> Text {
    text!("for example {example}", example)
}

fn address_example() -> Text {
    for_example("192.168.1.30/24")
}

/// Judges a section.
pub(super) fn build(port: Option<&PortId>, values: &mut Values<'_, '_>) -> Network {
    let lines = Lines {
        method: values.items("method").pop(),
        addresses: values.items("address"),
        netmask: values.items("netmask").pop(),
        gateways: values.items("gateway"),
        dns: values.items("dns"),
    };
    let base = addresses(port, lines, values.findings);
    let network = Network {
        search: values.list("search"),
        mtu: values
            .one("mtu")
            .and_then(|number: i64| u32::try_from(number).ok()),
        mac: values.one("mac"),
        ipv6: values.one("ipv6").map(|word: &str| match word {
            "off" => Ipv6::Off,
            _ => Ipv6::Auto,
        }),
        fallback: values.one("fallback"),
        ..base
    };
    match network.method {
        Method::Off => Network {
            method: Method::Off,
            ..Network::default()
        },
        Method::Auto | Method::Static => without_unused_ipv6(network, values),
    }
}

/// Takes IPv6 addresses out where IPv6 is off. A section that has no others gets its address by DHCP.
fn without_unused_ipv6(mut network: Network, values: &mut Values<'_, '_>) -> Network {
    let unused = network.addresses.iter().any(|net| net.addr().is_ipv6());
    if network.ipv6 != Some(Ipv6::Off) || !unused {
        return network;
    }
    network.addresses.retain(|net| net.addr().is_ipv4());
    network.gateways.retain(|gateway| gateway.is_ipv4());
    if network.addresses.is_empty() {
        network.method = Method::Auto;
    }
    let used = match network.method {
        Method::Static => text!("address {addresses}", addresses = join(&network.addresses)),
        _ => text!("automatic address (DHCP)"),
    };
    for item in values.items("address") {
        if let Ok(Value::InterfaceAddress((IpAddr::V6(_), _))) = item.outcome {
            values.findings.value(Severity::Error, item.place, || {
                Words::new(text!("IPv6 is off in this section, so this address is not used"))
                    .used(used.clone())
                    .hint(text!("delete this line, or write ipv6 = auto"))
            });
        }
    }
    network
}

fn addresses(port: Option<&PortId>, lines: Lines<'_>, findings: &mut Findings) -> Network {
    let chosen = match &lines.method {
        Some(Item {
            outcome: Ok(Value::Choice(word)),
            ..
        }) => Some(match *word {
            "off" => Method::Off,
            "static" => Method::Static,
            _ => Method::Auto,
        }),
        _ => None,
    };
    let mut judged = Addresses::judge(&lines);
    if chosen == Some(Method::Auto) {
        judged.refuse_all(
            &text!("method = auto asks for an automatic address, so this one is not used"),
            &Text::verbatim("method = static"),
        );
    } else if judged.lost_v4 {
        judged.refuse_all(
            &text!("this address is not used, because the section has no usable IPv4 address"),
            &address_example(),
        );
    }
    let method = match chosen {
        Some(Method::Off) => Method::Off,
        _ if judged.good.is_empty() => Method::Auto,
        _ => Method::Static,
    };
    let addresses: Vec<IpNet> = judged.good.iter().map(|(_, net)| *net).collect();
    let in_effect = match method {
        Method::Off => text!("no address, because method = off"),
        Method::Auto => text!("automatic address (DHCP)"),
        Method::Static => text!("address {addresses}", addresses = join(&addresses)),
    };
    judged.report(&in_effect, findings);
    report_method(port, &lines, chosen, &in_effect, findings);
    report_netmask(&lines, method, &in_effect, findings);
    let gateways = gateways(lines.gateways, method, &addresses, findings);
    let dns = name_servers(lines.dns, method, findings);
    match method {
        Method::Off => Network {
            method,
            ..Network::default()
        },
        _ => Network {
            method,
            addresses,
            gateways,
            dns,
            ..Network::default()
        },
    }
}

fn join(values: &[impl ToString]) -> String {
    values
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}

/// The addresses of a section, each judged.
struct Addresses<'a> {
    good: Vec<(Place<'a>, IpNet)>,
    bad: Vec<(Place<'a>, Refusal)>,
    /// An IPv4 address was wanted, and none can be used.
    lost_v4: bool,
}

impl<'a> Addresses<'a> {
    fn judge(lines: &Lines<'a>) -> Addresses<'a> {
        let mut judged = Addresses {
            good: Vec::new(),
            bad: Vec::new(),
            lost_v4: false,
        };
        for item in &lines.addresses {
            let place = item.place;
            let refused = match &item.outcome {
                Ok(Value::InterfaceAddress((ip, prefix))) => {
                    match prefix.map_or_else(
                        || prefix_from(lines.netmask.as_ref(), *ip),
                        |known| Ok(Some(known)),
                    ) {
                        Ok(Some(prefix)) => address::of_a_device(*ip, prefix).map(Some),
                        // The netmask line has its own diagnostic.
                        Ok(None) => Ok(None),
                        Err(refusal) => Err(refusal),
                    }
                }
                Ok(_) => Ok(None),
                Err(refusal) => Err(refusal.clone()),
            };
            let is_v4 = !place.piece.text().contains(':');
            match refused {
                Ok(Some(net)) if !judged.good.iter().any(|(_, other)| *other == net) => {
                    judged.good.push((place, net));
                }
                Ok(Some(_)) => {}
                Ok(None) => judged.lost_v4 |= is_v4,
                Err(refusal) => {
                    judged.lost_v4 |= is_v4;
                    judged.bad.push((place, refusal));
                }
            }
        }
        judged.lost_v4 &= !judged.good.iter().any(|(_, net)| net.addr().is_ipv4());
        judged
    }

    fn refuse_all(&mut self, problem: &Text, hint: &Text) {
        self.bad.extend(self.good.drain(..).map(|(place, _)| {
            let refusal = Refusal {
                problem: problem.clone(),
                hint: Some(hint.clone()),
            };
            (place, refusal)
        }));
    }

    fn report(&mut self, in_effect: &Text, findings: &mut Findings) {
        for (place, refusal) in self.bad.drain(..) {
            findings.value(Severity::Error, place, || {
                Words::new(refusal.problem)
                    .used(in_effect.clone())
                    .hint(refusal.hint.unwrap_or_else(address_example))
            });
        }
    }
}

/// The prefix of an address that has none behind it. `Ok(None)`: there is a netmask, and it is no good.
fn prefix_from(netmask: Option<&Item<'_>>, ip: IpAddr) -> Result<Option<u8>, Refusal> {
    let size = if ip.is_ipv4() { 24 } else { 64 };
    match netmask.filter(|_| ip.is_ipv4()).map(|item| &item.outcome) {
        Some(Ok(Value::Netmask(Netmask(prefix)))) => Ok(Some(*prefix)),
        Some(_) => Ok(None),
        None => Err(Refusal {
            problem: text!(
                "the size of the network is missing behind {address}",
                address = ip
            ),
            hint: Some(address::fits_most(format!("{ip}/{size}"))),
        }),
    }
}

fn report_method(
    port: Option<&PortId>,
    lines: &Lines<'_>,
    chosen: Option<Method>,
    in_effect: &Text,
    findings: &mut Findings,
) {
    let Some(item) = &lines.method else { return };
    let place = item.place;
    match (&item.outcome, chosen) {
        (Err(refusal), _) => findings.value(Severity::Error, place, || {
            let hint = refusal.hint.clone();
            let hint = hint.unwrap_or_else(|| Text::verbatim("method = auto"));
            Words::new(refusal.problem.clone())
                .used(in_effect.clone())
                .hint(hint)
        }),
        (_, Some(Method::Static)) if lines.addresses.is_empty() => {
            findings.value(Severity::Error, place, || {
                Words::new(text!("method = static needs an address, and none is given"))
                    .used(in_effect.clone())
                    .hint(text!(
                        "a further line: {line}",
                        line = "address = 192.168.1.30/24"
                    ))
            });
        }
        (_, Some(Method::Off))
            if !(lines.addresses.is_empty() && lines.gateways.is_empty() && lines.dns.is_empty()) =>
        {
            findings.value(Severity::Warning, place, || {
                Words::new(text!(
                    "this port is off, so the other lines of its section do nothing"
                ))
                .used(text!("off"))
                .hint(text!("delete this line, or the others"))
            });
        }
        (_, Some(Method::Off)) if port == Some(&PortId::Default) => {
            findings.value(Severity::Note, place, || {
                Words::new(text!("every network port without a section of its own is off")).used(text!("off"))
            })
        }
        _ => {}
    }
}

fn report_netmask(lines: &Lines<'_>, method: Method, in_effect: &Text, findings: &mut Findings) {
    let Some(item) = &lines.netmask else { return };
    let written = lines.addresses.iter().filter_map(|item| match item.outcome {
        Ok(Value::InterfaceAddress((IpAddr::V4(_), prefix))) => Some(prefix),
        _ => None,
    });
    let prefixes: Vec<Option<u8>> = written.collect();
    let needed = prefixes.contains(&None);
    let behind_address = prefixes.iter().flatten().next();
    let used = match behind_address {
        Some(prefix) if !needed && method == Method::Static => {
            text!("/{prefix}, as the address says", prefix)
        }
        _ => in_effect.clone(),
    };
    match &item.outcome {
        Err(refusal) => findings.value(Severity::Error, item.place, || {
            Words::new(refusal.problem.clone())
                .used(used)
                .maybe_hint(refusal.hint.clone())
        }),
        Ok(Value::Netmask(Netmask(prefix))) if method == Method::Static && !needed => {
            if behind_address.is_some_and(|other| other != prefix) {
                findings.value(Severity::Warning, item.place, || {
                    Words::new(text!("the netmask is not the one that the address has behind it"))
                        .used(used)
                        .hint(text!("delete this line"))
                });
            } else if behind_address.is_none() {
                findings.value(Severity::Error, item.place, || {
                    netmask_alone().used(text!("no netmask"))
                });
            }
        }
        Ok(_) if method == Method::Auto => {
            findings.value(Severity::Error, item.place, || {
                netmask_alone().used(in_effect.clone())
            });
        }
        Ok(_) => {}
    }
}

fn netmask_alone() -> Words {
    Words::new(text!(
        "a netmask is used only together with a usable address of its section"
    ))
    .hint(Text::verbatim("address = 192.168.1.30/24"))
}

fn gateways(
    items: Vec<Item<'_>>,
    method: Method,
    addresses: &[IpNet],
    findings: &mut Findings,
) -> Vec<IpAddr> {
    let mut good: Vec<(Place<'_>, IpAddr)> = Vec::new();
    for Item { place, outcome } in items {
        let refusal = match outcome {
            Ok(Value::HostAddress(gateway)) => match reachable(gateway, method, addresses) {
                Ok(()) => {
                    let other = good
                        .iter()
                        .position(|(_, other)| other.is_ipv4() == gateway.is_ipv4());
                    if let Some(other) = other {
                        let (earlier, ip) = good.remove(other);
                        if ip != gateway {
                            second_gateway(earlier, place, gateway, findings);
                        }
                    }
                    good.push((place, gateway));
                    continue;
                }
                Err(refusal) => refusal,
            },
            Ok(_) => continue,
            Err(refusal) => refusal,
        };
        let used = match method {
            Method::Auto => text!("the gateway that the network gives"),
            _ => text!("no gateway"),
        };
        findings.value(Severity::Error, place, || {
            let hint = refusal.hint.unwrap_or_else(|| for_example("192.168.1.1"));
            Words::new(refusal.problem).used(used).hint(hint)
        });
    }
    good.into_iter().map(|(_, gateway)| gateway).collect()
}

fn second_gateway(earlier: Place<'_>, later: Place<'_>, gateway: IpAddr, findings: &mut Findings) {
    findings.value(Severity::Warning, earlier, || {
        Words::new(match (earlier.piece.number(), later.piece.number()) {
            (line, other) if line == other => {
                text!("line {line} has two gateways; the last one counts", line)
            }
            (first, second) => text!(
                "there is a gateway on line {first} and again on line {second}; the last one counts",
                first,
                second
            ),
        })
        .used(text!("gateway {gateway}", gateway))
        .hint(text!("delete one of the two"))
    });
}

/// A gateway is used when one of the addresses is in the same network (otherwise the kernel refuses the route).
fn reachable(gateway: IpAddr, method: Method, addresses: &[IpNet]) -> Result<(), Refusal> {
    let refusal = |problem, hint| {
        Err(Refusal {
            problem,
            hint: Some(hint),
        })
    };
    match method {
        Method::Off => return Ok(()),
        Method::Auto => {
            return refusal(
                text!("a gateway is used only together with a usable address of its section"),
                Text::verbatim("address = 192.168.1.30/24"),
            );
        }
        Method::Static => {}
    }
    if addresses.iter().any(|net| net.addr() == gateway) {
        return refusal(
            text!(
                "{gateway} is the address of this device, not of the router",
                gateway
            ),
            text!("the address of the router"),
        );
    }
    // Every IPv6 port has a link-local address of its own.
    if matches!(gateway, IpAddr::V6(v6) if v6.is_unicast_link_local()) {
        return Ok(());
    }
    let Some(net) = addresses.iter().find(|net| net.contains(&gateway)) else {
        let same_family: Vec<IpNet> = addresses
            .iter()
            .filter(|net| net.addr().is_ipv4() == gateway.is_ipv4())
            .map(IpNet::trunc)
            .collect();
        let problem = text!(
            "{gateway} cannot be reached from the address of this section",
            gateway
        );
        return match same_family.is_empty() {
            true => refusal(problem, text!("the gateway and the address must be of one kind")),
            false => refusal(
                problem,
                text!(
                    "the gateway must lie in {networks}",
                    networks = join(&same_family)
                ),
            ),
        };
    };
    address::of_a_device(gateway, net.prefix_len()).map(|_| ())
}

fn name_servers(items: Vec<Item<'_>>, method: Method, findings: &mut Findings) -> Vec<IpAddr> {
    let mut good = Vec::new();
    let mut bad = Vec::new();
    for Item { place, outcome } in items {
        match outcome {
            Ok(Value::HostAddress(server)) if !good.contains(&server) => good.push(server),
            Ok(_) => {}
            Err(refusal) => bad.push((place, refusal)),
        }
    }
    let used = match method {
        _ if !good.is_empty() => text!("name server {servers}", servers = join(&good)),
        Method::Auto => text!("the name servers that the network gives"),
        _ => text!("no name server"),
    };
    for (place, refusal) in bad {
        findings.value(Severity::Error, place, || {
            let hint = refusal.hint.unwrap_or_else(|| for_example("192.168.1.1"));
            Words::new(refusal.problem).used(used.clone()).hint(hint)
        });
    }
    good
}
