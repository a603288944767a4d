//! Name servers and domains as they stand in IPv6's options, of routers (RFC 8106) as of DHCPv6 (RFC 3646).

use std::net::Ipv6Addr;

use super::lease::is_domain;

/// Reads addresses one behind the other; those that no server can have are left out.
pub fn servers(value: &[u8]) -> Vec<Ipv6Addr> {
    let addresses = value
        .chunks_exact(16)
        .filter_map(|bytes| <[u8; 16]>::try_from(bytes).ok());
    addresses
        .map(Ipv6Addr::from)
        .filter(|ip| is_server(*ip))
        .collect()
}

/// Whether a name server can have the address.
pub fn is_server(ip: Ipv6Addr) -> bool {
    !ip.is_unspecified() && !ip.is_loopback() && !ip.is_multicast()
}

/// Reads names in the form of RFC 1035 (3.1), one behind the other, without compression, padded with zeros. What follows
/// something malformed is left out, as are names that may not stand in `resolv.conf`.
pub fn domains(value: &[u8]) -> Vec<String> {
    let (mut domains, mut name, mut rest) = (Vec::new(), String::new(), value);
    while let Some((length, behind)) = rest.split_first() {
        let Some((label, behind)) = behind.split_at_checked(usize::from(*length)) else {
            break;
        };
        rest = behind;
        if label.is_empty() {
            let name = std::mem::take(&mut name);
            if is_domain(&name) && !domains.contains(&name) {
                domains.push(name);
            }
            continue;
        }
        // A dot within a label would make another name of it; so would the loss of a byte.
        let Ok(label) = std::str::from_utf8(label) else {
            break;
        };
        if label.len() > 63 || label.contains('.') {
            break;
        }
        if !name.is_empty() {
            name.push('.');
        }
        name.push_str(label);
    }
    domains
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_up_to_the_first_that_is_malformed() {
        assert_eq!(
            domains(b"\x03lan\x00\x07example\x03org\x00\x03lan\x00\x00\x00"),
            ["lan", "example.org"]
        );
        assert_eq!(domains(b"\x03lan\x00\xc0\x00\x03foo\x00"), ["lan"]);
        for bad in [
            &b"\x03la"[..],
            b"\x03lan",
            b"\x04a.b.\x00",
            b"\x05a\nb c\x00",
            b"\x02\xff\xfe\x00",
            b"",
        ] {
            assert_eq!(domains(bad), [""; 0], "{bad:?}");
        }
        let long = [b"\x0aaaaaaaaaaa".repeat(30), vec![0]].concat();
        assert_eq!(domains(&long), [""; 0]);
    }

    #[test]
    fn addresses_that_no_server_can_have_are_left_out() {
        let all = ["::", "::1", "ff02::1", "fe80::1", "2001:db8::1"]
            .map(|ip| ip.parse::<Ipv6Addr>().unwrap().octets());
        assert_eq!(servers(&all.concat()).len(), 2);
        assert!(servers(&[1; 15]).is_empty());
    }
}
