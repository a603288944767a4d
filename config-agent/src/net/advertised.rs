//! Name servers and search domains from router advertisements (RFC 8106), which the kernel passes on to whoever listens.

use std::collections::BTreeMap;
use std::io;
use std::net::Ipv6Addr;

use rtnetlink::MulticastGroup;
use rtnetlink::sys::protocols::NETLINK_ROUTE;
use rtnetlink::sys::{AsyncSocket, AsyncSocketExt, SocketAddr, TokioSocket};

use super::names;

/// Hears the options of router advertisements.
pub struct Listener {
    socket: TokioSocket,
}

impl Listener {
    /// Starts to listen, on all ports. Call within the runtime.
    pub fn open() -> io::Result<Listener> {
        let mut socket = TokioSocket::new(NETLINK_ROUTE)?;
        let group = 1 << (MulticastGroup::NdUseropt as u32 - 1);
        socket.socket_mut().bind(&SocketAddr::new(0, group))?;
        Ok(Listener { socket })
    }

    /// Waits for the next options. Safe to cancel.
    pub async fn next(&self) -> Vec<Advert> {
        loop {
            match self.socket.recv_from_full().await {
                Ok((messages, _)) => {
                    let adverts = parse(&messages);
                    if !adverts.is_empty() {
                        return adverts;
                    }
                }
                // More than there was room for: what was lost comes with the next advertisement.
                Err(error) => log::debug!("Router advertisements: {error}"),
            }
        }
    }
}

/// One option of an advertisement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advert {
    /// The port's index.
    pub index: u32,
    /// How long it holds, in seconds; [`FOREVER`] has no end, zero takes back what was said before.
    lifetime: u32,
    what: What,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum What {
    Servers(Vec<Ipv6Addr>),
    Domains(Vec<String>),
}

/// RFC 8106, 5.1.
const FOREVER: u32 = u32::MAX;
/// `RTM_NEWNDUSEROPT` (kernel: `include/uapi/linux/rtnetlink.h`).
const NEW_OPTIONS: u16 = 68;
/// Router advertisement (RFC 4861, 4.2).
const ADVERTISEMENT: u8 = 134;
/// Options of RFC 8106.
const RDNSS: u8 = 25;
const DNSSL: u8 = 31;

