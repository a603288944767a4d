//! The network as the agent runs it: passes of observe, plan, apply, verify, and the events that call for one.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context, Result};
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use genpack_spec::settings::Settings;
use genpack_spec::text;
use genpack_spec::text::Text;
use rtnetlink::{Handle, MulticastGroup};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::Instant;

use super::dhcp::{self, Before, Client, Event};
use super::ipv6::Ipv6;
use super::lease::Lease;
use super::link::Kind;
use super::links::Links;
use super::offered::Offered;
use super::plan::{Action, Inputs, Step, plan};
use super::port::Port;
use super::rescue::{Rescue, Standing};
use super::udev::Udev;
use super::wanted::Wishes;
use super::wireguard::Tunnels;
use super::{apply, observe, remembered};
use crate::time::uptime;
use crate::{Paths, resolver, wifi};

/// The network and what belongs to it.
pub struct Network {
    paths: Paths,
    hostname: String,
    patience: Duration,
    handle: Handle,
    kernel_events: BoxStream<'static, ()>,
    udev: Udev,
    rescue: Rescue,
    tunnels: Tunnels,
    clients: BTreeMap<u32, Client>,
    leases: BTreeMap<u32, Lease>,
    /// Addresses of earlier starts.
    remembered: remembered::Addresses,
    ipv6: Ipv6,
    wifi: wifi::Client,
    dhcp_events: UnboundedReceiver<(u32, Event)>,
    dhcp_sender: UnboundedSender<(u32, Event)>,
    ports: Vec<Port>,
    links: Links,
    /// The settings of the last pass.
    settings: Settings,
    /// Sentences about the last pass, by port.
    failures: BTreeMap<u32, Vec<Text>>,
    /// What DHCP has to complain about, by port.
    complaints: BTreeMap<u32, Complaint>,
}

/// Why a port has no lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Complaint {
    /// No server answers.
    Silent,
    /// A server answers with nonsense: a phrase.
    Unusable(Text),
}

/// Passes that a change may take to come into force; more would mean that somebody else undoes it.
/// A VLAN on a bond takes three to be made.
const PASSES: usize = 8;
/// Events within this time belong together.
const EVENT_GAP: Duration = Duration::from_millis(10);

impl Network {
    /// Connects to the kernel. `hostname` is what DHCP servers are told.
    pub fn new(paths: &Paths, hostname: &str, patience: Duration) -> Result<Network> {
        let (connection, handle, _) = rtnetlink::new_connection().context("opening rtnetlink")?;
        tokio::spawn(connection);
        // A second socket, so that a flood of events can't fail a request.
        let groups = [
            MulticastGroup::Link,
            MulticastGroup::Ipv4Ifaddr,
            MulticastGroup::Ipv6Ifaddr,
            MulticastGroup::Ipv4Route,
            MulticastGroup::Ipv6Route,
            MulticastGroup::Ipv6Ifinfo,
            MulticastGroup::Ipv4Rule,
            MulticastGroup::Ipv6Rule,
        ];
        let (connection, keep, messages) =
            rtnetlink::new_multicast_connection(&groups).context("subscribing to rtnetlink events")?;
        tokio::spawn(connection);
        let (dhcp_sender, dhcp_events) = unbounded_channel();
        Ok(Network {
            paths: paths.clone(),
            hostname: hostname.to_string(),
            patience,
            rescue: Rescue::new(handle.clone()),
            tunnels: Tunnels::new(&handle, paths.hosts()),
            handle,
            // The connection ends when its handle is dropped.
            kernel_events: messages
                .map(move |_| {
                    let _ = &keep;
                })
                .boxed(),
            udev: Udev::new(paths),
            clients: BTreeMap::new(),
            leases: BTreeMap::new(),
            remembered: remembered::read(paths),
            ipv6: Ipv6::new(paths),
            wifi: wifi::Client::start(paths, patience),
            dhcp_events,
            dhcp_sender,
            ports: Vec::new(),
            links: Links::default(),
            settings: Settings::default(),
            failures: BTreeMap::new(),
            complaints: BTreeMap::new(),
        })
    }

