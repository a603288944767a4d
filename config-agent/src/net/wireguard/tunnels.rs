//! The tunnels as the agent runs them: passes of observe, plan, apply, verify, and the events that call for one.

use std::collections::BTreeMap;
use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use anyhow::Result;
use genpack_spec::settings::Wireguard;
use genpack_spec::text;
use genpack_spec::text::Text;
use genpack_spec::types::InterfaceName;
use rtnetlink::Handle;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep_until};

use super::device::Observed;
use super::kernel::Kernel;
use super::lookup::look_up;
use super::plan::{Inputs, Step, Target, Targets, plan, states};
use super::problems;
use super::watch::Watch;

/// Tunnel and peer, by their names.
type Id = (String, String);

/// All tunnels of the settings.
pub struct Tunnels {
    kernel: Kernel,
    hosts_file: PathBuf,
    watches: BTreeMap<Id, Watched>,
    servers: Vec<SocketAddr>,
    found: UnboundedReceiver<(Id, Result<Vec<IpAddr>>)>,
    sender: UnboundedSender<(Id, Result<Vec<IpAddr>>)>,
    /// Sentences about the last pass, by the number of the link.
    problems: BTreeMap<u32, Vec<Text>>,
    /// Neither the settings nor the kernel have anything.
    idle: bool,
}

struct Watched {
    watch: Watch,
    lookup: Option<AbortHandle>,
}

impl Drop for Watched {
    fn drop(&mut self) {
        if let Some(lookup) = &self.lookup {
            lookup.abort();
        }
    }
}

/// Passes that a change may take to come into force; more would mean that somebody else undoes it.
const PASSES: usize = 4;

impl Tunnels {
    /// Returns none yet. `hosts_file` is hosts(5).
    pub fn new(handle: &Handle, hosts_file: PathBuf) -> Tunnels {
        let (sender, found) = unbounded_channel();
        Tunnels {
            kernel: Kernel::new(handle),
            hosts_file,
            watches: BTreeMap::new(),
            servers: Vec::new(),
            found,
            sender,
            problems: BTreeMap::new(),
            idle: false,
        }
    }

    /// Returns what a person should know, as sentences, by the number of the link.
    pub fn problems(&self) -> &BTreeMap<u32, Vec<Text>> {
        &self.problems
    }

