//! The way of one IPv4 address from wish to use: asked about, announced, defended, given up. Pure: the time is passed in.
//!
//! It is RFC 5227 with three decisions:
//! - The times of the probe are shorter. The RFC's 4 to 7 s were chosen for networks and hosts that answer after seconds; on
//!   today's Ethernet an answer takes milliseconds, and people wait for this device. Who answers later is still heard:
//!   for `NEWCOMER` the one who was there first wins.
//! - After a cable was pulled the address stays while it is asked about anew, so that a loose plug doesn't cut connections.
//! - An address that a person typed, and that was ours before the other came, is defended for ever (section 2.4, choice
//!   c), at most every ten seconds: a device that gives way could be switched off by anybody with two packets.

use std::net::Ipv4Addr;
use std::time::Duration;

use genpack_spec::types::MacAddress;
use tokio::time::Instant;

use super::frame::Arp;

/// Probes that are sent (`PROBE_NUM`).
const PROBES: u32 = 3;
/// Time between two probes (`PROBE_MIN`, there 1 s).
const PROBE_GAP: Duration = Duration::from_millis(250);
/// Time between the last probe and use (`ANNOUNCE_WAIT`, there 2 s).
const PROBE_END: Duration = Duration::from_millis(500);
/// Announcements that are sent (`ANNOUNCE_NUM`).
const ANNOUNCEMENTS: u32 = 2;
/// Time between two announcements (`ANNOUNCE_INTERVAL`).
const ANNOUNCE_GAP: Duration = Duration::from_secs(2);
/// Time between two defences (`DEFEND_INTERVAL`).
const DEFEND_INTERVAL: Duration = Duration::from_secs(10);
/// So long after the probe another claim still counts as an answer to it.
const NEWCOMER: Duration = Duration::from_secs(10);
/// Pauses before an address that is taken is asked about again grow from the first of these to the second.
const PAUSES: [Duration; 2] = [Duration::from_secs(60), Duration::from_secs(600)];
/// A contest that was not repeated for so long is over.
const CONTEST_OVER: Duration = Duration::from_secs(600);

/// What is to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// A question whether anybody has the address.
    Probe,
    /// The news that we have it.
    Announce,
}

/// An address that a port shall have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    address: Ipv4Addr,
    insistent: bool,
    state: State,
    clash: Option<MacAddress>,
    contest: Option<Contest>,
    pause: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// No cable, or nothing alive at its other end.
    Unplugged { held: bool },
    /// `held`: in use meanwhile.
    Probing { sent: u32, next: Instant, held: bool },
    Held {
        announced: u32,
        next: Option<Instant>,
        newcomer_until: Option<Instant>,
    },
    /// Somebody else has it; `again`: when to look whether they still do.
    Taken { again: Option<Instant> },
}

/// Somebody else uses the address that is ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Contest {
    by: MacAddress,
    last: Instant,
    defended: Instant,
}

impl Claim {
    /// Returns the wish for an address that a person typed: it waits until it is free, and then is never given up.
    pub fn insistent(address: Ipv4Addr) -> Claim {
        Claim::new(address, true, false)
    }

    /// Returns the wish for an address for which another one serves as well: it is given up when it is not ours alone.
    pub fn yielding(address: Ipv4Addr) -> Claim {
        Claim::new(address, false, false)
    }

    fn new(address: Ipv4Addr, insistent: bool, held: bool) -> Claim {
        Claim {
            address,
            insistent,
            state: State::Unplugged { held },
            clash: None,
            contest: None,
            pause: PAUSES[0],
        }
    }

    /// Makes it one that the port has already, from an earlier life: nobody needs to be asked.
    pub fn kept(mut self) -> Claim {
        self.state = State::Held {
            announced: ANNOUNCEMENTS,
            next: None,
            newcomer_until: None,
        };
        self
    }

    /// Returns the address.
    pub fn address(&self) -> Ipv4Addr {
        self.address
    }

    /// Whether the port may have the address.
    pub fn is_usable(&self) -> bool {
        matches!(
            self.state,
            State::Held { .. } | State::Unplugged { held: true } | State::Probing { held: true, .. }
        )
    }

    /// Returns who has the address, so that we don't.
    pub fn clash(&self) -> Option<MacAddress> {
        self.clash
    }

