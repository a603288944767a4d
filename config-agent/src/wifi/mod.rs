//! Wireless networks, through wpa_supplicant's D-Bus interface: which networks a radio may use, and how it is getting on.
//! Addresses are then the network's matter (`net`), as on any other port.

mod profile;
mod progress;
mod radio;
mod record;
mod supplicant;

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use genpack_spec::settings::Wifi;
use genpack_spec::text;
use genpack_spec::text::Text;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use zbus::Connection;

use crate::{Paths, files};
use record::Record;
use supplicant::SupplicantProxy;

/// What the task is to bring about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Wanted {
    /// Known networks.
    networks: Vec<Wifi>,
    /// Radios: index and name.
    radios: BTreeMap<u32, String>,
}

/// News of a radio.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct State {
    /// The name of the `[wifi]` section whose network it is connected to.
    connected: Option<String>,
    /// Why it is not.
    problem: Option<Problem>,
}

/// How a radio is getting on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Radio {
    /// The name of the `[wifi]` section whose network it is connected to, or was last.
    pub section: Option<String>,
    /// Whether it is connected now.
    pub connected: bool,
    problem: Option<Problem>,
}

/// Why a radio is not connected.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Problem {
    /// None of the known networks is in reach.
    NotInReach,
    /// The network of this name doesn't let it in.
    Refused(String),
    /// Something else than this agent gave networks to the radio.
    Foreign,
    /// wpa_supplicant can't be reached or doesn't take the radio: its words.
    Daemon(String),
}

/// The task, and the way to it and back.
#[derive(Debug)]
pub struct Client {
    wanted: watch::Sender<Wanted>,
    events: UnboundedReceiver<(u32, State)>,
    radios: BTreeMap<u32, Radio>,
    task: JoinHandle<()>,
}

impl Drop for Client {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Client {
    /// Starts the task. It touches nothing, and waits for nothing, until it is given radios and networks. No network within
    /// `patience` is reported.
    pub fn start(paths: &Paths, patience: Duration) -> Client {
        let (wanted, receiver) = watch::channel(Wanted::default());
        let (sender, events) = unbounded_channel();
        Client {
            wanted,
            events,
            radios: BTreeMap::new(),
            task: tokio::spawn(keep_going(paths.clone(), patience, receiver, sender)),
        }
    }

    /// Connects these radios, by index and name, to whichever of the networks is in reach from now on.
    pub fn want(&mut self, networks: &[Wifi], radios: BTreeMap<u32, String>) {
        self.radios.retain(|index, _| radios.contains_key(index));
        for radio in self.radios.values_mut() {
            let named = |wifi: &Wifi| radio.section.as_ref() == Some(&wifi.name);
            if !networks.iter().any(named) {
                (radio.section, radio.connected) = (None, false);
            }
        }
        // Other addresses are no reason to connect anew.
        let networks = networks.iter().map(|wifi| Wifi {
            network: None,
            ..wifi.clone()
        });
        let wanted = Wanted {
            networks: networks.collect(),
            radios,
        };
        self.wanted.send_if_modified(|old| {
            let news = *old != wanted;
            *old = wanted;
            news
        });
    }

    /// Returns how the radios are getting on of which that is known, by index.
    pub fn radios(&self) -> &BTreeMap<u32, Radio> {
        &self.radios
    }

    /// Returns why a radio is not connected, as a sentence.
    pub fn problem(&self, index: u32, port: &str) -> Option<Text> {
        let wanted = self.wanted.borrow();
        if wanted.networks.is_empty() {
            return None;
        }
        Some(match self.radios.get(&index)?.problem.as_ref()? {
            Problem::NotInReach => {
                let names: Vec<&str> = wanted.networks.iter().map(|wifi| wifi.ssid.as_str()).collect();
                text!(
                    "The device does not find the wireless network {ssid}: it is out of reach, or its name is written \
                     differently.",
                    ssid = names.join(", ")
                )
            }
            Problem::Refused(ssid) => text!(
                "The wireless network {ssid} does not let the device in; most often the password is not the right one.",
                ssid
            ),
            Problem::Foreign => text!(
                "Another program has given networks to the radio {port}, so it is left alone.",
                port
            ),
            Problem::Daemon(reason) => text!("The radio {port} can't be used ({reason}).", port, reason),
        })
    }