/// Reads netlink messages; what is not an option of interest is left out.
fn parse(mut messages: &[u8]) -> Vec<Advert> {
    let mut adverts = Vec::new();
    // `struct nlmsghdr` (include/uapi/linux/netlink.h).
    while let Some(header) = messages.first_chunk::<16>() {
        let length = u32::from_ne_bytes([header[0], header[1], header[2], header[3]]) as usize;
        let kind = u16::from_ne_bytes([header[4], header[5]]);
        let Some(body) = messages.get(16..length) else {
            break;
        };
        if kind == NEW_OPTIONS {
            adverts.extend(parse_message(body).unwrap_or_default());
        }
        messages = messages.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    adverts
}

/// Reads a `struct nduseroptmsg` and what follows it.
fn parse_message(body: &[u8]) -> Option<Vec<Advert>> {
    let header = body.first_chunk::<16>()?;
    let length = usize::from(u16::from_ne_bytes([header[2], header[3]]));
    let index = u32::from_ne_bytes([header[4], header[5], header[6], header[7]]);
    if i32::from(header[0]) != libc::AF_INET6 || header[8] != ADVERTISEMENT {
        return None;
    }
    let mut options = body.get(16..16 + length)?;
    let mut adverts = Vec::new();
    // Type, length in units of eight bytes, then what the type says (RFC 4861, 4.6).
    while let [kind, units, ..] = *options {
        let Some(option) = options.get(..usize::from(units) * 8).filter(|_| units > 0) else {
            break;
        };
        options = &options[option.len()..];
        // Two bytes of nothing, then the lifetime.
        let Some((lifetime, value)) = option.get(4..).and_then(|rest| rest.split_first_chunk::<4>()) else {
            continue;
        };
        let what = match kind {
            RDNSS => What::Servers(names::servers(value)),
            DNSSL => What::Domains(names::domains(value)),
            _ => continue,
        };
        adverts.push(Advert {
            index,
            lifetime: u32::from_be_bytes(*lifetime),
            what,
        });
    }
    Some(adverts)
}

/// What routers say, until when they say it.
#[derive(Debug, Default)]
pub struct Advertised {
    servers: BTreeMap<u32, Held<Ipv6Addr>>,
    domains: BTreeMap<u32, Held<String>>,
}

/// With the end in seconds since the machine started; none when never.
type Held<T> = Vec<(T, Option<u64>)>;

/// Entries of each kind and port; RFC 8106 (5.3.1) asks for three at least.
const COUNT_LIMIT: usize = 6;

impl Advertised {
    /// Takes note of an option that came at the time `now`.
    pub fn absorb(&mut self, advert: Advert, now: u64) {
        let end = (advert.lifetime != FOREVER).then(|| now + u64::from(advert.lifetime));
        match advert.what {
            What::Servers(servers) => hold(self.servers.entry(advert.index).or_default(), servers, end, now),
            What::Domains(domains) => hold(self.domains.entry(advert.index).or_default(), domains, end, now),
        }
    }

    /// Forgets what is over at the time `now`, and ports that `keep` doesn't name.
    pub fn expire(&mut self, now: u64, keep: impl Fn(u32) -> bool) {
        self.servers.retain(|index, held| keep(*index) && left(held, now));
        self.domains.retain(|index, held| keep(*index) && left(held, now));
    }

    /// Returns when something is over next, in seconds since the machine started.
    pub fn next_end(&self) -> Option<u64> {
        let servers = self.servers.values().flatten().filter_map(|(_, end)| *end);
        let domains = self.domains.values().flatten().filter_map(|(_, end)| *end);
        servers.chain(domains).min()
    }

    /// Returns the name servers of a port.
    pub fn servers(&self, index: u32) -> impl Iterator<Item = Ipv6Addr> {
        self.servers.get(&index).into_iter().flatten().map(|(ip, _)| *ip)
    }

    /// Returns the search domains of a port.
    pub fn domains(&self, index: u32) -> impl Iterator<Item = &str> {
        let held = self.domains.get(&index).into_iter().flatten();
        held.map(|(domain, _)| domain.as_str())
    }
}

fn hold<T: PartialEq>(held: &mut Held<T>, items: Vec<T>, end: Option<u64>, now: u64) {
    for item in items {
        match held.iter_mut().find(|(have, _)| *have == item) {
            Some(have) => have.1 = end,
            None => held.push((item, end)),
        }
    }
    left(held, now);
    // What would end last is kept: a router repeats what it means.
    while held.len() > COUNT_LIMIT {
        let first = (0..held.len()).min_by_key(|at| held[*at].1.unwrap_or(u64::MAX));
        held.remove(first.unwrap_or_default());
    }
}

/// Removes what is over; returns whether anything is left.
fn left<T>(held: &mut Held<T>, now: u64) -> bool {
    held.retain(|(_, end)| end.is_none_or(|end| end > now));
    !held.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A message as the kernel makes it, from options of (type, units, lifetime, rest).
    fn message(options: &[(u8, u8, u32, &[u8])]) -> Vec<u8> {
        let mut body = Vec::new();
        for (kind, units, lifetime, rest) in options {
            body.extend([*kind, *units, 0, 0]);
            body.extend(lifetime.to_be_bytes());
            body.extend(*rest);
        }
        let mut message = Vec::new();
        message.extend((32 + body.len() as u32).to_ne_bytes());
        message.extend(NEW_OPTIONS.to_ne_bytes());
        message.extend([0; 10]);
        message.extend([libc::AF_INET6 as u8, 0]);
        message.extend((body.len() as u16).to_ne_bytes());
        message.extend(7_u32.to_ne_bytes());
        message.extend([ADVERTISEMENT, 0, 0, 0, 0, 0, 0, 0]);
        message.extend(body);
        message
    }

    fn ip(last: u8) -> [u8; 16] {
        Ipv6Addr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, u16::from(last)]).octets()
    }

    const LAN: &[u8] = &[3, b'l', b'a', b'n', 0, 0, 0, 0];

    #[test]
    fn servers_and_domains_come_go_and_end() {
        let mut advertised = Advertised::default();
        let two = [ip(1), ip(2)].concat();
        for advert in parse(&message(&[(RDNSS, 5, 100, &two), (DNSSL, 2, FOREVER, LAN)])) {
            advertised.absorb(advert, 1000);
        }
        assert_eq!(advertised.servers(7).count(), 2);
        assert_eq!(advertised.domains(7).collect::<Vec<_>>(), ["lan"]);
        assert_eq!(advertised.servers(8).count(), 0);
        assert_eq!(advertised.next_end(), Some(1100));
        for advert in parse(&message(&[(RDNSS, 3, 0, &ip(1))])) {
            advertised.absorb(advert, 1010);
        }
        assert_eq!(advertised.servers(7).collect::<Vec<_>>(), [Ipv6Addr::from(ip(2))]);
        advertised.expire(1100, |_| true);
        assert_eq!(advertised.servers(7).count(), 0);
        assert_eq!(advertised.next_end(), None);
        advertised.expire(1100, |_| false);
        assert_eq!(advertised.domains(7).count(), 0);
    }

    #[test]
    fn a_flood_is_bounded_and_what_lasts_longest_stays() {
        let mut advertised = Advertised::default();
        for n in 0..=255 {
            for advert in parse(&message(&[(RDNSS, 3, 1000 + u32::from(n), &ip(n))])) {
                advertised.absorb(advert, 0);
            }
        }
        let servers: Vec<_> = advertised.servers(7).collect();
        assert_eq!(servers.len(), COUNT_LIMIT);
        assert_eq!(servers.last(), Some(&Ipv6Addr::from(ip(255))));
    }

    #[test]
    fn what_is_cut_off_or_lies_about_its_length_is_nothing() {
        let whole = message(&[(RDNSS, 3, 100, &ip(1))]);
        assert_eq!(parse(&whole).len(), 1);
        for length in 0..whole.len() {
            assert_eq!(parse(&whole[..length]), [], "{length} bytes");
        }
        for units in [0, 1, 2, 4, 255] {
            let adverts = parse(&message(&[(RDNSS, units, 100, &ip(1))]));
            assert!(
                adverts
                    .iter()
                    .all(|advert| advert.what == What::Servers(Vec::new())),
                "{units}: {adverts:?}"
            );
        }
    }
}
