//! The blueprint's `settings`: sections of `system.ini` of its own, each an object of settings.

use std::fmt;
use std::marker::PhantomData;
use std::net::IpAddr;

use genpack_spec::declared::{DeclaredKey, DeclaredKind, DeclaredSection};
use genpack_spec::settings::OwnValue;
use genpack_spec::system_ini::schema::{SECTIONS, SubjectKind};
use genpack_spec::types::{Url, UserName};
use serde::de::{Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};

use super::judge::head;
use super::node::Node;
use super::problems::Problem;
use super::shape::{Field, Names, Record, Shape, TextRule, parses};

/// The field `settings`.
pub static SECTIONS_OF_ITS_OWN: Names = Names {
    name: TextRule {
        pattern: NAME_PATTERN,
        check: section_name,
    },
    folded,
    clash: CLASH,
    value: Shape::Object(&SECTION),
    empty: None,
};

const NAME_PATTERN: &str = "^[a-z][a-z0-9_]{0,39}$";
const CLASH: &str = "are the same name to system.ini, because _ makes no difference there";

static SECTION: Record = Record {
    fields: || SECTION_FIELDS.iter().collect(),
    refused: &[],
    rule: None,
};

static TEXT: TextRule = TextRule {
    pattern: "",
    check: |_| Ok(()),
};
static TEXT_ITEM: Shape = Shape::Text(&TEXT);
static USER: TextRule = TextRule {
    pattern: "^[a-z_][a-z0-9_-]{0,31}$",
    check: parses::<UserName>,
};

/// Fields of a section.
pub static SECTION_FIELDS: [Field; 3] = [
    Field::new("keys", Shape::Map(&KEYS), "Its settings, at least one.").required(),
    Field::new(
        "help",
        Shape::Text(&TEXT),
        "What the section is for, in whole sentences.",
    ),
    Field::new(
        "user",
        Shape::Text(&USER),
        "A user of the image who may read its files when there is a secret in them.",
    ),
];

static KEYS: Names = Names {
    name: TextRule {
        pattern: NAME_PATTERN,
        check: |name| plain_name(name, "setting"),
    },
    folded,
    clash: CLASH,
    value: Shape::Object(&KEY),
    empty: Some("a section without settings says nothing; declare at least one"),
};

static KEY: Record = Record {
    fields: || KEY_FIELDS.iter().collect(),
    refused: &[],
    rule: Some(key_rule),
};

static KIND: Shape = Shape::Words(&[
    "string", "integer", "bool", "choice", "url", "ip", "list", "secret",
]);

/// Fields of a setting.
pub static KEY_FIELDS: [Field; 8] = [
    Field::new("type", KIND, "What its value must be.").required(),
    Field::new(
        "default",
        Shape::Literal,
        "What holds when the setting is absent or unusable.",
    ),
    Field::new("help", Shape::Text(&TEXT), "What it does, in whole sentences."),
    Field::new(
        "example",
        Shape::Literal,
        "What the template shows instead of the default.",
    ),
    Field::new("min", Shape::Integer(i64::MIN, i64::MAX), "Smallest integer."),
    Field::new("max", Shape::Integer(i64::MIN, i64::MAX), "Largest integer."),
    Field::new("choices", Shape::List(&TEXT_ITEM, None), "The words of a choice."),
    Field::new("items", KIND, "The type of each value of a list."),
];

