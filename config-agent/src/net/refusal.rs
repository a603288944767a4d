//! Hears a DHCP server's refusal (DHCPNAK) of what the client beside it has asked.
//!
//! A server broadcasts its refusal, even of a renewal that came to it alone (RFC 2131, 4.1), while mozim waits for it on a socket
//! that hears no broadcast. So this one looks at the frames of the port: the client's request tells which transaction
//! a refusal has to name.

use std::io;

use genpack_spec::types::MacAddress;
use socket2::{Domain, Protocol, SockFilter, Socket, Type};
use tokio::net::UdpSocket;

/// Sees the DHCP messages on one port, both ways.
#[derive(Debug)]
pub struct Refusals {
    /// A packet socket in the guise of the only datagram socket that tokio knows; nothing but `recv` is used of it.
    socket: UdpSocket,
    mac: MacAddress,
    /// Transaction of the last request.
    asked: Option<u32>,
}

/// More than a refusal has; the rest of a longer frame is of no use.
const FRAME_LIMIT: usize = 1514;

impl Refusals {
    /// Starts to look at the port with this index; to be called before the request is sent. Call within the runtime.
    pub fn listen(index: u32, mac: MacAddress) -> io::Result<Refusals> {
        // Only a socket for all protocols sees what this machine sends (packet(7)). In network byte order.
        let every = i32::from((libc::ETH_P_ALL as u16).to_be());
        let socket = Socket::new(
            Domain::PACKET,
            Type::RAW.nonblocking().cloexec(),
            Some(Protocol::from(every)),
        )?;
        socket.attach_filter(&filter(index))?;
        Ok(Refusals {
            socket: UdpSocket::from_std(socket.into())?,
            mac,
            asked: None,
        })
    }

    /// Waits until a server refuses the last request. Safe to cancel.
    pub async fn heard(&mut self) -> io::Result<()> {
        let mut frame = [0; FRAME_LIMIT];
        loop {
            let length = self.socket.recv(&mut frame).await?;
            let Some(message) = Message::parse(&frame[..length]) else {
                continue;
            };
            if self.is_refusal(&message) {
                return Ok(());
            }
        }
    }

    fn is_refusal(&mut self, message: &Message) -> bool {
        if message.client != self.mac {
            return false;
        }
        match message.kind {
            Kind::Request => self.asked = Some(message.transaction),
            Kind::Refusal => return self.asked == Some(message.transaction),
        }
        false
    }
}

/// Lets UDP over IPv4 to the ports 67 and 68 through, unfragmented, on one interface (kernel:
/// `Documentation/networking/filter.rst`).
fn filter(index: u32) -> [SockFilter; 14] {
    const LOAD_WORD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
    const LOAD_HALF: u16 = (libc::BPF_LD | libc::BPF_H | libc::BPF_ABS) as u16;
    const LOAD_BYTE: u16 = (libc::BPF_LD | libc::BPF_B | libc::BPF_ABS) as u16;
    const LOAD_HALF_BEHIND: u16 = (libc::BPF_LD | libc::BPF_H | libc::BPF_IND) as u16;
    const LOAD_HEADER_LENGTH: u16 = (libc::BPF_LDX | libc::BPF_B | libc::BPF_MSH) as u16;
    const EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
    const ANY_BIT: u16 = (libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K) as u16;
    const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
    /// Where the kernel offers the interface's index to filters.
    const INTERFACE: u32 = (libc::SKF_AD_OFF + libc::SKF_AD_IFINDEX) as u32;
    let step = SockFilter::new;
    [
        step(LOAD_WORD, 0, 0, INTERFACE),
        step(EQUAL, 0, 11, index),
        step(LOAD_HALF, 0, 0, 12),
        step(EQUAL, 0, 9, libc::ETH_P_IP as u32),
        step(LOAD_BYTE, 0, 0, 23),
        step(EQUAL, 0, 7, libc::IPPROTO_UDP as u32),
        step(LOAD_HALF, 0, 0, 20),
        step(ANY_BIT, 5, 0, 0x3fff),
        step(LOAD_HEADER_LENGTH, 0, 0, 14),
        step(LOAD_HALF_BEHIND, 0, 0, 14 + 2),
        step(EQUAL, 1, 0, 67),
        step(EQUAL, 0, 1, 68),
        step(RETURN, 0, 0, FRAME_LIMIT as u32),
        step(RETURN, 0, 0, 0),
    ]
}

