//! The watch over one port: the claims to its addresses, its rescue address, its gateway.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use genpack_spec::settings::{Method, Network};
use genpack_spec::types::MacAddress;
use rtnetlink::Handle;
use tokio::sync::mpsc::Sender;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::duplicates::Duplicates;
use super::gateway::Watch;
use super::{News, Standing};
use crate::net::arp::claim::{Claim, Output};
use crate::net::arp::frame::Arp;
use crate::net::arp::link_local;
use crate::net::arp::socket::{ADDRESSES, ArpSocket};
use crate::net::link::Kind;
use crate::net::port::Port;

/// The rescue address comes after the address that a person waits for, or after this time with a cable and without one.
const RESCUE_AFTER: Duration = Duration::from_secs(5);
/// After so many addresses that others had (`MAX_CONFLICTS`), the next one waits (`RATE_LIMIT_INTERVAL`; RFC 3927, 9).
const CONFLICTS: u32 = 10;
const RATE_LIMIT: Duration = Duration::from_secs(60);
/// Pause after an error of the socket.
const ERROR_PAUSE: Duration = Duration::from_secs(1);

/// Watches over one port.
#[derive(Debug)]
pub(super) struct Guard {
    index: u32,
    name: String,
    mac: MacAddress,
    carrier: bool,
    ear: Option<Ear>,
    /// ARP can't be had: addresses are used unasked, and there is no rescue address.
    deaf: bool,
    claims: Vec<Claim>,
    rescue: Option<Claim>,
    /// When the rescue address is to be claimed; none when it is, or when there shall be none.
    rescue_at: Option<Instant>,
    /// Number of the next candidate for it.
    candidate: u32,
    conflicts: u32,
    gateway: Watch,
    duplicates: Duplicates,
}

/// An open socket with the task that reads from it.
#[derive(Debug)]
struct Ear {
    socket: Arc<ArpSocket>,
    task: JoinHandle<()>,
    addresses: Vec<Ipv4Addr>,
}

impl Drop for Ear {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Ear {
    fn open(index: u32, sender: Sender<News>) -> std::io::Result<Ear> {
        let socket = Arc::new(ArpSocket::open(index)?);
        let reading = socket.clone();
        let task = tokio::spawn(async move {
            loop {
                match reading.receive().await {
                    // A full queue means a flood, of which the beginning says enough.
                    Ok(arp) => drop(sender.try_send(News::Heard(index, arp))),
                    Err(error) => {
                        log::debug!("port {index}: ARP: {error}");
                        tokio::time::sleep(ERROR_PAUSE).await;
                    }
                }
            }
        });
        Ok(Ear {
            socket,
            task,
            addresses: Vec::new(),
        })
    }
}

impl Guard {
    pub(super) fn new(port: &Port, mac: MacAddress) -> Guard {
        Guard {
            index: port.index,
            name: port.name.clone(),
            mac,
            carrier: false,
            ear: None,
            deaf: false,
            claims: Vec::new(),
            rescue: None,
            rescue_at: None,
            candidate: 0,
            conflicts: 0,
            gateway: Watch::default(),
            duplicates: Duplicates::default(),
        }
    }

    /// Takes in what is wanted and what the kernel has.
    pub(super) fn update(
        &mut self,
        port: &Port,
        mac: MacAddress,
        network: &Network,
        sender: &Sender<News>,
        now: Instant,
    ) {
        self.mac = mac;
        self.name.clone_from(&port.name);
        let plugged = port.carrier && !self.carrier;
        if port.carrier != self.carrier {
            (self.deaf, self.conflicts) = (false, 0);
        }
        self.carrier = port.carrier;
        self.adjust_claims(port, network);
        self.adjust_rescue(port, network, plugged, now);
        let delay = self.delay();
        for claim in self.claims.iter_mut().chain(&mut self.rescue) {
            claim.plug(port.carrier, now, delay);
        }
        self.gateway.update(port, network, now);
        self.duplicates.update(&port.addresses, plugged, now);
        self.adjust_ear(sender);
    }

