//! Where a peer is and whether it answers, over time. Pure: the time is told.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use genpack_spec::types::{Endpoint, ServerName};
use tokio::time::Instant;

use super::device::Handshake;

/// Without an answer for so long, a new tunnel is said not to work: a peer that can be reached takes a second or two.
const SILENCE_AT_FIRST: Duration = Duration::from_secs(30);
/// Keys hold so long, and are renewed two minutes after they were made when there is something to send (kernel:
/// `drivers/net/wireguard/messages.h`, `REJECT_AFTER_TIME`).
const KEYS_HOLD: Duration = Duration::from_secs(180);
/// A call that isn't answered is repeated after this time (`REKEY_TIMEOUT`).
const REPEAT: Duration = Duration::from_secs(5);
/// How often a peer is looked at that doesn't answer, at most and at least: the kernel tells nobody when it does.
const LOOK_AT_FIRST: Duration = Duration::from_secs(1);
const LOOK_AT_LAST: Duration = Duration::from_secs(30);
/// How long after a name couldn't be found it is asked for again, the first time and at last.
const ASK_AT_FIRST: Duration = Duration::from_secs(10);
const ASK_AT_LAST: Duration = Duration::from_secs(600);

/// What is known of one peer.
#[derive(Debug)]
pub struct Watch {
    endpoint: Option<Endpoint>,
    /// What the host's name has; for a host without a name, its address.
    addresses: Vec<IpAddr>,
    chosen: usize,
    asking: bool,
    /// How often in a row the name could not be found.
    failures: u32,
    /// When the name was last asked for, or the address last set.
    asked: Option<Instant>,
    handshake: Option<Handshake>,
    /// When the last handshake was first seen, or without one, when the peer was.
    since: Instant,
    expected: bool,
    keepalive: Duration,
    /// What the kernel was last told to take as its address.
    applied: Option<SocketAddr>,
}

impl Watch {
    /// Returns what is known at the beginning.
    pub fn new(endpoint: Option<&Endpoint>, now: Instant) -> Watch {
        let known = endpoint.and_then(|endpoint| match endpoint.host {
            ServerName::Address(address) => Some(address),
            ServerName::Name(_) => None,
        });
        Watch {
            endpoint: endpoint.cloned(),
            addresses: known.into_iter().collect(),
            chosen: 0,
            asking: false,
            failures: 0,
            asked: None,
            handshake: None,
            since: now,
            expected: false,
            keepalive: Duration::ZERO,
            applied: None,
        }
    }

    /// Whether it was made for this endpoint.
    pub fn is_for(&self, endpoint: Option<&Endpoint>) -> bool {
        self.endpoint.as_ref() == endpoint
    }

    /// Takes over what the kernel says of the peer. `expected` is whether handshakes must come.
    pub fn see(&mut self, handshake: Option<Handshake>, keepalive: u16, expected: bool, now: Instant) {
        if handshake != self.handshake || expected != self.expected {
            self.since = now;
        }
        self.handshake = handshake;
        self.expected = expected;
        self.keepalive = Duration::from_secs(keepalive.into());
    }

    /// Returns the name to ask for, if it is time, and takes it as asked for.
    pub fn ask(&mut self, now: Instant) -> Option<String> {
        let due = self.ask_at().is_some_and(|at| at <= now);
        let name = self.name().filter(|_| due)?;
        self.asking = true;
        self.asked = Some(now);
        Some(name)
    }

    /// Takes over what was found under the name.
    pub fn found(&mut self, addresses: Option<Vec<IpAddr>>, now: Instant) {
        self.asking = false;
        self.asked = Some(now);
        let Some(addresses) = addresses.filter(|addresses| !addresses.is_empty()) else {
            self.failures = self.failures.saturating_add(1);
            return;
        };
        self.failures = 0;
        // A peer that doesn't answer at the one address may do so at the next.
        let current = self.addresses.get(self.chosen).copied();
        let same = addresses.iter().position(|address| Some(*address) == current);
        self.chosen = match same {
            Some(index) if self.is_silent(now) => (index + 1) % addresses.len(),
            Some(index) => index,
            None => 0,
        };
        self.addresses = addresses;
    }

    /// Asks again at once, as after a failure long ago: there are other name servers now.
    pub fn hurry(&mut self) {
        if self.addresses.is_empty() && !self.asking {
            self.asked = None;
            self.failures = 0;
        }
    }

    /// Returns where the peer is, once that is known, and whether that counts more than where the kernel has it.
    pub fn target(&self, now: Instant) -> Option<(SocketAddr, bool)> {
        let address = *self.addresses.get(self.chosen)?;
        let target = SocketAddr::new(address, self.endpoint.as_ref()?.port);
        Some((target, self.applied != Some(target) || self.is_silent(now)))
    }

    /// Notes that the kernel has the target.
    pub fn applied(&mut self, target: SocketAddr) {
        self.applied = Some(target);
    }

    /// Returns the name that can't be found.
    pub fn lost_name(&self) -> Option<String> {
        self.name()
            .filter(|_| self.failures > 0 && self.addresses.is_empty())
    }

    /// Whether an answer is missing for longer than there is an excuse for.
    pub fn is_silent(&self, now: Instant) -> bool {
        self.silent_at().is_some_and(|at| at <= now)
    }

    /// Returns when there is something to do or to look at next.
    pub fn wake(&self, now: Instant) -> Option<Instant> {
        let look = self.expected.then(|| match self.silent_at() {
            Some(at) if self.handshake.is_some() && at > now => at,
            _ => now + (now - self.since).clamp(LOOK_AT_FIRST, LOOK_AT_LAST),
        });
        look.into_iter().chain(self.ask_at()).min()
    }

