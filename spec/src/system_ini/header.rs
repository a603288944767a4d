//! What stands between brackets: `[network eth0]`, `[network:eth0]`, `[network "eth0"]`.

use super::lexer::{CLOSING, is_blank};
use super::names;
use super::schema::{Section, SubjectKind};
use super::subject::{self, Subject};
use crate::text;
use crate::text::Text;

/// A section of the file by its meaning: all sections with the same identity are one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Identity {
    /// Index in the schema.
    pub(super) section: usize,
    pub(super) subject: Subject,
}

/// Why a header leads nowhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unknown {
    pub(super) problem: Text,
    pub(super) hint: Option<Text>,
}

/// Finds the section that a header names.
pub(super) fn resolve(text: &str, schema: &[Section<'_>]) -> Result<Identity, Unknown> {
    if text.contains(CLOSING) {
        return Err(unknown(text, schema));
    }
    let found = schema
        .iter()
        .enumerate()
        .filter_map(|(index, section)| Some((index, section, names::after_name(text, section.name)?)))
        .max_by_key(|(_, section, _)| section.name.len());
    let Some((index, section, rest)) = found else {
        return earlier_tunnel(text, schema).ok_or_else(|| unknown(text, schema));
    };
    Ok(Identity {
        section: index,
        subject: subject::read(rest, section)?,
    })
}

/// `[wg-walbrix]` of earlier genpack cards, and `[wg0]`: the section of a WireGuard tunnel under the name of its port.
fn earlier_tunnel(text: &str, schema: &[Section<'_>]) -> Option<Identity> {
    let name = text.trim_matches(is_blank).to_lowercase();
    let rest = name.strip_prefix("wg")?;
    if !rest.starts_with(|c: char| c == '-' || c.is_ascii_digit()) {
        return None;
    }
    let section = schema
        .iter()
        .position(|section| section.subject == SubjectKind::Tunnel)?;
    let subject = Subject::Interface(name.parse().ok()?);
    Some(Identity { section, subject })
}

fn unknown(text: &str, schema: &[Section<'_>]) -> Unknown {
    let first_word = text.split(|c| is_blank(c) || matches!(c, ':' | '"')).next();
    let candidates = || schema.iter().map(|section| section.name);
    let meant =
        names::suggest(text, candidates()).or_else(|| names::suggest(first_word.unwrap_or(""), candidates()));
    let hint = meant.map(|name| text!("did you mean [{name}]?", name));
    Unknown {
        problem: text!(
            "there is no section [{name}]",
            name = super::findings::shorten(text, 40)
        ),
        hint: hint.or_else(|| {
            let all: Vec<_> = schema
                .iter()
                .map(|section| format!("[{}]", section.name))
                .collect();
            Some(text!("the sections are {sections}", sections = all.join(", ")))
        }),
    }
}

/// Removes a matching pair of quotes around a text.
pub(super) fn unquote(text: &str) -> &str {
    for quote in ['"', '\''] {
        if let Some(inside) = text.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote)) {
            return inside;
        }
    }
    text
}

/// Returns the canonical spelling of a section, without brackets.
pub(super) fn label(identity: &Identity, schema: &[Section<'_>]) -> String {
    let name = schema[identity.section].name;
    match identity.subject.to_string() {
        subject if subject.is_empty() => name.to_string(),
        subject => format!("{name} {}", super::shorten(&subject, 60)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system_ini::schema::SECTIONS;

    fn read(text: &str) -> Result<String, String> {
        resolve(text, SECTIONS)
            .map(|identity| label(&identity, SECTIONS))
            .map_err(|unknown| {
                let hint = unknown.hint.map(|hint| hint.english()).unwrap_or_default();
                format!("{}; {hint}", unknown.problem.english())
            })
    }

    #[test]
    fn every_spelling_leads_to_the_same_section() {
        for text in [
            "network eth0",
            "network:eth0",
            "network \"eth0\"",
            "Network 'eth0'",
            "NETWORK : ETH0",
            "net-work_eth0",
        ] {
            assert_eq!(read(text).as_deref(), Ok("network eth0"), "{text}");
        }
        for text in ["network", " network ", "network default", "network:"] {
            assert_eq!(read(text.trim()).as_deref(), Ok("network"), "{text}");
        }
        assert_eq!(
            read("network:52-54-00-AB-CD-EF").as_deref(),
            Ok("network 52:54:00:ab:cd:ef")
        );
    }

    #[test]
    fn what_leads_nowhere_is_told_where_to_go() {
        assert_eq!(
            read("netwrok eth0").unwrap_err(),
            "there is no section [netwrok eth0]; did you mean [network]?"
        );
        assert_eq!(
            read("ssh root").unwrap_err(),
            "[ssh] takes no name behind it; [ssh]"
        );
        assert!(
            read("network a/b")
                .unwrap_err()
                .contains("cannot be the name of a network port")
        );
        assert!(
            read("")
                .unwrap_err()
                .contains("the sections are [system], [network]")
        );
    }
}
