//! The one table of all settings. The reader's typing, the template on new cards, suggestions for misspelt names, the
//! reference page and `genpack config schema` are all made from it.
//!
//! Sections and keys borrow their texts, so that those which a blueprint declares can stand beside the built-in ones.

mod access;
mod device;
mod network;
mod own;

use std::fmt;

use super::names;
use crate::declared::DeclaredSection;
use crate::facts::Feature;

/// A section and what it may hold.
#[derive(Debug, Clone)]
pub struct Section<'a> {
    /// Canonical name, lower case.
    pub name: &'a str,
    /// What may follow the name between the brackets.
    pub subject: SubjectKind,
    /// What it is for, in whole sentences.
    pub help: &'a str,
    /// Its settings.
    pub keys: Keys<'a>,
    /// What an image must be able to do for the section to have an effect.
    pub feature: Option<Feature>,
}

/// What may follow a section's name between the brackets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubjectKind {
    /// Nothing.
    None,
    /// A network port's name or hardware address, or nothing: every port that has no section of its own.
    Port,
    /// Any name, to tell sections of one kind apart, or nothing.
    Label,
    /// The name of a network port that the section makes.
    Interface,
    /// The name of a tunnel that the section makes, or of a tunnel and one of its peers: `wg0 peer office`.
    Tunnel,
    /// A user of the device.
    User,
    /// What a machine must be: `mac=...`, `serial=...`, `model=...`.
    Machine,
}

/// The settings of a section.
#[derive(Debug, Clone)]
pub enum Keys<'a> {
    /// Those of the first table, and after it those of `[network]` where they are taken too.
    Fixed(&'a [&'a [Key<'a>]]),
    /// These, which a blueprint declares.
    Declared(Vec<Key<'a>>),
    /// One for each systemd unit, under its name.
    Units(Key<'a>),
    /// Those of every other section, written `section.key`.
    Overrides,
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
    pub example: Sample<'a>,
    /// What holds when it is absent or unusable.
    pub fallback: Fallback<'a>,
    /// Whether its value must never be shown.
    pub secret: bool,
    /// Names that work like its own: those of earlier genpack cards, and obvious other spellings.
    pub aliases: &'a [&'a str],
    /// Other words for it. They are not accepted, but lead to the right name.
    pub other_words: &'a [&'a str],
    /// What an image must be able to do for the setting to have an effect.
    pub feature: Option<Feature>,
    /// Whether it is there for old cards only: read, but not offered.
    pub legacy: bool,
}

/// The type of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind<'a> {
    /// RFC 1123 label or fully qualified name.
    Hostname,
    /// IANA name that the image has.
    TimeZone,
    /// Locale that the image has.
    Locale,
    /// Keyboard layout that the image has.
    Keyboard,
    /// One of these.
    Choice(&'a [Choice<'a>]),
    /// One of these words, which a blueprint declares.
    Words(&'a [String]),
    /// On or off.
    Bool,
    /// Whole number in this range.
    Number {
        /// Smallest.
        min: i64,
        /// Largest.
        max: i64,
    },
    /// One line of text of at most so many bytes.
    Text {
        /// Most bytes.
        max: usize,
    },
    /// IP address with the length of its network prefix; an IPv4 address without one needs a netmask.
    InterfaceAddress,
    /// IPv4 netmask.
    Netmask,
    /// Address of a gateway or a server.
    HostAddress,
    /// Network, as address and prefix length.
    IpNetwork,
    /// Hardware address of one device.
    Mac,
    /// DNS domain.
    Domain,
    /// Name of a network port.
    Interface,
    /// Name or address of a server, or off for none.
    ServerOrOff,
    /// Date, or date and time.
    Moment,
    /// `http://` or `https://` address.
    Url,
    /// The same, of a proxy.
    ProxyUrl,
    /// Host, domain or network.
    HostPattern,
    /// Line of a `.pub` file.
    SshKey,
    /// Password that a person types.
    Password,
    /// Password in the form of crypt(5).
    PasswordHash,
    /// Password of a wireless network.
    WifiPassword,
    /// Two-letter country code.
    Country,
    /// Name of a group.
    Group,
    /// Absolute path of a login shell that the image has.
    Shell,
    /// Off, auto, or a size.
    Swap,
    /// Public WireGuard key.
    WireguardPublicKey,
    /// Private or preshared WireGuard key.
    WireguardSecretKey,
    /// Server with a port.
    Endpoint,
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
    /// This, as a phrase that has translations.
    Text(&'static str),
    /// This value.
    Value(Sample<'a>),
    /// The device's default host name.
    DefaultHostname,
}

/// A value as a person would write it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sample<'a> {
    /// Text.
    Text(&'a str),
    /// Number.
    Number(i64),
    /// Several values.
    List(&'a [String]),
}

impl fmt::Display for Sample<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Sample::Text(text) => f.write_str(text),
            Sample::Number(number) => number.fmt(f),
            Sample::List(values) => f.write_str(&values.join(", ")),
        }
    }
}