#[derive(Debug, PartialEq, Eq)]
enum Kind {
    Request,
    Refusal,
}

/// What matters of a DHCP message.
#[derive(Debug, PartialEq, Eq)]
struct Message {
    kind: Kind,
    transaction: u32,
    client: MacAddress,
}

/// BOOTREQUEST and BOOTREPLY (RFC 2131, 2), DHCPREQUEST and DHCPNAK (RFC 2132, 9.6).
const REQUEST: (u8, u8) = (1, 3);
const REFUSAL: (u8, u8) = (2, 6);
const COOKIE: [u8; 4] = [99, 130, 83, 99];

impl Message {
    /// Reads an Ethernet frame that the filter let through; none when it is something else.
    fn parse(frame: &[u8]) -> Option<Message> {
        let packet = frame.get(14..)?;
        let header = usize::from(packet.first()? & 0x0f) * 4;
        // Behind the headers of IP and UDP.
        let message = packet.get(header..)?.get(8..)?;
        if message.get(236..240)? != COOKIE {
            return None;
        }
        let kind = match (*message.first()?, message_type(message.get(240..)?)?) {
            REQUEST => Kind::Request,
            REFUSAL => Kind::Refusal,
            _ => return None,
        };
        Some(Message {
            kind,
            transaction: u32::from_be_bytes(message.get(4..8)?.try_into().ok()?),
            client: MacAddress::new(message.get(28..34)?.try_into().ok()?),
        })
    }
}

/// Finds option 53 (RFC 2132, 2 and 9.6).
fn message_type(mut options: &[u8]) -> Option<u8> {
    loop {
        match *options.first()? {
            0 => options = options.get(1..)?,
            255 => return None,
            code => {
                let length = usize::from(*options.get(1)?);
                let value = options.get(2..2 + length)?;
                if code == 53 {
                    return value.first().copied();
                }
                options = options.get(2 + length..)?;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];

    /// A frame with IP options, so that their length counts.
    fn frame(op: u8, transaction: u32, options: &[u8]) -> Vec<u8> {
        let mut frame = vec![0; 14 + 24 + 8 + 240];
        frame[14] = 0x46;
        let message = &mut frame[14 + 24 + 8..];
        message[0] = op;
        message[4..8].copy_from_slice(&transaction.to_be_bytes());
        message[28..34].copy_from_slice(&MAC);
        message[236..].copy_from_slice(&COOKIE);
        frame.extend_from_slice(options);
        frame
    }

    #[test]
    fn only_the_refusal_of_the_last_request_counts() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let _guard = runtime.enter();
        let mut refusals = Refusals::listen(1, MacAddress::new(MAC)).unwrap();
        let request = |number| frame(1, number, &[0, 12, 1, b'x', 53, 1, 3, 255]);
        let refusal = |number| frame(2, number, &[53, 1, 6, 255]);
        let mut is_refusal = |frame: &[u8]| refusals.is_refusal(&Message::parse(frame).unwrap());
        assert!(!is_refusal(&refusal(7)), "nothing was asked");
        assert!(!is_refusal(&request(7)));
        assert!(!is_refusal(&refusal(8)));
        let mut other = refusal(7);
        other[14 + 24 + 8 + 33] = 9;
        assert!(!is_refusal(&other), "meant for another client");
        assert!(is_refusal(&refusal(7)));
    }

    #[test]
    fn what_is_cut_off_or_something_else_is_nothing() {
        let whole = frame(2, 7, &[12, 1, b'x', 53, 1, 6]);
        assert!(Message::parse(&whole).is_some());
        for length in 0..whole.len() {
            assert_eq!(Message::parse(&whole[..length]), None, "{length} bytes");
        }
        for options in [
            &[][..],
            &[255, 53, 1, 6],
            &[53, 0],
            &[53, 1, 5],
            &[12, 200, 53, 1, 6],
        ] {
            assert_eq!(Message::parse(&frame(2, 7, options)), None, "{options:?}");
        }
        assert_eq!(Message::parse(&frame(1, 7, &[53, 1, 6])), None, "a client's");
    }
}
