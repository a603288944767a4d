//! What a section speaks of: the words behind its name in the brackets.

use std::fmt;

use super::header::{Unknown, unquote};
use super::lexer::is_blank;
use super::names;
use super::schema::{Section, SubjectKind};
use super::shorten;
use crate::facts::Machine;
use crate::text;
use crate::text::Text;
use crate::types::{InterfaceName, Invalid, MacAddress, PortId, UserName};

/// What a section speaks of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Subject {
    /// The section takes no name.
    None,
    /// One port, or every port without a section of its own.
    Port(PortId),
    /// A name that tells sections of one kind apart; empty when there is none.
    Label(String),
    /// A port that the section makes.
    Interface(InterfaceName),
    /// A further peer of a tunnel.
    Peer(InterfaceName, String),
    /// A user.
    User(UserName),
    /// The machines for which the section holds.
    Machine(Condition),
}

/// What a machine must be; all that is given must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Condition {
    serial: Option<String>,
    mac: Option<MacAddress>,
    model: Option<String>,
}

/// Longest label, serial number or model, in bytes.
const NAME_LIMIT: usize = 128;

/// Removes what separates a section's name from the name behind it: blanks, or one of `:`, `-`, `_` and `.`. Names may begin with
/// some of these themselves, such as the user `_apt`.
fn behind_separator(rest: &str) -> &str {
    let text = rest.trim_start_matches(is_blank);
    match text.strip_prefix(':') {
        Some(behind) => behind,
        None => text
            .strip_prefix(['-', '_', '.'])
            .filter(|behind| text.len() == rest.len() || behind.starts_with(is_blank))
            .unwrap_or(text),
    }
}

/// Reads what stands behind a section's name.
pub(super) fn read(rest: &str, section: &Section<'_>) -> Result<Subject, Unknown> {
    let text = unquote(behind_separator(rest).trim_matches(is_blank)).trim_matches(is_blank);
    let refuse = |problem: Text, hint: Text| {
        Err(Unknown {
            problem,
            hint: Some(hint),
        })
    };
    let name = section.name;
    let missing = |example: &str| {
        Err(Unknown {
            problem: text!("[{section}] needs a name behind it", section = name),
            hint: Some(text!(
                "for example {example}",
                example = format!("[{name} {example}]")
            )),
        })
    };
    // Ports are named in lower case by the kernel and udev, users by whoever made the image.
    let folded = text.to_lowercase();
    match section.subject {
        SubjectKind::None if text.is_empty() => Ok(Subject::None),
        SubjectKind::None => refuse(
            text!("[{section}] takes no name behind it", section = name),
            Text::verbatim(format!("[{name}]")),
        ),
        SubjectKind::Port if text.is_empty() => Ok(Subject::Port(PortId::Default)),
        SubjectKind::Port => folded.parse().map(Subject::Port).or_else(|error: Invalid| {
            refuse(
                error.0.map_args(&short),
                text!(
                    "[{section}] for every port, or for example [{section} eth0]",
                    section = name
                ),
            )
        }),
        SubjectKind::Label if text.len() <= NAME_LIMIT => {
            let label = label(&folded);
            // [wifi wifi] is how others name [wifi].
            Ok(Subject::Label(if label == name { String::new() } else { label }))
        }
        SubjectKind::Label => refuse(
            text!("the name behind {section} is too long", section = name),
            Text::verbatim(format!("[{name} home]")),
        ),
        SubjectKind::Interface if text.is_empty() => missing(match name {
            "vlan" => "vlan20",
            "bridge" => "br0",
            _ => "bond0",
        }),
        SubjectKind::Interface => interface(&folded).map(Subject::Interface),
        SubjectKind::Tunnel if text.is_empty() => missing("wg0"),
        SubjectKind::Tunnel => tunnel(&folded),
        SubjectKind::User if text.is_empty() => missing("anna"),
        SubjectKind::User => folded.parse().map(Subject::User).or_else(|error: Invalid| {
            refuse(
                error.0.map_args(&short),
                text!(
                    "lower-case letters and digits, for example {example}",
                    example = "[user anna]"
                ),
            )
        }),
        SubjectKind::Machine => condition(text).map(Subject::Machine),
    }
}

fn short(text: &str) -> String {
    shorten(text, 40)
}

fn interface(text: &str) -> Result<InterfaceName, Unknown> {
    text.parse().map_err(|error: Invalid| Unknown {
        problem: error.0.map_args(&short),
        hint: Some(text!("at most 15 letters and digits")),
    })
}

/// A name that only tells sections apart, without what may stand around a name and without what no text has.
fn label(text: &str) -> String {
    let text: String = text.chars().filter(|c| !c.is_control()).collect();
    let around = |c: char| is_blank(c) || matches!(c, ':' | '-' | '_' | '.' | '"' | '\'');
    text.trim_matches(around).to_string()
}

/// `wg0`, or `wg0 peer office`.
fn tunnel(text: &str) -> Result<Subject, Unknown> {
    let mut words = text.split(is_blank).filter(|word| !word.is_empty());
    let name = interface(words.next().unwrap_or_default())?;
    match (words.next(), words.next(), words.next()) {
        (None, ..) => Ok(Subject::Interface(name)),
        (Some("peer"), Some(peer), None) if peer.len() <= NAME_LIMIT && !label(peer).is_empty() => {
            Ok(Subject::Peer(name, label(peer)))
        }
        _ => Err(Unknown {
            problem: text!("behind the name of a tunnel only the name of a peer can stand"),
            hint: Some(text!(
                "for example {example}",
                example = format!("[wireguard {name} peer office]")
            )),
        }),
    }
}

