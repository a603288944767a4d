//! What a value of each kind looks like, and why a text is none.

use std::net::IpAddr;

use ipnet::IpNet;

use super::Context;
use super::address::{self, Refusal, refuse};
use super::moment;
use super::names;
use super::schema::{Choice, Kind};
use super::strays::{self, holds_private_key};
use crate::text;
use crate::text::Text;
use crate::types::{
    AuthorizedKey, Country, Domain, Endpoint, Hostname, InterfaceName, Invalid, Keyboard, Locale, MacAddress,
    PasswordHash, ProxyUrl, Secret, ServerName, Swap, TimeZone, Url, UserName, WireguardPublicKey,
    WireguardSecretKey,
};

/// Defines [`Value`], and lets each of its types be taken out of it.
macro_rules! values {
    ($($(#[$doc:meta])* $variant:ident($type:ty),)*) => {
        /// A value of its kind.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub(super) enum Value<'a> {
            $($(#[$doc])* $variant($type),)*
            /// The canonical word.
            Choice(&'a str),
        }

        $(impl TryFrom<Value<'_>> for $type {
            type Error = ();

            fn try_from(value: Value<'_>) -> Result<$type, ()> {
                match value {
                    Value::$variant(value) => Ok(value),
                    _ => Err(()),
                }
            }
        })*
    };
}

/// Length of the prefix that a netmask stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Netmask(pub(super) u8);

/// An address, and the length of its prefix when it was given.
pub(super) type InterfaceAddress = (IpAddr, Option<u8>);

values! {
    Hostname(Hostname),
    TimeZone(TimeZone),
    Locale(Locale),
    Keyboard(Keyboard),
    Bool(bool),
    Number(i64),
    Text(String),
    InterfaceAddress(InterfaceAddress),
    Netmask(Netmask),
    HostAddress(IpAddr),
    IpNetwork(IpNet),
    Mac(MacAddress),
    Domain(Domain),
    Interface(InterfaceName),
    /// None is off.
    Server(Option<ServerName>),
    /// Seconds since 1970.
    Moment(u64),
    Url(Url),
    ProxyUrl(ProxyUrl),
    SshKey(AuthorizedKey),
    Secret(Secret),
    PasswordHash(PasswordHash),
    Country(Country),
    Name(UserName),
    Swap(Swap),
    WireguardPublicKey(WireguardPublicKey),
    WireguardSecretKey(WireguardSecretKey),
    Endpoint(Endpoint),
}

impl<'a> TryFrom<Value<'a>> for &'a str {
    type Error = ();

    fn try_from(value: Value<'a>) -> Result<&'a str, ()> {
        match value {
            Value::Choice(word) => Ok(word),
            _ => Err(()),
        }
    }
}

/// Longest password in bytes; crypt(3) takes no longer one.
const PASSWORD_LIMIT: usize = 511;

/// Reads one value. What is said about a text that is none repeats it, except for the kinds that are secrets.
pub(super) fn value<'a>(text: &str, kind: Kind<'a>, context: &Context<'_>) -> Result<Value<'a>, Refusal> {
    match kind {
        Kind::Hostname => hostname(text).map(Value::Hostname),
        Kind::TimeZone => time_zone(text, context).map(Value::TimeZone),
        Kind::Locale => locale(text, context).map(Value::Locale),
        Kind::Keyboard => keyboard(text, context).map(Value::Keyboard),
        Kind::Choice(choices) => choice(text, choices).map(Value::Choice),
        Kind::Words(words) => word(text, words).map(Value::Choice),
        Kind::Bool => boolean(text).map(Value::Bool),
        Kind::Number { min, max } => number(text, min, max).map(Value::Number),
        Kind::Text { max } => line(text, max).map(Value::Text),
        Kind::InterfaceAddress => address::with_prefix(text)
            .map(Value::InterfaceAddress)
            .map_err(|refusal| dots_for_commas(text, refusal)),
        Kind::Netmask => address::netmask(text)
            .map(|prefix| Value::Netmask(Netmask(prefix)))
            .map_err(|refusal| dots_for_commas(text, refusal)),
        Kind::HostAddress => address::ip(text)
            .and_then(|address| address::of_any_host(address).map(|()| Value::HostAddress(address)))
            .map_err(|refusal| dots_for_commas(text, refusal)),
        Kind::IpNetwork => ip_network(text).map(Value::IpNetwork),
        Kind::Mac => mac(text).map(Value::Mac),
        Kind::Domain => parsed(text).map(Value::Domain),
        // Ports are named in lower case by the kernel and udev.
        Kind::Interface => parsed(&text.to_lowercase()).map(Value::Interface),
        Kind::ServerOrOff => match boolean(text) {
            Ok(false) => Ok(Value::Server(None)),
            _ => parsed(text).map(|server| Value::Server(Some(server))),
        },
        Kind::Moment => moment::parse(text).map(Value::Moment),
        Kind::Url => parsed(text).map(Value::Url),
        Kind::ProxyUrl => text.parse().map(Value::ProxyUrl).map_err(|_: Invalid| Refusal {
            problem: text!("this is not a web address such as http://proxy.example.com:3128"),
            hint: None,
        }),
        Kind::HostPattern => host_pattern(text).map(Value::Text),
        Kind::SshKey if holds_private_key(text) => Err(strays::private_key()),
        Kind::SshKey => text.parse().map(Value::SshKey).map_err(|error: Invalid| Refusal {
            problem: error.0,
            hint: Some(text!(
                "the whole line of a file whose name ends in .pub; it begins with ssh-ed25519 or ssh-rsa"
            )),
        }),
        Kind::Password => line(text, PASSWORD_LIMIT).map(|text| Value::Secret(Secret::new(text))),
        Kind::PasswordHash => text
            .parse()
            .map(Value::PasswordHash)
            .map_err(|error: Invalid| Refusal {
                problem: error.0,
                hint: Some(text!(
                    "a line password = ... instead; the device makes the hash by itself"
                )),
            }),
        Kind::WifiPassword => line(text, PASSWORD_LIMIT).map(|text| Value::Secret(Secret::new(text))),
        Kind::Country => parsed(text).map(Value::Country),
        Kind::Group => {
            let group: UserName = parsed(&text.to_lowercase())?;
            match &context.facts.groups {
                Some(groups) if !groups.contains(&group) => {
                    refuse(text!("there is no group {group} on this device", group))
                }
                _ => Ok(Value::Name(group)),
            }
        }
        Kind::Shell => shell(text, context).map(Value::Text),
        Kind::Swap => parsed(text).map(Value::Swap),
        Kind::WireguardPublicKey => parsed(text).map(Value::WireguardPublicKey),
        Kind::WireguardSecretKey => parsed(text).map(Value::WireguardSecretKey),
        Kind::Endpoint => parsed(text).map(Value::Endpoint),
    }
}

/// Reads a type that says by itself why a text is none.
fn parsed<T: std::str::FromStr<Err = Invalid>>(text: &str) -> Result<T, Refusal> {
    text.parse().map_err(|error: Invalid| Refusal {
        problem: error.0.map_args(&shown),
        hint: None,
    })
}

fn choice<'a>(text: &str, choices: &[Choice<'a>]) -> Result<&'a str, Refusal> {
    let means = |choice: &&Choice<'a>| {
        names::same(choice.word, text) || choice.synonyms.iter().any(|word| names::same(word, text))
    };
    choices
        .iter()
        .find(means)
        .map(|choice| choice.word)
        .ok_or_else(|| {
            let all: Vec<_> = choices.iter().map(|choice| choice.word).collect();
            let synonyms = choices.iter().flat_map(|choice| choice.synonyms.iter().copied());
            none_of(
                text,
                &all,
                names::suggest(text, all.iter().copied().chain(synonyms)),
            )
        })
}

