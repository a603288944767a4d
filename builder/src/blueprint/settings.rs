//! The blueprint's `settings`: sections of `system.ini` of its own, each an object of settings.

use std::fmt;
use std::marker::PhantomData;
use std::net::IpAddr;
use std::str::FromStr;

use genpack_spec::declared::{DeclaredKey, DeclaredKind, DeclaredSection};
use genpack_spec::settings::OwnValue;
use genpack_spec::system_ini::schema::{SECTIONS, SubjectKind};
use genpack_spec::types::{Url, UserName};
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};

use super::text;

/// Sections that a blueprint declares, in its order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct OwnSections(Vec<DeclaredSection>);

impl OwnSections {
    /// Returns the sections.
    pub fn as_slice(&self) -> &[DeclaredSection] {
        &self.0
    }
}

impl<'de> Deserialize<'de> for OwnSections {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let sections = deserializer.deserialize_map(Named::<SectionName, SectionFields>(PhantomData))?;
        let section = |(name, fields): (SectionName, SectionFields)| DeclaredSection {
            name: name.0,
            help: fields.help,
            user: fields.user,
            keys: fields.keys,
        };
        Ok(OwnSections(sections.into_iter().map(section).collect()))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SectionFields {
    #[serde(default)]
    help: String,
    #[serde(default, deserialize_with = "some_user")]
    user: Option<UserName>,
    #[serde(deserialize_with = "keys")]
    keys: Vec<DeclaredKey>,
}

fn some_user<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<UserName>, D::Error> {
    text::parse(deserializer).map(Some)
}

fn keys<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<DeclaredKey>, D::Error> {
    let keys = deserializer.deserialize_map(Named::<KeyName, KeyBody>(PhantomData))?;
    if keys.is_empty() {
        return Err(D::Error::custom(
            "a section without settings says nothing; declare at least one",
        ));
    }
    Ok(keys
        .into_iter()
        .map(|(KeyName(name), KeyBody(key))| DeclaredKey { name, ..key })
        .collect())
}

/// What two names have to differ in.
trait Name: FromStr<Err = String> {
    fn text(&self) -> &str;
}

struct SectionName(String);
struct KeyName(String);

impl FromStr for SectionName {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let name = plain_name(name, "section")?;
        for section in SECTIONS {
            if folded(section.name) == folded(&name) {
                return Err(format!(
                    "[{}] is a section that every device has; choose another name",
                    section.name
                ));
            }
            // `[user_interface]` and `[user interface]` are the same to the reader.
            if section.subject != SubjectKind::None && name.starts_with(&format!("{}_", section.name)) {
                return Err(format!(
                    "[{name}] would be read as the section [{}] with a name behind it; choose another name",
                    section.name
                ));
            }
        }
        Ok(SectionName(name))
    }
}

impl FromStr for KeyName {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        plain_name(name, "setting").map(KeyName)
    }
}

impl Name for SectionName {
    fn text(&self) -> &str {
        &self.0
    }
}

impl Name for KeyName {
    fn text(&self) -> &str {
        &self.0
    }
}

fn plain_name(name: &str, what: &str) -> Result<String, String> {
    let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if name.len() > 40 || !name.starts_with(|c: char| c.is_ascii_lowercase()) || !name.chars().all(good) {
        return Err(format!(
            "the name of a {what} has letters in lower case, digits and _, begins with a letter, and has at most 40 of \
             them; {name:?} can't be one"
        ));
    }
    Ok(name.to_string())
}

/// The reader of `system.ini` takes names that differ in nothing else for the same.
fn folded(name: &str) -> String {
    name.replace('_', "")
}

/// An object whose fields have names of the developer's choice, in their order.
struct Named<K, V>(PhantomData<(K, V)>);

impl<'de, K: Name, V: Deserialize<'de>> Visitor<'de> for Named<K, V> {
    type Value = Vec<(K, V)>;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found: Vec<(K, V)> = Vec::new();
        loop {
            let names = found.iter().map(|(name, _)| name.text()).collect();
            let Some(name) = map.next_key_seed(NewName::<K>(names, PhantomData))? else {
                return Ok(found);
            };
            let value = map.next_value()?;
            found.push((name, value));
        }
    }
}

