//! IP addresses as people type them, and why one is refused.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use crate::text;
use crate::text::Text;

/// Why a value is refused: phrases for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) problem: Text,
    pub(super) hint: Option<Text>,
}

pub(super) fn refuse<T>(problem: Text) -> Result<T, Refusal> {
    Err(Refusal { problem, hint: None })
}

impl Refusal {
    fn hint(self, hint: Text) -> Refusal {
        Refusal {
            hint: Some(hint),
            ..self
        }
    }
}

/// Reads an IP address. Zeros in front of a number are taken as a person means them, not as octal.
pub(super) fn ip(text: &str) -> Result<IpAddr, Refusal> {
    if text.contains(':') {
        if let Some((_, zone)) = text.split_once('%') {
            return refuse(text!("%{zone} cannot stand behind an address here", zone));
        }
        return text
            .parse::<Ipv6Addr>()
            .map(IpAddr::V6)
            .or_else(|_| match why_not_v6(text) {
                Some(why) => refuse(no_ip(text, why)),
                None => refuse(text!("{address} is not an IP address", address = text)),
            });
    }
    match v4_numbers(text) {
        Ok(numbers) => Ok(IpAddr::V4(Ipv4Addr::from(numbers))),
        Err(why) => refuse(no_ip(text, why)),
    }
}

fn no_ip(text: &str, why: Text) -> Text {
    text!("{address} is not an IP address: {why}", address = text, why)
}

fn v4_numbers(text: &str) -> Result<[u8; 4], Text> {
    let parts: Vec<&str> = text.split('.').take(6).collect();
    if parts
        .iter()
        .all(|part| !part.starts_with(|c: char| c.is_ascii_digit()))
    {
        return Err(text!("an address looks like {example}", example = "192.168.1.30"));
    }
    for part in &parts {
        if part.is_empty() {
            return Err(text!("there is a dot too many"));
        }
        if !part.bytes().all(|b| b.is_ascii_digit()) {
            return Err(text!("{part} is not a number", part));
        }
        if part.parse::<u8>().is_err() {
            let number = part.trim_start_matches('0');
            return Err(text!("{number} is larger than 255", number));
        }
    }
    let numbers: Vec<u8> = parts.iter().filter_map(|part| part.parse().ok()).collect();
    numbers
        .try_into()
        .map_err(|numbers: Vec<u8>| match numbers.len() {
            1 => text!("it has one number instead of four"),
            count if count > 4 => text!("it has more than four numbers"),
            count => text!("it has {count} numbers instead of four", count),
        })
}

fn why_not_v6(text: &str) -> Option<Text> {
    let groups: Vec<&str> = text.split(':').take(12).collect();
    if let Some(c) = text
        .chars()
        .find(|c| !(c.is_ascii_hexdigit() || matches!(c, ':' | '.')))
    {
        return Some(text!("{character} cannot be part of one", character = c));
    }
    if let Some((_, port)) = text.rsplit_once(':').filter(|(host, _)| host.contains('.')) {
        return Some(text!(":{port} cannot stand behind it", port));
    }
    if text.matches("::").count() > 1 {
        return Some(text!("it has :: more than once"));
    }
    groups
        .iter()
        .find(|group| group.len() > 4 && !group.contains('.'))
        .map(|group| text!("{group} has more than four digits", group))
}

/// Reads an address with the size of its network behind it: `192.168.1.30/24`, `192.168.1.30/255.255.255.0`, or an
/// address alone.
pub(super) fn with_prefix(text: &str) -> Result<(IpAddr, Option<u8>), Refusal> {
    let (address, size) = match text.split_once('/') {
        Some((address, size)) => (address.trim(), Some(size.trim())),
        None => (text, None),
    };
    if size.is_none() && address.starts_with("255.") && netmask(address).is_ok() {
        return refuse(text!(
            "{address} is a netmask, not an address of a device",
            address
        ))
        .map_err(|refusal| refusal.hint(Text::verbatim(format!("netmask = {address}"))));
    }
    let address = ip(address)?;
    let Some(size) = size else {
        return Ok((address, None));
    };
    let limit = if address.is_ipv4() { 32 } else { 128 };
    let prefix = match size.parse::<u8>() {
        Ok(prefix) if prefix <= limit && !size.starts_with('+') => prefix,
        _ if address.is_ipv4() && size.contains('.') => netmask(size)?,
        _ => {
            return refuse(text!(
                "/{size} cannot stand behind {address}: it must be a number of at most {limit}",
                size,
                address,
                limit
            ));
        }
    };
    Ok((address, Some(prefix)))
}

/// Reads an IPv4 netmask: `255.255.255.0`, `/24` or `24`. Returns the length of the prefix.
pub(super) fn netmask(text: &str) -> Result<u8, Refusal> {
    let hint = |refusal: Refusal| refusal.hint(fits_most("255.255.255.0"));
    let number = text.strip_prefix('/').unwrap_or(text);
    if !number.starts_with('+')
        && let Ok(prefix @ 1..=32) = number.parse::<u8>()
    {
        return Ok(prefix);
    }
    let no_netmask = || text!("{value} is not a netmask", value = text);
    let Ok(numbers) = v4_numbers(text) else {
        return refuse(no_netmask()).map_err(hint);
    };
    let mask = u32::from_be_bytes(numbers);
    if mask == 0 || mask.count_ones() != mask.leading_ones() {
        return refuse(no_netmask()).map_err(hint);
    }
    u8::try_from(mask.count_ones()).or_else(|_| refuse(no_netmask()))
}