    fn adjust_claims(&mut self, port: &Port, network: &Network) {
        let wanted: Vec<Ipv4Addr> = match network.method {
            Method::Static => static_v4(network).take(ADDRESSES / 2).collect(),
            _ => Vec::new(),
        };
        self.claims.retain(|claim| wanted.contains(&claim.address()));
        for ip in wanted {
            if self.claims.iter().any(|claim| claim.address() == ip) {
                continue;
            }
            let claim = Claim::insistent(ip);
            let there = port
                .addresses
                .iter()
                .any(|have| have.net.addr() == IpAddr::V4(ip));
            self.claims.push(if there { claim.kept() } else { claim });
        }
    }

    fn adjust_rescue(&mut self, port: &Port, network: &Network, plugged: bool, now: Instant) {
        let typed =
            |ip: Ipv4Addr| network.method == Method::Static && static_v4(network).any(|have| have == ip);
        // A VLAN is nothing that a person's computer could be plugged into.
        let wanted = !matches!(port.link.kind, Kind::Vlan { .. })
            && network.fallback != Some(false)
            && !(network.method == Method::Static && static_v4(network).any(|ip| ip.is_link_local()));
        if !wanted {
            (self.rescue, self.rescue_at) = (None, None);
            return;
        }
        if self.rescue.is_some() {
            return;
        }
        let v4 = || {
            port.addresses.iter().filter_map(|have| match have.net.addr() {
                IpAddr::V4(ip) => Some((ip, have.ours)),
                IpAddr::V6(_) => None,
            })
        };
        if let Some((ip, _)) = v4().find(|(ip, ours)| *ours && ip.is_link_local() && !typed(*ip)) {
            self.rescue = Some(Claim::yielding(ip).kept());
            self.rescue_at = None;
            return;
        }
        if !port.carrier {
            self.rescue_at = None;
        } else if plugged {
            self.rescue_at = Some(now + RESCUE_AFTER);
        }
        let served = v4().any(|(ip, _)| !ip.is_link_local());
        if served && self.conflicts < CONFLICTS {
            self.rescue_at = self.rescue_at.map(|at| at.min(now));
        }
    }

    fn adjust_ear(&mut self, sender: &Sender<News>) {
        let needed = !self.claims.is_empty() || self.rescue.is_some() || self.rescue_at.is_some();
        if !self.carrier || !needed || self.deaf {
            self.ear = None;
            return;
        }
        if self.ear.is_none() {
            match Ear::open(self.index, sender.clone()) {
                Ok(ear) => self.ear = Some(ear),
                Err(error) => {
                    log::warn!(
                        "{}: other devices can't be asked for their addresses: {error}",
                        self.name
                    );
                    self.deaf = true;
                }
            }
        }
        self.listen();
    }

    /// Makes the socket hear what matters now.
    fn listen(&mut self) {
        let Some(ear) = &mut self.ear else { return };
        let claims = self.claims.iter().chain(&self.rescue).map(Claim::address);
        let addresses: Vec<Ipv4Addr> = self.gateway.awaited().chain(claims).collect();
        if addresses == ear.addresses {
            return;
        }
        match ear.socket.listen_for(&addresses) {
            Ok(()) => ear.addresses = addresses,
            Err(error) => log::warn!("{}: ARP: {error}", self.name),
        }
    }

    pub(super) fn hear(&mut self, arp: &Arp, now: Instant) {
        let mut outputs = Vec::new();
        for claim in self.claims.iter_mut().chain(&mut self.rescue) {
            let was_free = claim.clash().is_none() && claim.contest().is_none();
            outputs.extend(claim.hear(arp, now).map(|output| (output, claim.address())));
            if was_free && (claim.clash().is_some() || claim.contest().is_some()) {
                log::warn!("{}: {} is used by {}", self.name, claim.address(), arp.sender);
            }
        }
        self.gateway.hear(arp.sender_ip, now);
        self.send(&outputs);
    }

