//! Words for lines that belong to no setting, and what their writer may have meant.

use super::address::Refusal;
use super::findings::{Words, shorten};
use super::lexer::looks_like_ssh_key;
use super::names;
use super::schema::{Keys, Section};

/// Longest name or line that is repeated within a phrase, in characters.
const QUOTE_LIMIT: usize = 40;

/// Words for a key that its section does not have.
pub(super) fn unknown_key(key: &str, line: &str, section: &Section<'_>, schema: &[Section<'_>]) -> Words {
    if holds_private_key(line) {
        return private_key().into();
    }
    let shown = shorten(key, QUOTE_LIMIT);
    if let Keys::Units(_) = section.keys {
        return Words::new(format!("\"{shown}\" is not the name of a service"))
            .hint("write the name of the service, then = on or = off, for example nginx = off");
    }
    let elsewhere = schema.iter().find(|other| {
        other
            .fixed_keys()
            .iter()
            .any(|candidate| names::same(candidate.name, key))
    });
    if let Some(other) = elsewhere {
        return Words::new(format!("{shown} does not belong to [{}]", section.name))
            .hint(format!("write this line below [{}]", other.name));
    }
    let hint = meant(key, section)
        .map(|name| format!("did you mean {name}?"))
        .or_else(|| {
            schema.iter().find_map(|other| {
                let name = meant(key, other)?;
                Some(format!("did you mean {name}, below [{}]?", other.name))
            })
        });
    let names: Vec<_> = section.fixed_keys().iter().map(|key| key.name).collect();
    Words::new(format!("[{}] has no setting \"{shown}\"", section.name))
        .hint(hint.unwrap_or_else(|| format!("the settings of [{}] are {}", section.name, names.join(", "))))
}

fn meant<'a>(key: &str, section: &Section<'a>) -> Option<&'a str> {
    let keys = section.fixed_keys();
    let by_other_word = keys
        .iter()
        .find(|candidate| candidate.other_words.iter().any(|word| names::same(word, key)));
    by_other_word
        .map(|candidate| candidate.name)
        .or_else(|| names::suggest(key, keys.iter().map(|candidate| candidate.name)))
}

/// Words for a line that is no setting at all.
pub(super) fn stray(text: &str, section: Option<&Section<'_>>) -> Words {
    if holds_private_key(text) {
        return private_key().into();
    }
    if looks_like_ssh_key(text) {
        return Words::new("an SSH key stands here without its setting").hint("below [ssh]: key = ssh-...");
    }
    let words = Words::new("this line is neither a setting nor a remark");
    let mut parts = text.splitn(2, char::is_whitespace);
    let (first, rest) = (parts.next().unwrap_or(""), parts.next().unwrap_or("").trim());
    let known = section
        .and_then(|section| {
            section
                .fixed_keys()
                .iter()
                .find(|key| names::same(key.name, first))
        })
        .filter(|key| !rest.is_empty() && !key.secret);
    words.hint(match known {
        Some(key) => format!("{} = {}", key.name, shorten(rest, QUOTE_LIMIT)),
        None => "settings look like name = value; remarks begin with #".to_string(),
    })
}

/// Words for a private key, wherever it stands.
pub(super) fn private_key() -> Refusal {
    Refusal {
        problem: "this is a private key; only the public half belongs on a card".into(),
        hint: Some(
            "delete these lines, and make a new pair of keys: whoever had this card may have the private one"
                .into(),
        ),
    }
}

/// Whether a private key, or its first line, stands here.
pub(super) fn holds_private_key(text: &str) -> bool {
    text.contains("PRIVATE KEY")
}

/// Whether the lines of a private key follow.
pub(super) fn begins_private_key(text: &str) -> bool {
    holds_private_key(text) && text.contains("-----BEGIN") && !ends_private_key(text)
}

/// Whether a line is the last of a private key (RFC 7468).
pub(super) fn ends_private_key(text: &str) -> bool {
    text.contains("-----END")
}

/// Whether a line may be one of those between the first and the last of a private key: base64, or a header of the
/// older PEM formats.
pub(super) fn is_inside_private_key(text: &str) -> bool {
    let data = text.trim_end_matches('=');
    let base64 = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/');
    ends_private_key(text)
        || data.chars().all(base64)
        || ["Proc-Type:", "DEK-Info:", "Comment:"]
            .iter()
            .any(|header| text.starts_with(header))
}
