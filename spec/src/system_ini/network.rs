//! One `[network ...]` section: its lines only make sense together.
//!
//! Whatever is wrong, the outcome is reachable: a section without a usable address gets one by DHCP.

use std::net::IpAddr;

use ipnet::IpNet;

use super::address::{self, Refusal};
use super::findings::{Findings, Place, Words};
use super::kinds::Value;
use super::typing::Item;
use crate::report::Severity;
use crate::settings::{Method, Network};
use crate::types::PortId;

/// The lines of a section.
pub(super) struct Lines<'a> {
    pub(super) method: Option<Item<'a>>,
    pub(super) addresses: Vec<Item<'a>>,
    pub(super) netmask: Option<Item<'a>>,
    pub(super) gateways: Vec<Item<'a>>,
    pub(super) dns: Vec<Item<'a>>,
}

const EXAMPLE: &str = "for example 192.168.1.30/24";
const DHCP: &str = "automatic address (DHCP)";

/// Judges a section.
pub(super) fn build(port: &PortId, lines: Lines<'_>, findings: &mut Findings) -> Network {
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
            "method = auto asks for an automatic address, so this one is not used",
            "method = static",
        );
    } else if judged.lost_v4 {
        judged.refuse_all(
            "this address is not used, because the section has no usable IPv4 address",
            EXAMPLE,
        );
    }
    let method = match chosen {
        Some(Method::Off) => Method::Off,
        _ if judged.good.is_empty() => Method::Auto,
        _ => Method::Static,
    };
    let addresses: Vec<IpNet> = judged.good.iter().map(|(_, net)| *net).collect();
    let in_effect = match method {
        Method::Off => "no address, because method = off".to_string(),
        Method::Auto => DHCP.to_string(),
        Method::Static => format!("address {}", join(&addresses)),
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
                Ok(Value::InterfaceAddress(ip, prefix)) => {
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

    fn refuse_all(&mut self, problem: &str, hint: &str) {
        self.bad.extend(self.good.drain(..).map(|(place, _)| {
            let refusal = Refusal {
                problem: problem.into(),
                hint: Some(hint.into()),
            };
            (place, refusal)
        }));
    }

    fn report(&mut self, in_effect: &str, findings: &mut Findings) {
        for (place, refusal) in self.bad.drain(..) {
            findings.value(Severity::Error, place, || {
                Words::new(refusal.problem)
                    .used(in_effect)
                    .hint(refusal.hint.unwrap_or_else(|| EXAMPLE.into()))
            });
        }
    }
}

/// The prefix of an address that has none behind it. `Ok(None)`: there is a netmask, and it is no good.
fn prefix_from(netmask: Option<&Item<'_>>, ip: IpAddr) -> Result<Option<u8>, Refusal> {
    let size = if ip.is_ipv4() { 24 } else { 64 };
    match netmask.filter(|_| ip.is_ipv4()).map(|item| &item.outcome) {
        Some(Ok(Value::Netmask(prefix))) => Ok(Some(*prefix)),
        Some(_) => Ok(None),
        None => Err(Refusal {
            problem: format!("the size of the network is missing behind {ip}").into(),
            hint: Some(format!("{ip}/{size} fits most home and office networks").into()),
        }),
    }
}

fn report_method(
    port: &PortId,
    lines: &Lines<'_>,
    chosen: Option<Method>,
    in_effect: &str,
    findings: &mut Findings,
) {
    let Some(item) = &lines.method else { return };
    let place = item.place;
    match (&item.outcome, chosen) {
        (Err(refusal), _) => findings.value(Severity::Error, place, || {
            let hint = refusal.hint.clone().unwrap_or_else(|| "method = auto".into());
            Words::new(refusal.problem.clone()).used(in_effect).hint(hint)
        }),
        (_, Some(Method::Static)) if lines.addresses.is_empty() => {
            findings.value(Severity::Error, place, || {
                Words::new("method = static needs an address, and none is given")
                    .used(in_effect)
                    .hint("a further line: address = 192.168.1.30/24")
            });
        }
        (_, Some(Method::Off))
            if !(lines.addresses.is_empty() && lines.gateways.is_empty() && lines.dns.is_empty()) =>
        {
            findings.value(Severity::Warning, place, || {
                Words::new("this port is off, so the other lines of its section do nothing")
                    .used("off")
                    .hint("delete this line, or the others")
            });
        }
        (_, Some(Method::Off)) if *port == PortId::Default => findings.value(Severity::Note, place, || {
            Words::new("every network port without a section of its own is off").used("off")
        }),
        _ => {}
    }
}

fn report_netmask(lines: &Lines<'_>, method: Method, in_effect: &str, findings: &mut Findings) {
    let Some(item) = &lines.netmask else { return };
    let written = lines.addresses.iter().filter_map(|item| match item.outcome {
        Ok(Value::InterfaceAddress(IpAddr::V4(_), prefix)) => Some(prefix),
        _ => None,
    });
    let prefixes: Vec<Option<u8>> = written.collect();
    let needed = prefixes.contains(&None);
    let behind_address = prefixes.iter().flatten().next();
    let used = match behind_address {
        Some(prefix) if !needed && method == Method::Static => format!("/{prefix}, as the address says"),
        _ => in_effect.to_string(),
    };
    match &item.outcome {
        Err(refusal) => findings.value(Severity::Error, item.place, || {
            Words::new(refusal.problem.clone())
                .used(used)
                .maybe_hint(refusal.hint.clone())
        }),
        Ok(Value::Netmask(prefix)) if method == Method::Static && !needed => {
            if behind_address.is_some_and(|other| other != prefix) {
                findings.value(Severity::Warning, item.place, || {
                    Words::new("the netmask is not the one that the address has behind it")
                        .used(used)
                        .hint("delete this line")
                });
            } else if behind_address.is_none() {
                findings.value(Severity::Error, item.place, || {
                    not_alone("a netmask").used("no netmask")
                });
            }
        }
        Ok(_) if method == Method::Auto => {
            findings.value(Severity::Error, item.place, || {
                not_alone("a netmask").used(in_effect)
            });
        }
        Ok(_) => {}
    }
}

fn not_alone(what: &str) -> Words {
    Words::new(format!(
        "{what} is used only together with a usable address of its section"
    ))
    .hint("address = 192.168.1.30/24")
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
            Method::Auto => "the gateway that the network gives",
            _ => "no gateway",
        };
        findings.value(Severity::Error, place, || {
            let hint = refusal.hint.unwrap_or_else(|| "for example 192.168.1.1".into());
            Words::new(refusal.problem).used(used).hint(hint)
        });
    }
    good.into_iter().map(|(_, gateway)| gateway).collect()
}

