//! What IPv6 brings beside the kernel's own work: DHCPv6, name servers of routers, questions to routers.

use std::collections::BTreeMap;
use std::io;
use std::net::Ipv6Addr;
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::advertised::{Advert, Advertised, Listener};
use super::dhcp6::{Client, Event, Lease6, Mode, Port as ClientPort};
use super::port::Port;
use super::solicit::Solicitation;
use crate::Paths;
use crate::time::uptime;

/// All ports' part of it.
pub struct Ipv6 {
    paths: Paths,
    clients: BTreeMap<u32, Client>,
    leases: BTreeMap<u32, Lease6>,
    /// What tells ports apart over restarts of the agent, by index.
    identities: BTreeMap<u32, String>,
    events: UnboundedReceiver<(u32, Event)>,
    sender: UnboundedSender<(u32, Event)>,
    /// None when the kernel has no such thing.
    listener: Option<Listener>,
    advertised: Advertised,
    solicitations: BTreeMap<u32, Solicitation>,
}

impl Ipv6 {
    /// Starts to listen to routers. Call within the runtime.
    pub fn new(paths: &Paths) -> Ipv6 {
        let (sender, events) = unbounded_channel();
        let unheard = |error: &io::Error| log::warn!("Routers' name servers can't be heard: {error}");
        Ipv6 {
            paths: paths.clone(),
            clients: BTreeMap::new(),
            leases: BTreeMap::new(),
            identities: BTreeMap::new(),
            events,
            sender,
            listener: Listener::open().inspect_err(unheard).ok(),
            advertised: Advertised::default(),
            solicitations: BTreeMap::new(),
        }
    }

    /// Returns the leases in use, by index of the port.
    pub fn leases(&self) -> &BTreeMap<u32, Lease6> {
        &self.leases
    }

    /// Returns what the running clients ask for, by index of the port.
    pub fn clients(&self) -> BTreeMap<u32, Mode> {
        let clients = self.clients.iter();
        clients.map(|(index, client)| (*index, client.mode())).collect()
    }

    /// Waits until something has changed, and takes note of it. Safe to cancel.
    pub async fn event(&mut self, ports: &[Port]) {
        tokio::select! {
            Some((index, event)) = self.events.recv() => self.absorb(index, event, ports),
            adverts = heard(&self.listener) => self.hear(adverts),
            () = until(self.advertised.next_end()) => self.advertised.expire(uptime(), |_| true),
        }
    }

    fn absorb(&mut self, index: u32, event: Event, ports: &[Port]) {
        // A client may have been stopped since.
        let Some(port) = ports.iter().find(|port| port.index == index) else {
            return;
        };
        match event {
            Event::Bound(lease) if self.clients.contains_key(&index) => {
                if let Some(identity) = self.identities.get(&index) {
                    lease.store(&self.paths, identity);
                }
                self.leases.insert(index, lease);
            }
            Event::Bound(_) => {}
            Event::Lost => {
                log::warn!("{}: the DHCPv6 lease has ended", port.name);
                self.leases.remove(&index);
            }
        }
    }

    fn hear(&mut self, adverts: Vec<Advert>) {
        for advert in adverts {
            if let Some(solicitation) = self.solicitations.get(&advert.index) {
                solicitation.answered();
            }
            self.advertised.absorb(advert, uptime());
        }
    }

    /// Takes note of the ports as they are: forgets what is gone or over, asks routers where a cable has come to life, and
    /// takes over the addresses that an earlier life of this agent set.
    pub fn observe(&mut self, ports: &[Port], identity: impl Fn(&Port) -> Option<String>) {
        let now = uptime();
        let there = |index: u32| ports.iter().any(|port| port.index == index);
        self.clients.retain(|index, _| there(*index));
        self.leases
            .retain(|index, lease| there(*index) && lease.remaining(now) != Some(0));
        self.advertised.expire(now, there);
        self.solicitations
            .retain(|index, _| ports.iter().any(|port| port.index == *index && port.carrier));
        let identities = ports
            .iter()
            .filter_map(|port| Some((port.index, identity(port)?)));
        self.identities = identities.collect();
        for port in ports {
            let asked = self.solicitations.contains_key(&port.index);
            if let Some(mac) = port.mac
                && port.hears_routers()
                && port.speaks_ipv6()
                && !asked
            {
                // The cable may be in another network now; a router that is still there says the same again.
                self.advertised.expire(now, |index| index != port.index);
                self.solicitations
                    .insert(port.index, Solicitation::start(port.index, mac));
            }
            self.adopt(port, now);
        }
    }

    fn adopt(&mut self, port: &Port, now: u64) {
        if self.leases.contains_key(&port.index) || self.clients.contains_key(&port.index) {
            return;
        }
        let identity = self.identities.get(&port.index);
        let kept = identity.and_then(|identity| Lease6::load(&self.paths, identity, now));
        if let Some(lease) = kept
            && let Some(ip) = lease.address
            && port
                .addresses
                .iter()
                .any(|have| have.ours && have.net.addr() == ip)
        {
            log::info!("{}: keeps {ip} from before", port.name);
            self.leases.insert(port.index, lease);
        }
    }

    /// Starts a client on a port.
    pub fn start(&mut self, port: &Port, mode: Mode) {
        let (Some(mac), Some(from)) = (port.mac, port.link_local()) else {
            return;
        };
        let client = ClientPort {
            index: port.index,
            name: port.name.clone(),
            mac,
            from,
        };
        let held = self.leases.get(&port.index).cloned();
        let client = Client::start(mode, client, held, self.sender.clone());
        self.clients.insert(port.index, client);
    }

    /// Stops the client on a port. An address stays until its end; what was told without one goes.
    pub fn stop(&mut self, index: u32) {
        self.clients.remove(&index);
        if self
            .leases
            .get(&index)
            .is_some_and(|lease| lease.address.is_none())
        {
            self.leases.remove(&index);
        }
    }

    /// Returns the name servers and domains of a port: DHCPv6's before those of routers (RFC 8106, 5.3.1).
    pub fn offered(&self, port: &Port) -> (Vec<Ipv6Addr>, Vec<String>) {
        let index = port.index;
        // What was heard before IPv6 was turned off, or before a lease's address was taken away, is over.
        if !port.hears_routers() {
            return (Vec::new(), Vec::new());
        }
        let in_use = |ip: Ipv6Addr| port.addresses.iter().any(|have| have.net.addr() == ip);
        let lease = self.leases.get(&index);
        let lease = lease.filter(|lease| lease.address.is_none_or(in_use));
        let servers = lease.into_iter().flat_map(|lease| lease.dns.iter().copied());
        let domains = lease.into_iter().flat_map(|lease| lease.search.iter().cloned());
        (
            servers.chain(self.advertised.servers(index)).collect(),
            domains
                .chain(self.advertised.domains(index).map(str::to_string))
                .collect(),
        )
    }
}

async fn heard(listener: &Option<Listener>) -> Vec<Advert> {
    match listener {
        Some(listener) => listener.next().await,
        None => std::future::pending().await,
    }
}

/// Waits until a time in seconds since the machine started.
async fn until(end: Option<u64>) {
    match end {
        Some(end) => tokio::time::sleep(Duration::from_secs(end.saturating_sub(uptime()))).await,
        None => std::future::pending().await,
    }
}
