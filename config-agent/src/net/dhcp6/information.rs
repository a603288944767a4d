//! The client for name servers and domains alone (RFC 8415, 18.2.6, Information-request), which mozim 0.3.4 lacks.
//!
//! Own code because it is two messages; a codec for all of DHCP (`dhcproto`) would bring a DNS library with it.

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::{Ipv6Addr, SocketAddrV6};
use std::time::Duration;

use genpack_spec::types::MacAddress;
use tokio::net::UdpSocket;
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::timeout;

use super::{Event, Lease6, PAUSES, Port};
use crate::net::names;

/// Ports and `All_DHCP_Relay_Agents_and_Servers` (RFC 8415, 7.1 and 7.2).
const CLIENT_PORT: u16 = 546;
const SERVER_PORT: u16 = 547;
const SERVERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 1, 2);
/// First and longest wait for an answer. Shorter than `INF_MAX_RT` (RFC 8415, 7.6), because routers say that there is a server.
const WAITS: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(60)];
/// How long an answer holds: by default, and at least (RFC 8415, 7.6, `IRT_DEFAULT`, `IRT_MINIMUM`). The default is also
/// the most.
const REFRESH: [u32; 2] = [86_400, 600];

/// Message and option types (RFC 8415, 7.3 and 21; RFC 3646).
const INFORMATION_REQUEST: u8 = 11;
const REPLY: u8 = 7;
const CLIENT_ID: u16 = 1;
const SERVER_ID: u16 = 2;
const OPTION_REQUEST: u16 = 6;
const ELAPSED_TIME: u16 = 8;
const DNS_SERVERS: u16 = 23;
const DOMAIN_LIST: u16 = 24;
const REFRESH_TIME: u16 = 32;

/// Runs for ever.
pub async fn keep_going(port: Port, events: UnboundedSender<(u32, Event)>) {
    let mut pause = PAUSES[0];
    loop {
        match ask(&port).await {
            Ok(answer) => {
                pause = PAUSES[0];
                // The receiver lives as long as the agent; when it is gone, so is the reason to run.
                let _ = events.send((port.index, Event::Bound(answer.lease)));
                tokio::time::sleep(answer.refresh).await;
            }
            Err(error) => {
                log::warn!("{}: DHCPv6 can't be asked: {error}", port.name);
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(PAUSES[1]);
            }
        }
    }
}

async fn ask(port: &Port) -> io::Result<Answer> {
    let socket = UdpSocket::bind(SocketAddrV6::new(port.from, CLIENT_PORT, 0, port.index)).await?;
    let random = RandomState::new().hash_one(port.index).to_ne_bytes();
    let transaction = [random[0], random[1], random[2]];
    let question = question(transaction, port.mac);
    // All machines of a network hear the same advertisement; they don't ask in the same moment (RFC 8415, 18.2.6).
    tokio::time::sleep(Duration::from_millis(u64::from(random[3]))).await;
    let mut wait = WAITS[0];
    loop {
        let all = SocketAddrV6::new(SERVERS, SERVER_PORT, 0, port.index);
        socket.send_to(&question, all).await?;
        if let Ok(answer) = timeout(wait, hear(&socket, transaction, port.mac)).await {
            return answer;
        }
        wait = (wait * 2).min(WAITS[1]);
    }
}

async fn hear(socket: &UdpSocket, transaction: [u8; 3], mac: MacAddress) -> io::Result<Answer> {
    let mut buffer = [0; 1500];
    loop {
        let length = socket.recv(&mut buffer).await?;
        if let Some(answer) = Answer::parse(&buffer[..length], transaction, mac) {
            return Ok(answer);
        }
    }
}

/// DUID-LL (RFC 8415, 11.4), the same as that of the client for an address.
fn duid(mac: MacAddress) -> Vec<u8> {
    [&[0, 3, 0, 1][..], &mac.bytes()].concat()
}