    /// Returns the connection to the kernel.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Returns the ports that are the agent's to set, as last observed.
    pub fn ports(&self) -> &[Port] {
        &self.ports
    }

    /// Returns the ports that another program takes care of.
    pub fn managed_by_others(&self) -> impl Iterator<Item = &Port> {
        let others = self.links.others.iter();
        others.filter(|port| port.link.manager.is_some())
    }

    /// Returns the radios that are connected to nothing.
    pub fn idle_radios(&self) -> impl Iterator<Item = &Port> {
        let radios = self.links.radios(&self.ports).into_values();
        radios.filter(|radio| self.ports.iter().all(|port| port.index != radio.index))
    }

    /// Whether there is any radio, whoever takes care of it.
    pub fn has_radio(&self) -> bool {
        let mut links = self.ports.iter().chain(&self.links.others);
        links.any(|link| matches!(link.link.kind, Kind::Wireless { .. }))
    }

    /// Returns what the settings ask of the links that there are.
    pub fn wishes<'a>(&'a self, settings: &'a Settings) -> Wishes<'a> {
        Wishes::new(settings, &self.ports, &self.links)
    }

    /// Returns the leases in use, by index of the port.
    pub fn leases(&self) -> &BTreeMap<u32, Lease> {
        &self.leases
    }

    /// Returns the name servers and domains that networks offer, by index of the port.
    pub fn offered(&self) -> BTreeMap<u32, Offered> {
        let offered = |port: &Port| Offered::new(self.lease_in_use(port), self.ipv6.offered(port));
        let ports = self.ports.iter();
        ports.map(|port| (port.index, offered(port))).collect()
    }

    /// Returns the addresses in use that DHCP servers gave.
    pub fn given_addresses(&self) -> remembered::Addresses {
        let given = |port: &Port| {
            let address = self.lease_in_use(port)?.address.addr();
            Some((self.links.identity(port)?, address))
        };
        self.ports.iter().filter_map(given).collect()
    }

    /// A lease of a port that was set up otherwise since is no more than a memory.
    fn lease_in_use(&self, port: &Port) -> Option<&Lease> {
        let lease = self.leases.get(&port.index)?;
        let address = ipnet::IpNet::V4(lease.address);
        port.addresses
            .iter()
            .any(|have| have.net == address)
            .then_some(lease)
    }

    /// Returns what of the last pass failed on a port, as sentences.
    pub fn failures(&self, index: u32) -> &[Text] {
        self.failures.get(&index).map_or(&[], Vec::as_slice)
    }

    /// Returns why a port has no lease, once that is clear.
    pub fn complaint(&self, index: u32) -> Option<&Complaint> {
        self.complaints.get(&index)
    }

    /// Returns how the addresses and gateways of the ports are doing, by index of the port.
    pub fn standing(&self) -> &BTreeMap<u32, Standing> {
        self.rescue.standing()
    }

    /// Waits until a pass may have something to do. Safe to cancel.
    pub async fn event(&mut self) {
        tokio::select! {
            Some(()) = self.kernel_events.next() => {}
            Some((index, event)) = self.dhcp_events.recv() => self.absorb(index, event),
            () = self.udev.changed() => {}
            () = self.rescue.event() => {}
            () = self.ipv6.event(&self.ports) => {}
            () = self.tunnels.event() => {}
            () = self.wifi.event() => {}
        }
    }

