//! What to do about tunnels: settings and endpoints against what the kernel has. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::SocketAddr;

use genpack_spec::settings::{Wireguard, WireguardPeer};
use genpack_spec::text;
use genpack_spec::text::Text;
use genpack_spec::types::InterfaceName;
use ipnet::IpNet;

use super::device::{Device, Handshake, Observed, Peer, TunnelRoute};
use super::key::Key;
use super::message::PeerChange;
use super::routing::{Reach, Routing, routing};
use super::{MARK, Rule, TABLE};

/// Everything that a plan depends on.
#[derive(Debug, Clone, Copy)]
pub struct Inputs<'a> {
    /// What is wanted.
    pub settings: &'a BTreeMap<InterfaceName, Wireguard>,
    /// What the kernel has.
    pub observed: &'a Observed,
    /// Where the peers are.
    pub targets: &'a Targets,
}

/// Where peers are, by the names of tunnel and peer.
pub type Targets = BTreeMap<(String, String), Target>;

/// Where a peer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    /// The address that the settings name, or that their name has.
    pub address: SocketAddr,
    /// Whether it counts more than where the peer last called from.
    pub insist: bool,
}

/// One thing to do to one tunnel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Index of its link; zero for rules that no tunnel needs.
    pub index: u32,
    /// Its name; nothing for rules that no tunnel needs.
    pub tunnel: String,
    /// What to do.
    pub action: Action,
}

/// What to do to a tunnel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Remove a rule of ours.
    RemoveRule(Rule),
    /// Remove a route of ours.
    RemoveRoute(TunnelRoute),
    /// Set the private key of this end.
    SetPrivateKey(Key),
    /// Set the UDP port.
    SetListenPort(u16),
    /// Set the mark of the tunnel's own packets.
    SetMark(u32),
    /// Remove a peer.
    RemovePeer(Key),
    /// Add a peer, or change it.
    SetPeer {
        /// Its name in the settings.
        name: String,
        /// Its public key.
        key: Key,
        /// What to set.
        change: PeerChange,
    },
    /// Add a route.
    AddRoute(TunnelRoute),
    /// Add a rule.
    AddRule(Rule),
}

/// How often to call a peer that has to prove who it is, when the settings don't say: as wg(8) advises.
const CALLING: u16 = 25;

/// Returns the steps, in order, that make the tunnels what the settings say; empty when they are.
pub fn plan(inputs: Inputs<'_>) -> Vec<Step> {
    let observed = inputs.observed;
    let Routing { routes, rules } = routing(inputs);
    let step = |name: &str, index, action| Step {
        index,
        tunnel: name.to_string(),
        action,
    };
    let reach = Reach::new(inputs);
    let mut steps = Vec::new();
    let stale = observed.rules.difference(&rules);
    steps.extend(stale.map(|rule| step("", 0, Action::RemoveRule(*rule))));
    for (name, settings) in inputs.settings {
        if let Some(device) = observed.devices.get(name.as_str()) {
            let actions = device_actions(name.as_str(), settings, device, inputs.targets, &reach);
            let none = BTreeSet::new();
            let wanted = routes.get(name.as_str()).unwrap_or(&none);
            let stale = device.routes.difference(wanted).copied();
            let missing = wanted.difference(&device.routes).copied();
            let all = stale
                .map(Action::RemoveRoute)
                .chain(actions)
                .chain(missing.map(Action::AddRoute));
            steps.extend(all.map(|action| step(name.as_str(), device.index, action)));
        }
    }
    let needs_rules = routes
        .iter()
        .find(|(_, routes)| routes.iter().any(|route| route.table == TABLE))
        .and_then(|(name, _)| Some((name.as_str(), observed.devices.get(name)?.index)));
    let (name, index) = needs_rules.unwrap_or_default();
    let missing = rules.difference(&observed.rules);
    steps.extend(missing.map(|rule| step(name, index, Action::AddRule(*rule))));
    steps
}

