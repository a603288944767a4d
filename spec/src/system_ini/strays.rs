//! Words for lines that belong to no setting, and what their writer may have meant.

use super::address::Refusal;
use super::characters;
use super::findings::{Words, shorten};
use super::lexer::{SEPARATORS, is_blank, looks_like_ssh_key};
use super::names;
use super::schema::{Keys, Section};
use crate::text;
use crate::text::Text;

/// Longest name or line that is repeated within a phrase, in characters.
const QUOTE_LIMIT: usize = 40;

/// Words for a key that its section does not have.
pub(super) fn unknown_key(key: &str, line: &str, section: &Section<'_>, schema: &[Section<'_>]) -> Words {
    if holds_private_key(line) {
        return private_key().into();
    }
    let shown = shorten(key, QUOTE_LIMIT);
    if let Keys::Units(_) = section.keys {
        return Words::new(text!("\"{name}\" is not the name of a service", name = shown)).hint(text!(
            "write the name of the service, then = on or = off, for example {example}",
            example = "nginx = off"
        ));
    }
    if let Keys::Overrides = section.keys {
        return Words::new(text!("there is no setting {key}", key = shown)).hint(text!(
            "the setting with its section in front, for example {example}",
            example = "system.hostname = kitchen"
        ));
    }
    let elsewhere = schema
        .iter()
        .find(|other| other.offered_keys().any(|candidate| candidate.is_called(key)));
    if let Some(other) = elsewhere {
        return Words::new(text!(
            "{key} does not belong to [{section}]",
            key = shown,
            section = section.name
        ))
        .hint(text!("write this line below [{section}]", section = other.name));
    }
    let hint = meant(key, section)
        .map(|word| text!("did you mean {word}?", word))
        .or_else(|| {
            schema.iter().find_map(|other| {
                let word = meant(key, other)?;
                Some(text!(
                    "did you mean {word}, below [{section}]?",
                    word,
                    section = other.name
                ))
            })
        });
    let names: Vec<_> = section.offered_keys().map(|key| key.name).collect();
    Words::new(text!(
        "[{section}] has no setting \"{key}\"",
        section = section.name,
        key = shown
    ))
    .hint(hint.unwrap_or_else(|| {
        text!(
            "the settings of [{section}] are {keys}",
            section = section.name,
            keys = names.join(", ")
        )
    }))
}

fn meant<'a>(key: &str, section: &Section<'a>) -> Option<&'a str> {
    let by_other_word = section
        .offered_keys()
        .find(|candidate| candidate.other_words.iter().any(|word| names::same(word, key)));
    by_other_word
        .map(|candidate| candidate.name)
        .or_else(|| names::suggest(key, section.offered_keys().map(|candidate| candidate.name)))
}

/// Words for a line that is no setting at all.
pub(super) fn stray(text: &str, section: Option<&Section<'_>>) -> Words {
    if holds_private_key(text) {
        return private_key().into();
    }
    if looks_like_ssh_key(text) {
        return Words::new(text!("an SSH key stands here without its setting")).hint(text!(
            "below [{section}]: {line}",
            section = "ssh",
            line = "key = ssh-..."
        ));
    }
    let words = Words::new(text!("this line is neither a setting nor a remark"));
    if secret_behind(text).is_some() {
        return words.hint(text!("settings look like name = value; remarks begin with #"));
    }
    let mut parts = text.splitn(2, char::is_whitespace);
    let (first, rest) = (parts.next().unwrap_or(""), parts.next().unwrap_or("").trim());
    let known = section
        .and_then(|section| section.key(first))
        .filter(|key| !rest.is_empty() && !key.secret);
    words.hint(match known {
        Some(key) => Text::verbatim(format!("{} = {}", key.name, shorten(rest, QUOTE_LIMIT))),
        None => text!("settings look like name = value; remarks begin with #"),
    })
}

/// Returns where in a line that is no setting a secret may begin: behind the first word that may be the name of one, as
/// in `password hunter2`.
pub(super) fn secret_behind(text: &str) -> Option<usize> {
    if holds_private_key(text) {
        return Some(0);
    }
    // A name stands in front; looking at every word of a long line would take long.
    let mut words = text.split(|c: char| !c.is_alphanumeric()).take(6);
    let is_name =
        |word: &str| word.len() <= names::LONGEST_NAME && names::may_be_secret(&characters::plain(word));
    let name = words.find(|word| is_name(word))?;
    Some(name.as_ptr() as usize - text.as_ptr() as usize + name.len())
}

/// Returns where in a line its value begins, if it has one.
pub(super) fn behind_separator(text: &str) -> Option<usize> {
    let (at, sign) = text.char_indices().find(|(_, c)| SEPARATORS.contains(c))?;
    Some(at + sign.len_utf8())
}

/// Returns where a secret may begin in what stands before an equals sign, when its writer forgot the first one:
/// `private_key hunter2=`.
pub(super) fn secret_in_key(key: &str) -> Option<usize> {
    let name = secret_behind(key)?;
    let end = key[name..].find(|c| is_blank(c) || matches!(c, '"' | '\''))?;
    Some(name + end)
}

/// Returns where a secret may begin in a header, when its writer took the brackets for part of a setting:
/// `[wifi_key = hunter2]`.
pub(super) fn secret_in_brackets(header: &str) -> Option<usize> {
    // The conditions of [match ...] are written with equals signs.
    let condition = names::after_name(header, "match").is_some();
    let at = secret_behind(header).filter(|_| !condition)?;
    header[at..]
        .trim_start_matches(is_blank)
        .starts_with(['=', ':'])
        .then_some(at)
}

/// Words for a private key, wherever it stands.
pub(super) fn private_key() -> Refusal {
    Refusal {
        problem: text!("this is a private key; only the public half belongs on a card"),
        hint: Some(text!(
            "delete these lines, and make a new pair of keys: whoever had this card may have the private one"
        )),
    }
}

/// Whether a private key, or its first line, stands here.
pub(super) fn holds_private_key(text: &str) -> bool {
    characters::plain(text).contains("PRIVATE KEY")
}

/// Whether the lines of a private key follow.
pub(super) fn begins_private_key(text: &str) -> bool {
    // Not all of the hyphens: word processors make dashes of them.
    holds_private_key(text) && text.contains("BEGIN") && !ends_private_key(text)
}

/// Whether a line is the last of a private key (RFC 7468).
pub(super) fn ends_private_key(text: &str) -> bool {
    text.contains("-----END") || (holds_private_key(text) && text.contains("END "))
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
