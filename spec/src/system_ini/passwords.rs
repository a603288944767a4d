//! Where passwords of users stand in a `system.ini`, for whoever takes them out of it: `password` and `password_hash` in
//! `[user NAME]`, and the same behind `[match ...]`.

use super::header::unquote;
use super::lexer::{Shape, is_blank, lex};
use super::{encoding, names, rtf};
use crate::types::{Secret, UserName};

const HASH_KEY: &str = "password_hash";

/// A line that gives a user a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PasswordLine {
    /// Line number, from 1.
    pub line: u32,
    /// The user.
    pub user: UserName,
    /// Whether it is `password_hash`.
    pub hashed: bool,
    /// Whether it holds on some machines only.
    pub conditional: bool,
    /// The key to write for it when it is hashed.
    pub hash_key: String,
    /// What is behind the sign, without blanks and quotes around it; not empty.
    pub value: Secret,
}

/// Whether the lines of a file are lines of its bytes, so that one of them can be changed. They are not in rich text.
pub fn has_plain_lines(bytes: &[u8]) -> bool {
    rtf::recover(&encoding::decode(bytes).text).is_none()
}

/// Returns the lines about passwords, in the order of the file; none of a file without plain lines. What a line comes to
/// is for [`super::parse`] to say.
pub fn password_lines(bytes: &[u8]) -> Vec<PasswordLine> {
    let decoded = encoding::decode(bytes);
    if rtf::recover(&decoded.text).is_some() {
        return Vec::new();
    }
    let mut found = Vec::new();
    let mut section = Section::Other;
    for line in lex(&decoded.text) {
        let (key, value) = match line.shape {
            Shape::Header { name, .. } => {
                section = Section::of(name.text());
                continue;
            }
            Shape::Pair { key, value, .. } => (key, value),
            _ => continue,
        };
        let (user, prefix, key) = match &section {
            Section::User(user) => (Some(user.clone()), None, key.text()),
            Section::Match => match key.text().rsplit_once('.') {
                Some((section, key)) => (user(section), Some(section), key),
                None => continue,
            },
            Section::Other => continue,
        };
        let value_text = unquote(value.text().trim_matches(is_blank));
        if let Some(user) = user
            && let Some(hashed) = is_hashed(key)
            && !value_text.is_empty()
        {
            found.push(PasswordLine {
                line: line.content.number(),
                user,
                hashed,
                conditional: prefix.is_some(),
                hash_key: prefix.map_or(String::new(), |prefix| format!("{prefix}.")) + HASH_KEY,
                value: Secret::new(value_text),
            });
        }
    }
    found
}

enum Section {
    User(UserName),
    Match,
    Other,
}

impl Section {
    fn of(header: &str) -> Section {
        match user(header) {
            Some(user) => Section::User(user),
            None if names::after_name(header, "match").is_some() => Section::Match,
            None => Section::Other,
        }
    }
}

/// Returns the name behind `user`, whatever stands between the two.
fn user(section: &str) -> Option<UserName> {
    let rest = names::after_name(section, "user").or_else(|| {
        let (first, rest) = section.split_once('.')?;
        names::same(first, "user").then_some(rest)
    })?;
    let name = rest
        .trim_start_matches(|c| is_blank(c) || matches!(c, ':' | '-' | '_' | '.'))
        .trim_end_matches(is_blank);
    unquote(name).to_lowercase().parse().ok()
}

/// Whether a key is `password_hash`; none when it is not `password` either.
fn is_hashed(key: &str) -> Option<bool> {
    let key = key.trim_matches(is_blank);
    if names::same(key, "password") {
        Some(false)
    } else {
        names::same(key, HASH_KEY).then_some(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_write_it_is_found() {
        let text = "password = a\r\n[user anna]\r\nPassWord: \"b ; c\"\r\n; password = d\r\npassword-hash = $6$e\r\n\
            shell = /bin/sh\r\npassword =\r\n[User:Ben] password = f\r\n[wifi]\r\npassword = g\r\n\
            [match model=X]\r\nuser.anna.password = h\r\nuser cleo.password = i\r\nwifi.password = j\r\n";
        let found: Vec<_> = password_lines(text.as_bytes())
            .iter()
            .map(|found| {
                let mark = if found.hashed { "hash" } else { "plain" };
                let value = found.value.reveal();
                format!("{} {} {mark} {} {value}", found.line, found.user, found.hash_key)
            })
            .collect();
        let want = [
            "3 anna plain password_hash b ; c",
            "5 anna hash password_hash $6$e",
            "8 ben plain password_hash f",
            "12 anna plain user.anna.password_hash h",
            "13 cleo plain user cleo.password_hash i",
        ];
        assert_eq!(found, want);
    }

    #[test]
    fn rich_text_has_no_lines_of_its_own() {
        let rtf = b"{\\rtf1\\ansi [user anna]\\par\npassword = a\\par\n}";
        assert!(!has_plain_lines(rtf));
        assert!(password_lines(rtf).is_empty());
        assert!(has_plain_lines(b"[user anna]\npassword = a\n"));
    }
}
