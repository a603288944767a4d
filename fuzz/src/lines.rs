//! Files made of lines as people write them, right and wrong.

use arbitrary::Arbitrary;
use genpack_spec::system_ini::schema::{Key, Kind, Section};

use crate::SECTIONS;

/// Stands in every value that must not be shown, and nowhere else.
const SECRET: &str = "Hunter2";

/// A file.
#[derive(Debug, Arbitrary)]
pub struct File {
    lines: Vec<Line>,
}

/// A line, or two that belong together.
#[derive(Debug, Arbitrary)]
enum Line {
    Header {
        section: u8,
        subject: Subject,
        brackets: Brackets,
    },
    Setting {
        indented: bool,
        qualified: bool,
        section: u8,
        key: u8,
        separator: Separator,
        value: Value,
    },
    Secret {
        key: u8,
        separator: Separator,
        quoted: bool,
        behind: Option<Box<str>>,
    },
    Proxy {
        https: bool,
        user: Box<str>,
    },
    Further {
        value: Value,
    },
    Remark(Box<str>),
    Anything(Box<str>),
}

#[derive(Debug, Arbitrary)]
enum Brackets {
    Both,
    OnlyFirst,
    OnlyLast,
    FullWidth,
}

#[derive(Debug, Arbitrary)]
enum Subject {
    None,
    Known(u8),
    Any(Box<str>),
}

#[derive(Debug, Arbitrary)]
enum Separator {
    Equals,
    Tight,
    Colon,
    FullWidth,
    Missing,
}

#[derive(Debug, Arbitrary)]
enum Value {
    Example,
    Choice(u8),
    Known(u8),
    Two(u8, u8),
    Quoted(Box<str>),
    Any(Box<str>),
    WithRemark(u8, Box<str>),
}

const SUBJECTS: [&str; 9] = [
    "eth0",
    "eth1",
    "52:54:00:12:34:56",
    "default",
    "anna",
    "wg0",
    "wg0 peer home",
    "mac=52:54:00:12:34:56",
    "serial=ABC 12",
];

const VALUES: [&str; 24] = [
    "",
    "on",
    "off",
    "maybe",
    "0",
    "1",
    "4095",
    "65536",
    "kitchen",
    "my kitchen",
    "Asia/Tokyo",
    "192.168.1.30/24",
    "192.168.1.300",
    "192,168,1,1",
    "10.0.0.1",
    "255.255.255.0",
    "fe80::1",
    "2001:db8::1/64",
    "02:00:00:00:00:01",
    "static",
    "\u{ff11}\u{ff12}",
    "\u{201c}x\u{201d}",
    "ssh-ed25519 AAAA",
    "-----BEGIN PRIVATE KEY-----",
];

/// Names whose values are secrets, whether or not their section has them.
const SECRETS: [&str; 12] = [
    "password",
    "pasword",
    "Wi-Fi Password",
    "wifi_key",
    "psk",
    "private_key",
    "peer_preshared_key",
    "password_hash",
    "api_token",
    "pin",
    "wifi.password",
    "user anna.password",
];

fn pick<T>(from: &[T], index: u8) -> &T {
    &from[usize::from(index) % from.len()]
}

/// Text within one line, which is no secret.
fn one_line(text: &str) -> String {
    if holds_secret(text) {
        return String::new();
    }
    // Many zeros make a file look like UTF-16.
    text.replace(['\r', '\n', '\0'], " ")
}

/// Whether a text has [`SECRET`] in it; names are shown in lower case.
pub fn holds_secret(text: &str) -> bool {
    text.to_lowercase().contains(&SECRET.to_lowercase())
}

impl File {
    /// Returns it with these line ends.
    pub fn text(&self, end: &str) -> String {
        // A first line that is not blank: a mark in front of it would be taken for the encoding's.
        let mut text = format!("#{end}");
        for line in &self.lines {
            text.push_str(&line.text());
            text.push_str(end);
        }
        text
    }
}

impl Line {
    fn text(&self) -> String {
        match self {
            Line::Header {
                section,
                subject,
                brackets,
            } => {
                let name = pick(&SECTIONS, *section).name;
                let name = match subject {
                    Subject::None => name.to_string(),
                    Subject::Known(subject) => format!("{name} {}", pick(&SUBJECTS, *subject)),
                    Subject::Any(subject) => format!("{name}:{}", one_line(subject)),
                };
                match brackets {
                    Brackets::Both => format!("[{name}]"),
                    Brackets::OnlyFirst => format!("[{name}"),
                    Brackets::OnlyLast => format!("{name}]"),
                    Brackets::FullWidth => format!("\u{ff3b}{name}\u{ff3d}"),
                }
            }
            Line::Setting {
                indented,
                qualified,
                section,
                key,
                separator,
                value,
            } => {
                let indent = if *indented { "  " } else { "" };
                let section = pick(&SECTIONS, *section);
                let key = some_key(section, *key);
                let name = key.map_or("nginx", |key| key.name);
                let prefix = if *qualified {
                    format!("{}.", section.name)
                } else {
                    String::new()
                };
                format!("{indent}{prefix}{name}{}{}", separator.text(), value.text(key))
            }
            Line::Secret {
                key,
                separator,
                quoted,
                behind,
            } => {
                let quote = if *quoted { "\"" } else { "" };
                let behind = behind.as_deref().map(one_line).unwrap_or_default();
                let key = pick(&SECRETS, *key);
                format!("{key}{}{quote}{SECRET}{behind}{quote}", separator.text())
            }
            Line::Proxy { https, user } => {
                let key = if *https { "https" } else { "http" };
                let user = one_line(user).replace(['/', ' ', '@'], "");
                format!("{key} = http://{user}:{SECRET}@proxy.example:3128")
            }
            Line::Further { value } => format!("  {}", value.text(None)),
            Line::Remark(text) => format!("; {}", one_line(text)),
            Line::Anything(text) => one_line(text),
        }
    }
}

fn some_key(section: &'static Section<'static>, index: u8) -> Option<&'static Key<'static>> {
    let count = section.fixed_keys().count();
    section.fixed_keys().nth(usize::from(index) % count.max(1))
}

impl Separator {
    fn text(&self) -> &'static str {
        match self {
            Separator::Equals => " = ",
            Separator::Tight => "=",
            Separator::Colon => ": ",
            Separator::FullWidth => "\u{ff1d}",
            Separator::Missing => " ",
        }
    }
}

impl Value {
    fn text(&self, key: Option<&Key<'_>>) -> String {
        match self {
            Value::Example => key.map_or_else(|| "on".into(), |key| key.example.to_string()),
            Value::Choice(index) => match key.map(|key| key.kind) {
                Some(Kind::Choice(choices)) => pick(choices, *index).word.to_string(),
                Some(Kind::Words(choices)) => pick(choices, *index).clone(),
                _ => pick(&VALUES, *index).to_string(),
            },
            Value::Known(index) => pick(&VALUES, *index).to_string(),
            Value::Two(one, other) => format!("{}, {}", pick(&VALUES, *one), pick(&VALUES, *other)),
            Value::Quoted(text) => format!("\"{}\"", one_line(text)),
            Value::Any(text) => one_line(text),
            Value::WithRemark(index, text) => format!("{} ; {}", pick(&VALUES, *index), one_line(text)),
        }
    }
}