impl<'a> Section<'a> {
    /// Returns the settings that have a fixed name.
    pub fn fixed_keys(&self) -> impl Iterator<Item = &Key<'a>> {
        let (fixed, declared): (&[&[Key<'a>]], &[Key<'a>]) = match &self.keys {
            Keys::Fixed(tables) => (tables, &[]),
            Keys::Declared(keys) => (&[], keys),
            Keys::Units(_) | Keys::Overrides => (&[], &[]),
        };
        fixed.iter().copied().flatten().chain(declared)
    }

    /// Returns the settings that only sections of this kind have.
    pub fn own_keys(&self) -> impl Iterator<Item = &Key<'a>> {
        let borrowed = self.borrowed_keys().count();
        let all = self.fixed_keys().count();
        self.fixed_keys().take(all - borrowed)
    }

    /// Returns the settings that it has like `[network]`, where they are explained.
    pub fn borrowed_keys(&self) -> impl Iterator<Item = &Key<'a>> {
        let tables: &[&[Key<'a>]] = match &self.keys {
            Keys::Fixed([_, borrowed @ ..]) => borrowed,
            _ => &[],
        };
        tables.iter().copied().flatten()
    }

    /// Returns the settings that people are told of.
    pub fn offered_keys(&self) -> impl Iterator<Item = &Key<'a>> {
        self.fixed_keys().filter(|key| !key.legacy)
    }

    /// Returns the setting of this name or alias.
    pub(super) fn key(&self, name: &str) -> Option<&Key<'a>> {
        self.fixed_keys().find(|key| key.is_called(name))
    }
}

impl Key<'_> {
    /// Whether `;` and `#` are ordinary characters in its value.
    pub fn is_literal(&self) -> bool {
        self.secret || self.kind == Kind::SshKey
    }

    /// Whether this is its name or one that works like it.
    pub(super) fn is_called(&self, name: &str) -> bool {
        names::same(self.name, name) || self.aliases.iter().any(|alias| names::same(alias, name))
    }
}

/// The section of keys that stand before the first header.
pub const TOP: &str = "system";

/// Names of earlier genpack cards: (name in [`TOP`], section, key). They work silently.
pub const EARLIER_NAMES: &[(&str, &str, &str)] = &[
    ("ssh_pubkey", "ssh", "key"),
    ("wifi_ssid", "wifi", "ssid"),
    ("wifi_key", "wifi", "password"),
    ("wifi_wpa3", "wifi", "wpa3"),
    ("wifi_country", "wifi", "country"),
];

/// Returns every section: the built-in ones, and those that a blueprint declares.
pub fn sections<'a>(declared: &'a [DeclaredSection]) -> Vec<Section<'a>> {
    let built_in: &'a [Section<'a>] = SECTIONS;
    built_in
        .iter()
        .cloned()
        .chain(declared.iter().map(own::section))
        .collect()
}

/// The built-in sections, in the order in which the template shows them.
pub static SECTIONS: &[Section<'static>] = &[
    device::SYSTEM,
    network::NETWORK,
    network::WIFI,
    access::SSH,
    access::USER,
    access::SERVICES,
    device::TIME,
    device::PROXY,
    network::VLAN,
    network::BRIDGE,
    network::BOND,
    network::WIREGUARD,
    device::STORAGE,
    device::UPDATE,
    device::MATCH,
];

/// A setting with the facts that most have; the tables name what differs.
const PLAIN: Key<'static> = Key {
    name: "",
    kind: Kind::Bool,
    list: List::No,
    help: "",
    example: Sample::Text(""),
    fallback: Fallback::Text("as the maker of the device has decided"),
    secret: false,
    aliases: &[],
    other_words: &[],
    feature: None,
    legacy: false,
};

const fn choice<'a>(word: &'a str, synonyms: &'a [&'a str]) -> Choice<'a> {
    Choice { word, synonyms }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn folded_names_stay_distinct() {
        let mut sections = BTreeSet::new();
        for section in SECTIONS.iter() {
            assert!(sections.insert(names::fold(section.name)), "{}", section.name);
            let mut keys = BTreeSet::new();
            for key in section.fixed_keys() {
                for name in [key.name].iter().chain(key.aliases) {
                    assert!(keys.insert(names::fold(name)), "{name}");
                }
            }
        }
    }

    #[test]
    fn earlier_names_lead_to_settings_and_hide_none() {
        for (name, section, key) in EARLIER_NAMES {
            let find = |wanted: &str| SECTIONS.iter().find(|s| s.name == wanted).unwrap();
            assert!(find(section).key(key).is_some());
            assert!(find(TOP).key(name).is_none());
        }
    }
}
