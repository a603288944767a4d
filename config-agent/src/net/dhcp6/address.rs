//! The client for an address (RFC 8415, IA_NA): mozim speaks the protocol, this module keeps it going.
//!
//! mozim 0.3.4 needs help in these places, all found in its source:
//! - Its questions become rare, up to one an hour (`dhcpv6/solicit.rs`, as RFC 8415 asks for where nothing says that there
//!   is a server; here routers say so). So a client that nobody answers is replaced, and a server that comes late is found
//!   within about a minute.
//! - It is deaf to a server that doesn't know the lease any more (`NoBinding`) until the lease ends (`dhcpv6/lease.rs`).
//!   So one that isn't renewed by the time of rebinding gets a new client soon after.
//! - It can't start with a lease: it has no Confirm, and its Renew fails without a timer (`dhcpv6/renew.rs`). A new client
//!   solicits; servers know us by our DUID and give the same address.
//! - Once it has returned an error it never leaves it again (`dhcpv6/client.rs`, `run`); so a new client starts.
//!
//! What can't be helped from outside: it takes the first server that advertises, whatever preference others have, one
//! address of several, and has no Decline for an address that another machine uses.

use std::time::Duration;

use mozim::{DhcpV6Client, DhcpV6Config, DhcpV6Mode, DhcpV6State};
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::Instant;

use super::{Event, Lease6, PAUSES, Port};
use crate::time::uptime;

/// Longest life of a client that nobody answers: its questions go out after 1, 2, 4, ... 64 s.
const SOLICITING_LIMIT: Duration = Duration::from_secs(127);
/// How long other servers are asked to prolong a lease before any address will do.
const REBINDING_LIMIT: Duration = Duration::from_secs(60);

/// Runs for ever.
pub async fn keep_going(port: Port, held: Option<Lease6>, events: UnboundedSender<(u32, Event)>) {
    let mut life = Life { port, held, events };
    let mut pause = PAUSES[0];
    loop {
        let begin = Instant::now();
        let Err(reason) = life.one_client().await else {
            continue;
        };
        if begin.elapsed() > PAUSES[1] {
            pause = PAUSES[0];
        }
        log::warn!("{}: DHCPv6 starts anew in {pause:?}: {reason}", life.port.name);
        life.rest(pause).await;
        pause = (pause * 2).min(PAUSES[1]);
    }
}

/// What outlives a single client of mozim.
struct Life {
    port: Port,
    /// The lease in use; it serves until it ends, whatever becomes of the client.
    held: Option<Lease6>,
    events: UnboundedSender<(u32, Event)>,
}

impl Life {
    fn say(&self, event: Event) {
        // The receiver lives as long as the agent; when it is gone, so is the reason to run.
        let _ = self.events.send((self.port.index, event));
    }

    async fn rest(&mut self, pause: Duration) {
        let end = Instant::now() + pause;
        while Instant::now() < end {
            tokio::select! {
                () = tokio::time::sleep_until(end) => {}
                () = ended(&self.held) => self.lose(),
            }
        }
    }

    fn lose(&mut self) {
        if self.held.take().is_some() {
            self.say(Event::Lost);
        }
    }

    /// Runs one client until it is of no more use. The error is a phrase; without one the next may start at once.
    async fn one_client(&mut self) -> Result<(), String> {
        let mut client = DhcpV6Client::init(config(&self.port), None)
            .await
            .map_err(|error| error.to_string())?;
        let mut limit = Some(Instant::now() + SOLICITING_LIMIT);
        loop {
            let next = client.run();
            tokio::pin!(next);
            // `run` may not be cancelled without losing what it waits for, so everything else goes on beside it.
            let state = loop {
                tokio::select! {
                    outcome = &mut next => break outcome.map_err(|error| error.to_string())?,
                    () = at(limit) => return Ok(()),
                    () = ended(&self.held) => self.lose(),
                }
            };
            limit = match state {
                DhcpV6State::Done(sent) => {
                    let lease = Lease6::from_server(&sent, uptime())?;
                    self.held = Some(lease.clone());
                    self.say(Event::Bound(lease));
                    None
                }
                DhcpV6State::Renew => None,
                DhcpV6State::Rebind => Some(Instant::now() + REBINDING_LIMIT),
                _ => Some(Instant::now() + SOLICITING_LIMIT),
            };
        }
    }
}

/// Waits until the lease is over.
async fn ended(held: &Option<Lease6>) {
    let left = held.as_ref().and_then(|lease| lease.remaining(uptime()));
    at(left.map(|left| Instant::now() + Duration::from_secs(left))).await;
}

async fn at(instant: Option<Instant>) {
    match instant {
        Some(instant) => tokio::time::sleep_until(instant).await,
        None => std::future::pending().await,
    }
}

fn config(port: &Port) -> DhcpV6Config {
    let mut config = DhcpV6Config::new(&port.name, DhcpV6Mode::NonTemporaryAddresses);
    config.set_iface_index(port.index);
    config.set_link_local_ip(port.from);
    config.set_duid_by_iface_mac(&port.mac.bytes());
    config
}
