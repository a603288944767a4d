//! The address of a peer's host: from `/etc/hosts` and from the name servers.
//!
//! Not by getaddrinfo(3): its questions would go into a tunnel that takes everything, and that waits for the answer. These
//! carry the tunnels' own mark.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use domain::base::iana::{Rcode, Rtype};
use domain::base::{Message, MessageBuilder, Name};
use domain::rdata::{A, Aaaa};
use nix::sys::socket::{setsockopt, sockopt};
use tokio::net::UdpSocket;
use tokio::time::timeout;

use super::MARK;

/// As resolv.conf(5) has it: so long for an answer, so often, so many servers.
const PATIENCE: Duration = Duration::from_secs(5);
const ATTEMPTS: usize = 2;
const SERVERS: usize = 3;
/// Most bytes of an answer over UDP without EDNS (RFC 1035, section 4.2.1).
const LONGEST: usize = 512;
/// Most addresses that are kept of one name.
const MOST: usize = 16;

/// Returns the addresses of a host, IPv4 first, at least one.
pub async fn look_up(host: &str, hosts_file: &str, servers: &[SocketAddr]) -> Result<Vec<IpAddr>> {
    let known = in_hosts_file(hosts_file, host);
    if !known.is_empty() {
        return Ok(known);
    }
    let mut last = None;
    for _ in 0..ATTEMPTS {
        for &server in servers.iter().take(SERVERS) {
            let (v4, v6) = tokio::join!(ask(server, host, Rtype::A), ask(server, host, Rtype::AAAA));
            let addresses: Vec<IpAddr> = v4.iter().chain(&v6).flatten().copied().take(MOST).collect();
            if !addresses.is_empty() {
                return Ok(addresses);
            }
            last = v4.err().or(v6.err());
            if last.is_none() {
                bail!("{server} knows no address");
            }
        }
    }
    match last {
        Some(error) => Err(error),
        None => bail!("no name server is known"),
    }
}

/// Returns the addresses of a host in the text of hosts(5).
fn in_hosts_file(text: &str, host: &str) -> Vec<IpAddr> {
    let address = |line: &str| {
        let mut words = line.split('#').next()?.split_whitespace();
        let address = words.next()?.parse().ok()?;
        words
            .any(|name| name.eq_ignore_ascii_case(host))
            .then_some(address)
    };
    text.lines().filter_map(address).take(MOST).collect()
}

async fn ask(server: SocketAddr, host: &str, kind: Rtype) -> Result<Vec<IpAddr>> {
    let asked = async {
        let socket = socket(server)?;
        socket.connect(server).await?;
        let id = rand_id()?;
        socket.send(&question(id, host, kind)?).await?;
        let mut buffer = [0; LONGEST];
        loop {
            let length = socket.recv(&mut buffer).await?;
            match answer(&buffer[..length], id, host, kind) {
                Ok(Some(addresses)) => return anyhow::Ok(addresses),
                // From somebody who guesses; the right one may still come.
                Ok(None) => {}
                Err(error) => return Err(error),
            }
        }
    };
    let answered = timeout(PATIENCE, asked).await;
    answered
        .unwrap_or_else(|_| bail!("no answer in time"))
        .with_context(|| format!("asking {server} for {host}"))
}

