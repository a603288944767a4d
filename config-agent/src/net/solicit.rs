//! Asks routers for an advertisement (RFC 4861, 6.3.7).
//!
//! The kernel does so when a port is switched on, which may have been before the agent listened for name servers. When a
//! cable comes back it does not: the port may be in another network by then (kernel: `net/ipv6/addrconf.c`,
//! `addrconf_notify`).

use std::io;
use std::net::{Ipv6Addr, SocketAddrV6};
use std::time::Duration;

use genpack_spec::types::MacAddress;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::task::JoinHandle;

/// How often, and how far apart (RFC 4861, 10, `MAX_RTR_SOLICITATIONS` and `RTR_SOLICITATION_INTERVAL`).
const COUNT: usize = 3;
const INTERVAL: Duration = Duration::from_secs(4);
const ALL_ROUTERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2);

/// The questions on one port; they stop when dropped.
#[derive(Debug)]
pub struct Solicitation {
    task: JoinHandle<()>,
}

impl Drop for Solicitation {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Solicitation {
    /// Starts to ask on the port with this index.
    pub fn start(index: u32, mac: MacAddress) -> Solicitation {
        let task = tokio::spawn(async move {
            for _ in 0..COUNT {
                if let Err(error) = send(index, mac) {
                    log::debug!("Port {index}: routers can't be asked: {error}");
                }
                tokio::time::sleep(INTERVAL).await;
            }
        });
        Solicitation { task }
    }

    /// Asks no more: a router has answered.
    pub fn answered(&self) {
        self.task.abort();
    }
}

fn send(index: u32, mac: MacAddress) -> io::Result<()> {
    let socket = Socket::new(
        Domain::IPV6,
        Type::RAW.nonblocking().cloexec(),
        Some(Protocol::ICMPV6),
    )?;
    // Others are not believed (RFC 4861, 6.1.1).
    socket.set_multicast_hops_v6(255)?;
    let to = SocketAddrV6::new(ALL_ROUTERS, 0, 0, index);
    socket.send_to(&message(mac), &to.into())?;
    Ok(())
}

/// Router solicitation with our hardware address (RFC 4861, 4.1 and 4.6.1); the kernel fills in the checksum.
fn message(mac: MacAddress) -> [u8; 16] {
    let mut message = [133, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0];
    message[10..].copy_from_slice(&mac.bytes());
    message
}
