//! The table of all settings for developers and for programs: the reference page, and `genpack config schema --json`.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::schema::{self, Fallback, Key, Keys, Kind, List, Sample, Section, SubjectKind};
use crate::facts::{Facts, Feature};

/// Returns the table as JSON, with the sections that the blueprint declares. Settings that the image has no use for are
/// left out.
pub fn schema_json(facts: &Facts) -> Value {
    let sections: Vec<_> = offered(facts)
        .iter()
        .map(|section| {
            let subject = subject(section.subject).map(|subject| subject.name);
            let keys: Vec<_> = keys(section, facts)
                .map(|key| key_json(section, key, facts))
                .collect();
            json!({"name": section.name, "subject": subject, "help": section.help, "keys": keys})
        })
        .collect();
    json!({ "sections": sections })
}

/// Returns the reference page, in Markdown.
pub fn reference(facts: &Facts) -> String {
    let mut page = String::from(
        "# Settings in `system.ini`\n\n\
         Every setting that an image can have. How the file is read is explained in [Editing `system.ini`](system-ini.md). \
         `genpack config template` prints the file of a new card, and `genpack config schema` this page or its JSON form for \
         one image, with the sections that its blueprint declares.\n",
    );
    for section in offered(facts) {
        let header = match subject(section.subject) {
            None => format!("[{}]", section.name),
            Some(subject) if subject.optional => format!("[{0}], [{0} {1}]", section.name, subject.name),
            Some(subject) => format!("[{} {}]", section.name, subject.name),
        };
        let _ = write!(page, "\n## `{header}`\n\n");
        if !section.help.is_empty() {
            let _ = write!(page, "{}\n\n", in_cell(section.help));
        }
        if !is_applied(section.feature) {
            page.push_str("This version of genpack reads and checks this section, and says that it does not apply it yet.\n\n");
        }
        if let Keys::Overrides = section.keys {
            let _ = writeln!(
                page,
                "Lines are `section.key = value`, for example `system.hostname = kitchen`."
            );
            continue;
        }
        page.push_str("| setting | value | example | when not set |\n|---|---|---|---|\n");
        for key in own_keys(&section, facts) {
            let list = match key.list {
                List::No => "",
                List::Words => "; several with commas between them",
                List::Lines => "; several lines for several values",
            };
            let secret = if key.secret { "; never shown" } else { "" };
            let applied = match is_applied(key.feature) {
                true => "",
                false => " This version of genpack does not apply it yet.",
            };
            let _ = writeln!(
                page,
                "| `{}` | {}{list}{secret}. {}{applied} | `{}` | {} |",
                key.name,
                in_cell(&value_words(key.kind)),
                in_cell(key.help),
                in_cell(&key.example.to_string()),
                in_cell(&fallback(key)),
            );
        }
    }
    page
}

fn offered(facts: &Facts) -> Vec<Section<'_>> {
    let mut sections = schema::sections(&facts.settings);
    sections.retain(|section| supported(section.feature, facts));
    sections
}

fn supported(feature: Option<Feature>, facts: &Facts) -> bool {
    feature.is_none_or(|feature| facts.has(feature))
}

fn is_applied(feature: Option<Feature>) -> bool {
    feature.is_none_or(|feature| Feature::IMPLEMENTED.contains(&feature))
}

fn keys<'s>(section: &'s Section<'s>, facts: &'s Facts) -> impl Iterator<Item = &'s Key<'s>> {
    let units = match &section.keys {
        Keys::Units(key) => Some(key),
        Keys::Fixed(_) | Keys::Declared(_) | Keys::Overrides => None,
    };
    section
        .offered_keys()
        .chain(units)
        .filter(|key| supported(key.feature, facts))
}

/// Those that are not explained elsewhere.
fn own_keys<'s>(section: &'s Section<'s>, facts: &'s Facts) -> impl Iterator<Item = &'s Key<'s>> {
    let is_borrowed = |key: &&Key<'_>| section.borrowed_keys().any(|borrowed| borrowed.name == key.name);
    keys(section, facts).filter(move |key| !is_borrowed(key))
}

struct SubjectWords {
    name: &'static str,
    optional: bool,
}

fn subject(kind: SubjectKind) -> Option<SubjectWords> {
    let (name, optional) = match kind {
        SubjectKind::None => return None,
        SubjectKind::Port => ("PORT", true),
        SubjectKind::Label => ("NAME", true),
        SubjectKind::Interface => ("NAME", false),
        SubjectKind::Tunnel => ("NAME", false),
        SubjectKind::User => ("NAME", false),
        SubjectKind::Machine => ("CONDITION", false),
    };
    Some(SubjectWords { name, optional })
}