    /// Returns who else uses the address although it is ours.
    pub fn contest(&self) -> Option<MacAddress> {
        self.contest.map(|contest| contest.by)
    }

    /// Tells that a cable is alive, or no longer. The first probe is sent after `delay`, by which devices that were
    /// switched on together differ.
    pub fn plug(&mut self, carrier: bool, now: Instant, delay: Duration) {
        match (carrier, self.state) {
            (false, State::Unplugged { .. }) => {}
            (false, _) => {
                let held = self.is_usable();
                self.state = State::Unplugged { held };
                (self.clash, self.contest, self.pause) = (None, None, PAUSES[0]);
            }
            (true, State::Unplugged { held }) => {
                self.state = State::Probing {
                    sent: 0,
                    next: now + delay,
                    held,
                }
            }
            (true, _) => {}
        }
    }

    /// Returns when [`Claim::advance`] has something to do.
    pub fn deadline(&self) -> Option<Instant> {
        let next = match self.state {
            State::Unplugged { .. } => None,
            State::Probing { next, .. } => Some(next),
            State::Held { next, .. } => next,
            State::Taken { again } => again,
        };
        let over = self.contest.map(|contest| contest.last + CONTEST_OVER);
        next.into_iter().chain(over).min()
    }

    /// Does what is due; to be repeated until the deadline lies ahead.
    pub fn advance(&mut self, now: Instant) -> Option<Output> {
        if self
            .contest
            .is_some_and(|contest| contest.last + CONTEST_OVER <= now)
        {
            self.contest = None;
        }
        let due = |next: Option<Instant>| next.is_some_and(|next| next <= now);
        match &mut self.state {
            State::Probing { sent, next, .. } if due(Some(*next)) => {
                if *sent < PROBES {
                    *sent += 1;
                    *next = now + if *sent == PROBES { PROBE_END } else { PROBE_GAP };
                    return Some(Output::Probe);
                }
                self.state = State::Held {
                    announced: 1,
                    next: Some(now + ANNOUNCE_GAP),
                    newcomer_until: Some(now + NEWCOMER),
                };
                (self.clash, self.pause) = (None, PAUSES[0]);
                Some(Output::Announce)
            }
            State::Held { announced, next, .. } if due(*next) => {
                *announced += 1;
                *next = (*announced < ANNOUNCEMENTS).then(|| now + ANNOUNCE_GAP);
                Some(Output::Announce)
            }
            State::Taken { again } if due(*again) => {
                self.state = State::Probing {
                    sent: 0,
                    next: now,
                    held: false,
                };
                None
            }
            _ => None,
        }
    }

    /// Takes in what another host sent; that it is no port of this device is the caller's to know.
    pub fn hear(&mut self, arp: &Arp, now: Instant) -> Option<Output> {
        let uses = arp.sender_ip == self.address;
        let wants = arp.is_probe() && arp.target_ip == self.address;
        match self.state {
            // Somebody who asks for the address while the port has it is answered by the kernel.
            State::Probing { held, .. } if uses || (wants && !held) => self.lose(arp.sender, now),
            State::Held { newcomer_until, .. } if uses => {
                if newcomer_until.is_some_and(|until| now < until) {
                    self.lose(arp.sender, now);
                    return None;
                }
                return self.defend(arp.sender, now);
            }
            _ => {}
        }
        None
    }

    fn defend(&mut self, by: MacAddress, now: Instant) -> Option<Output> {
        let defended = self.contest.map(|contest| contest.defended);
        if let Some(before) = defended
            && now < before + DEFEND_INTERVAL
        {
            if self.insistent {
                self.contest = Some(Contest {
                    by,
                    last: now,
                    defended: before,
                });
            } else {
                self.lose(by, now);
            }
            return None;
        }
        self.contest = Some(Contest {
            by,
            last: now,
            defended: now,
        });
        Some(Output::Announce)
    }

    fn lose(&mut self, to: MacAddress, now: Instant) {
        self.state = State::Taken {
            again: self.insistent.then_some(now + self.pause),
        };
        self.pause = (self.pause * 2).min(PAUSES[1]);
        (self.clash, self.contest) = (Some(to), None);
    }
}

#[cfg(test)]
mod tests;
