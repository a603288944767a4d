//! One DHCPv4 client per port: mozim speaks the protocol, this module keeps it going whatever happens.
//!
//! mozim 0.3.4 needs help in these places, all found in its source:
//! - Only when it asks for an earlier address does it take notice of a DHCPNAK. After an offer and in a renewal
//!   `Refusals` listens beside it.
//! - After a DHCPOFFER it repeats the DHCPREQUEST for ever (`dhcpv4/request.rs`), deaf to the server's end; so a client that
//!   stays in `Selecting` is given up and a new one starts.
//! - Its rebinding names the server that gave the lease (`dhcpv4/msg.rs`, `new_rebind`), which no other server may answer
//!   (RFC 2131, 4.3.2). So at that time a new client asks all servers for the same address, as after a restart.
//! - It asks for an earlier address for a minute before it takes any other (`dhcpv4/reboot.rs`); a device that was carried
//!   to another network doesn't wait that long.
//! - Once it has returned an error it never leaves it again (`dhcpv4/client.rs`, `run`); so a new client starts.
//!
//! Without an answer it asks after 3, 7, 15, 31, and then every 62 seconds, each up to two seconds later
//! (`dhcpv4/discovery.rs`): a server that comes late is found within about a minute.

use std::net::Ipv4Addr;
use std::time::Duration;

use genpack_spec::text::Text;
use genpack_spec::types::MacAddress;
use mozim::{DhcpV4Client, DhcpV4Config, DhcpV4Lease, DhcpV4State};
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::lease::Lease;
use super::refusal::Refusals;
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
    /// For a VLAN, its ID: it has the hardware address of the port that carries it.
    pub vlan: Option<u16>,
    /// The name that the server shall give to the address.
    pub hostname: String,
    /// How long no server may answer before [`Event::Silent`].
    pub patience: Duration,
}

/// What is left of an earlier life.
#[derive(Debug, Clone, Default)]
pub struct Before {
    /// The lease whose address is in use.
    pub held: Option<Lease>,
    /// The address to ask for.
    pub address: Option<Ipv4Addr>,
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
    /// Starts to ask for an address.
    pub fn start(port: Port, before: Before, events: UnboundedSender<(u32, Event)>) -> Client {
        Client {
            task: tokio::spawn(keep_going(port, before, events)),
        }
    }
}

/// Longest time between an offer and its lease.
const SELECTING_LIMIT: Duration = Duration::from_secs(12);
/// How long a server may take to confirm the address of before: one question and its answer.
const CONFIRMING_LIMIT: Duration = Duration::from_secs(3);
/// How long all servers are asked to prolong a lease that its own server did not, before any address will do. Shorter
/// than mozim's own limit of 56 s at least, so that what mozim ends by itself was ended by a server.
const REBINDING_LIMIT: Duration = Duration::from_secs(50);
/// Pauses before a new client takes over from one that failed, growing from the first to the second of these.
const PAUSES: [Duration; 2] = [Duration::from_secs(10), Duration::from_secs(60)];

/// Why a client is of no more use.
#[derive(Debug)]
enum End {
    /// A server refused the address in use, or the one of before.
    Refused,
    /// A server refused what it had offered.
    Withdrawn,
    /// Nobody confirmed the address of before.
    Unconfirmed,
    /// The server that gave the lease does not prolong it.
    Rebinding,
    /// Something else: a phrase for the journal.
    Failed(String),
}

async fn keep_going(port: Port, before: Before, events: UnboundedSender<(u32, Event)>) {
    let mut life = Life {
        silent_at: Some(Instant::now() + port.patience),
        port,
        held: before.held,
        pause: PAUSES[0],
        refused: false,
        events,
    };
    let mut ask = before.address.map(|address| (address, CONFIRMING_LIMIT));
    loop {
        let name = life.port.name.clone();
        let end = life.one_client(ask.take()).await;
        match end {
            End::Refused => {
                log::warn!("{name}: a DHCP server refuses the address");
                life.lose();
                life.refused().await;
            }
            End::Withdrawn => {
                log::warn!("{name}: a DHCP server refuses the address that it has just offered");
                life.refused().await;
            }
            End::Unconfirmed => log::info!("{name}: no DHCP server confirms the address of before"),
            End::Rebinding => {
                log::info!("{name}: the DHCP server does not prolong the lease; asking all");
                let held = life.held.as_ref();
                ask = held.map(|lease| (lease.address.addr(), REBINDING_LIMIT));
            }
            End::Failed(reason) => {
                log::warn!("{name}: DHCP starts anew in {:?}: {reason}", life.pause);
                life.rest().await;
            }
        }
    }
}

/// What outlives a single client of mozim.
struct Life {
    port: Port,
    /// The lease in use; it serves until it ends or is refused, whatever becomes of the client (RFC 2131, 3.2, 4).
    held: Option<Lease>,
    silent_at: Option<Instant>,
    pause: Duration,
    /// The last thing heard from a server was a refusal.
    refused: bool,
    events: UnboundedSender<(u32, Event)>,
}

impl Life {
    fn say(&self, event: Event) {
        // The receiver lives as long as the agent; when it is gone, so is the reason to run.
        let _ = self.events.send((self.port.index, event));
    }

    fn lose(&mut self) {
        if self.held.take().is_some() {
            self.say(Event::Lost);
            self.silent_at = Some(Instant::now() + self.port.patience);
        }
    }

    /// The first refusal is followed at once, more of them not by a storm of questions.
    async fn refused(&mut self) {
        if std::mem::replace(&mut self.refused, true) {
            self.rest().await;
        }
    }