/// What to try when somebody does not know the size of their network.
pub(super) fn fits_most(value: impl std::fmt::Display) -> Text {
    text!("{value} fits most home and office networks", value)
}

/// Checks that a device can have this address in a network of this size.
pub(super) fn of_a_device(address: IpAddr, prefix: u8) -> Result<IpNet, Refusal> {
    of_any_host(address)?;
    let Ok(net) = IpNet::new(address, prefix) else {
        return refuse(text!("/{prefix} cannot stand behind {address}", prefix, address));
    };
    let (smallest, point_to_point) = if address.is_ipv4() { (8, 31) } else { (16, 127) };
    if prefix < smallest {
        return refuse(text!(
            "/{prefix} would be a network of a great part of the whole internet",
            prefix
        ));
    }
    if address.is_loopback() {
        return refuse(text!("{address} always means the device itself", address));
    }
    if prefix < point_to_point {
        if address == net.network() {
            return refuse(text!(
                "{address} means the whole network {network}, not one device in it",
                address,
                network = net
            ));
        }
        if address.is_ipv4() && address == net.broadcast() {
            return refuse(text!(
                "{address} means every device of the network (broadcast)",
                address
            ));
        }
    }
    Ok(net)
}

/// Checks that there can be a host of this address at all.
pub(super) fn of_any_host(address: IpAddr) -> Result<(), Refusal> {
    let problem = match address {
        _ if address.is_unspecified() => text!("{address} means no address at all", address),
        _ if address.is_multicast() => {
            text!("{address} means a group of devices (multicast), not one", address)
        }
        IpAddr::V4(Ipv4Addr::BROADCAST) => {
            text!("{address} means every device of the network (broadcast)", address)
        }
        IpAddr::V4(v4) if v4.octets()[0] == 0 || v4.octets()[0] >= 240 => {
            text!("{address} is reserved; no device can have it", address)
        }
        IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some() => {
            text!("{address} is an IPv4 address in IPv6 clothes", address)
        }
        _ => return Ok(()),
    };
    let hint = match address {
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map(Text::verbatim),
        IpAddr::V4(_) => None,
    };
    Err(Refusal { problem, hint })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why(text: &str) -> String {
        match ip(text) {
            Ok(address) => address.to_string(),
            Err(refusal) => refusal.problem.english(),
        }
    }

    #[test]
    fn addresses_are_read_or_explained() {
        for (text, want) in [
            ("192.168.1.30", "192.168.1.30"),
            ("192.168.001.030", "192.168.1.30"),
            ("2001:DB8::1", "2001:db8::1"),
            (
                "192.168.1.300",
                "192.168.1.300 is not an IP address: 300 is larger than 255",
            ),
            (
                "192.168.1.l0",
                "192.168.1.l0 is not an IP address: l0 is not a number",
            ),
            (
                "192.168.1",
                "192.168.1 is not an IP address: it has 3 numbers instead of four",
            ),
            (
                "192",
                "192 is not an IP address: it has one number instead of four",
            ),
            (
                "1.2.3.4.5",
                "1.2.3.4.5 is not an IP address: it has more than four numbers",
            ),
            (
                "192..1.1",
                "192..1.1 is not an IP address: there is a dot too many",
            ),
            (
                "router",
                "router is not an IP address: an address looks like 192.168.1.30",
            ),
            (
                "2001:db8::g",
                "2001:db8::g is not an IP address: g cannot be part of one",
            ),
            (
                "1::2::3",
                "1::2::3 is not an IP address: it has :: more than once",
            ),
            (
                "8.8.8.8:53",
                "8.8.8.8:53 is not an IP address: :53 cannot stand behind it",
            ),
            ("fe80::1%eth0", "%eth0 cannot stand behind an address here"),
        ] {
            assert_eq!(why(text), want);
        }
    }

    #[test]
    fn netmasks_in_every_spelling() {
        for (text, want) in [
            ("255.255.255.0", Some(24)),
            ("/24", Some(24)),
            ("16", Some(16)),
            ("255.255.255.255", Some(32)),
            ("255.255.0.255", None),
            ("0.0.0.0", None),
            ("0", None),
            ("33", None),
            ("+4", None),
            ("255.255.255", None),
        ] {
            assert_eq!(netmask(text).ok(), want, "{text}");
        }
    }

    #[test]
    fn a_device_has_an_address_of_its_own() {
        for text in [
            "192.168.1.0/24",
            "192.168.1.255/24",
            "0.0.0.0/24",
            "0.1.2.3/8",
            "127.0.0.1/8",
            "224.0.0.1/24",
            "255.255.255.255/24",
            "241.0.0.1/24",
            "10.0.0.1/0",
            "::/64",
            "::1/128",
            "ff02::1/64",
            "2001:db8::/64",
            "::ffff:10.0.0.1/120",
        ] {
            let (address, prefix) = with_prefix(text).unwrap();
            assert!(of_a_device(address, prefix.unwrap()).is_err(), "{text}");
        }
        for text in [
            "192.168.1.30/24",
            "10.0.0.0/31",
            "10.0.0.1/32",
            "2001:db8::1/64",
            "fe80::1/64",
        ] {
            let (address, prefix) = with_prefix(text).unwrap();
            assert_eq!(of_a_device(address, prefix.unwrap()).unwrap().to_string(), text);
        }
    }
}
