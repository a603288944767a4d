//! The one table of all settings. The reader's typing, the template on new cards, suggestions for misspelt names and
//! the reference page are all made from it.
//!
//! Sections and keys borrow their texts, so that those which a blueprint declares can stand beside the built-in ones.

/// A section and what it may hold.
#[derive(Debug, Clone, Copy)]
pub struct Section<'a> {
    /// Canonical name, lower case.
    pub name: &'a str,
    /// What may follow the name between the brackets.
    pub subject: SubjectKind,
    /// What it is for, in whole sentences.
    pub help: &'a str,
    /// Its settings.
    pub keys: Keys<'a>,
}

/// What may follow a section's name between the brackets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubjectKind {
    /// Nothing.
    None,
    /// A network port's name or hardware address, or nothing: every port that has no section of its own.
    Port,
}

/// The settings of a section.
#[derive(Debug, Clone, Copy)]
pub enum Keys<'a> {
    /// These.
    Fixed(&'a [Key<'a>]),
    /// One for each systemd unit, under its name.
    Units(Key<'a>),
}

/// One setting.
#[derive(Debug, Clone, Copy)]
pub struct Key<'a> {
    /// Canonical name, lower case.
    pub name: &'a str,
    /// What its value, or each value of its list, must be.
    pub kind: Kind<'a>,
    /// Whether it takes several values.
    pub list: List,
    /// What it does, in whole sentences.
    pub help: &'a str,
    /// A value that is right, or where that would be unsafe, one that looks like it.
    pub example: &'a str,
    /// What holds when it is absent or unusable.
    pub fallback: Fallback<'a>,
    /// Whether its value must never be shown.
    pub secret: bool,
    /// Other words for it. They are not accepted, but lead to the right name.
    pub other_words: &'a [&'a str],
}

/// The type of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind<'a> {
    /// RFC 1123 label or fully qualified name.
    Hostname,
    /// IANA name that the image has.
    TimeZone,
    /// One of these.
    Choice(&'a [Choice<'a>]),
    /// On or off.
    Bool,
    /// IP address with the length of its network prefix; an IPv4 address without one needs a netmask.
    InterfaceAddress,
    /// IPv4 netmask.
    Netmask,
    /// Address of a gateway or a server.
    HostAddress,
    /// Line of a `.pub` file.
    SshKey,
}

/// One of the words that a setting may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choice<'a> {
    /// Canonical word.
    pub word: &'a str,
    /// Words that mean the same.
    pub synonyms: &'a [&'a str],
}

/// Whether a setting takes several values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum List {
    /// One value; of several lines the last counts.
    No,
    /// Values with commas or blanks between them; several lines add up.
    Words,
    /// One value a line, which may contain blanks; several lines add up.
    Lines,
}

/// What holds when a setting is absent or unusable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fallback<'a> {
    /// This, as a phrase.
    Text(&'a str),
    /// The device's default host name.
    DefaultHostname,
}

impl<'a> Section<'a> {
    /// Returns the settings that have a fixed name.
    pub fn fixed_keys(&self) -> &'a [Key<'a>] {
        match self.keys {
            Keys::Fixed(keys) => keys,
            Keys::Units(_) => &[],
        }
    }
}

impl Key<'_> {
    /// Whether `;` and `#` are ordinary characters in its value.
    pub fn is_literal(&self) -> bool {
        self.secret || self.kind == Kind::SshKey
    }
}

const fn choice<'a>(word: &'a str, synonyms: &'a [&'a str]) -> Choice<'a> {
    Choice { word, synonyms }
}

/// The section of keys that stand before the first header.
pub const TOP: &str = "system";

/// Names of earlier genpack cards: (name in [`TOP`], section, key). They work silently.
pub const EARLIER_NAMES: &[(&str, &str, &str)] = &[("ssh_pubkey", "ssh", "key")];

/// The built-in sections.
pub const SECTIONS: &[Section<'static>] = &[
    Section {
        name: TOP,
        subject: SubjectKind::None,
        help: "The device itself.",
        keys: Keys::Fixed(SYSTEM),
    },
    Section {
        name: "network",
        subject: SubjectKind::Port,
        help: "The network cable. Without any setting here the device gets its address automatically (DHCP), \
               which is right for most networks. [network] means every network port; [network eth1] means \
               the port of that name and [network 52:54:00:12:34:56] the port with that hardware (MAC) address.",
        keys: Keys::Fixed(NETWORK),
    },
    Section {
        name: "ssh",
        subject: SubjectKind::None,
        help: "Remote login for administrators.",
        keys: Keys::Fixed(SSH),
    },
    Section {
        name: "services",
        subject: SubjectKind::None,
        help: "Programs that run in the background, each with on or off. A program that is not named here \
               runs, or does not run, as the maker of this device has decided.",
        keys: Keys::Units(Key {
            name: "SERVICE",
            kind: Kind::Bool,
            list: List::No,
            help: "Starts a program with the device, or keeps it from starting.",
            example: "off",
            fallback: Fallback::Text("as the maker of the device has decided"),
            secret: false,
            other_words: &[],
        }),
    },
];

