//! What a value of each kind looks like, and why a text is none.

use std::net::IpAddr;

use super::Context;
use super::address::{self, Refusal};
use super::names;
use super::schema::Kind;
use super::strays::{self, holds_private_key};
use crate::text;
use crate::text::Text;
use crate::types::{AuthorizedKey, Hostname, TimeZone};

/// A value of its kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value<'a> {
    Hostname(Hostname),
    TimeZone(TimeZone),
    Choice(&'a str),
    Bool(bool),
    InterfaceAddress(IpAddr, Option<u8>),
    /// Length of the prefix.
    Netmask(u8),
    HostAddress(IpAddr),
    SshKey(AuthorizedKey),
}

/// Reads one value. Refused texts are named with why.
pub(super) fn value<'a>(text: &str, kind: Kind<'a>, context: &Context<'_>) -> Result<Value<'a>, Refusal> {
    match kind {
        Kind::Hostname => hostname(text).map(Value::Hostname),
        Kind::TimeZone => time_zone(text, context).map(Value::TimeZone),
        Kind::Choice(choices) => choices
            .iter()
            .find(|choice| {
                names::same(choice.word, text) || choice.synonyms.iter().any(|word| names::same(word, text))
            })
            .map(|choice| Value::Choice(choice.word))
            .ok_or_else(|| {
                let all: Vec<_> = choices.iter().map(|choice| choice.word).collect();
                let synonyms = choices.iter().flat_map(|choice| choice.synonyms.iter().copied());
                let meant = names::suggest(text, all.iter().copied().chain(synonyms));
                Refusal {
                    problem: text!(
                        "{value} is none of {words}",
                        value = shown(text),
                        words = all.join(", ")
                    ),
                    hint: meant.map(|word| text!("did you mean {word}?", word)),
                }
            }),
        Kind::Bool => boolean(text).map(Value::Bool),
        Kind::InterfaceAddress => address::with_prefix(text)
            .map(|(address, prefix)| Value::InterfaceAddress(address, prefix))
            .map_err(|refusal| dots_for_commas(text, refusal)),
        Kind::Netmask => address::netmask(text)
            .map(Value::Netmask)
            .map_err(|refusal| dots_for_commas(text, refusal)),
        Kind::HostAddress => address::ip(text)
            .and_then(|address| address::of_any_host(address).map(|()| Value::HostAddress(address)))
            .map_err(|refusal| dots_for_commas(text, refusal)),
        Kind::SshKey if holds_private_key(text) => Err(strays::private_key()),
        Kind::SshKey => text.parse().map(Value::SshKey).map_err(|error| Refusal {
            problem: error.0,
            hint: Some(text!(
                "the whole line of a file whose name ends in .pub; it begins with ssh-ed25519 or ssh-rsa"
            )),
        }),
    }
}

fn hostname(text: &str) -> Result<Hostname, Refusal> {
    text.parse().map_err(|error: crate::types::Invalid| {
        let fixed: String = text
            .chars()
            .map(|c| if matches!(c, '_' | ' ') { '-' } else { c })
            .collect();
        Refusal {
            problem: error.0,
            hint: fixed
                .parse::<Hostname>()
                .ok()
                .map(|name| text!("for example {example}", example = name)),
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
    let find = |name: &str| -> Option<TimeZone> {
        // Only what can be a zone's name goes out to the image.
        name.parse::<TimeZone>().ok()?;
        (context.time_zone)(name)
    };
    let spelled = text.trim().replace(' ', "_");
    if let Some(zone) = find(&spelled) {
        return Ok(zone);
    }
    let meant = REGIONS
        .iter()
        .find_map(|region| find(&format!("{region}/{spelled}")));
    Err(Refusal {
        problem: text!(
            "{value} is not a time zone that this device knows",
            value = shown(text)
        ),
        hint: meant.map(|zone| text!("did you mean {word}?", word = zone)),
    })
}

fn boolean(text: &str) -> Result<bool, Refusal> {
    match text.to_ascii_lowercase().as_str() {
        "on" | "yes" | "true" | "1" | "enabled" => Ok(true),
        "off" | "no" | "false" | "0" | "disabled" => Ok(false),
        _ => Err(Refusal {
            problem: text!("{value} is neither on nor off", value = shown(text)),
            hint: None,
        }),
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