fn socket(server: SocketAddr) -> Result<UdpSocket> {
    let any: IpAddr = match server {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = std::net::UdpSocket::bind((any, 0))?;
    setsockopt(&socket, sockopt::Mark, &MARK).context("marking the question")?;
    socket.set_nonblocking(true)?;
    Ok(UdpSocket::from_std(socket)?)
}

/// Returns a number that nobody can guess (RFC 5452).
fn rand_id() -> Result<u16> {
    let mut bytes = [0; 2];
    std::io::Read::read_exact(&mut std::fs::File::open("/dev/urandom")?, &mut bytes)?;
    Ok(u16::from_ne_bytes(bytes))
}

fn question(id: u16, host: &str, kind: Rtype) -> Result<Vec<u8>> {
    let mut message = MessageBuilder::new_vec();
    message.header_mut().set_id(id);
    message.header_mut().set_rd(true);
    let mut questions = message.question();
    questions.push((&Name::vec_from_str(host)?, kind))?;
    Ok(questions.finish())
}

/// Returns the addresses in an answer, or none when it answers another question.
fn answer(bytes: &[u8], id: u16, host: &str, kind: Rtype) -> Result<Option<Vec<IpAddr>>> {
    let Ok(message) = Message::from_octets(bytes) else {
        return Ok(None);
    };
    let host = Name::vec_from_str(host)?;
    let same_question = message
        .sole_question()
        .is_ok_and(|question| question.qtype() == kind && *question.qname() == host);
    let header = message.header();
    if header.id() != id || !header.qr() || !same_question {
        return Ok(None);
    }
    let code = header.rcode();
    ensure!(
        code == Rcode::NOERROR || code == Rcode::NXDOMAIN,
        "the server answers {code}"
    );
    // The names between the question and the address (CNAME) are the server's business.
    let records = message.answer()?;
    let v4 = records
        .limit_to::<A>()
        .flatten()
        .map(|record| IpAddr::V4(record.data().addr()));
    let v6 = records
        .limit_to::<Aaaa>()
        .flatten()
        .map(|record| IpAddr::V6(record.data().addr()));
    let addresses = v4.chain(v6).filter(can_be_a_peer);
    Ok(Some(addresses.take(MOST).collect()))
}

fn can_be_a_peer(address: &IpAddr) -> bool {
    !address.is_unspecified() && !address.is_multicast() && *address != IpAddr::V4(Ipv4Addr::BROADCAST)
}

#[cfg(test)]
mod tests {
    use domain::base::Ttl;
    use domain::rdata::Cname;

    use super::*;

    const HOST: &str = "vpn.example.com";
    const ALIAS: &str = "dyn.example.net";

    fn name(text: &str) -> Name<Vec<u8>> {
        Name::vec_from_str(text).unwrap()
    }

    /// An answer with one alias and one good address.
    fn reply(id: u16) -> Vec<u8> {
        let mut message = MessageBuilder::new_vec();
        message.header_mut().set_id(id);
        message.header_mut().set_qr(true);
        let mut questions = message.question();
        questions.push((&name(HOST), Rtype::A)).unwrap();
        let mut answers = questions.answer();
        let ttl = Ttl::from_secs(60);
        let alias = Cname::new(name(ALIAS));
        answers.push((name(HOST), ttl, alias)).unwrap();
        for address in [[192, 0, 2, 9], [0, 0, 0, 0], [224, 0, 0, 1]] {
            let address = A::new(address.into());
            answers.push((name(ALIAS), ttl, address)).unwrap();
        }
        answers.finish()
    }

    #[test]
    fn an_answer_through_another_name() {
        let addresses = answer(&reply(7), 7, "VPN.example.com", Rtype::A).unwrap();
        assert_eq!(addresses.unwrap(), ["192.0.2.9".parse::<IpAddr>().unwrap()]);
    }

    #[test]
    fn what_was_not_asked_is_no_answer() {
        let bytes = reply(7);
        for (id, host, kind) in [
            (8, HOST, Rtype::A),
            (7, "vpn.example.org", Rtype::A),
            (7, HOST, Rtype::AAAA),
        ] {
            assert_eq!(answer(&bytes, id, host, kind).unwrap(), None);
        }
        let echo = question(7, HOST, Rtype::A).unwrap();
        assert_eq!(answer(&echo, 7, HOST, Rtype::A).unwrap(), None);
        for length in 0..bytes.len() {
            let _ = answer(&bytes[..length], 7, HOST, Rtype::A);
        }
    }

    #[test]
    fn hosts_of_the_file() {
        let text = "127.0.0.1 localhost\n192.0.2.3\tvpn.example.com vpn # 192.0.2.4 nobody\nrubbish vpn\n2001:db8::3 VPN\n";
        let found = in_hosts_file(text, "vpn");
        assert_eq!(
            found,
            [
                "192.0.2.3".parse::<IpAddr>().unwrap(),
                "2001:db8::3".parse().unwrap()
            ]
        );
        assert!(in_hosts_file(text, "nobody").is_empty());
    }
}