    pub(super) fn checked(&mut self, number: u64, answers: bool, now: Instant) {
        self.gateway.checked(number, answers, now);
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        if self.deaf {
            return self
                .gateway
                .deadline()
                .into_iter()
                .chain(self.duplicates.deadline())
                .min();
        }
        let claims = self.claims.iter().chain(&self.rescue).filter_map(Claim::deadline);
        claims
            .chain(self.rescue_at)
            .chain(self.gateway.deadline())
            .chain(self.duplicates.deadline())
            .min()
    }

    /// Does what is due.
    pub(super) fn advance(&mut self, handle: &Handle, sender: &Sender<News>, now: Instant) {
        self.gateway.advance(handle, sender, now);
        self.duplicates.advance(now);
        if !self.deaf {
            self.move_on(now);
            let mut outputs = Vec::new();
            for claim in self.claims.iter_mut().chain(&mut self.rescue) {
                while claim.deadline().is_some_and(|at| at <= now) {
                    outputs.extend(claim.advance(now).map(|output| (output, claim.address())));
                }
            }
            self.send(&outputs);
        }
        self.listen();
    }

    /// Chooses a rescue address when it is time for one, and another one when somebody has it.
    fn move_on(&mut self, now: Instant) {
        if self.rescue.as_ref().is_some_and(|claim| claim.clash().is_some()) {
            self.rescue = None;
            self.candidate = self.candidate.wrapping_add(1);
            self.conflicts = self.conflicts.saturating_add(1);
            self.rescue_at = Some(if self.conflicts < CONFLICTS {
                now
            } else {
                now + RATE_LIMIT
            });
        }
        if self.rescue_at.is_some_and(|at| at <= now) {
            self.rescue_at = None;
            let mut claim = Claim::yielding(link_local::candidate(self.mac, self.candidate));
            claim.plug(self.carrier, now, self.delay());
            self.rescue = Some(claim);
            self.listen();
        }
    }

    /// Devices that are switched on together differ by up to a tenth of a second (`PROBE_WAIT`, there up to 1 s).
    fn delay(&self) -> Duration {
        let bytes = self.mac.bytes();
        Duration::from_millis(u64::from(u16::from_be_bytes([bytes[4], bytes[5]]) % 100))
    }

    fn send(&self, outputs: &[(Output, Ipv4Addr)]) {
        let Some(ear) = &self.ear else { return };
        for (output, address) in outputs {
            let sent = match output {
                Output::Probe => ear.socket.probe(self.mac, *address),
                Output::Announce => ear.socket.announce(self.mac, *address),
            };
            if let Err(error) = sent {
                log::debug!("{}: ARP: {error}", self.name);
            }
        }
    }

    /// Returns what is known.
    pub(super) fn standing(&self) -> Standing {
        let mut standing = Standing {
            gateway: self.gateway.verdict(),
            retry: self.duplicates.due(),
            ..Standing::default()
        };
        if self.deaf {
            return standing;
        }
        for claim in &self.claims {
            let ip = claim.address();
            if !claim.is_usable() {
                standing.withheld.insert(ip);
            }
            standing.clashes.extend(claim.clash().map(|by| (ip, by)));
            standing.contests.extend(claim.contest().map(|by| (ip, by)));
        }
        standing.rescue = self
            .rescue
            .as_ref()
            .filter(|claim| claim.is_usable())
            .map(Claim::address);
        standing
    }

    /// Returns what is known to the plan that is made now.
    pub(super) fn report(&mut self) -> Standing {
        let standing = self.standing();
        self.duplicates.told();
        standing
    }
}

fn static_v4(network: &Network) -> impl Iterator<Item = Ipv4Addr> {
    network.addresses.iter().filter_map(|net| match net.addr() {
        IpAddr::V4(ip) => Some(ip),
        IpAddr::V6(_) => None,
    })
}
