//! What to send, and when: the responder without sockets and without a clock.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use genpack_spec::report::LocalName;

use super::answer;
use super::conflict::{self, Claim, Housemate};
use super::link::{Link, Packet};
use super::name::NumberedName;
use super::{Wanted, wire};

/// After this many conflicts within that time, each attempt waits until one succeeds (RFC 6762 section 8.1).
const CONFLICTS: usize = 15;
const CONFLICT_TIME: Duration = Duration::from_secs(10);
const CONFLICT_PAUSE: Duration = Duration::from_secs(5);
/// Whoever comes second when two ask for a name at once waits for this time, and then asks again (RFC 6762 section 8.2).
const SECOND_PAUSE: Duration = Duration::from_secs(1);
/// How long another responder of this host is left alone before it is looked whether it is still there. It may end
/// without a farewell.
const ASIDE: Duration = Duration::from_secs(600);

/// The responder.
///
/// One name holds for all ports: a person has one device in mind.
#[derive(Debug)]
pub(super) struct Responder {
    name: NumberedName,
    links: BTreeMap<u32, Link>,
    /// The name has been won on a port.
    won: bool,
    /// The latest conflicts.
    conflicts: VecDeque<Instant>,
    /// There were too many.
    slow: bool,
    /// Another responder of this host (Avahi, systemd-resolved) serves the name: until then it is left to do so. Two that
    /// serve the same name from the same addresses would take it from each other whenever they differ in which
    /// addresses they tell.
    aside: Option<Instant>,
    out: Vec<Packet>,
}

impl Responder {
    pub fn new() -> Responder {
        Responder {
            name: NumberedName::new(""),
            links: BTreeMap::new(),
            won: false,
            conflicts: VecDeque::new(),
            slow: false,
            aside: None,
            out: Vec::new(),
        }
    }

    /// Takes what is to be sent.
    pub fn outbox(&mut self) -> Vec<Packet> {
        std::mem::take(&mut self.out)
    }

    /// Returns the name under which this device is found; none before it is certain.
    pub fn local_name(&self) -> Option<LocalName> {
        self.won.then(|| LocalName {
            name: self.name.text(),
            taken: self
                .name
                .is_numbered()
                .then(|| NumberedName::new(self.name.label()).text()),
        })
    }

    /// Returns when [`Responder::tick`] has something to do.
    pub fn deadline(&self) -> Option<Instant> {
        let links = self.links.values().filter_map(Link::deadline);
        links.chain(self.aside).min()
    }

    /// Serves what is wanted from now on.
    pub fn set(&mut self, wanted: &Wanted, now: Instant) {
        if self.name.label() != wanted.label.to_ascii_lowercase() {
            self.leave(now);
            self.name = NumberedName::new(&wanted.label);
        }
        let Some(host) = self.name.name() else {
            return self.leave(now);
        };
        let mut before = std::mem::take(&mut self.links);
        for wire in &wanted.ports {
            let link = match before.remove(&wire.index) {
                Some(mut link) => {
                    link.readdress(wire.clone(), now, &mut self.out);
                    link
                }
                None => {
                    let mut link = Link::new(wire.clone(), host.clone(), now);
                    if self.aside.is_some() {
                        link.silence();
                    }
                    link
                }
            };
            self.links.insert(wire.index, link);
        }
        for mut link in before.into_values() {
            link.farewell(now, &mut self.out);
        }
        if self.links.is_empty() {
            // The next network may have the name free.
            self.leave(now);
            self.name.reset();
        }
    }

    /// Takes back all that has been said, and ends.
    pub fn leave(&mut self, now: Instant) {
        for link in self.links.values_mut() {
            link.farewell(now, &mut self.out);
        }
        self.links.clear();
        self.won = false;
        self.aside = None;
    }

    /// Does what is due.
    pub fn tick(&mut self, now: Instant) {
        if self.aside.is_some_and(|until| until <= now) {
            self.aside = None;
            for link in self.links.values_mut() {
                link.probe(now);
            }
        }
        for link in self.links.values_mut() {
            if link.tick(now, &mut self.out) {
                log::info!("{}: this device is found as {}", link.wire.name, self.name.text());
                self.won = true;
                self.slow = false;
            }
            answer::tick(link, now, &mut self.out);
        }
    }

    /// Takes in a message that came to the group on a port.
    pub fn receive(&mut self, index: u32, from: SocketAddr, bytes: &[u8], now: Instant) {
        let own = |address| self.links.values().any(|link| link.has(address));
        let Some(link) = self.links.get(&index) else {
            return;
        };
        let here = link.has(from.ip());
        if !here && own(from.ip()) {
            // Two of our ports are on one wire.
            return;
        }
        if here && link.is_echo(bytes, now) {
            return;
        }
        let Some(message) = wire::read(bytes, &link.zone) else {
            return;
        };
        // A response comes from the port of Multicast DNS, or is forged (section 6).
        if message.response && from.port() != answer::PORT {
            return;
        }
        if here {
            match conflict::housemate(&message) {
                Housemate::Serves => return self.step_aside(now),
                Housemate::Leaves => {
                    // Whoever has heard the farewell forgets the name within a second.
                    self.aside = self.aside.map(|_| now + SECOND_PAUSE);
                    return;
                }
                Housemate::Asks => {}
            }
        } else if self.aside.is_none() {
            match conflict::judge(&message, link, own) {
                Claim::Taken => return self.taken(index, from, now),
                Claim::First => {
                    if let Some(link) = self.links.get_mut(&index) {
                        link.probe(now + SECOND_PAUSE);
                    }
                    return;
                }
                Claim::None => {}
            }
        }
        if !message.response
            && let Some(link) = self.links.get_mut(&index)
            && link.is_serving()
        {
            answer::answer(link, from, &message, now, &mut self.out);
        }
    }

    fn step_aside(&mut self, now: Instant) {
        if self.aside.is_none() {
            log::info!("Another program on this device serves {}", self.name.text());
        }
        self.aside = Some(now + ASIDE);
        self.won = true;
        for link in self.links.values_mut() {
            // Without a farewell: what has been said is still true.
            link.silence();
        }
    }

    fn taken(&mut self, index: u32, by: SocketAddr, now: Instant) {
        let pause = self.conflict(now);
        let Some(link) = self.links.get_mut(&index) else {
            return;
        };
        if link.is_serving() {
            // Whose it is shows when it is asked for again: the other one defends it, or is wrong (section 9).
            log::info!("{}: {} uses {}, too", link.wire.name, by.ip(), self.name.text());
            return link.probe(now + pause);
        }
        log::info!("{}: {} has {}", link.wire.name, by.ip(), self.name.text());
        for link in self.links.values_mut() {
            link.farewell(now, &mut self.out);
        }
        self.name.advance();
        self.won = false;
        let Some(host) = self.name.name() else { return };
        for link in self.links.values_mut() {
            link.rename(host.clone());
            link.probe(now + pause);
        }
    }

    /// Counts a conflict. Returns how long to wait before the next attempt.
    fn conflict(&mut self, now: Instant) -> Duration {
        self.conflicts
            .retain(|then| now.duration_since(*then) < CONFLICT_TIME);
        self.conflicts.truncate(CONFLICTS - 1);
        self.conflicts.push_front(now);
        self.slow |= self.conflicts.len() == CONFLICTS;
        match self.slow {
            true => CONFLICT_PAUSE,
            false => Duration::ZERO,
        }
    }
}

#[cfg(test)]
mod tests;