fn word<'a>(text: &str, words: &'a [String]) -> Result<&'a str, Refusal> {
    let words: Vec<&'a str> = words.iter().map(String::as_str).collect();
    let exact = words.iter().find(|word| **word == text);
    let found = exact.or_else(|| words.iter().find(|word| names::same(word, text)));
    found
        .copied()
        .ok_or_else(|| none_of(text, &words, names::suggest(text, words.iter().copied())))
}

fn none_of(text: &str, words: &[&str], meant: Option<&str>) -> Refusal {
    Refusal {
        problem: text!(
            "{value} is none of {words}",
            value = shown(text),
            words = words.join(", ")
        ),
        hint: meant.map(|word| text!("did you mean {word}?", word)),
    }
}

fn hostname(text: &str) -> Result<Hostname, Refusal> {
    text.parse().map_err(|error: Invalid| {
        let fixed: String = text
            .chars()
            .map(|c| if matches!(c, '_' | ' ') { '-' } else { c })
            .collect();
        let fixed = fixed.parse::<Hostname>().ok();
        Refusal {
            problem: error.0,
            hint: fixed.map(|name| text!("for example {example}", example = name)),
        }
    })
}

/// Regions of the tz database, for people who write the city alone.
const REGIONS: [&str; 9] = [
    "Europe",
    "America",
    "Asia",
    "Africa",
    "Australia",
    "Pacific",
    "Atlantic",
    "Indian",
    "America/Argentina",
];

fn time_zone(text: &str, context: &Context<'_>) -> Result<TimeZone, Refusal> {
    let spelled = text.trim().replace(' ', "_");
    if let Some(zone) = context.facts.time_zone(&spelled) {
        return Ok(zone);
    }
    let meant = REGIONS
        .iter()
        .find_map(|region| context.facts.time_zone(&format!("{region}/{spelled}")));
    Err(Refusal {
        problem: text!(
            "{value} is not a time zone that this device knows",
            value = shown(text)
        ),
        hint: meant.map(|zone| text!("did you mean {word}?", word = zone)),
    })
}

/// A locale that the image lacks is taken all the same: it still says in which language `STATUS.txt` is written.
fn locale(text: &str, context: &Context<'_>) -> Result<Locale, Refusal> {
    match context.facts.locale(text) {
        Some(locale) => Ok(locale),
        None => parsed(text),
    }
}

