//! `last-good.ini`: the `system.ini` of the last start on which the network worked, kept on the card so that a person can
//! go back to it.

use std::fs;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use anyhow::Result;
use genpack_card::Card;
use genpack_spec::layout::card::LAST_GOOD_INI;
use genpack_spec::report::{
    AddressOrigin, BootReport, Diagnostic, LastGood, LinkReport, RunReport, SettingsFile, Severity,
};
use genpack_spec::settings::Method;
use genpack_spec::system_ini::SIZE_LIMIT;
use rtnetlink::Handle;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::Paths;
use crate::net::port::Port;
use crate::net::probe::{self, Target};

/// Pauses after a check that failed grow from the first of these to the second. A change in the network ends a pause.
const PAUSES: [Duration; 2] = [Duration::from_secs(60), Duration::from_secs(3600)];

/// Decides whether the settings of this start are kept.
pub struct Keeper {
    /// What this start was made with; none when there is no such file, or when it is not to be kept.
    in_use: Option<Arc<[u8]>>,
    /// What there is to tell about the file on the card.
    on_card: Option<LastGood>,
    check: Option<JoinHandle<bool>>,
    state: State,
    pause: Duration,
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    /// For the network, or for a better one than that which was checked last.
    Waiting(Option<(Vec<LinkReport>, Instant)>),
    Checking(Vec<LinkReport>),
    /// The network works; the file is to be written.
    Confirmed,
    /// Nothing more to do in this life.
    Done,
}

impl Keeper {
    /// Looks at what PID 1 left, and at the card.
    pub fn new(paths: &Paths, boot: &BootReport) -> Keeper {
        let in_use = read(&paths.settings_file()).ok();
        let path = paths.card().join(LAST_GOOD_INI);
        let kept = read(&path).ok();
        let worth_keeping = matches!(boot.file, SettingsFile::Read { .. })
            && !boot.diagnostics.iter().any(spoils_network)
            && in_use.is_some();
        let same = kept.is_some() && kept == in_use;
        Keeper {
            on_card: kept.filter(|_| !same).map(|_| LastGood {
                written: written(&path, boot.image.epoch),
            }),
            state: match worth_keeping && !same {
                true => State::Waiting(None),
                false => State::Done,
            },
            in_use: in_use.map(Arc::from),
            check: None,
            pause: PAUSES[0],
        }
    }

    /// Returns what the report tells about the file: nothing when it says the same as what is in use.
    pub fn report(&self) -> Option<LastGood> {
        self.on_card
    }

    /// Whether a decision is on its way that the report should wait for.
    pub fn is_deciding(&self) -> bool {
        matches!(self.state, State::Checking(_) | State::Confirmed)
    }

    /// Starts a check when there is reason for one.
    pub fn update(&mut self, run: &RunReport, ports: &[Port], handle: &Handle) {
        let State::Waiting(last) = &self.state else {
            return;
        };
        if !is_up(run) {
            return;
        }
        if let Some((links, again)) = last
            && *links == run.links
            && Instant::now() < *again
        {
            return;
        }
        let targets = targets(&run.links, ports);
        self.check = Some(tokio::spawn(probe::all_answer(handle.clone(), targets)));
        self.state = State::Checking(run.links.clone());
    }

    /// Waits until there is something to do: the end of a check, or the time for another. Safe to cancel.
    pub async fn event(&mut self) {
        let Some(check) = &mut self.check else {
            return match &self.state {
                State::Waiting(Some((_, again))) => tokio::time::sleep_until(*again).await,
                _ => std::future::pending().await,
            };
        };
        let works = check.await.unwrap_or(false);
        self.check = None;
        let links = match std::mem::replace(&mut self.state, State::Done) {
            State::Checking(links) => links,
            _ => Vec::new(),
        };
        if works {
            self.state = State::Confirmed;
            return;
        }
        self.state = State::Waiting(Some((links, Instant::now() + self.pause)));
        self.pause = (self.pause * 2).min(PAUSES[1]);
    }

    /// Returns what is to be written now, once.
    pub fn due(&mut self) -> Option<Arc<[u8]>> {
        if self.state != State::Confirmed {
            return None;
        }
        self.state = State::Done;
        self.in_use.clone()
    }

    /// Notes what came of writing. A card that refuses is not tried again in this life.
    pub fn wrote(&mut self, outcome: Result<()>) {
        match outcome {
            Ok(()) => {
                log::info!("The network works; the settings are kept as {LAST_GOOD_INI}.");
                self.on_card = None;
            }
            Err(error) => log::warn!("{LAST_GOOD_INI} can't be written to the card: {error:#}"),
        }
    }
}

