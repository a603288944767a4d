//! IPv6 addresses of ours that another machine had when the kernel asked (RFC 4862, 5.4). The kernel never asks again, so
//! they are removed and set anew from time to time.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use tokio::time::Instant;

use crate::net::port::Address;

/// Pauses grow from the first of these to the second.
const PAUSES: [Duration; 2] = [Duration::from_secs(60), Duration::from_secs(600)];

/// The addresses of one port that wait for another try.
#[derive(Debug, Default)]
pub(super) struct Duplicates {
    waiting: BTreeMap<Ipv6Addr, Waiting>,
}

#[derive(Debug)]
struct Waiting {
    next: Instant,
    pause: Duration,
    due: bool,
}

impl Duplicates {
    /// Takes in what the kernel has. `plugged`: the cable has just come back.
    pub(super) fn update(&mut self, addresses: &[Address], plugged: bool, now: Instant) {
        let ours = |address: &&Address| address.ours && address.net.addr().is_ipv6();
        self.waiting.retain(|ip, _| {
            addresses
                .iter()
                .filter(ours)
                .any(|have| have.net.addr() == IpAddr::V6(*ip) && (have.duplicate || have.tentative))
        });
        for address in addresses.iter().filter(ours).filter(|address| address.duplicate) {
            if let IpAddr::V6(ip) = address.net.addr() {
                let waiting = self.waiting.entry(ip).or_insert(Waiting {
                    next: now + PAUSES[0],
                    pause: PAUSES[0],
                    due: false,
                });
                if plugged {
                    *waiting = Waiting {
                        next: now + PAUSES[0],
                        pause: PAUSES[0],
                        due: true,
                    };
                }
            }
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.waiting.values().map(|waiting| waiting.next).min()
    }

    pub(super) fn advance(&mut self, now: Instant) {
        for waiting in self.waiting.values_mut().filter(|waiting| waiting.next <= now) {
            waiting.due = true;
            waiting.pause = (waiting.pause * 2).min(PAUSES[1]);
            waiting.next = now + waiting.pause;
        }
    }

    /// Returns the addresses whose time has come.
    pub(super) fn due(&self) -> BTreeSet<Ipv6Addr> {
        let due = self.waiting.iter().filter(|(_, waiting)| waiting.due);
        due.map(|(ip, _)| *ip).collect()
    }

    /// Notes that a plan has been told.
    pub(super) fn told(&mut self) {
        self.waiting.values_mut().for_each(|waiting| waiting.due = false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(duplicate: bool, tentative: bool) -> Address {
        Address {
            net: "2001:db8::7/64".parse().unwrap(),
            ours: true,
            valid: None,
            autoconf: false,
            tentative,
            duplicate,
        }
    }

    #[test]
    fn a_duplicate_is_tried_again_ever_less_often_until_it_is_none() {
        let begin = Instant::now();
        let mut duplicates = Duplicates::default();
        duplicates.update(&[address(true, true)], false, begin);
        assert!(duplicates.due().is_empty());
        let mut pauses = Vec::new();
        let mut last = begin;
        for _ in 0..6 {
            let now = duplicates.deadline().unwrap();
            duplicates.advance(now);
            assert_eq!(duplicates.due().len(), 1);
            duplicates.told();
            assert!(duplicates.due().is_empty(), "once");
            // Set anew, and the kernel asks, and again somebody has it.
            duplicates.update(&[address(false, true)], false, now);
            duplicates.update(&[address(true, true)], false, now);
            pauses.push((now - last).as_secs());
            last = now;
        }
        assert_eq!(pauses, [60, 120, 240, 480, 600, 600]);
        duplicates.update(&[address(false, false)], false, last);
        assert_eq!(duplicates.deadline(), None);
    }

    #[test]
    fn a_new_cable_is_a_new_chance() {
        let begin = Instant::now();
        let mut duplicates = Duplicates::default();
        duplicates.update(&[address(true, true)], true, begin);
        assert_eq!(duplicates.due().len(), 1);
        let mut foreign = address(true, true);
        foreign.ours = false;
        duplicates.update(&[foreign], true, begin);
        assert!(duplicates.due().is_empty(), "others' addresses are theirs");
    }
}
