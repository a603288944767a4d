//! Which links are the agent's to set, and what is kept about the others.

use std::collections::{BTreeMap, BTreeSet};

use super::link::Kind;
use super::manager;
use super::original::Original;
use super::plan::{Action, Step};
use super::port::Port;
use crate::Paths;
use crate::wifi::Radio;

/// What is known of links beside the ports that are the agent's to set.
#[derive(Debug, Clone, Default)]
pub struct Links {
    /// All other links.
    pub others: Vec<Port>,
    /// What ports had before the settings changed it, by their number.
    pub originals: BTreeMap<u32, Original>,
    /// Steps that failed and that would do harm if they were tried again and again.
    pub refused: Vec<Step>,
}

impl Links {
    /// Returns the ports that are the agent's to set, and keeps the other links. `ready` are those that udev has finished
    /// with; `radios` are those of which it is known how they are getting on.
    pub fn sort(
        &mut self,
        paths: &Paths,
        mut all: Vec<Port>,
        ready: &[Port],
        radios: &BTreeMap<u32, Radio>,
    ) -> Vec<Port> {
        let ready: BTreeSet<u32> = ready.iter().map(|port| port.index).collect();
        for port in &mut all {
            port.link.settling = !ready.contains(&port.index);
            if matches!(port.link.kind, Kind::Wired | Kind::Wireless { .. }) {
                port.link.manager = manager::of(paths, port.index, &port.name);
            }
            if let Kind::Wireless { .. } = port.link.kind {
                let radio = radios.get(&port.index);
                port.link.wifi = radio.and_then(|radio| radio.section.clone());
                port.carrier &= radio.is_some_and(|radio| radio.connected);
            }
        }
        let made_here: BTreeSet<u32> = all
            .iter()
            .filter(|port| port.link.made_here)
            .map(|port| port.index)
            .collect();
        let is_free = |port: &Port| port.link.master.is_none_or(|master| made_here.contains(&master));
        let (ports, others): (Vec<Port>, Vec<Port>) = all.into_iter().partition(|port| {
            let of_kind = match port.link.kind {
                Kind::Wired => true,
                // Until it is known how it is getting on, what an earlier life of the agent set up stays.
                Kind::Wireless { .. } => {
                    radios.contains_key(&port.index) && (port.link.wifi.is_some() || has_ours(port))
                }
                _ => port.link.made_here,
            };
            of_kind && !port.link.settling && port.link.manager.is_none() && is_free(port)
        });
        let known = |index: &u32| ports.iter().chain(&others).any(|port| port.index == *index);
        let gone: Vec<u32> = self
            .originals
            .keys()
            .copied()
            .filter(|index| !known(index))
            .collect();
        for index in gone {
            self.originals.remove(&index);
            Original::default().store(paths, index);
        }
        self.refused.retain(|step| step.index == 0 || known(&step.index));
        for port in &ports {
            self.originals
                .entry(port.index)
                .or_insert_with(|| Original::load(paths, port.index));
        }
        self.others = others;
        ports
    }

    /// Returns the radios that can be connected to networks, by their number: one link of each, because a second one is
    /// there for something else, such as an access point.
    pub fn radios<'a>(&'a self, ports: &'a [Port]) -> BTreeMap<u32, &'a Port> {
        let mut radios = BTreeMap::new();
        for port in ports.iter().chain(&self.others) {
            if let Kind::Wireless { phy } = port.link.kind
                && !port.link.settling
                && port.link.manager.is_none()
            {
                let first = radios.entry(phy).or_insert(port);
                if port.index < first.index {
                    *first = port;
                }
            }
        }
        radios.into_values().map(|port| (port.index, port)).collect()
    }

    /// Returns what tells a port from every other one over restarts of the agent.
    pub fn identity(&self, port: &Port) -> Option<String> {
        port.identity(self.originals.get(&port.index))
    }

    /// Notes what a step is about to replace.
    pub fn remember(&mut self, paths: &Paths, ports: &[Port], step: &Step) {
        if let Some(port) = ports.iter().find(|port| port.index == step.index) {
            self.keep(paths, step, |original| original.before(&step.action, port));
        }
    }

    /// Notes that a step is done.
    pub fn forget(&mut self, paths: &Paths, step: &Step) {
        self.keep(paths, step, |original| original.after(&step.action));
        if let Action::Remove = step.action {
            self.refused.retain(|refused| refused.port != step.port);
        }
    }

    fn keep(&mut self, paths: &Paths, step: &Step, change: impl Fn(Original) -> Original) {
        if let Some(original) = self.originals.get_mut(&step.index) {
            let changed = change(*original);
            if changed != *original {
                *original = changed;
                changed.store(paths, step.index);
            }
        }
    }
}

/// Whether this agent has set something on the port.
fn has_ours(port: &Port) -> bool {
    port.addresses.iter().any(|address| address.ours) || port.routes.iter().any(|route| route.ours)
}