/// A name beside others; the error about it stands where the name does.
struct NewName<'n, K>(Vec<&'n str>, PhantomData<K>);

impl<'de, K: Name> DeserializeSeed<'de> for NewName<'_, K> {
    type Value = K;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<K, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<K: Name> Visitor<'_> for NewName<'_, K> {
    type Value = K;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<K, E> {
        let name: K = name.parse().map_err(E::custom)?;
        match self.0.iter().find(|other| folded(other) == folded(name.text())) {
            Some(other) if *other == name.text() => Err(E::custom(format!("{other} is declared twice"))),
            Some(other) => Err(E::custom(format!(
                "system.ini takes {} and {other} for the same name, because _ makes no difference there",
                name.text()
            ))),
            None => Ok(name),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyFields {
    #[serde(rename = "type")]
    kind: DeclaredKind,
    #[serde(default)]
    default: Option<Literal>,
    #[serde(default)]
    help: String,
    #[serde(default)]
    example: Option<Literal>,
    #[serde(default)]
    min: Option<i64>,
    #[serde(default)]
    max: Option<i64>,
    #[serde(default)]
    choices: Vec<String>,
    #[serde(default)]
    items: Option<DeclaredKind>,
}

/// A declared setting that still lacks its name.
struct KeyBody(DeclaredKey);

impl<'de> Deserialize<'de> for KeyBody {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Body;

        impl<'de> Visitor<'de> for Body {
            type Value = KeyBody;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("an object that describes a setting")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<KeyBody, A::Error> {
                let fields = KeyFields::deserialize(serde::de::value::MapAccessDeserializer::new(map))?;
                fields.check().map(KeyBody).map_err(A::Error::custom)
            }
        }

        deserializer.deserialize_map(Body)
    }
}

impl KeyFields {
    fn check(self) -> Result<DeclaredKey, String> {
        let each = self.items.unwrap_or(match self.kind {
            DeclaredKind::List => DeclaredKind::String,
            kind => kind,
        });
        if self.items.is_some() && self.kind != DeclaredKind::List {
            return Err("items belongs to type \"list\"".into());
        }
        if matches!(self.items, Some(DeclaredKind::List | DeclaredKind::Secret)) {
            return Err("the items of a list can't be lists or secrets".into());
        }
        if (self.min.is_some() || self.max.is_some()) && each != DeclaredKind::Integer {
            return Err("min and max belong to type \"integer\"".into());
        }
        if let (Some(min), Some(max)) = (self.min, self.max)
            && min > max
        {
            return Err(format!("min is {min} and max {max}: no number is in between"));
        }
        if self.choices.is_empty() != (each != DeclaredKind::Choice) {
            return Err("type \"choice\" and choices: [\"one\", \"other\"] belong together".into());
        }
        for (index, choice) in self.choices.iter().enumerate() {
            plain_text(choice).map_err(|why| format!("choices: {why}"))?;
            if self.choices[..index]
                .iter()
                .any(|other| other.eq_ignore_ascii_case(choice))
            {
                return Err(format!("choices has {choice:?} twice"));
            }
        }
        if self.kind == DeclaredKind::Secret && self.default.is_some() {
            return Err(
                "a secret has no default: it would be the same on every device, and in every image".into(),
            );
        }
        let rules = Rules {
            kind: each,
            min: self.min,
            max: self.max,
            choices: &self.choices,
        };
        let value = |literal: &Literal| match self.kind {
            DeclaredKind::List => rules.list(literal),
            _ => rules.one(literal),
        };
        let default = self.default.as_ref().map(&value).transpose();
        let default = default.map_err(|why| format!("default: {why}"))?;
        if let Some(example) = self
            .example
            .as_ref()
            .filter(|_| self.kind != DeclaredKind::Secret)
        {
            value(example).map_err(|why| format!("example: {why}"))?;
        }
        Ok(DeclaredKey {
            name: String::new(),
            kind: self.kind,
            default,
            help: self.help,
            example: self.example.map(|example| example.text()),
            min: self.min,
            max: self.max,
            choices: self.choices,
            items: self.items,
        })
    }
}

/// What a value of a setting has to be.
struct Rules<'a> {
    kind: DeclaredKind,
    min: Option<i64>,
    max: Option<i64>,
    choices: &'a [String],
}

impl Rules<'_> {
    fn list(&self, literal: &Literal) -> Result<OwnValue, String> {
        let Literal::List(items) = literal else {
            return Err(format!("{} is not a list such as [\"a\", \"b\"]", literal.text()));
        };
        for item in items {
            self.one(item)?;
            if item.text().contains([' ', ',', ';']) {
                return Err(format!(
                    "{:?} can't be one value of a list in system.ini, where blanks and commas stand between values",
                    item.text()
                ));
            }
        }
        Ok(OwnValue::List(items.iter().map(Literal::text).collect()))
    }

    fn one(&self, literal: &Literal) -> Result<OwnValue, String> {
        let text = literal.text();
        match (self.kind, literal) {
            (_, Literal::List(_)) => Err("a list, and the type is another".into()),
            (DeclaredKind::Integer, Literal::Integer(number)) => self.number(*number),
            (DeclaredKind::Integer, _) => Err(format!("{text:?} is not a whole number")),
            (DeclaredKind::Bool, Literal::Bool(on)) => Ok(OwnValue::Bool(*on)),
            (DeclaredKind::Bool, _) => Err(format!("{text:?} is neither true nor false")),
            (_, Literal::Integer(_) | Literal::Bool(_)) => {
                Err(format!("{text} is not a string; put quotes around it"))
            }
            (DeclaredKind::Choice, _) if !self.choices.contains(&text) => Err(format!(
                "{text:?} is none of the choices {}",
                self.choices.join(", ")
            )),
            (DeclaredKind::Url, _) => match text.parse::<Url>() {
                Ok(url) => Ok(OwnValue::Text(url.to_string())),
                Err(error) => Err(error.to_string()),
            },
            (DeclaredKind::Ip, _) => match text.parse::<IpAddr>() {
                Ok(address) => Ok(OwnValue::Text(address.to_string())),
                Err(_) => Err(format!("{text:?} is not an IP address")),
            },
            _ => plain_text(&text).map(|()| OwnValue::Text(text)),
        }
    }

    fn number(&self, number: i64) -> Result<OwnValue, String> {
        match (self.min, self.max) {
            (Some(min), _) if number < min => Err(format!("{number} is less than min, {min}")),
            (_, Some(max)) if number > max => Err(format!("{number} is more than max, {max}")),
            _ => Ok(OwnValue::Integer(number)),
        }
    }
}

