//! From texts to typed values, as the schema says.

use std::net::IpAddr;

use super::Context;
use super::address::{self, Refusal, refuse};
use super::document::{Entry, Setting};
use super::findings::Place;
use super::header::unquote;
use super::lexer::{Piece, before_comment, is_blank};
use super::names;
use super::schema::{Key, Kind, List};
use super::strays::{self, holds_private_key};
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

/// A value where it stands, or why it is none.
#[derive(Debug, Clone)]
pub(super) struct Item<'a> {
    pub(super) place: Place<'a>,
    pub(super) outcome: Result<Value<'a>, Refusal>,
}

/// A list longer than this is an accident, and would only burden the device.
pub(super) const LIST_LIMIT: usize = 100;

/// Reads all values of a setting. None: every one of its lines is empty.
pub(super) fn items<'a>(
    setting: &Setting<'a>,
    section: &'a str,
    context: &Context<'_>,
) -> Option<Vec<Item<'a>>> {
    let key = setting.schema;
    let mut items = Vec::new();
    for entry in &setting.entries {
        for piece in values(entry, key) {
            let place = Place {
                piece,
                section: Some(section),
                key: Some(key.name),
                mask_from: (key.secret || holds_private_key(piece.text()))
                    .then(|| entry.value.trim().offset()),
            };
            if items.len() == LIST_LIMIT {
                let outcome = refuse(format!("{} has more than {LIST_LIMIT} values", key.name));
                items.push(Item { place, outcome });
                return Some(items);
            }
            let outcome = value(piece.text(), key.kind, context);
            items.push(Item { place, outcome });
        }
    }
    (!items.is_empty()).then_some(items)
}

/// Splits the text of an entry into values, and frees each of comment and quotes.
fn values<'a>(entry: &Entry<'a>, key: &Key<'_>) -> Vec<Piece<'a>> {
    let whole = entry.value;
    let text = whole.text();
    let text = if key.is_literal() {
        text
    } else {
        before_comment(text)
    };
    let text = text.trim_matches(is_blank);
    let parts = match key.list {
        List::No | List::Lines => vec![text],
        List::Words => words(whole_quoted(text)),
    };
    let bare = |part| unquote(part).trim_matches(is_blank);
    parts
        .into_iter()
        .map(|part| whole.part(bare(part)))
        .filter(|piece| !piece.text().is_empty())
        .collect()
}

/// Frees a whole list of the quotes around it.
fn whole_quoted(text: &str) -> &str {
    let inside = unquote(text);
    if inside.contains(['"', '\'']) {
        text
    } else {
        inside
    }
}

/// Splits at commas, semicolons and blanks, but keeps `192.168.1.30 / 24` together, and `192,168,1,30` too: that is
/// one address with a slip in it.
fn words(text: &str) -> Vec<&str> {
    let slip =
        text.matches(',').count() == 3 && text.chars().all(|c| c.is_ascii_digit() || matches!(c, ',' | '/'));
    if slip {
        return vec![text];
    }
    let separates = |c: char| matches!(c, ',' | ';') || is_blank(c);
    let mut found: Vec<&str> = Vec::new();
    let mut start = 0;
    // Each round takes one word, so that the whole is linear.
    while let Some(skip) = text[start..].find(|c| !separates(c)) {
        let from = start + skip;
        let mut to = from + text[from..].find(separates).unwrap_or(text.len() - from);
        loop {
            let rest = text[to..].trim_start_matches(is_blank);
            let joined = rest.starts_with('/') || (text[..to].ends_with('/') && !rest.is_empty());
            if !joined || rest.starts_with([',', ';']) {
                break;
            }
            let begin = text.len() - rest.len();
            let after = begin + rest.chars().next().map_or(0, char::len_utf8);
            to = after + text[after..].find(separates).unwrap_or(text.len() - after);
        }
        found.push(&text[from..to]);
        start = to;
        if found.len() > LIST_LIMIT {
            break;
        }
    }
    found
}

fn value<'a>(text: &str, kind: Kind<'a>, context: &Context<'_>) -> Result<Value<'a>, Refusal> {
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
                    problem: format!("{} is none of {}", shown(text), all.join(", ")),
                    hint: meant.map(|word| format!("did you mean {word}?")),
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
            problem: error.to_string(),
            hint: Some(
                "the whole line of a file whose name ends in .pub; it begins with ssh-ed25519 or ssh-rsa"
                    .into(),
            ),
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
            problem: error.to_string(),
            hint: fixed
                .parse::<Hostname>()
                .ok()
                .map(|name| format!("for example {name}")),
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
        problem: format!("{} is not a time zone that this device knows", shown(text)),
        hint: meant.map(|zone| format!("did you mean {zone}?")),
    })
}

fn boolean(text: &str) -> Result<bool, Refusal> {
    match text.to_ascii_lowercase().as_str() {
        "on" | "yes" | "true" | "1" | "enabled" => Ok(true),
        "off" | "no" | "false" | "0" | "disabled" => Ok(false),
        _ => Err(Refusal {
            problem: format!("{} is neither on nor off", shown(text)),
            hint: None,
        }),
    }
}

fn dots_for_commas(text: &str, refusal: Refusal) -> Refusal {
    let with_dots = text.replace(',', ".");
    match text.contains(',') && address::with_prefix(&with_dots).is_ok() {
        true => Refusal {
            problem: format!("{text} has commas where an address has dots"),
            hint: Some(with_dots),
        },
        false => refusal,
    }
}

fn shown(text: &str) -> String {
    super::findings::shorten(text, 40)
}