    /// Makes the network what the settings say. What fails is kept for the report and tried again with the next event.
    pub async fn pass(&mut self, settings: &Settings) {
        if *settings != self.settings {
            self.settings = settings.clone();
            self.links.refused.clear();
        }
        self.drain().await;
        self.make_so(settings).await;
        for step in &self.links.refused {
            let failures = self.failures.entry(step.index).or_default();
            let failure = step.action.failure();
            if !failures.contains(&failure) {
                failures.push(failure);
            }
        }
        let radios = self.links.radios(&self.ports);
        let names = radios.iter().map(|(index, port)| (*index, port.name.clone()));
        self.wifi.want(&settings.wifi, names.collect());
        for (index, port) in radios {
            if let Some(problem) = self.wifi.problem(index, &port.name) {
                self.failures.entry(index).or_default().push(problem);
            }
        }
        let known = resolver::by_port(&self.wishes(settings), &self.ports, &self.offered());
        let servers = known.iter().flat_map(resolver::PortDns::sockets).collect();
        self.tunnels.pass(&settings.wireguard, servers).await;
        for (index, problems) in self.tunnels.problems() {
            let failures = self.failures.entry(*index).or_default();
            failures.extend(problems.iter().cloned());
        }
    }

    async fn make_so(&mut self, settings: &Settings) {
        self.failures.clear();
        for pass in 0..PASSES {
            let steps = match self.observe_and_plan(settings).await {
                Ok(steps) => steps,
                Err(error) => {
                    log::error!("The network can't be observed: {error:#}");
                    return;
                }
            };
            if steps.is_empty() {
                return;
            }
            if pass + 1 == PASSES {
                self.not_held(&steps);
                return;
            }
            let failed = self.apply(&steps).await;
            if failed == steps.len() {
                // Nothing new would come of trying again at once.
                return;
            }
        }
    }

    async fn observe_and_plan(&mut self, settings: &Settings) -> Result<Vec<Step>> {
        let finished = self.udev.finished();
        let observed = observe::observe(&self.handle).await?;
        let rules = observe::rules(&self.handle).await;
        let ready = self.udev.ready(observed.clone(), &finished, Instant::now());
        self.ports = self.links.sort(&self.paths, observed, &ready, self.wifi.radios());
        self.forget_gone();
        self.adopt();
        self.ipv6.observe(&self.ports, |port| self.links.identity(port));
        let wishes = Wishes::new(settings, &self.ports, &self.links);
        self.rescue
            .update(&wishes, &self.ports, &self.links.others, Instant::now());
        // Leases that served beside a static address and are no longer needed.
        for port in &self.ports {
            if !self.rescue.needs_lease(port.index, &wishes.of(port).network) {
                self.leases.remove(&port.index);
            }
        }
        let clients: BTreeSet<u32> = self.clients.keys().copied().collect();
        Ok(plan(Inputs {
            settings,
            ports: &self.ports,
            links: &self.links,
            leases: &self.leases,
            clients: &clients,
            standing: self.rescue.standing(),
            leases6: self.ipv6.leases(),
            clients6: &self.ipv6.clients(),
            rules: rules.as_ref(),
            now: uptime(),
        }))
    }

    /// Returns how many steps failed.
    async fn apply(&mut self, steps: &[Step]) -> usize {
        let mut failed = 0;
        for step in steps {
            log::info!("{step}");
            match step.action {
                Action::StartDhcp => self.start_client(step.index),
                Action::StopDhcp => {
                    self.clients.remove(&step.index);
                    self.complaints.remove(&step.index);
                }
                Action::StopDhcp6 => self.ipv6.stop(step.index),
                Action::StartDhcp6(mode) => {
                    if let Some(port) = self.ports.iter().find(|port| port.index == step.index) {
                        self.ipv6.start(port, mode);
                    }
                }
                _ => {}
            }
            self.links.remember(&self.paths, &self.ports, step);
            match apply::apply(&self.handle, step).await {
                Ok(()) => self.links.forget(&self.paths, step),
                Err(error) => {
                    log::warn!("{step}: {error:#}");
                    failed += 1;
                    if step.action.fails_for_good() {
                        self.links.refused.push(step.clone());
                    }
                    let failures = self.failures.entry(step.index).or_default();
                    failures.push(step.action.failure());
                }
            }
        }
        failed
    }