/// What there is to know of a peer that the kernel has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct State {
    /// The last handshake.
    pub handshake: Option<Handshake>,
    /// Seconds between packets that keep the way open; zero for none.
    pub keepalive: u16,
    /// Whether handshakes must come, or something waits for the first one.
    pub expected: bool,
}

/// Returns the states of the peers of the settings.
pub(super) fn states(inputs: Inputs<'_>) -> BTreeMap<(String, String), State> {
    let reach = Reach::new(inputs);
    let mut states = BTreeMap::new();
    for (tunnel, settings) in inputs.settings {
        let Some(device) = inputs.observed.devices.get(tunnel.as_str()) else {
            continue;
        };
        for (key, wanted) in wanted_peers(settings, device) {
            let have = device.peers.get(&key);
            let handshake = have.and_then(|peer| peer.handshake);
            let waiting = handshake.is_none() && wanted.is_wide(&reach);
            let keepalive = wanted.settings.keepalive.unwrap_or(0);
            let calls = keepalive > 0 && wanted.settings.endpoint.is_some();
            let state = State {
                handshake,
                keepalive,
                expected: have.is_some() && (calls || waiting),
            };
            states.insert((tunnel.to_string(), wanted.name.to_string()), state);
        }
    }
    states
}

fn device_actions(
    name: &str,
    settings: &Wireguard,
    device: &Device,
    targets: &Targets,
    reach: &Reach,
) -> Vec<Action> {
    let mut actions = Vec::new();
    if let Some(key) = Key::private(&settings.private_key)
        && device.private_key != Some(key)
    {
        actions.push(Action::SetPrivateKey(key));
    }
    if let Some(port) = settings.listen_port
        && port != device.listen_port
    {
        actions.push(Action::SetListenPort(port));
    }
    if device.mark != MARK {
        actions.push(Action::SetMark(MARK));
    }
    let wanted = wanted_peers(settings, device);
    let gone = device.peers.keys().filter(|key| !wanted.contains_key(key));
    actions.extend(gone.copied().map(Action::RemovePeer));
    for (key, wanted) in wanted {
        let target = targets.get(&(name.to_string(), wanted.name.to_string()));
        let have = device.peers.get(&key);
        let call = must_call(have, &wanted, reach);
        if let Some(change) = peer_change(have, &wanted, target, call) {
            let name = wanted.name.to_string();
            actions.push(Action::SetPeer { name, key, change });
        }
    }
    actions
}

/// A peer of the settings with the networks that are its alone.
pub(super) struct WantedPeer<'a> {
    pub name: &'a str,
    pub settings: &'a WireguardPeer,
    pub allowed: BTreeSet<IpNet>,
}

/// Returns the peers by key: of several with the same key the first one, of several with the same network the first one
/// with it, and none with the device's own key, as the kernel has it too.
pub(super) fn wanted_peers<'a>(settings: &'a Wireguard, device: &Device) -> BTreeMap<Key, WantedPeer<'a>> {
    let mut peers = BTreeMap::new();
    let mut taken = BTreeSet::new();
    for (name, peer) in &settings.peers {
        let Some(key) = Key::public(&peer.public_key) else {
            continue;
        };
        if device.public_key == Some(key) || peers.contains_key(&key) {
            continue;
        }
        let nets = peer.allowed_ips.iter().map(IpNet::trunc);
        let wanted = WantedPeer {
            name,
            settings: peer,
            allowed: nets.filter(|net| taken.insert(*net)).collect(),
        };
        peers.insert(key, wanted);
    }
    peers
}

