//! One port: how far the name has come there, and what has been said on it.

use std::collections::{BTreeMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use domain::base::Name;

use super::answer::Waiting;
use super::records::{Record, TTL, Zone};
use super::{Wire, wire};

/// Questions that are put before a name is used, and the time between them and after the last (RFC 6762 section 8.1).
const PROBES: u8 = 3;
const PROBE_GAP: Duration = Duration::from_millis(250);
/// Announcements, and the time between them (RFC 6762 section 8.3).
const ANNOUNCEMENTS: u8 = 2;
const ANNOUNCEMENT_GAP: Duration = Duration::from_secs(1);
/// A record is not sent to everybody more often than this, and to defend the name not more often than that (RFC 6762
/// section 6).
const RECORD_GAP: Duration = Duration::from_secs(1);
const DEFENCE_GAP: Duration = Duration::from_millis(250);
/// What comes back from the kernel does so within this time.
const ECHO: Duration = Duration::from_secs(1);
/// Messages that are remembered for it.
const ECHOES: usize = 32;
/// Answers to single hosts in a second.
const BUDGET: u8 = 50;

/// Where a message goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum To {
    /// To everybody on the wire, by IPv4 and IPv6.
    Group,
    /// To one host on the wire.
    Host(SocketAddr),
}

/// A message to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Packet {
    /// The port's number.
    pub index: u32,
    pub to: To,
    pub bytes: Vec<u8>,
}

/// How far the name has come on a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// It is asked whether somebody else has it.
    Probing { left: u8, due: Instant },
    /// It is ours, and this is being told.
    Announcing { left: u8, due: Instant },
    /// It is ours, and answers are given.
    Serving,
    /// Nothing is said here.
    Silent,
}

/// A port on which the name is served.
#[derive(Debug)]
pub(super) struct Link {
    pub wire: Wire,
    pub zone: Zone,
    phase: Phase,
    /// When each record was last sent to everybody.
    said: BTreeMap<Record, Instant>,
    /// What was sent to everybody just now: the kernel gives it to this host's sockets, too.
    echoes: VecDeque<(u64, Instant)>,
    /// Questions whose known answers are still coming.
    pub waiting: Vec<Waiting>,
    /// Answers to single hosts that may still be given in the second that began then.
    budget: (u8, Instant),
}

impl Link {
    /// Returns a port where the name has not been asked for yet.
    pub fn new(wire: Wire, host: Name<Vec<u8>>, now: Instant) -> Link {
        let zone = Zone::new(host, wire.addresses.iter().map(ipnet::IpNet::addr));
        let mut link = Link {
            wire,
            zone,
            phase: Phase::Silent,
            said: BTreeMap::new(),
            echoes: VecDeque::new(),
            waiting: Vec::new(),
            budget: (BUDGET, now),
        };
        let delay = link.spread(PROBE_GAP);
        link.probe(now + delay);
        link
    }

    /// Returns a part of `most` that differs from host to host: after a power cut all start at once. By their addresses, so
    /// that nothing here is random.
    pub fn spread(&self, most: Duration) -> Duration {
        let mut hasher = DefaultHasher::new();
        self.wire.addresses.hash(&mut hasher);
        most.mul_f64((hasher.finish() % 1024) as f64 / 1024.0)
    }

    /// Begins to ask, at `due`, whether the name is free.
    pub fn probe(&mut self, due: Instant) {
        self.waiting.clear();
        self.phase = Phase::Probing { left: PROBES, due };
    }

    /// Says nothing any more.
    pub fn silence(&mut self) {
        self.waiting.clear();
        self.phase = Phase::Silent;
    }

    /// Whether the name is still being asked for.
    pub fn is_probing(&self) -> bool {
        matches!(self.phase, Phase::Probing { .. })
    }

    /// Whether the name is ours here.
    pub fn is_serving(&self) -> bool {
        matches!(self.phase, Phase::Announcing { .. } | Phase::Serving)
    }

    /// Whether this port has the address.
    pub fn has(&self, address: IpAddr) -> bool {
        self.wire.addresses.iter().any(|net| net.addr() == address)
    }