    fn name(&self) -> Option<String> {
        match &self.endpoint.as_ref()?.host {
            ServerName::Address(_) => None,
            ServerName::Name(name) => Some(name.to_string()),
        }
    }

    fn silent_at(&self) -> Option<Instant> {
        let excuse = match self.handshake {
            None => SILENCE_AT_FIRST,
            Some(_) => KEYS_HOLD + self.keepalive + REPEAT,
        };
        (self.expected && !self.addresses.is_empty()).then(|| self.since + excuse)
    }

    fn ask_at(&self) -> Option<Instant> {
        if self.asking || self.name().is_none() {
            return None;
        }
        let Some(asked) = self.asked else {
            return Some(self.since);
        };
        if self.failures > 0 {
            let pause = ASK_AT_FIRST.saturating_mul(1 << (self.failures - 1).min(8));
            return Some(asked + pause.min(ASK_AT_LAST));
        }
        // It may have another address by now.
        self.silent_at().map(|at| at.max(asked + KEYS_HOLD))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn named() -> (Watch, Instant) {
        let now = Instant::now();
        let endpoint: Endpoint = "vpn.example.com:51820".parse().unwrap();
        (Watch::new(Some(&endpoint), now), now)
    }

    fn at(text: &str) -> Option<Vec<IpAddr>> {
        Some(text.split(' ').map(|address| address.parse().unwrap()).collect())
    }

    fn target(watch: &Watch, now: Instant) -> String {
        watch
            .target(now)
            .map_or(String::new(), |(target, _)| target.to_string())
    }

    #[test]
    fn a_name_is_asked_for_with_growing_pauses() {
        let (mut watch, mut now) = named();
        let mut pauses = Vec::new();
        for _ in 0..8 {
            assert_eq!(watch.ask(now).as_deref(), Some("vpn.example.com"));
            assert_eq!(watch.wake(now), None, "one question at a time");
            watch.found(None, now);
            assert!(watch.lost_name().is_some());
            assert_eq!(watch.ask(now), None);
            let next = watch.wake(now).unwrap();
            pauses.push((next - now).as_secs());
            now = next;
        }
        assert_eq!(pauses, [10, 20, 40, 80, 160, 320, 600, 600]);
        watch.hurry();
        assert!(
            watch.ask(now - 500 * SECOND).is_some(),
            "other servers may know it"
        );
        watch.found(at("192.0.2.1"), now);
        assert_eq!(
            (watch.lost_name(), target(&watch, now)),
            (None, "192.0.2.1:51820".into())
        );
        assert_eq!(watch.wake(now), None, "nothing is expected of it");
    }

    #[test]
    fn a_peer_that_falls_silent_is_looked_for() {
        let (mut watch, now) = named();
        watch.ask(now);
        watch.found(at("192.0.2.1 192.0.2.2"), now);
        watch.see(Some((5, 0)), 25, true, now);
        watch.applied("192.0.2.1:51820".parse().unwrap());
        assert_eq!(
            watch.target(now),
            Some(("192.0.2.1:51820".parse().unwrap(), false))
        );
        let silent = watch.wake(now).unwrap();
        assert_eq!(silent, now + 210 * SECOND);
        assert!(!watch.is_silent(silent - SECOND));

        // A handshake on the way puts it off.
        watch.see(Some((125, 0)), 25, true, now + 120 * SECOND);
        assert!(!watch.is_silent(silent));
        let silent = now + 330 * SECOND;
        assert_eq!(watch.wake(now + 120 * SECOND), Some(silent));
        assert!(watch.is_silent(silent));
        assert!(
            watch.target(silent).unwrap().1,
            "where it called from counts no longer"
        );
        assert!(watch.ask(silent).is_some());
        watch.found(at("192.0.2.1 192.0.2.2"), silent);
        assert_eq!(target(&watch, silent), "192.0.2.2:51820");
        // Not again before that had its time.
        assert_eq!(watch.ask(silent + 179 * SECOND), None);
        assert!(watch.wake(silent).unwrap() >= silent + LOOK_AT_LAST);
        assert!(watch.ask(silent + 180 * SECOND).is_some());
        watch.found(at("198.51.100.7"), silent + 180 * SECOND);
        assert_eq!(target(&watch, silent), "198.51.100.7:51820");
        watch.found(None, silent + 400 * SECOND);
        assert_eq!(target(&watch, silent), "198.51.100.7:51820", "better than none");
        assert_eq!(watch.lost_name(), None);
    }

    #[test]
    fn a_first_answer_is_looked_for_soon_and_then_seldom() {
        let now = Instant::now();
        let endpoint: Endpoint = "192.0.2.1:51820".parse().unwrap();
        let mut watch = Watch::new(Some(&endpoint), now);
        watch.see(None, 25, true, now);
        let looks: Vec<u64> = std::iter::successors(Some(now), |at| watch.wake(*at))
            .map(|at| (at - now).as_secs())
            .take(9)
            .collect();
        assert_eq!(looks, [0, 1, 2, 4, 8, 16, 32, 62, 92]);
        assert!(!watch.is_silent(now + 29 * SECOND) && watch.is_silent(now + 30 * SECOND));
        watch.see(Some((9, 9)), 25, true, now + 40 * SECOND);
        assert!(!watch.is_silent(now + 41 * SECOND));

        let mut passive = Watch::new(None, now);
        passive.see(None, 0, false, now);
        assert_eq!((passive.wake(now), passive.target(now)), (None, None));
    }
}
