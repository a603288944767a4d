//! Names and addresses of network ports.

use std::fmt;
use std::str::FromStr;

use super::{Invalid, serde_by_text, text_newtype};
use crate::text;

/// A network interface's name, by the rules of the kernel's `dev_valid_name` (`net/core/dev.c`).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InterfaceName(String);

/// `IFNAMSIZ` less the terminating zero (`include/uapi/linux/if.h`).
const INTERFACE_NAME_LIMIT: usize = 15;

impl FromStr for InterfaceName {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        if text.is_empty() {
            return Err(Invalid(text!("the name of a network port is missing")));
        }
        if text.len() > INTERFACE_NAME_LIMIT {
            return Err(Invalid(text!(
                "the name of a network port has at most {limit} characters",
                limit = INTERFACE_NAME_LIMIT
            )));
        }
        if text == "."
            || text == ".."
            || text.contains(|c: char| c == '/' || c == ':' || c.is_whitespace() || c.is_control())
        {
            return Err(Invalid(text!(
                "{text} cannot be the name of a network port",
                text
            )));
        }
        Ok(InterfaceName(text.to_string()))
    }
}

text_newtype!(InterfaceName);

/// A 48-bit hardware address; printed in lower case with colons.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MacAddress([u8; 6]);

impl MacAddress {
    /// Returns the address of these bytes.
    pub fn new(bytes: [u8; 6]) -> MacAddress {
        MacAddress(bytes)
    }

    /// Returns the six bytes.
    pub fn bytes(self) -> [u8; 6] {
        self.0
    }

    /// Returns the last six hexadecimal digits, in lower case.
    pub fn last_six_digits(self) -> String {
        self.0[3..].iter().map(|b| format!("{b:02x}")).collect()
    }
}

impl FromStr for MacAddress {
    type Err = Invalid;

    /// Reads six pairs of hexadecimal digits with `:` or `-` between them, as labels and Windows print them.
    fn from_str(text: &str) -> Result<Self, Invalid> {
        let invalid = || {
            Invalid(text!(
                "{text} is not a hardware (MAC) address such as 52:54:00:12:34:56",
                text
            ))
        };
        let mut bytes = [0; 6];
        let mut parts = text.split([':', '-']);
        for byte in &mut bytes {
            let part = parts
                .next()
                .filter(|p| p.len() == 2 && p.bytes().all(|b| b.is_ascii_hexdigit()));
            *byte = part
                .and_then(|p| u8::from_str_radix(p, 16).ok())
                .ok_or_else(invalid)?;
        }
        if parts.next().is_some() {
            Err(invalid())
        } else {
            Ok(MacAddress(bytes))
        }
    }
}

impl fmt::Display for MacAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

serde_by_text!(MacAddress);

/// Which wired ports a `[network ...]` section speaks of.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PortId {
    /// Every wired port that no other section names; written `default`.
    Default,
    /// The port of this name.
    Name(InterfaceName),
    /// The port with this hardware address.
    Mac(MacAddress),
}

impl FromStr for PortId {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        if text == "default" {
            return Ok(PortId::Default);
        }
        text.parse()
            .map(PortId::Mac)
            .or_else(|_| text.parse().map(PortId::Name))
    }
}

impl fmt::Display for PortId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PortId::Default => f.write_str("default"),
            PortId::Name(name) => name.fmt(f),
            PortId::Mac(mac) => mac.fmt(f),
        }
    }
}

serde_by_text!(PortId);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mac_addresses_in_both_spellings() {
        for text in ["52:54:00:AB:cd:56", "52-54-00-ab-cd-56"] {
            let mac: MacAddress = text.parse().unwrap();
            assert_eq!(mac.to_string(), "52:54:00:ab:cd:56");
            assert_eq!(mac.last_six_digits(), "abcd56");
        }
        for text in [
            "",
            "52:54:00:12:34",
            "52:54:00:12:34:56:78",
            "5g:54:00:12:34:56",
            "+2:54:00:12:34:56",
        ] {
            assert!(text.parse::<MacAddress>().is_err(), "{text}");
        }
    }

    #[test]
    fn interface_names_follow_the_kernel() {
        for text in ["eth0", "enp0s31f6", "br-lan", "a.b"] {
            assert!(text.parse::<InterfaceName>().is_ok(), "{text}");
        }
        for text in ["", ".", "..", "a/b", "a b", "a:b", "sixteen-letters-"] {
            assert!(text.parse::<InterfaceName>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_port_is_named_or_addressed() {
        assert_eq!("default".parse::<PortId>().unwrap(), PortId::Default);
        assert!(matches!("eth0".parse::<PortId>().unwrap(), PortId::Name(_)));
        assert!(matches!(
            "52-54-00-ab-cd-56".parse::<PortId>().unwrap(),
            PortId::Mac(_)
        ));
    }
}