    /// Whether the address is on this port's wire, as far as its own addresses tell.
    pub fn reaches(&self, address: IpAddr) -> bool {
        let link_local = matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local());
        link_local || self.wire.addresses.iter().any(|net| net.contains(&address))
    }

    /// Takes another name.
    pub fn rename(&mut self, host: Name<Vec<u8>>) {
        self.zone = Zone::new(host, self.wire.addresses.iter().map(ipnet::IpNet::addr));
        self.said.clear();
        self.waiting.clear();
    }

    /// Takes other addresses (RFC 6762 section 8.4).
    pub fn readdress(&mut self, wire: Wire, now: Instant, out: &mut Vec<Packet>) {
        if wire == self.wire {
            return;
        }
        let before = std::mem::replace(&mut self.wire, wire);
        let zone = Zone::new(
            self.zone.host().clone(),
            self.wire.addresses.iter().map(ipnet::IpNet::addr),
        );
        let zone = std::mem::replace(&mut self.zone, zone);
        self.waiting.clear();
        let kept = self.zone.announced();
        self.said.retain(|record, _| kept.contains(record));
        if !self.is_serving() {
            return;
        }
        let mut gone = zone.announced();
        gone.retain(|record| !kept.contains(record));
        self.say(wire::response(&zone, &gone, &[], 0), now, out);
        let families = |wire: &Wire| {
            let v4 = wire.addresses.iter().any(|net| net.addr().is_ipv4());
            (v4, wire.addresses.iter().any(|net| net.addr().is_ipv6()))
        };
        let ((v4_before, v6_before), (v4, v6)) = (families(&before), families(&self.wire));
        if (v4 && !v4_before) || (v6 && !v6_before) {
            // Hosts that speak only this protocol have not been asked.
            self.probe(now);
        } else {
            self.announce(now);
        }
    }

    fn announce(&mut self, due: Instant) {
        self.phase = Phase::Announcing {
            left: ANNOUNCEMENTS,
            due,
        };
    }

    /// Takes back what has been said (RFC 6762 section 10.1).
    pub fn farewell(&mut self, now: Instant, out: &mut Vec<Packet>) {
        if self.is_serving() {
            let messages = wire::response(&self.zone, &self.zone.announced(), &[], 0);
            self.say(messages, now, out);
        }
        self.silence();
    }

    /// Returns when there is something to do.
    pub fn deadline(&self) -> Option<Instant> {
        let phase = match self.phase {
            Phase::Probing { due, .. } | Phase::Announcing { due, .. } => Some(due),
            Phase::Serving | Phase::Silent => None,
        };
        phase
            .into_iter()
            .chain(self.waiting.iter().map(|waiting| waiting.due))
            .min()
    }

    /// Does what is due. Returns whether the name has just become ours here.
    pub fn tick(&mut self, now: Instant, out: &mut Vec<Packet>) -> bool {
        let mut won = false;
        match self.phase {
            Phase::Probing { left: 0, due } if due <= now => {
                self.announce(now);
                won = true;
            }
            Phase::Probing { left, due } if due <= now => {
                self.phase = Phase::Probing {
                    left: left - 1,
                    due: now + PROBE_GAP,
                };
                self.say(wire::probe(&self.zone), now, out);
            }
            _ => {}
        }
        if let Phase::Announcing { left, due } = self.phase
            && due <= now
        {
            let records = self.zone.announced();
            self.say(wire::response(&self.zone, &records, &[], TTL), now, out);
            self.said.extend(records.into_iter().map(|record| (record, now)));
            self.phase = match left {
                0 | 1 => Phase::Serving,
                _ => Phase::Announcing {
                    left: left - 1,
                    due: now + ANNOUNCEMENT_GAP,
                },
            };
        }
        won
    }

    /// Sends messages to everybody.
    fn say(&mut self, messages: impl IntoIterator<Item = Vec<u8>>, now: Instant, out: &mut Vec<Packet>) {
        for bytes in messages {
            self.echoes.retain(|(_, sent)| now.duration_since(*sent) < ECHO);
            self.echoes.truncate(ECHOES - 1);
            self.echoes.push_front((fingerprint(&bytes), now));
            out.push(Packet {
                index: self.wire.index,
                to: To::Group,
                bytes,
            });
        }
    }

    /// Whether this was sent from here just now.
    pub fn is_echo(&self, bytes: &[u8], now: Instant) -> bool {
        let print = fingerprint(bytes);
        let mut echoes = self.echoes.iter();
        echoes.any(|(echo, sent)| *echo == print && now.duration_since(*sent) < ECHO)
    }

    /// Whether everybody has been sent the record within `time`.
    pub fn has_said(&self, record: Record, time: Duration, now: Instant) -> bool {
        let said = self.said.get(&record);
        said.is_some_and(|said| now.duration_since(*said) < time)
    }

    /// Answers everybody, but for what they have been told just now.
    pub fn answer_all(
        &mut self,
        mut answers: Vec<Record>,
        defending: bool,
        now: Instant,
        out: &mut Vec<Packet>,
    ) {
        let gap = if defending { DEFENCE_GAP } else { RECORD_GAP };
        answers.retain(|record| !self.has_said(*record, gap, now));
        if answers.is_empty() {
            return;
        }
        let mut additional = self.zone.additional(&answers);
        additional.retain(|record| !self.has_said(*record, RECORD_GAP, now));
        let messages = wire::response(&self.zone, &answers, &additional, TTL);
        self.said
            .extend(answers.into_iter().chain(additional).map(|record| (record, now)));
        self.say(messages, now, out);
    }

    /// Answers one host, unless too many have been answered in this second.
    pub fn answer_one(&mut self, to: SocketAddr, bytes: Vec<u8>, now: Instant, out: &mut Vec<Packet>) {
        if now.duration_since(self.budget.1) >= Duration::from_secs(1) {
            self.budget = (BUDGET, now);
        }
        if let Some(left) = self.budget.0.checked_sub(1) {
            self.budget.0 = left;
            out.push(Packet {
                index: self.wire.index,
                to: To::Host(to),
                bytes,
            });
        }
    }
}

fn fingerprint(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}