fn second_gateway(earlier: Place<'_>, later: Place<'_>, gateway: IpAddr, findings: &mut Findings) {
    findings.value(Severity::Warning, earlier, || {
        let lines = match (earlier.piece.number(), later.piece.number()) {
            (a, b) if a == b => format!("line {a} has two gateways"),
            (a, b) => format!("there is a gateway on line {a} and again on line {b}"),
        };
        Words::new(format!("{lines}; the last one counts"))
            .used(format!("gateway {gateway}"))
            .hint("delete one of the two")
    });
}

/// A gateway is used when one of the addresses is in the same network (otherwise the kernel refuses the route).
fn reachable(gateway: IpAddr, method: Method, addresses: &[IpNet]) -> Result<(), Refusal> {
    let refusal = |problem: String, hint: String| {
        Err(Refusal {
            problem: problem.into(),
            hint: Some(hint.into()),
        })
    };
    match method {
        Method::Off => return Ok(()),
        Method::Auto => {
            return refusal(
                "a gateway is used only together with a usable address of its section".into(),
                "address = 192.168.1.30/24".into(),
            );
        }
        Method::Static => {}
    }
    if addresses.iter().any(|net| net.addr() == gateway) {
        return refusal(
            format!("{gateway} is the address of this device, not of the router"),
            "the address of the router".into(),
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
        let problem = format!("{gateway} cannot be reached from the address of this section");
        return match same_family.is_empty() {
            true => refusal(problem, "the gateway and the address must be of one kind".into()),
            false => refusal(problem, format!("the gateway must lie in {}", join(&same_family))),
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
        _ if !good.is_empty() => format!("name server {}", join(&good)),
        Method::Auto => "the name servers that the network gives".to_string(),
        _ => "no name server".to_string(),
    };
    for (place, refusal) in bad {
        findings.value(Severity::Error, place, || {
            let hint = refusal.hint.unwrap_or_else(|| "for example 192.168.1.1".into());
            Words::new(refusal.problem).used(used.clone()).hint(hint)
        });
    }
    good
}