fn section_name(name: &str) -> Result<(), String> {
    plain_name(name, "section")?;
    for section in SECTIONS {
        if folded(section.name) == folded(name) {
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
    Ok(())
}

fn plain_name(name: &str, what: &str) -> Result<(), String> {
    let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if name.len() > 40 || !name.starts_with(|c: char| c.is_ascii_lowercase()) || !name.chars().all(good) {
        return Err(format!(
            "the name of a {what} has letters in lower case, digits and _, begins with a letter, and has at most 40 of \
             them; {name:?} can't be one"
        ));
    }
    Ok(())
}

/// The reader of `system.ini` takes names that differ in nothing else for the same.
fn folded(name: &str) -> String {
    name.replace('_', "")
}

/// Sections that a blueprint declares, in its order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct OwnSections(Vec<DeclaredSection>);

impl OwnSections {
    /// Returns the sections.
    pub fn as_slice(&self) -> &[DeclaredSection] {
        &self.0
    }
}

#[derive(Deserialize)]
struct SectionFields {
    #[serde(default)]
    help: String,
    user: Option<UserName>,
    #[serde(deserialize_with = "in_order")]
    keys: Vec<(String, KeyFields)>,
}

impl<'de> Deserialize<'de> for OwnSections {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let key = |(name, fields): (String, KeyFields)| {
            let key = fields.check().map_err(|(_, why)| serde::de::Error::custom(why))?;
            Ok(DeclaredKey { name, ..key })
        };
        let section = |(name, fields): (String, SectionFields)| {
            Ok(DeclaredSection {
                name,
                help: fields.help,
                user: fields.user,
                keys: fields.keys.into_iter().map(key).collect::<Result<_, _>>()?,
            })
        };
        let sections = in_order(deserializer)?;
        let sections: Result<_, D::Error> = sections.into_iter().map(section).collect();
        sections.map(OwnSections)
    }
}

/// Reads an object whose fields have names of the developer's choice, in their order.
fn in_order<'de, V: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<(String, V)>, D::Error> {
    struct InOrder<V>(PhantomData<V>);

    impl<'de, V: Deserialize<'de>> Visitor<'de> for InOrder<V> {
        type Value = Vec<(String, V)>;

        fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut found = Vec::new();
            while let Some(entry) = map.next_entry()? {
                found.push(entry);
            }
            Ok(found)
        }
    }

    deserializer.deserialize_map(InOrder(PhantomData))
}

#[derive(Deserialize)]
struct KeyFields {
    #[serde(rename = "type")]
    kind: DeclaredKind,
    default: Option<Literal>,
    #[serde(default)]
    help: String,
    example: Option<Literal>,
    min: Option<i64>,
    max: Option<i64>,
    #[serde(default)]
    choices: Vec<String>,
    items: Option<DeclaredKind>,
}

/// The rule for the fields of a setting together; the caret is below the field that is at fault.
fn key_rule(node: &Node) -> Vec<Problem> {
    let checked = match node.read::<KeyFields>() {
        Ok(fields) => fields.check().map(drop),
        Err(error) => Err(("type", error.to_string())),
    };
    let problem = |(field, why): (&str, String)| {
        let place = node.field(field).map_or_else(|| head(node), head);
        Problem::at(place, why)
    };
    checked.err().map(problem).into_iter().collect()
}

impl KeyFields {
    /// Returns the declared setting, which still lacks its name, or the field that is at fault and why.
    fn check(self) -> Result<DeclaredKey, (&'static str, String)> {
        let each = self.items.unwrap_or(match self.kind {
            DeclaredKind::List => DeclaredKind::String,
            kind => kind,
        });
        if self.items.is_some() && self.kind != DeclaredKind::List {
            return Err(("items", "items belongs to type \"list\"".into()));
        }
        if matches!(self.items, Some(DeclaredKind::List | DeclaredKind::Secret)) {
            return Err(("items", "the items of a list can't be lists or secrets".into()));
        }
        if (self.min.is_some() || self.max.is_some()) && each != DeclaredKind::Integer {
            let field = if self.min.is_some() { "min" } else { "max" };
            return Err((field, "min and max belong to type \"integer\"".into()));
        }
        if let (Some(min), Some(max)) = (self.min, self.max)
            && min > max
        {
            return Err((
                "max",
                format!("min is {min} and max {max}: no number is in between"),
            ));
        }
        if self.choices.is_empty() != (each != DeclaredKind::Choice) {
            return Err((
                "choices",
                "type \"choice\" and choices: [\"one\", \"other\"] belong together".into(),
            ));
        }
        for (index, choice) in self.choices.iter().enumerate() {
            plain_text(choice).map_err(|why| ("choices", why))?;
            if self.choices[..index]
                .iter()
                .any(|other| other.eq_ignore_ascii_case(choice))
            {
                return Err(("choices", format!("{choice:?} is there twice")));
            }
        }
        if self.kind == DeclaredKind::Secret && self.default.is_some() {
            return Err((
                "default",
                "a secret has no default: it would be the same on every device, and in every image".into(),
            ));
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
        let default = default.map_err(|why| ("default", why))?;
        if let Some(example) = self
            .example
            .as_ref()
            .filter(|_| self.kind != DeclaredKind::Secret)
        {
            value(example).map_err(|why| ("example", why))?;
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
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged)]
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

#[cfg(test)]
mod tests;
