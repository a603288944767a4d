//! Whether the gateway that a person typed answers. It is asked when there is news, and else rarely.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use genpack_spec::settings::{Method, Network};
use ipnet::IpNet;
use rtnetlink::Handle;
use tokio::sync::mpsc::Sender;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::{Gateway, News};
use crate::net::plan::is_demoted;
use crate::net::port::Port;
use crate::net::probe::{self, Target};

/// Pauses while it is silent grow from the first of these to the second.
const PAUSES: [Duration; 2] = [Duration::from_secs(60), Duration::from_secs(600)];
/// Pause while it answers.
const ANSWERING: Duration = Duration::from_secs(300);
/// Between two checks at least; what comes from the network must not make us ask more often.
const GAP: Duration = Duration::from_secs(10);
/// Most gateways that are asked.
const TARGETS: usize = 4;

/// The watch over the gateways of one port.
#[derive(Debug, Default)]
pub(super) struct Watch {
    verdict: Gateway,
    targets: Vec<Target>,
    /// What the port had when it was last looked at: with other addresses it may be another network.
    addresses: Vec<IpNet>,
    check: Option<Check>,
    checks: u64,
    ended: Option<Instant>,
    next: Option<Instant>,
    pause: Duration,
}

/// A running check; ends when dropped.
#[derive(Debug)]
struct Check(JoinHandle<()>);

impl Drop for Check {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Watch {
    /// Takes in what is wanted and what the kernel has.
    pub(super) fn update(&mut self, port: &Port, network: &Network, now: Instant) {
        let wanted = network.method == Method::Static
            && network.fallback != Some(false)
            && !network.gateways.is_empty();
        if !wanted {
            *self = Watch::default();
            return;
        }
        let targets = targets(port, network);
        if self.verdict == Gateway::None {
            // An earlier life has found out.
            let demoted = port.routes.iter().any(|route| {
                route.ours
                    && is_demoted(route)
                    && route.gateway.is_some_and(|ip| network.gateways.contains(&ip))
            });
            self.verdict = if demoted {
                Gateway::Silent
            } else {
                Gateway::Unknown
            };
        } else if targets != self.targets {
            self.verdict = Gateway::Unknown;
        }
        let addresses: Vec<IpNet> = port.addresses.iter().map(|address| address.net).collect();
        if targets != self.targets {
            self.check = None;
            self.pause = PAUSES[0];
            self.next = (!targets.is_empty()).then_some(now);
        } else if addresses != self.addresses && self.verdict == Gateway::Silent {
            self.hasten(now);
        }
        (self.targets, self.addresses) = (targets, addresses);
    }

    pub(super) fn verdict(&self) -> Gateway {
        self.verdict
    }

    /// Returns the gateways of which a sign of life is news.
    pub(super) fn awaited(&self) -> impl Iterator<Item = Ipv4Addr> {
        let silent = self.verdict == Gateway::Silent;
        self.targets
            .iter()
            .filter(move |_| silent)
            .filter_map(|target| match target.gateway {
                IpAddr::V4(ip) => Some(ip),
                IpAddr::V6(_) => None,
            })
    }

    /// Notes a sign of life; it is believed after a check only.
    pub(super) fn hear(&mut self, from: Ipv4Addr, now: Instant) {
        if self.awaited().any(|ip| ip == from) {
            self.hasten(now);
        }
    }

    fn hasten(&mut self, now: Instant) {
        let earliest = self.ended.map_or(now, |ended| now.max(ended + GAP));
        self.next = self.next.map(|next| next.min(earliest));
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.next
    }

    pub(super) fn advance(&mut self, handle: &Handle, sender: &Sender<News>, now: Instant) {
        let Some(index) = self.targets.first().map(|target| target.index) else {
            return;
        };
        if self.next.is_none_or(|next| next > now) {
            return;
        }
        self.next = None;
        self.checks += 1;
        let (number, targets) = (self.checks, self.targets.clone());
        let (handle, sender) = (handle.clone(), sender.clone());
        self.check = Some(Check(tokio::spawn(async move {
            let answers = probe::any_answers(handle, targets).await;
            // The receiver is gone when the agent ends.
            let _ = sender.send(News::Checked(index, number, answers)).await;
        })));
    }

    pub(super) fn checked(&mut self, number: u64, answers: bool, now: Instant) {
        if number != self.checks || self.check.take().is_none() {
            return;
        }
        self.ended = Some(now);
        if answers {
            (self.verdict, self.pause) = (Gateway::Answers, PAUSES[0]);
            self.next = Some(now + ANSWERING);
        } else {
            self.verdict = Gateway::Silent;
            self.next = Some(now + self.pause);
            self.pause = (self.pause * 2).min(PAUSES[1]);
        }
    }
}

/// Returns the gateways that the port can ask: those for IPv4, because DHCP helps there; without any, those for IPv6.
fn targets(port: &Port, network: &Network) -> Vec<Target> {
    if !port.carrier {
        return Vec::new();
    }
    let has_v4 = network.gateways.iter().any(IpAddr::is_ipv4);
    let usable = |net: &&IpNet| {
        port.addresses
            .iter()
            .any(|have| have.net == **net && !have.tentative && !have.duplicate)
    };
    let on_wire = |ip: &&IpAddr| {
        network
            .addresses
            .iter()
            .filter(usable)
            .any(|net| net.contains(*ip))
    };
    network
        .gateways
        .iter()
        .filter(|ip| ip.is_ipv4() == has_v4)
        .filter(on_wire)
        .take(TARGETS)
        .map(|gateway| Target {
            index: port.index,
            port: port.name.clone(),
            gateway: *gateway,
        })
        .collect()
}