/// Returns what to change; none when nothing is.
fn peer_change(
    have: Option<&Peer>,
    wanted: &WantedPeer<'_>,
    target: Option<&Target>,
    call: bool,
) -> Option<PeerChange> {
    let settings = wanted.settings;
    let preshared = settings.preshared_key.as_ref().and_then(Key::preshared);
    let keepalive = match settings.keepalive {
        None | Some(0) if call => CALLING,
        seconds => seconds.unwrap_or(0),
    };
    let fresh = Peer::default();
    let is_new = have.is_none();
    let have = have.unwrap_or(&fresh);
    let change = PeerChange {
        preshared_key: (have.preshared_key != preshared).then_some(preshared),
        endpoint: target
            .filter(|target| {
                have.endpoint
                    .is_none_or(|at| target.insist && at != target.address)
            })
            .map(|target| target.address),
        keepalive: (have.keepalive != keepalive).then_some(keepalive),
        allowed: (have.allowed != wanted.allowed).then(|| wanted.allowed.clone()),
    };
    (is_new || change != PeerChange::default()).then_some(change)
}

/// Whether wide networks wait for the peer to prove who it is, and nothing but this device can begin.
fn must_call(have: Option<&Peer>, wanted: &WantedPeer<'_>, reach: &Reach) -> bool {
    let proved = have.is_some_and(|peer| peer.handshake.is_some());
    !proved && wanted.settings.endpoint.is_some() && wanted.is_wide(reach)
}

impl WantedPeer<'_> {
    fn is_wide(&self, reach: &Reach) -> bool {
        self.allowed.iter().any(|net| reach.is_wide(net))
    }
}

impl Action {
    /// Returns what to tell a person when it fails, as a sentence.
    pub fn failure(&self) -> Text {
        match self {
            Action::SetPrivateKey(_) => text!("The device could not set the private key of the tunnel."),
            Action::SetListenPort(port) => text!(
                "The tunnel can't listen on port {port}: something else on the device may be using it.",
                port
            ),
            Action::SetPeer { name, .. } => text!("The device could not set the peer {name}.", name),
            Action::RemovePeer(_) => text!("The device could not remove a former peer."),
            Action::RemoveRoute(route) => text!(
                "The device could not remove the route {route}.",
                route = route.destination
            ),
            Action::AddRoute(route) => text!(
                "The device could not add the route {route}.",
                route = route.destination
            ),
            Action::SetMark(_) | Action::RemoveRule(_) | Action::AddRule(_) => {
                text!("The device could not keep the tunnel's own packets out of the tunnel.")
            }
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Action::RemoveRule(rule) => write!(f, "remove the rule {rule}"),
            Action::RemoveRoute(route) => write!(f, "remove the route {route}"),
            Action::SetPrivateKey(_) => write!(f, "set the private key"),
            Action::SetListenPort(port) => write!(f, "listen on port {port}"),
            Action::SetMark(mark) => write!(f, "mark its own packets with {mark:#x}"),
            Action::RemovePeer(_) => write!(f, "remove a peer that the settings don't have"),
            Action::SetPeer { name, change, .. } => write!(f, "set the peer {name}:{change}"),
            Action::AddRoute(route) => write!(f, "add the route {route}"),
            Action::AddRule(rule) => write!(f, "add the rule {rule}"),
        }
    }
}

impl fmt::Display for PeerChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.preshared_key {
            Some(Some(_)) => write!(f, " preshared key")?,
            Some(None) => write!(f, " no preshared key")?,
            None => {}
        }
        if let Some(endpoint) = self.endpoint {
            write!(f, " at {endpoint}")?;
        }
        if let Some(seconds) = self.keepalive {
            write!(f, " keepalive {seconds} s")?;
        }
        for (number, net) in self.allowed.iter().flatten().take(SHOWN + 1).enumerate() {
            match number {
                SHOWN => write!(f, " ...")?,
                _ => write!(f, " {net}")?,
            }
        }
        Ok(())
    }
}

/// Most networks of one peer in a line of the journal.
const SHOWN: usize = 8;

impl fmt::Display for TunnelRoute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} metric {}", self.destination, self.metric)?;
        if self.table == TABLE {
            write!(f, " table {}", self.table)?;
        }
        Ok(())
    }
}

impl fmt::Display for Step {
    /// Writes the step as a line for the journal and for golden tests; it has no key in it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.tunnel.as_str() {
            "" => write!(f, "tunnels: {}", self.action),
            name => write!(f, "{name}: {}", self.action),
        }
    }
}