    /// Waits until a radio is getting on differently. Safe to cancel.
    pub async fn event(&mut self) {
        loop {
            let Some((index, state)) = self.events.recv().await else {
                return std::future::pending().await;
            };
            if self.absorb(index, state) {
                return;
            }
        }
    }

    /// Returns whether that is news.
    fn absorb(&mut self, index: u32, state: State) -> bool {
        // What was sent before the settings changed may be about a network that is not known any more.
        let wanted = self.wanted.borrow();
        let known = |name: &String| wanted.networks.iter().any(|wifi| wifi.name == *name);
        let connected = state.connected.filter(known);
        let before = self.radios.get(&index);
        let radio = Radio {
            connected: connected.is_some(),
            section: connected.or_else(|| before?.section.clone()),
            problem: state.problem,
        };
        let news = before != Some(&radio);
        self.radios.insert(index, radio);
        news
    }
}

/// Pauses between attempts to reach wpa_supplicant grow from the first of these to the second.
const PAUSES: [Duration; 2] = [Duration::from_secs(2), Duration::from_secs(120)];
/// Longest time for one answer of wpa_supplicant.
const ANSWER_LIMIT: Duration = Duration::from_secs(25);

/// Everything that one attempt needs.
struct Surroundings<'a> {
    paths: &'a Paths,
    patience: Duration,
    events: &'a UnboundedSender<(u32, State)>,
}

async fn keep_going(
    paths: Paths,
    patience: Duration,
    mut wanted: watch::Receiver<Wanted>,
    events: UnboundedSender<(u32, State)>,
) {
    let around = Surroundings {
        paths: &paths,
        patience,
        events: &events,
    };
    let mut pause = PAUSES[0];
    loop {
        let now = wanted.borrow_and_update().clone();
        let idle = now.radios.is_empty() || (now.networks.is_empty() && Record::load(&paths).is_empty());
        let outcome = async {
            if idle {
                return std::future::pending().await;
            }
            let error = match serve(&around, &now).await {
                Ok(()) => return std::future::pending().await,
                Err(error) => format!("{error:#}"),
            };
            log::warn!("wpa_supplicant: {error}");
            for index in now.radios.keys() {
                let problem = Some(Problem::Daemon(error.clone()));
                drop(events.send((
                    *index,
                    State {
                        connected: None,
                        problem,
                    },
                )));
            }
            tokio::time::sleep(pause).await;
        };
        tokio::select! {
            () = outcome => pause = (pause * 2).min(PAUSES[1]),
            changed = wanted.changed() => {
                if changed.is_err() {
                    return;
                }
                pause = PAUSES[0];
            }
        }
    }
}

/// Serves all radios; returns an error when wpa_supplicant goes away or refuses one, and nothing when there is nothing
/// to follow any more.
async fn serve(around: &Surroundings<'_>, wanted: &Wanted) -> Result<()> {
    let socket = around.paths.bus_socket();
    files::wait_for(&socket)
        .await
        .context("waiting for the system bus")?;
    let connection: Connection =
        zbus::connection::Builder::address(format!("unix:path={}", socket.display()).as_str())
            .method_timeout(ANSWER_LIMIT)
            .build()
            .await
            .context("connecting to the system bus")?;
    let supplicant = SupplicantProxy::new(&connection).await?;
    let mut owners = supplicant.inner().receive_owner_changed().await?;
    let mut radios: FuturesUnordered<_> = wanted
        .radios
        .iter()
        .map(|(index, name)| radio::serve(around, &supplicant, *index, name, &wanted.networks))
        .collect();
    let gone = async {
        // The first of them tells the present owner, if there is one already.
        while let Some(owner) = owners.next().await {
            if owner.is_none() {
                break;
            }
        }
        anyhow::bail!("it has stopped")
    };
    let all = async {
        while let Some(outcome) = radios.next().await {
            outcome?;
        }
        Ok(())
    };
    tokio::select! {
        outcome = all => outcome,
        outcome = gone => outcome,
    }
}