fn keyboard(text: &str, context: &Context<'_>) -> Result<Keyboard, Refusal> {
    let wanted: Keyboard = parsed(text)?;
    let Some(known) = &context.facts.keyboards else {
        return Ok(wanted);
    };
    let found = known
        .iter()
        .find(|layout| layout.as_str().eq_ignore_ascii_case(text));
    found.cloned().ok_or_else(|| Refusal {
        problem: text!(
            "{value} is not a keyboard layout that this device knows",
            value = shown(text)
        ),
        hint: names::suggest(text, known.iter().map(Keyboard::as_str))
            .map(|word| text!("did you mean {word}?", word)),
    })
}

pub(super) fn boolean(text: &str) -> Result<bool, Refusal> {
    match text.to_ascii_lowercase().as_str() {
        "on" | "yes" | "true" | "1" | "enabled" => Ok(true),
        "off" | "no" | "false" | "0" | "disabled" => Ok(false),
        word => {
            let words = ["on", "yes", "true", "enabled", "off", "no", "false", "disabled"];
            Err(Refusal {
                problem: text!("{value} is neither on nor off", value = shown(text)),
                hint: names::suggest(word, words).map(|word| text!("did you mean {word}?", word)),
            })
        }
    }
}

fn number(text: &str, min: i64, max: i64) -> Result<i64, Refusal> {
    let Ok(number) = text.parse::<i64>() else {
        return refuse(text!("{value} is not a whole number", value = shown(text)));
    };
    match (min..=max).contains(&number) {
        true => Ok(number),
        false if max == i64::MAX => refuse(text!("{value} is smaller than {min}", value = number, min)),
        false if min == i64::MIN => refuse(text!("{value} is larger than {max}", value = number, max)),
        false => refuse(text!(
            "{value} is not between {min} and {max}",
            value = number,
            min,
            max
        )),
    }
}

/// One line of text. It may be secret, so it is not repeated.
fn line(text: &str, max: usize) -> Result<String, Refusal> {
    if text.len() > max {
        return refuse(text!(
            "this is too long: at most {max} bytes fit, and it has {length}",
            max,
            length = text.len()
        ));
    }
    if text.contains(char::is_control) {
        return refuse(text!("this holds characters that no keyboard types"));
    }
    Ok(text.to_string())
}

fn ip_network(text: &str) -> Result<IpNet, Refusal> {
    let (address, prefix) = address::with_prefix(text).map_err(|refusal| dots_for_commas(text, refusal))?;
    let whole = if address.is_ipv4() { 32 } else { 128 };
    match IpNet::new(address, prefix.unwrap_or(whole)) {
        Ok(net) => Ok(net.trunc()),
        Err(_) => refuse(text!("{value} is not a network", value = shown(text))),
    }
}

/// A hardware address that a port can have: of one device (IEEE 802: the lowest bit of the first byte is 0), not all
/// zeros.
fn mac(text: &str) -> Result<MacAddress, Refusal> {
    let mac: MacAddress = parsed(text)?;
    let bytes = mac.bytes();
    if bytes[0] & 1 == 1 || bytes == [0; 6] {
        return refuse(text!("{mac} cannot be the address of one device", mac));
    }
    Ok(mac)
}

fn host_pattern(text: &str) -> Result<String, Refusal> {
    let name = text
        .strip_prefix("*.")
        .or_else(|| text.strip_prefix('.'))
        .unwrap_or(text);
    let is_network = text.parse::<IpNet>().is_ok() || text.parse::<IpAddr>().is_ok();
    match text == "*" || is_network || name.parse::<Domain>().is_ok() {
        true => Ok(text.to_ascii_lowercase()),
        false => refuse(text!(
            "{value} is neither a host, a domain nor a network",
            value = shown(text)
        )),
    }
}

fn shell(text: &str, context: &Context<'_>) -> Result<String, Refusal> {
    let plain = |c: char| c.is_ascii_graphic() && !matches!(c, ':' | '\\');
    if !(text.starts_with('/') && text.len() <= 255 && text.chars().all(plain) && !text.contains("..")) {
        return refuse(text!("{value} is not the path of a program", value = shown(text)));
    }
    match &context.facts.shells {
        Some(shells) if !shells.iter().any(|shell| shell == text) => Err(Refusal {
            problem: text!("{value} is not a login shell of this device", value = shown(text)),
            hint: Some(text!("the shells are {shells}", shells = shells.join(", "))),
        }),
        _ => Ok(text.to_string()),
    }
}

fn dots_for_commas(text: &str, refusal: Refusal) -> Refusal {
    let with_dots = text.replace(',', ".");
    match text.contains(',') && address::with_prefix(&with_dots).is_ok() {
        true => Refusal {
            problem: text!("{value} has commas where an address has dots", value = text),
            hint: Some(Text::verbatim(with_dots)),
        },
        false => refusal,
    }
}

fn shown(text: &str) -> String {
    super::findings::shorten(text, 40)
}
