//! The sockets of a port, one for each family.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::task::{Context, Poll};

use socket2::{Domain, InterfaceIndexOrAddress, Protocol, SockRef, Socket, Type};
use tokio::io::ReadBuf;
use tokio::net::UdpSocket;

use super::Wire;
use super::answer::PORT;
use super::link::To;

const GROUP_V4: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 251);
const GROUP_V6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0xfb);
/// What comes from farther away has lost some of it (RFC 6762 section 11).
const HOPS: u32 = 255;

/// The sockets of a port.
pub(super) struct Sockets {
    v4: Option<UdpSocket>,
    v6: Option<UdpSocket>,
    index: u32,
}

impl Sockets {
    /// Opens those for which the port has addresses. One that can't be opened is missing, and named in the journal.
    ///
    /// They are bound to the group's address: what is sent to a host's own address never gets here. So nothing comes
    /// from beyond the wire, no router passes on what is for this group; and another responder of this host gets all answers
    /// that are for it. The cost is that a question put to this host alone (RFC 6762 section 5.5) is not heard.
    pub fn open(wire: &Wire) -> Sockets {
        let mut sockets = Sockets {
            v4: None,
            v6: None,
            index: wire.index,
        };
        sockets.complete(wire);
        sockets
    }

    /// Opens and closes what addresses that have come and gone ask for.
    pub fn complete(&mut self, wire: &Wire) {
        let has = |v4: bool| wire.addresses.iter().any(|net| net.addr().is_ipv4() == v4);
        keep(&mut self.v4, has(true), wire, open_v4);
        keep(&mut self.v6, has(false), wire, open_v6);
        if let (Some(socket), Some(source)) = (&self.v4, source(wire))
            && let Err(error) = SockRef::from(socket).set_multicast_if_v4(&source)
        {
            log::debug!("{}: mDNS from {source}: {error}", wire.name);
        }
    }

    /// Sends a message. What can't be sent now is lost, as on the wire.
    pub fn send(&self, to: To, bytes: &[u8]) {
        let group_v4 = SocketAddr::V4(SocketAddrV4::new(GROUP_V4, PORT));
        let group_v6 = SocketAddr::V6(SocketAddrV6::new(GROUP_V6, PORT, 0, self.index));
        let sends = match to {
            To::Group => vec![(&self.v4, group_v4), (&self.v6, group_v6)],
            To::Host(host @ SocketAddr::V4(_)) => vec![(&self.v4, host)],
            To::Host(host @ SocketAddr::V6(_)) => vec![(&self.v6, host)],
        };
        for (socket, to) in sends {
            if let Some(socket) = socket
                && let Err(error) = socket.try_send_to(bytes, to)
            {
                log::debug!("mDNS to {to}: {error}");
            }
        }
    }

    /// Takes a message that has come in.
    pub fn poll_receive(&self, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<SocketAddr> {
        for socket in [&self.v4, &self.v6].into_iter().flatten() {
            // An error is an earlier message that could not be delivered, or the port going down. Each is reported once.
            while let Poll::Ready(received) = socket.poll_recv_from(context, buffer) {
                if let Ok(from) = received {
                    return Poll::Ready(from);
                }
            }
        }
        Poll::Pending
    }
}

/// Returns the IPv4 address to send from. The kernel never takes the rescue address by itself, which is right when there is no
/// other.
fn source(wire: &Wire) -> Option<Ipv4Addr> {
    let addresses = wire.addresses.iter().filter_map(|net| match net.addr() {
        IpAddr::V4(ip) => Some(ip),
        IpAddr::V6(_) => None,
    });
    addresses.min_by_key(Ipv4Addr::is_link_local)
}

fn keep(
    socket: &mut Option<UdpSocket>,
    wanted: bool,
    wire: &Wire,
    open: impl Fn(&Wire) -> io::Result<UdpSocket>,
) {
    if !wanted {
        *socket = None;
    } else if socket.is_none() {
        match open(wire) {
            Ok(open) => *socket = Some(open),
            Err(error) => log::warn!("{}: names can't be served: {error}", wire.name),
        }
    }
}

fn open_v4(wire: &Wire) -> io::Result<UdpSocket> {
    let socket = shared(Domain::IPV4, wire)?;
    socket.set_ttl_v4(HOPS)?;
    socket.set_multicast_ttl_v4(HOPS)?;
    socket.bind(&SocketAddr::from((GROUP_V4, PORT)).into())?;
    socket.join_multicast_v4_n(&GROUP_V4, &InterfaceIndexOrAddress::Index(wire.index))?;
    UdpSocket::from_std(socket.into())
}

fn open_v6(wire: &Wire) -> io::Result<UdpSocket> {
    let socket = shared(Domain::IPV6, wire)?;
    socket.set_only_v6(true)?;
    socket.set_unicast_hops_v6(HOPS)?;
    socket.set_multicast_hops_v6(HOPS)?;
    socket.bind(&SocketAddr::V6(SocketAddrV6::new(GROUP_V6, PORT, 0, wire.index)).into())?;
    socket.join_multicast_v6(&GROUP_V6, wire.index)?;
    UdpSocket::from_std(socket.into())
}

/// Returns a socket of one port whose address and number others may have, too, whichever way they share theirs.
fn shared(family: Domain, wire: &Wire) -> io::Result<Socket> {
    let socket = Socket::new(family, Type::DGRAM.nonblocking(), Some(Protocol::UDP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.bind_device(Some(wire.name.as_bytes()))?;
    Ok(socket)
}