/// Writes the file.
pub fn write(card: &Card, content: &[u8]) -> Result<()> {
    card.write(LAST_GOOD_INI, content)
}

/// Whether the network that the file describes is not the one that the device has.
fn spoils_network(diagnostic: &Diagnostic) -> bool {
    let section = diagnostic.section.as_deref().unwrap_or("");
    let kind = section.split(' ').next().unwrap_or("");
    let of_network = ["network", "wifi", "vlan", "bridge", "bond", "wireguard"].contains(&kind);
    diagnostic.severity == Severity::Error && (of_network || diagnostic.line.is_none())
}

/// Whether the machine has started, too.
fn is_up(run: &RunReport) -> bool {
    run.started && reaches(run)
}

/// Whether every port that has a cable has an address, and at least one has; gateways aside.
pub fn reaches(run: &RunReport) -> bool {
    let mut in_use = run
        .links
        .iter()
        .filter(|link| link.method != Method::Off && link.carrier)
        .peekable();
    let reaches = |link: &LinkReport| {
        let mut origins = link.addresses.iter().map(|address| address.origin);
        origins.any(|origin| origin != AddressOrigin::LinkLocal) && link.problems.is_empty()
    };
    in_use.peek().is_some() && in_use.all(reaches)
}

fn targets(links: &[LinkReport], ports: &[Port]) -> Vec<Target> {
    let in_use = links
        .iter()
        .filter(|link| link.method != Method::Off && link.carrier);
    in_use
        .flat_map(|link| {
            let index = ports.iter().find(|port| port.name == link.name)?.index;
            Some(link.gateways.iter().map(move |gateway| Target {
                index,
                port: link.name.clone(),
                gateway: *gateway,
            }))
        })
        .flatten()
        .collect()
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let limit = SIZE_LIMIT as u64 + 1;
    fs::File::open(path)?.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Returns when a file was written, in seconds since 1970; none when the clock was not set then: it has only counted on
/// from the image's own time.
fn written(path: &Path, image_epoch: u64) -> Option<u64> {
    const DAY: u64 = 86_400;
    let modified = fs::metadata(path).ok()?.modified().ok()?;
    let seconds = modified.duration_since(UNIX_EPOCH).ok()?.as_secs();
    (seconds > image_epoch + DAY).then_some(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(links: &str, started: bool) -> RunReport {
        let json = format!(
            r#"{{"links": [{links}], "dns": [], "services": [], "failed_units": [], "started": {started}, "notices": []}}"#
        );
        serde_json::from_str(&json).unwrap()
    }

    fn link(name: &str, carrier: bool, method: &str, origin: &str) -> String {
        format!(
            r#"{{"name": "{name}", "mac": null, "carrier": {carrier}, "method": "{method}", "gateways": [], "problems": [],
                "addresses": [{{"address": "10.0.0.9/24", "origin": "{origin}"}}]}}"#
        )
    }

    #[test]
    fn every_port_with_a_cable_needs_an_address() {
        let good = link("eth0", true, "auto", "dhcp");
        assert!(is_up(&run(&good, true)));
        assert!(!is_up(&run(&good, false)));
        assert!(!is_up(&run("", true)));
        for (other, up) in [
            (link("eth1", false, "auto", "link-local"), true),
            (link("eth1", true, "off", "link-local"), true),
            (link("eth1", true, "auto", "link-local"), false),
        ] {
            assert_eq!(is_up(&run(&format!("{good}, {other}"), true)), up, "{other}");
        }
        assert!(!is_up(&run(&link("eth0", false, "auto", "dhcp"), true)));
    }

    #[test]
    fn only_errors_about_the_network_count() {
        let diagnostic = |line: &str, section: &str, severity: &str| -> Diagnostic {
            serde_json::from_str(&format!(
                r#"{{"line": {line}, "column": 1, "section": {section}, "key": null, "severity": "{severity}",
                    "problem": {{"phrase": "x"}}, "used": null, "hint": null, "text": null}}"#
            ))
            .unwrap()
        };
        assert!(spoils_network(&diagnostic("3", r#""network eth0""#, "error")));
        assert!(spoils_network(&diagnostic("null", "null", "error")));
        assert!(!spoils_network(&diagnostic("3", r#""network""#, "warning")));
        assert!(!spoils_network(&diagnostic("3", r#""system""#, "error")));
        assert!(!spoils_network(&diagnostic("3", "null", "error")));
    }
}