fn question(transaction: [u8; 3], mac: MacAddress) -> Vec<u8> {
    let mut message = vec![INFORMATION_REQUEST];
    message.extend(transaction);
    let mut option = |code: u16, value: &[u8]| {
        message.extend(code.to_be_bytes());
        message.extend((value.len() as u16).to_be_bytes());
        message.extend(value);
    };
    option(CLIENT_ID, &duid(mac));
    option(ELAPSED_TIME, &[0, 0]);
    let wanted = [DNS_SERVERS, DOMAIN_LIST, REFRESH_TIME];
    option(OPTION_REQUEST, &wanted.map(u16::to_be_bytes).concat());
    message
}

#[derive(Debug, PartialEq, Eq)]
struct Answer {
    lease: Lease6,
    refresh: Duration,
}

impl Answer {
    /// Reads an answer to our question (RFC 8415, 16.10); none when it is something else.
    fn parse(message: &[u8], transaction: [u8; 3], mac: MacAddress) -> Option<Answer> {
        let (header, mut options) = message.split_first_chunk::<4>()?;
        if header[0] != REPLY || header[1..] != transaction {
            return None;
        }
        let (mut dns, mut search, mut refresh) = (Vec::new(), Vec::new(), REFRESH[0]);
        let mut has_server = false;
        while let Some((head, rest)) = options.split_first_chunk::<4>() {
            let code = u16::from_be_bytes([head[0], head[1]]);
            let length = usize::from(u16::from_be_bytes([head[2], head[3]]));
            let (value, rest) = rest.split_at_checked(length)?;
            options = rest;
            match code {
                CLIENT_ID if value != duid(mac) => return None,
                SERVER_ID => has_server = true,
                DNS_SERVERS => dns = names::servers(value),
                DOMAIN_LIST => search = names::domains(value),
                REFRESH_TIME => refresh = u32::from_be_bytes(value.try_into().ok()?),
                _ => {}
            }
        }
        has_server.then(|| Answer {
            lease: Lease6::information(dns, search),
            refresh: Duration::from_secs(refresh.clamp(REFRESH[1], REFRESH[0]).into()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: [u8; 3] = [1, 2, 3];

    fn mac() -> MacAddress {
        MacAddress::new([2, 0, 0, 0, 0, 1])
    }

    fn reply(options: &[(u16, &[u8])]) -> Vec<u8> {
        let mut message = vec![REPLY, 1, 2, 3];
        for (code, value) in options {
            message.extend(code.to_be_bytes());
            message.extend((value.len() as u16).to_be_bytes());
            message.extend(*value);
        }
        message
    }

    #[test]
    fn an_answer_is_read_and_its_time_bounded() {
        let server: Ipv6Addr = "2001:db8::1".parse().unwrap();
        let parse = |refresh: u32| {
            let message = reply(&[
                (CLIENT_ID, &duid(mac())),
                (SERVER_ID, b"x"),
                (DNS_SERVERS, &server.octets()),
                (DOMAIN_LIST, b"\x03lan\x00"),
                (REFRESH_TIME, &refresh.to_be_bytes()),
                (999, b"?"),
            ]);
            Answer::parse(&message, ID, mac()).unwrap()
        };
        let answer = parse(7200);
        assert_eq!((answer.lease.dns, answer.refresh.as_secs()), (vec![server], 7200));
        assert_eq!(answer.lease.search, ["lan"]);
        assert_eq!(parse(0).refresh.as_secs(), 600);
        assert_eq!(parse(u32::MAX).refresh.as_secs(), 86_400);
    }

    #[test]
    fn answers_to_others_and_what_is_cut_off_are_nothing() {
        let whole = reply(&[(CLIENT_ID, &duid(mac())), (SERVER_ID, b"x")]);
        assert!(Answer::parse(&whole, ID, mac()).is_some());
        for length in 0..whole.len() {
            assert_eq!(Answer::parse(&whole[..length], ID, mac()), None, "{length} bytes");
        }
        assert_eq!(Answer::parse(&whole, [1, 2, 4], mac()), None);
        assert_eq!(Answer::parse(&whole, ID, MacAddress::new([2; 6])), None);
        assert_eq!(Answer::parse(&question(ID, mac()), ID, mac()), None);
    }
}