    /// Waits until a pass may have something to do. Safe to cancel.
    pub async fn event(&mut self) {
        let now = Instant::now();
        let wake = self
            .watches
            .values()
            .filter_map(|watched| watched.watch.wake(now))
            .min();
        let timer = async {
            match wake {
                Some(at) => sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            Some((id, found)) = self.found.recv() => self.absorb(&id, found),
            () = timer => {}
        }
    }

    fn absorb(&mut self, id: &Id, found: Result<Vec<IpAddr>>) {
        if let Some(watched) = self.watches.get_mut(id) {
            watched.lookup = None;
            if let Err(error) = &found {
                log::warn!("{} {}: {error:#}", id.0, id.1);
            }
            watched.watch.found(found.ok(), Instant::now());
        }
    }

    /// Makes the tunnels what the settings say, as far as their links are there. What fails is kept for the report and
    /// tried again with the next event. `servers` are the name servers.
    pub async fn pass(&mut self, settings: &BTreeMap<InterfaceName, Wireguard>, servers: Vec<SocketAddr>) {
        self.problems.clear();
        if settings.is_empty() && self.idle {
            return;
        }
        if servers != self.servers {
            self.servers = servers;
            self.watches
                .values_mut()
                .for_each(|watched| watched.watch.hurry());
        }
        self.watch_for(settings);
        for pass in 0..PASSES {
            let observed = match self.kernel.observe().await {
                Ok(observed) => observed,
                Err(error) => {
                    log::error!("The tunnels can't be observed: {error:#}");
                    return;
                }
            };
            let steps = self.plan(settings, &observed);
            if steps.is_empty() || pass + 1 == PASSES {
                self.idle = settings.is_empty() && steps.is_empty();
                self.conclude(settings, &observed, &steps);
                return;
            }
            let failed = self.apply(&steps).await;
            if failed == steps.len() {
                self.conclude(settings, &observed, &[]);
                return;
            }
        }
    }

    /// Keeps one watch for every peer of the settings.
    fn watch_for(&mut self, settings: &BTreeMap<InterfaceName, Wireguard>) {
        let now = Instant::now();
        let mut former = std::mem::take(&mut self.watches);
        for (tunnel, wanted) in settings {
            for (peer, wanted) in &wanted.peers {
                let id = (tunnel.to_string(), peer.clone());
                let endpoint = wanted.endpoint.as_ref();
                let kept = former.remove(&id).filter(|kept| kept.watch.is_for(endpoint));
                let watched = kept.unwrap_or_else(|| Watched {
                    watch: Watch::new(endpoint, now),
                    lookup: None,
                });
                self.watches.insert(id, watched);
            }
        }
    }

    fn plan(&mut self, settings: &BTreeMap<InterfaceName, Wireguard>, observed: &Observed) -> Vec<Step> {
        let now = Instant::now();
        let inputs = |targets| Inputs {
            settings,
            observed,
            targets,
        };
        let targets = self.targets(now);
        for (id, state) in states(inputs(&targets)) {
            if let Some(watched) = self.watches.get_mut(&id) {
                watched
                    .watch
                    .see(state.handshake, state.keepalive, state.expected, now);
            }
        }
        self.ask(now);
        let targets = self.targets(now);
        plan(inputs(&targets))
    }

    fn targets(&self, now: Instant) -> Targets {
        let target = |(id, watched): (&Id, &Watched)| {
            let (address, insist) = watched.watch.target(now)?;
            Some((id.clone(), Target { address, insist }))
        };
        self.watches.iter().filter_map(target).collect()
    }

    fn ask(&mut self, now: Instant) {
        for (id, watched) in &mut self.watches {
            let Some(host) = watched.watch.ask(now) else {
                continue;
            };
            let (id, sender) = (id.clone(), self.sender.clone());
            let (hosts_file, servers) = (self.hosts_file.clone(), self.servers.clone());
            let task = tokio::spawn(async move {
                let hosts = fs::read_to_string(hosts_file).unwrap_or_default();
                let found = look_up(&host, &hosts, &servers).await;
                // Nobody listens any more when the agent ends.
                let _ = sender.send((id, found));
            });
            watched.lookup = Some(task.abort_handle());
        }
    }

    /// Returns how many steps failed.
    async fn apply(&mut self, steps: &[Step]) -> usize {
        let mut failed = 0;
        for step in steps {
            log::info!("{step}");
            match self.kernel.apply(step).await {
                Ok(()) => {}
                Err(error) => {
                    log::warn!("{step}: {error:#}");
                    failed += 1;
                    self.say(step.index, step.action.failure());
                }
            }
        }
        failed
    }

    fn say(&mut self, index: u32, problem: Text) {
        let problems = self.problems.entry(index).or_default();
        if !problems.contains(&problem) {
            problems.push(problem);
        }
    }

    /// Notes what is true after a pass. `undone` are the steps that were done and are to be done again.
    fn conclude(
        &mut self,
        settings: &BTreeMap<InterfaceName, Wireguard>,
        observed: &Observed,
        undone: &[Step],
    ) {
        let now = Instant::now();
        for step in undone {
            log::warn!("{step}: done, and undone by something else");
            if !self.problems.contains_key(&step.index) {
                let problem = text!(
                    "Something else on this device keeps changing the settings of {port}.",
                    port = &step.tunnel
                );
                self.say(step.index, problem);
            }
        }
        for (name, tunnel) in settings {
            let Some(device) = observed.devices.get(name.as_str()) else {
                continue;
            };
            for problem in problems::problems(tunnel, device, observed) {
                self.say(device.index, problem);
            }
            for (peer, wanted) in &tunnel.peers {
                let Some(watched) = self.watches.get_mut(&(name.to_string(), peer.clone())) else {
                    continue;
                };
                let watch = &mut watched.watch;
                if let Some((target, _)) = watch.target(now) {
                    watch.applied(target);
                }
                let problem = match (watch.lost_name(), &wanted.endpoint) {
                    (Some(host), _) => problems::lost_name(peer, host),
                    (None, Some(endpoint)) if watch.is_silent(now) => problems::silent(peer, endpoint),
                    _ => continue,
                };
                self.say(device.index, problem);
            }
        }
    }
}