    async fn rest(&mut self) {
        let end = Instant::now() + self.pause;
        self.pause = (self.pause * 2).min(PAUSES[1]);
        while Instant::now() < end {
            tokio::select! {
                () = tokio::time::sleep_until(end) => {}
                () = at(self.next()) => self.clocks(),
            }
        }
    }

    /// Returns when [`Life::clocks`] has something to do next.
    fn next(&self) -> Option<Instant> {
        let left = self.held.as_ref().and_then(|lease| lease.remaining(uptime()));
        let ends = left.map(|left| Instant::now() + Duration::from_secs(left));
        ends.into_iter().chain(self.silent_at).min()
    }

    /// Says what time alone brings.
    fn clocks(&mut self) {
        let over = |lease: &Lease| lease.remaining(uptime()) == Some(0);
        if self.held.as_ref().is_some_and(over) {
            self.lose();
        }
        if self.silent_at.is_some_and(|at| at <= Instant::now()) {
            self.silent_at = None;
            self.say(Event::Silent);
        }
    }

    /// Runs one client until it is of no more use. Asks for an address within its limit, or for any.
    async fn one_client(&mut self, ask: Option<(Ipv4Addr, Duration)>) -> End {
        let previous = ask.map(|(address, _)| to_mozim(address));
        let mut client = match DhcpV4Client::init(config(&self.port), previous).await {
            Ok(client) => client,
            Err(error) => return End::Failed(error.to_string()),
        };
        let mut limit = ask.map(|(_, limit)| Instant::now() + limit);
        let mut confirming = ask.is_some();
        let mut refusals = None;
        loop {
            let next = client.run();
            tokio::pin!(next);
            // `run` may not be cancelled without losing what it waits for, so everything else goes on beside it.
            let outcome = loop {
                tokio::select! {
                    outcome = &mut next => break outcome,
                    () = at(limit) => return match confirming {
                        true => End::Unconfirmed,
                        false => End::Failed("a server offered an address and then did not grant it".to_string()),
                    },
                    heard = heard(&mut refusals) => match heard {
                        Ok(()) if limit.is_some() => return End::Withdrawn,
                        Ok(()) => return End::Refused,
                        Err(error) => {
                            log::warn!("{}: refusals can't be heard: {error}", self.port.name);
                            refusals = None;
                        }
                    },
                    () = at(self.next()) => {
                        let held = self.held.is_some();
                        self.clocks();
                        // Nothing is left to be prolonged.
                        if confirming && held && self.held.is_none() {
                            return End::Unconfirmed;
                        }
                    }
                }
            };
            let state = match outcome {
                Ok(state) => state,
                Err(error) => return End::Failed(error.to_string()),
            };
            limit = None;
            refusals = match state {
                // Not for want of an answer: that is what the limit is for.
                DhcpV4State::InitReboot if confirming => return End::Refused,
                DhcpV4State::InitReboot => None,
                DhcpV4State::Selecting => {
                    limit = Some(Instant::now() + SELECTING_LIMIT);
                    self.listen()
                }
                DhcpV4State::Renewing => self.listen(),
                DhcpV4State::Rebinding => return End::Rebinding,
                DhcpV4State::Done(sent) => match Lease::from_server(&sent, uptime()) {
                    Ok(lease) => {
                        self.bound(lease);
                        None
                    }
                    Err(problem) => {
                        self.silent_at = None;
                        self.say(Event::Unusable(problem));
                        return End::Failed("the server's answer can't be used".to_string());
                    }
                },
            };
            confirming = false;
        }
    }

    fn bound(&mut self, lease: Lease) {
        self.held = Some(lease.clone());
        self.silent_at = None;
        self.pause = PAUSES[0];
        self.refused = false;
        self.say(Event::Bound(lease));
    }

    fn listen(&self) -> Option<Refusals> {
        Refusals::listen(self.port.index, self.port.mac)
            .inspect_err(|error| log::warn!("{}: refusals can't be heard: {error}", self.port.name))
            .ok()
    }
}

async fn heard(refusals: &mut Option<Refusals>) -> std::io::Result<()> {
    match refusals {
        Some(refusals) => refusals.heard().await,
        None => std::future::pending().await,
    }
}

async fn at(instant: Option<Instant>) {
    match instant {
        Some(instant) => tokio::time::sleep_until(instant).await,
        None => std::future::pending().await,
    }
}

fn config(port: &Port) -> DhcpV4Config {
    let mut config = DhcpV4Config::new(&port.name);
    config.set_iface_index(port.index);
    // Fails only for a length other than six bytes.
    let _ = config.set_iface_mac_raw(&port.mac.bytes());
    match port.vlan {
        None => config.use_mac_as_client_id(),
        Some(id) => config.set_client_id(CLIENT_ID_DUID, &vlan_identity(port.mac, id)),
    };
    config.set_host_name(&port.hostname);
    config
}

/// Type of a client identifier that consists of IAID and DUID (RFC 4361, 6.1).
const CLIENT_ID_DUID: u8 = 255;

/// Returns what tells a VLAN from its port to a server that serves both: dnsmasq takes the lease of the one away when
/// the other, with the same identifier, asks for its own. Ports have the identifier that everybody expects of their address.
fn vlan_identity(mac: MacAddress, id: u16) -> Vec<u8> {
    // IAID, then a DUID-LL for Ethernet (RFC 8415, 11.4).
    let mut identity = u32::from(id).to_be_bytes().to_vec();
    identity.extend([0, 3, 0, 1]);
    identity.extend(mac.bytes());
    identity
}

/// Makes the lease with which mozim asks for the same address again; it reads the address only.
fn to_mozim(address: Ipv4Addr) -> DhcpV4Lease {
    let mut previous = DhcpV4Lease::default();
    previous.yiaddr = address;
    previous
}