/// What a line of `system.ini` can hold.
fn plain_text(text: &str) -> Result<(), String> {
    match text.contains(char::is_control) || text.trim() != text || text.is_empty() {
        true => Err(format!(
            "{text:?} can't be written in a line of system.ini, which has one line and no blanks at its ends"
        )),
        false => Ok(()),
    }
}

/// A value as JSON5 has it.
#[derive(Debug, Clone, PartialEq)]
enum Literal {
    Bool(bool),
    Integer(i64),
    Text(String),
    List(Vec<Literal>),
}

impl Literal {
    /// As it would stand in `system.ini`.
    fn text(&self) -> String {
        match self {
            Literal::Bool(true) => "on".into(),
            Literal::Bool(false) => "off".into(),
            Literal::Integer(number) => number.to_string(),
            Literal::Text(text) => text.clone(),
            Literal::List(items) => items.iter().map(Literal::text).collect::<Vec<_>>().join(", "),
        }
    }
}

impl<'de> Deserialize<'de> for Literal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AnyLiteral;

        impl<'de> Visitor<'de> for AnyLiteral {
            type Value = Literal;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a string, a whole number, true, false, or a list of these")
            }

            fn visit_bool<E: Error>(self, on: bool) -> Result<Literal, E> {
                Ok(Literal::Bool(on))
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Literal, E> {
                Ok(Literal::Integer(number))
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Literal, E> {
                let number =
                    i64::try_from(number).map_err(|_| E::custom(format!("{number} is too large")))?;
                Ok(Literal::Integer(number))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Literal, E> {
                Ok(Literal::Text(text.to_string()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Literal, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = list.next_element()? {
                    items.push(item);
                }
                Ok(Literal::List(items))
            }
        }

        deserializer.deserialize_any(AnyLiteral)
    }
}

#[cfg(test)]
mod tests;
