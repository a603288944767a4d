//! A packet socket for ARP on one port. The kernel passes on only what is about the addresses of interest, so that other
//! hosts' ARP wakes nobody.

use std::io::{self, Read};
use std::net::Ipv4Addr;

use genpack_spec::types::MacAddress;
use socket2::{Domain, Protocol, SockAddr, SockFilter, Socket, Type};
use tokio::io::unix::AsyncFd;

use super::frame::{self, Arp, LENGTH};

/// Hears and sends ARP on one port.
#[derive(Debug)]
pub struct ArpSocket {
    socket: AsyncFd<Socket>,
}

/// Most addresses that are listened for: the filter stays far below the kernel's limit of 4096 instructions (`BPF_MAXINSNS`).
pub const ADDRESSES: usize = 256;

impl ArpSocket {
    /// Opens the socket, deaf until [`ArpSocket::listen_for`]. Needs `CAP_NET_RAW` and a running tokio.
    pub fn open(index: u32) -> io::Result<ArpSocket> {
        // Without a protocol nothing comes in before filter and port are set (packet(7)).
        let socket = Socket::new(Domain::PACKET, Type::RAW, None::<Protocol>)?;
        socket.set_nonblocking(true)?;
        socket.attach_filter(&filter(&[]))?;
        socket.bind(&link_address(index)?)?;
        Ok(ArpSocket {
            socket: register(socket)?,
        })
    }

    /// Chooses the addresses of interest; only the first [`ADDRESSES`] count.
    pub fn listen_for(&self, addresses: &[Ipv4Addr]) -> io::Result<()> {
        self.socket.get_ref().attach_filter(&filter(addresses))
    }

    /// Asks whether anybody has the address.
    pub fn probe(&self, mac: MacAddress, address: Ipv4Addr) -> io::Result<()> {
        self.send(&frame::probe(mac, address))
    }

    /// Tells everybody that we have the address.
    pub fn announce(&self, mac: MacAddress, address: Ipv4Addr) -> io::Result<()> {
        self.send(&frame::announcement(mac, address))
    }

    fn send(&self, frame: &[u8; LENGTH]) -> io::Result<()> {
        // A full queue costs one of several frames; that is no reason to wait.
        self.socket.get_ref().send(frame).map(drop)
    }

    /// Waits for the next frame about an address of interest. The error is the port's, such as that it was switched off, and
    /// is told once.
    pub async fn receive(&self) -> io::Result<Arp> {
        // Longer frames are cut by the kernel; what matters is at the beginning.
        let mut buffer = [0; LENGTH];
        loop {
            let mut ready = self.socket.readable().await?;
            match ready.try_io(|socket| socket.get_ref().read(&mut buffer)) {
                Ok(Ok(length)) => {
                    if let Some(arp) = buffer.get(..length).and_then(Arp::parse) {
                        return Ok(arp);
                    }
                }
                Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(Err(error)) => return Err(error),
                Err(_would_block) => {}
            }
        }
    }
}

#[allow(unsafe_code)]
fn register(socket: Socket) -> io::Result<AsyncFd<Socket>> {
    // SAFETY: the socket owns its descriptor, and nothing changes or closes that before the socket is dropped.
    Ok(unsafe { AsyncFd::register(socket) }?)
}

/// Returns the address of ARP on a port (packet(7)).
#[allow(unsafe_code)]
fn link_address(index: u32) -> io::Result<SockAddr> {
    let address = libc::sockaddr_ll {
        sll_family: libc::AF_PACKET as u16,
        sll_protocol: (libc::ETH_P_ARP as u16).to_be(),
        sll_ifindex: i32::try_from(index).map_err(io::Error::other)?,
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 0,
        sll_addr: [0; 8],
    };
    // SAFETY: the storage takes any socket address, `sockaddr_ll` among them; it is written whole, and the length is its own.
    let ((), address) = unsafe {
        SockAddr::try_init(|storage, length| {
            storage.cast::<libc::sockaddr_ll>().write(address);
            *length = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
            Ok(())
        })?
    };
    Ok(address)
}

// Classic BPF (kernel: Documentation/networking/filter.rst); numbers of include/uapi/linux/bpf_common.h.
const LOAD_WORD: u16 = 0x20;
const LOAD_HALF: u16 = 0x28;
const LOAD_BYTE: u16 = 0x30;
const JUMP_EQUAL: u16 = 0x15;
const RETURN: u16 = 0x06;
/// `SKF_AD_OFF + SKF_AD_VLAN_TAG_PRESENT`: whether the frame came with a VLAN's tag that the hardware has taken off.
const VLAN_TAG_PRESENT: u32 = (-0x1000_i32 + 48) as u32;

/// Passes requests and replies in which the sender has one of the addresses, and probes for one. A load beyond the frame's
/// end drops the frame.
fn filter(addresses: &[Ipv4Addr]) -> Vec<SockFilter> {
    let addresses = || addresses.iter().take(ADDRESSES).map(|ip| u32::from(*ip));
    let load = |size, at| SockFilter::new(size, 0, 0, at);
    let drop_frame = || SockFilter::new(RETURN, 0, 0, 0);
    let pass = || SockFilter::new(RETURN, 0, 0, LENGTH as u32);
    let unless = |value| [SockFilter::new(JUMP_EQUAL, 1, 0, value), drop_frame()];
    let when = |value| [SockFilter::new(JUMP_EQUAL, 0, 1, value), pass()];

    let mut program = vec![load(LOAD_BYTE, VLAN_TAG_PRESENT)];
    program.extend(unless(0));
    for (size, at, value) in [
        (LOAD_HALF, 12, 0x0806),
        (LOAD_WORD, 14, 0x0001_0800),
        (LOAD_HALF, 18, 0x0604),
    ] {
        program.push(load(size, at));
        program.extend(unless(value));
    }
    // The sender's address.
    program.push(load(LOAD_WORD, 28));
    program.extend(addresses().flat_map(when));
    program.extend(unless(0));
    // What a probe asks for.
    program.push(load(LOAD_WORD, 38));
    program.extend(addresses().flat_map(when));
    program.push(drop_frame());
    program
}