    fn not_held(&mut self, steps: &[Step]) {
        for step in steps {
            log::warn!("{step}: done, and undone by something else");
            let failures = self.failures.entry(step.index).or_default();
            if failures.is_empty() {
                failures.push(text!(
                    "Something else on this device keeps changing the settings of {port}.",
                    port = &step.port
                ));
            }
        }
    }

    fn start_client(&mut self, index: u32) {
        let Some((port, mac, identity)) = self
            .ports
            .iter()
            .find(|port| port.index == index)
            .and_then(|port| Some((port, port.mac?, self.links.identity(port)?)))
        else {
            return;
        };
        let client = dhcp::Port {
            index,
            name: port.name.clone(),
            mac,
            vlan: match port.link.kind {
                Kind::Vlan { id, .. } => Some(id),
                _ => None,
            },
            hostname: self.hostname.clone(),
            patience: self.patience,
        };
        let held = self.leases.get(&index).cloned();
        let kept = || Lease::load(&self.paths, &identity, uptime()).map(|lease| lease.address.addr());
        let address = held.as_ref().map(|lease| lease.address.addr());
        let before = Before {
            address: address
                .or_else(kept)
                .or_else(|| self.remembered.get(&identity).copied()),
            held,
        };
        self.clients
            .insert(index, Client::start(client, before, self.dhcp_sender.clone()));
    }

    fn absorb(&mut self, index: u32, event: Event) {
        let Some(port) = self.ports.iter().find(|port| port.index == index) else {
            return;
        };
        match event {
            Event::Bound(lease) => {
                if let Some(identity) = self.links.identity(port) {
                    lease.store(&self.paths, identity);
                }
                self.complaints.remove(&index);
                self.leases.insert(index, lease);
            }
            Event::Lost => {
                log::warn!("{}: the DHCP lease has ended", port.name);
                if let Some(identity) = self.links.identity(port) {
                    Lease::forget(&self.paths, identity);
                }
                self.leases.remove(&index);
            }
            Event::Silent => {
                self.complaints.insert(index, Complaint::Silent);
            }
            Event::Unusable(problem) => {
                log::warn!("{}: a DHCP server sent nonsense: {problem:?}", port.name);
                self.complaints.insert(index, Complaint::Unusable(problem));
            }
        }
    }

    /// Takes what else has come in, so that one pass serves it all.
    async fn drain(&mut self) {
        tokio::time::sleep(EVENT_GAP).await;
        while let Ok((index, event)) = self.dhcp_events.try_recv() {
            self.absorb(index, event);
        }
        while tokio::time::timeout(Duration::ZERO, self.kernel_events.next())
            .await
            .is_ok_and(|event| event.is_some())
        {}
    }

    fn forget_gone(&mut self) {
        let there = |index: &u32| self.ports.iter().any(|port| port.index == *index);
        let now = uptime();
        self.clients.retain(|index, _| there(index));
        // Nobody else notices the end of a lease while the cable is pulled; the kernel removes its address, which is an event.
        self.leases
            .retain(|index, lease| there(index) && lease.remaining(now) != Some(0));
        self.complaints.retain(|index, _| there(index));
    }

    /// Takes over the addresses that an earlier life of this agent set from a lease that still runs.
    fn adopt(&mut self) {
        for port in &self.ports {
            if self.leases.contains_key(&port.index) || self.clients.contains_key(&port.index) {
                continue;
            }
            let identity = self.links.identity(port);
            let kept = identity.and_then(|identity| Lease::load(&self.paths, identity, uptime()));
            if let Some(lease) = kept
                && port
                    .addresses
                    .iter()
                    .any(|have| have.ours && have.net == ipnet::IpNet::V4(lease.address))
            {
                log::info!("{}: keeps {} from before", port.name, lease.address);
                self.leases.insert(port.index, lease);
            }
        }
    }
}
