//! One DHCPv4 client per port: mozim speaks the protocol, this module keeps it going whatever happens.
//!
//! mozim 0.3.4 needs help in three places, all found in its source:
//! - After a DHCPOFFER it repeats the DHCPREQUEST for ever (`dhcpv4/request.rs`), deaf to a DHCPNAK and to the server's end; so a
//!   client that stays in `Selecting` is given up and a new one starts.
//! - Once it has returned an error it never leaves it again (`dhcpv4/client.rs`, `run`); so a new client starts.
//! - It returns `InitReboot` both when the server refuses the old lease and when no server answers about it; only the
//!   time that passed tells them apart (four rounds of waiting, at least 56 s in all, against one answer).
//!
//! What can't be helped from outside: a DHCPNAK to a renewal is ignored until the lease ends.

use std::net::Ipv4Addr;
use std::time::Duration;

use genpack_spec::text::Text;
use genpack_spec::types::MacAddress;
use mozim::{DhcpV4Client, DhcpV4Config, DhcpV4Lease, DhcpV4State};
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::lease::Lease;
use crate::time::uptime;

/// What a client has to say about its port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A lease was granted or renewed.
    Bound(Lease),
    /// The lease ended or was refused; its address must not be used any more.
    Lost,
    /// No server has answered for as long as one may be missing.
    Silent,
    /// A server answers, with something that can't be used: a phrase.
    Unusable(Text),
}

/// What a client needs to know.
#[derive(Debug, Clone)]
pub struct Port {
    /// The port's index.
    pub index: u32,
    /// The port's name.
    pub name: String,
    /// The port's hardware address; also says who we are to the server.
    pub mac: MacAddress,
    /// The name that the server shall give to the address.
    pub hostname: String,
    /// How long no server may answer before [`Event::Silent`].
    pub patience: Duration,
}

/// A running client; stops when dropped. The address stays: servers give the same one again.
#[derive(Debug)]
pub struct Client {
    task: JoinHandle<()>,
}

impl Drop for Client {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Client {
    /// Starts to ask for an address: the one of `previous` when there is such a lease.
    pub fn start(port: Port, previous: Option<Lease>, events: UnboundedSender<(u32, Event)>) -> Client {
        Client {
            task: tokio::spawn(keep_going(port, previous, events)),
        }
    }
}

/// Longest time between an offer and its lease.
const SELECTING_LIMIT: Duration = Duration::from_secs(12);
/// Pause before a new client takes over from one that failed.
const RESTART_PAUSE: Duration = Duration::from_secs(10);
/// An old lease that is refused sooner than this was refused by a server.
const REFUSED_WITHIN: Duration = Duration::from_secs(40);

async fn keep_going(port: Port, previous: Option<Lease>, events: UnboundedSender<(u32, Event)>) {
    let index = port.index;
    // The receiver lives as long as the agent; when it is gone, so is the reason to run.
    let say = |event| drop(events.send((index, event)));
    let mut silent_at = Some(Instant::now() + port.patience);
    let mut previous = previous;
    loop {
        let mut tracker = Tracker::new(previous.is_some());
        let error = match DhcpV4Client::init(config(&port), previous.as_ref().map(to_mozim)).await {
            Ok(client) => run(client, &mut tracker, &mut silent_at, say).await,
            Err(error) => error.to_string(),
        };
        log::warn!("{}: DHCP starts anew in {RESTART_PAUSE:?}: {error}", port.name);
        // A lease in use goes on; the kernel removes its address when it ends.
        previous = tracker.lease;
        tokio::time::sleep(RESTART_PAUSE).await;
    }
}

/// Runs one client until it is of no more use; returns why.
async fn run(
    mut client: DhcpV4Client,
    tracker: &mut Tracker,
    silent_at: &mut Option<Instant>,
    say: impl Fn(Event),
) -> String {
    let mut selecting_until = None;
    let mut began = Instant::now();
    loop {
        let limit: Option<Instant> = selecting_until;
        let next = async {
            match limit {
                Some(end) => tokio::time::timeout_at(end, client.run())
                    .await
                    .map_err(|_| "a server offered an address and then did not grant it".to_string()),
                None => Ok(client.run().await),
            }
        };
        tokio::pin!(next);
        // `run` may not be cancelled without losing what it waits for, so the report of silence goes in beside it.
        let outcome = loop {
            tokio::select! {
                outcome = &mut next => break outcome,
                () = sleep_until(*silent_at) => {
                    *silent_at = None;
                    say(Event::Silent);
                }
            }
        };
        let state = match outcome {
            Ok(Ok(state)) => state,
            Ok(Err(error)) => return error.to_string(),
            Err(reason) => return reason,
        };
        selecting_until = match state {
            DhcpV4State::Selecting => Some(Instant::now() + SELECTING_LIMIT),
            _ => None,
        };
        if let Some(event) = tracker.step(&state, began.elapsed(), uptime()) {
            if matches!(event, Event::Bound(_)) {
                *silent_at = None;
            }
            say(event);
        }
        began = Instant::now();
    }
}

async fn sleep_until(instant: Option<Instant>) {
    match instant {
        Some(instant) => tokio::time::sleep_until(instant).await,
        None => std::future::pending().await,
    }
}

/// Turns a client's states into events.
#[derive(Debug)]
struct Tracker {
    /// The lease that this client got and that is in use.
    lease: Option<Lease>,
    /// The lease in use is from before this client; no server has confirmed it.
    unconfirmed: bool,
}

impl Tracker {
    fn new(has_previous: bool) -> Tracker {
        Tracker {
            lease: None,
            unconfirmed: has_previous,
        }
    }