const SYSTEM: &[Key<'static>] = &[
    Key {
        name: "hostname",
        kind: Kind::Hostname,
        list: List::No,
        help: "The name of the device in the network: letters, digits and hyphens.",
        example: "kitchen",
        fallback: Fallback::DefaultHostname,
        secret: false,
        other_words: &["name", "computer_name", "device_name"],
    },
    Key {
        name: "timezone",
        kind: Kind::TimeZone,
        list: List::No,
        help: "The time zone, as continent and city.",
        example: "Europe/Berlin",
        fallback: Fallback::Text("UTC"),
        secret: false,
        other_words: &["tz", "zone"],
    },
];

const NETWORK: &[Key<'static>] = &[
    Key {
        name: "method",
        kind: Kind::Choice(&[
            choice("auto", &["automatic", "dhcp"]),
            choice("static", &["manual", "fixed"]),
            choice("off", &["no", "none", "disabled", "false", "0"]),
        ]),
        list: List::No,
        help: "How the port gets its address: auto (DHCP), static (the address below), or off (the port is not \
               used). Whoever writes an address need not write static as well.",
        example: "auto",
        fallback: Fallback::Text("automatic address (DHCP)"),
        secret: false,
        other_words: &["dhcp", "mode", "bootproto"],
    },
    Key {
        name: "address",
        kind: Kind::InterfaceAddress,
        list: List::Words,
        help: "A fixed address for the device. The /24 behind it is the size of the network, and right for most \
               home and office networks. Instead of it, netmask may be given.",
        example: "192.168.1.30/24",
        fallback: Fallback::Text("automatic address (DHCP)"),
        secret: false,
        other_words: &["ip", "ipaddress", "ipv4", "ipv6", "ip4", "ip6"],
    },
    Key {
        name: "netmask",
        kind: Kind::Netmask,
        list: List::No,
        help: "The size of the network, when the address has no /24 behind it.",
        example: "255.255.255.0",
        fallback: Fallback::Text("none"),
        secret: false,
        other_words: &["mask", "subnet", "subnetmask", "prefix"],
    },
    Key {
        name: "gateway",
        kind: Kind::HostAddress,
        list: List::Words,
        help: "The address of the router that leads to the internet. It is in the same network as address.",
        example: "192.168.1.1",
        fallback: Fallback::Text("no gateway"),
        secret: false,
        other_words: &["router", "default_gateway", "gw", "route"],
    },
    Key {
        name: "dns",
        kind: Kind::HostAddress,
        list: List::Words,
        help: "Name servers, which find the addresses of names such as example.com. Often the router is one.",
        example: "192.168.1.1, 9.9.9.9",
        fallback: Fallback::Text("the name servers that the network gives"),
        secret: false,
        other_words: &["nameserver", "nameservers", "dns_server", "name_server"],
    },
];

const SSH: &[Key<'static>] = &[Key {
    name: "key",
    kind: Kind::SshKey,
    list: List::Lines,
    help: "A public key that may log in as root: the whole line of a file whose name ends in .pub. For several \
           keys write several such lines.",
    // No real key: whoever holds its private half could log in where somebody left the example in place.
    example: "ssh-ed25519 AAAA...the-rest-of-the-line... me@home",
    fallback: Fallback::Text("only the keys that the device already has"),
    secret: false,
    other_words: &["authorized_keys", "ssh_key", "pubkey", "public_key", "keys"],
}];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::system_ini::names;

    #[test]
    fn folded_names_stay_distinct() {
        let mut sections = BTreeSet::new();
        for section in SECTIONS {
            assert!(sections.insert(names::fold(section.name)), "{}", section.name);
            let mut keys = BTreeSet::new();
            for key in section.fixed_keys() {
                assert!(keys.insert(names::fold(key.name)), "{}", key.name);
            }
        }
    }

    #[test]
    fn earlier_names_lead_to_settings_and_hide_none() {
        for (name, section, key) in EARLIER_NAMES {
            let find = |wanted: &str| SECTIONS.iter().find(|s| s.name == wanted).unwrap();
            assert!(find(section).fixed_keys().iter().any(|k| k.name == *key));
            assert!(!find(TOP).fixed_keys().iter().any(|k| names::same(k.name, name)));
        }
    }
}