const FACTS: [&str; 3] = ["serial", "mac", "model"];

/// `mac=52:54:00:12:34:56`, `serial=... model=...`: each value ends where the next fact begins.
fn condition(text: &str) -> Result<Condition, Unknown> {
    let unclear = || Unknown {
        problem: text!("behind match stands which device is meant, and here it does not"),
        hint: Some(text!(
            "for example {example}",
            example = "[match mac=52:54:00:12:34:56]"
        )),
    };
    let mut condition = Condition::default();
    let mut rest = text;
    if !starts_with_fact(rest) || text.len() > 3 * NAME_LIMIT {
        return Err(unclear());
    }
    while let Some(at) = rest.find(['=', ':']) {
        let fact = rest[..at].trim_matches(is_blank);
        let behind = &rest[at + 1..];
        let end = behind
            .char_indices()
            .filter(|(_, c)| is_blank(*c) || matches!(c, ',' | ';' | '/'))
            .map(|(at, c)| (at, at + c.len_utf8()))
            .find(|&(_, next)| starts_with_fact(&behind[next..]));
        let (value, next) = end.map_or((behind, ""), |(at, next)| (&behind[..at], &behind[next..]));
        let value = unquote(value.trim_matches(is_blank)).trim_matches(is_blank);
        if value.is_empty() {
            return Err(unclear());
        }
        match FACTS.iter().find(|name| names::same(name, fact)) {
            Some(&"serial") => condition.serial = Some(value.to_lowercase()),
            Some(&"model") => condition.model = Some(value.to_lowercase()),
            Some(_) => {
                let mac = value.parse().map_err(|error: Invalid| Unknown {
                    problem: error.0.map_args(&short),
                    hint: None,
                })?;
                condition.mac = Some(mac);
            }
            None => return Err(unclear()),
        }
        rest = next.trim_start_matches(is_blank);
    }
    match rest.is_empty() {
        true => Ok(condition),
        false => Err(unclear()),
    }
}

fn starts_with_fact(text: &str) -> bool {
    FACTS.iter().any(|fact| {
        let text = text.trim_start_matches(is_blank);
        text.get(..fact.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(fact))
            && text[fact.len()..]
                .trim_start_matches(is_blank)
                .starts_with(['=', ':'])
    })
}

impl Condition {
    /// Whether a machine is meant. A `*` at the end of a serial number or model stands for anything.
    pub(super) fn holds_for(&self, machine: &Machine) -> bool {
        let alike = |pattern: &Option<String>, fact: &Option<String>| {
            let Some(pattern) = pattern else { return true };
            let fact = fact.as_deref().unwrap_or_default().trim().to_lowercase();
            match pattern.strip_suffix('*') {
                Some(start) => fact.starts_with(start),
                None => fact == *pattern,
            }
        };
        alike(&self.serial, &machine.serial)
            && alike(&self.model, &machine.model)
            && self.mac.is_none_or(|mac| machine.macs.contains(&mac))
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mac = self.mac.map(|mac| mac.to_string());
        let facts = FACTS.iter().zip([&self.serial, &mac, &self.model]);
        let given: Vec<_> = facts
            .filter_map(|(name, value)| Some(format!("{name}={}", value.as_ref()?)))
            .collect();
        f.write_str(&given.join(" "))
    }
}

impl fmt::Display for Subject {
    /// The words behind the section's name, in canonical spelling; nothing when there are none.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Subject::None | Subject::Port(PortId::Default) => Ok(()),
            Subject::Port(port) => port.fmt(f),
            Subject::Label(label) => label.fmt(f),
            Subject::Interface(name) => name.fmt(f),
            Subject::Peer(name, peer) => write!(f, "{name} peer {peer}"),
            Subject::User(user) => user.fmt(f),
            Subject::Machine(condition) => condition.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> Result<String, String> {
        condition(text)
            .map(|condition| condition.to_string())
            .map_err(|unknown| unknown.problem.english())
    }

    #[test]
    fn conditions_as_people_write_them() {
        for (text, want) in [
            ("mac=52:54:00:AB:cd:ef", "mac=52:54:00:ab:cd:ef"),
            ("MAC = 52-54-00-ab-cd-ef", "mac=52:54:00:ab:cd:ef"),
            (
                "serial=\"ABC 12\", model=Raspberry Pi 4*",
                "serial=abc 12 model=raspberry pi 4*",
            ),
            (
                "model: Model B / mac: 52:54:00:ab:cd:ef",
                "mac=52:54:00:ab:cd:ef model=model b",
            ),
        ] {
            assert_eq!(said(text).as_deref(), Ok(want), "{text}");
        }
        for text in ["", "kitchen", "mac=", "mac=1", "host=a", "mac"] {
            assert!(said(text).is_err(), "{text}");
        }
    }

    #[test]
    fn everything_given_must_hold() {
        let machine = Machine {
            serial: Some("ABC 12 ".into()),
            macs: vec!["52:54:00:ab:cd:ef".parse().unwrap()],
            model: Some("Raspberry Pi 4 Model B".into()),
        };
        for (text, want) in [
            ("serial=abc 12", true),
            ("serial=abc", false),
            ("model=raspberry pi 4*", true),
            ("mac=52:54:00:ab:cd:ef model=x", false),
            ("mac=52:54:00:ab:cd:ef serial=ABC 12", true),
        ] {
            assert_eq!(condition(text).unwrap().holds_for(&machine), want, "{text}");
            assert!(!condition(text).unwrap().holds_for(&Machine::default()), "{text}");
        }
    }
}
