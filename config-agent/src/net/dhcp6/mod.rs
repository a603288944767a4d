//! DHCPv6 on a port: an address where routers say that there are addresses, else name servers and domains alone.

mod address;
mod information;
mod lease;

use std::net::Ipv6Addr;
use std::time::Duration;

use genpack_spec::types::MacAddress;
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinHandle;

pub use lease::Lease6;

/// What to ask for, by the flags of router advertisements (RFC 4861, 4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// An address and everything else: the flag M.
    Address,
    /// Everything but an address: the flag O.
    Information,
}

/// What a client has to say about its port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A server granted or renewed something.
    Bound(Lease6),
    /// The lease ended; its address must not be used any more.
    Lost,
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
    /// The link-local address to ask from.
    pub from: Ipv6Addr,
}

/// A running client; stops when dropped. What it got stays.
#[derive(Debug)]
pub struct Client {
    mode: Mode,
    task: JoinHandle<()>,
}

impl Drop for Client {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Client {
    /// Starts to ask. `held` is the lease whose address is in use.
    pub fn start(
        mode: Mode,
        port: Port,
        held: Option<Lease6>,
        events: UnboundedSender<(u32, Event)>,
    ) -> Client {
        let task = match mode {
            Mode::Address => tokio::spawn(address::keep_going(port, held, events)),
            Mode::Information => tokio::spawn(information::keep_going(port, events)),
        };
        Client { mode, task }
    }

    /// Returns what it asks for.
    pub fn mode(&self) -> Mode {
        self.mode
    }
}

/// Pauses before a new client takes over from one that failed, growing from the first to the second of these.
const PAUSES: [Duration; 2] = [Duration::from_secs(10), Duration::from_secs(60)];
