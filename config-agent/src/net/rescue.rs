//! That there is a way to reach the device whatever was typed: static addresses are used only when nobody else has them, a
//! link-local address stands beside them, and the network's own address (DHCP) does where the gateway is silent.
//!
//! This module watches and remembers; what follows from it is the plan's, which gets it as [`Standing`].

mod duplicates;
mod gateway;
mod guard;
mod said;
mod standing;

use std::collections::{BTreeMap, BTreeSet};

use genpack_spec::settings::{Method, Network};
use genpack_spec::types::MacAddress;
use rtnetlink::Handle;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::Instant;

use super::arp::frame::Arp;
use super::port::Port;
use super::wanted::{Role, Wanted, Wishes};
use guard::Guard;
pub use said::problems;
pub use standing::{Gateway, Standing};

/// What the tasks of a port have found.
#[derive(Debug)]
enum News {
    /// A frame about one of the addresses of interest.
    Heard(u32, Arp),
    /// The check with this number has ended: whether the gateway answers.
    Checked(u32, u64, bool),
}

/// Frames that may wait to be looked at; what a flood brings beyond that is not missed.
const WAITING: usize = 32;

/// Watches over all ports.
#[derive(Debug)]
pub struct Rescue {
    handle: Handle,
    guards: BTreeMap<u32, Guard>,
    /// Hardware addresses of this device: what its own ports say to each other is no clash.
    own: BTreeSet<MacAddress>,
    news: Receiver<News>,
    sender: Sender<News>,
    standing: BTreeMap<u32, Standing>,
}

impl Rescue {
    /// Watches over nothing yet.
    pub fn new(handle: Handle) -> Rescue {
        let (sender, news) = channel(WAITING);
        Rescue {
            handle,
            guards: BTreeMap::new(),
            own: BTreeSet::new(),
            news,
            sender,
            standing: BTreeMap::new(),
        }
    }

    /// Returns what is known, by index of the port.
    pub fn standing(&self) -> &BTreeMap<u32, Standing> {
        &self.standing
    }

    /// Whether a lease of the port is of use: it asks for one, or has one beside its static address.
    pub fn needs_lease(&self, index: u32, network: &Network) -> bool {
        let standing = self.standing.get(&index);
        network.method == Method::Auto || standing.is_some_and(|standing| standing.wants_dhcp(network, true))
    }

    /// Takes in what is wanted and what the kernel has: `ports`, and `others` that are not to be touched. To be called
    /// before each plan.
    pub fn update(&mut self, wishes: &Wishes<'_>, ports: &[Port], others: &[Port], now: Instant) {
        self.own = ports.iter().chain(others).filter_map(|port| port.mac).collect();
        let mut guards = BTreeMap::new();
        for port in ports {
            let Some(mac) = port.mac else { continue };
            let wanted = wishes.of(port);
            if !is_watched(&wanted) {
                continue;
            }
            let mut guard = self
                .guards
                .remove(&port.index)
                .unwrap_or_else(|| Guard::new(port, mac));
            guard.update(port, mac, &wanted.network, &self.sender, now);
            guards.insert(port.index, guard);
        }
        self.guards = guards;
        let guards = self.guards.iter_mut();
        self.standing = guards.map(|(index, guard)| (*index, guard.report())).collect();
    }

    /// Waits until a plan may come to something else. Safe to cancel.
    pub async fn event(&mut self) {
        loop {
            let deadline = self.guards.values().filter_map(Guard::deadline).min();
            tokio::select! {
                Some(news) = self.news.recv() => self.absorb(news),
                () = sleep_until(deadline) => {}
            }
            let now = Instant::now();
            let mut changed = false;
            for (index, guard) in &mut self.guards {
                guard.advance(&self.handle, &self.sender, now);
                changed |= self.standing.get(index) != Some(&guard.standing());
            }
            if changed {
                // So that this is told once, even when the pass that follows can't observe anything.
                let guards = self.guards.iter();
                self.standing = guards.map(|(index, guard)| (*index, guard.standing())).collect();
                return;
            }
        }
    }

    fn absorb(&mut self, news: News) {
        let now = Instant::now();
        match news {
            News::Heard(index, arp) => {
                if let Some(guard) = self.guards.get_mut(&index)
                    && !self.own.contains(&arp.sender)
                {
                    guard.hear(&arp, now);
                }
            }
            News::Checked(index, number, answers) => {
                if let Some(guard) = self.guards.get_mut(&index) {
                    guard.checked(number, answers, now);
                }
            }
        }
    }
}

/// Whether a port is looked after: it has addresses, or carries VLANs, for which it is on, and needs a rescue address when
/// they don't work.
pub fn is_watched(wanted: &Wanted) -> bool {
    match wanted.role {
        Role::Addresses => wanted.network.method != Method::Off,
        Role::VlansOnly => true,
        Role::Tunnel | Role::Member { .. } | Role::Unwanted => false,
    }
}

async fn sleep_until(instant: Option<Instant>) {
    match instant {
        Some(instant) => tokio::time::sleep_until(instant).await,
        None => std::future::pending().await,
    }
}