    /// `took` is the time that the client needed for this state; `now` in seconds since the machine started.
    fn step(&mut self, state: &DhcpV4State, took: Duration, now: u64) -> Option<Event> {
        match state {
            DhcpV4State::Done(sent) => match Lease::from_server(sent, now) {
                Ok(lease) => {
                    self.lease = Some(lease.clone());
                    self.unconfirmed = false;
                    Some(Event::Bound(lease))
                }
                Err(problem) => Some(Event::Unusable(problem)),
            },
            DhcpV4State::InitReboot if self.lease.take().is_some() => Some(Event::Lost),
            DhcpV4State::InitReboot if self.unconfirmed => {
                self.unconfirmed = false;
                // Without an answer the old lease serves on until it ends (RFC 2131, 3.2, 4).
                (took < REFUSED_WITHIN).then_some(Event::Lost)
            }
            _ => None,
        }
    }
}

fn config(port: &Port) -> DhcpV4Config {
    let mut config = DhcpV4Config::new(&port.name);
    config.set_iface_index(port.index);
    // Fails only for a length other than six bytes.
    let _ = config.set_iface_mac_raw(&port.mac.bytes());
    config.use_mac_as_client_id();
    config.set_host_name(&port.hostname);
    config
}

/// Makes the lease with which mozim asks for the same address again; it reads the address only.
fn to_mozim(lease: &Lease) -> DhcpV4Lease {
    let mut previous = DhcpV4Lease::default();
    previous.yiaddr = lease.address.addr();
    previous.subnet_mask = lease.address.netmask();
    previous.srv_id = Ipv4Addr::UNSPECIFIED;
    previous
}

#[cfg(test)]
mod tests {
    use super::*;

    fn done() -> DhcpV4State {
        let mut lease = DhcpV4Lease::default();
        lease.yiaddr = Ipv4Addr::new(10, 0, 0, 5);
        lease.lease_time_sec = 120;
        DhcpV4State::Done(Box::new(lease))
    }

    #[test]
    fn a_life_of_renewals_ends_with_the_lease() {
        let mut tracker = Tracker::new(false);
        let mut step = |state: &DhcpV4State| tracker.step(state, Duration::ZERO, 10);
        assert_eq!(step(&DhcpV4State::InitReboot), None);
        assert_eq!(step(&DhcpV4State::Selecting), None);
        assert!(matches!(step(&done()), Some(Event::Bound(lease)) if lease.expires == Some(130)));
        assert_eq!(step(&DhcpV4State::Renewing), None);
        assert!(matches!(step(&done()), Some(Event::Bound(_))));
        assert_eq!(step(&DhcpV4State::Renewing), None);
        assert_eq!(step(&DhcpV4State::Rebinding), None);
        assert_eq!(step(&DhcpV4State::InitReboot), Some(Event::Lost));
        assert_eq!(step(&DhcpV4State::InitReboot), None);
    }

    #[test]
    fn an_old_lease_survives_silence_but_not_refusal() {
        let minute = Duration::from_secs(60);
        let mut tracker = Tracker::new(true);
        assert_eq!(tracker.step(&DhcpV4State::InitReboot, minute, 0), None);
        let mut tracker = Tracker::new(true);
        assert_eq!(
            tracker.step(&DhcpV4State::InitReboot, Duration::from_millis(200), 0),
            Some(Event::Lost)
        );
    }

    #[test]
    fn nonsense_from_a_server_is_told() {
        let mut lease = DhcpV4Lease::default();
        lease.yiaddr = Ipv4Addr::UNSPECIFIED;
        let event = Tracker::new(false).step(&DhcpV4State::Done(Box::new(lease)), Duration::ZERO, 0);
        assert!(matches!(event, Some(Event::Unusable(_))), "{event:?}");
    }
}