fn key_json(section: &Section<'_>, key: &Key<'_>, facts: &Facts) -> Value {
    let mut fields = Map::new();
    let mut set = |name: &str, value: Value| fields.insert(name.to_string(), value);
    set("name", key.name.into());
    set("type", kind_name(key.kind).into());
    match key.kind {
        Kind::Number { min, max } => {
            for (name, bound, open) in [("min", min, i64::MIN), ("max", max, i64::MAX)] {
                if bound != open {
                    set(name, bound.into());
                }
            }
        }
        Kind::Text { max } => {
            set("max_bytes", max.into());
        }
        _ => {}
    }
    if let Some(choices) = choices(key.kind) {
        set("choices", choices.into());
    }
    let list = match key.list {
        List::No => Value::Bool(false),
        List::Words => "words".into(),
        List::Lines => "lines".into(),
    };
    set("list", list);
    set("secret", key.secret.into());
    set("help", key.help.into());
    set("example", key.example.to_string().into());
    let declared = facts
        .settings
        .iter()
        .find(|declared| declared.name == section.name)
        .and_then(|declared| declared.keys.iter().find(|declared| declared.name == key.name));
    match (declared, key.fallback) {
        // The value itself, which a program can use; the others are words for people.
        (Some(declared), _) => set("default", json!(declared.default)),
        (None, Fallback::Value(Sample::Number(number))) => set("default", number.into()),
        (None, Fallback::Value(value)) => set("default", value.to_string().into()),
        (None, Fallback::Text(_) | Fallback::DefaultHostname) => set("default_words", fallback(key).into()),
    };
    Value::Object(fields)
}

fn fallback(key: &Key<'_>) -> String {
    match key.fallback {
        Fallback::Text(text) => text.to_string(),
        Fallback::Value(value) => value.to_string(),
        Fallback::DefaultHostname => "the image's name and the end of the first hardware address".into(),
    }
}

fn choices(kind: Kind<'_>) -> Option<Vec<String>> {
    match kind {
        Kind::Choice(choices) => Some(choices.iter().map(|choice| choice.word.to_string()).collect()),
        Kind::Words(words) => Some(words.to_vec()),
        _ => None,
    }
}

fn kind_name(kind: Kind<'_>) -> &'static str {
    match kind {
        Kind::Hostname => "hostname",
        Kind::TimeZone => "time-zone",
        Kind::Locale => "locale",
        Kind::Keyboard => "keyboard",
        Kind::Choice(_) | Kind::Words(_) => "choice",
        Kind::Bool => "bool",
        Kind::Number { .. } => "integer",
        Kind::Text { .. } => "string",
        Kind::InterfaceAddress => "address-with-prefix",
        Kind::Netmask => "netmask",
        Kind::HostAddress => "ip",
        Kind::IpNetwork => "network",
        Kind::Mac => "mac",
        Kind::Domain => "domain",
        Kind::Interface => "interface",
        Kind::ServerOrOff => "server-or-off",
        Kind::Moment => "moment",
        Kind::Url => "url",
        Kind::ProxyUrl => "proxy-url",
        Kind::HostPattern => "host-pattern",
        Kind::SshKey => "ssh-key",
        Kind::Password => "password",
        Kind::PasswordHash => "password-hash",
        Kind::WifiPassword => "wifi-password",
        Kind::Country => "country",
        Kind::Group => "group",
        Kind::Shell => "shell",
        Kind::Swap => "swap",
        Kind::WireguardPublicKey => "wireguard-public-key",
        Kind::WireguardSecretKey => "wireguard-secret-key",
        Kind::Endpoint => "endpoint",
    }
}

fn value_words(kind: Kind<'_>) -> String {
    let words = match kind {
        Kind::Choice(_) | Kind::Words(_) => {
            let choices = choices(kind).unwrap_or_default();
            let quoted: Vec<_> = choices.iter().map(|choice| format!("`{choice}`")).collect();
            return quoted.join(", ");
        }
        Kind::Number { min, max } => {
            return match (min == i64::MIN, max == i64::MAX) {
                (true, true) => "Whole number".into(),
                (true, false) => format!("Whole number up to {max}"),
                (false, true) => format!("Whole number from {min}"),
                (false, false) => format!("Whole number from {min} to {max}"),
            };
        }
        Kind::Text { max } => return format!("Text of at most {max} bytes"),
        Kind::Hostname => "Host name",
        Kind::TimeZone => "Time zone that the image has",
        Kind::Locale => "Locale that the image has",
        Kind::Keyboard => "Keyboard layout that the image has",
        Kind::Bool => "`on` or `off`",
        Kind::InterfaceAddress => "IP address with prefix length",
        Kind::Netmask => "Netmask or prefix length",
        Kind::HostAddress => "IP address",
        Kind::IpNetwork => "Network as address and prefix length",
        Kind::Mac => "Hardware address",
        Kind::Domain => "Domain",
        Kind::Interface => "Name of a network port",
        Kind::ServerOrOff => "Name or address of a server, or `off`",
        Kind::Moment => "Date, or date and time",
        Kind::Url => "Web address",
        Kind::ProxyUrl => "Address of a proxy",
        Kind::HostPattern => "Host, domain or network",
        Kind::SshKey => "Line of a `.pub` file",
        Kind::Password => "Password",
        Kind::PasswordHash => "Password in the form of crypt(5)",
        Kind::WifiPassword => "Password of 8 to 63 characters, or 64 hexadecimal digits",
        Kind::Country => "Country code of two letters",
        Kind::Group => "Name of a group",
        Kind::Shell => "Path of a shell that the image has",
        Kind::Swap => "`off`, `auto` or a size",
        Kind::WireguardPublicKey => "Public WireGuard key",
        Kind::WireguardSecretKey => "WireGuard key",
        Kind::Endpoint => "Server with a port",
    };
    words.to_string()
}

/// Keeps a text inside its cell, and what looks like HTML visible.
fn in_cell(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "&lt;")
}
