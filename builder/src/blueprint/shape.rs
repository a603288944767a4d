//! What a file may say, as data: one table feeds the reader, the JSON Schema, the new file of `genpack init`, and the test
//! that the documentation is complete.

use std::fmt::Display;
use std::str::FromStr;

use super::node::Node;
use super::problems::Problem;

/// What a value must be.
#[derive(Debug, Clone, Copy)]
pub enum Shape {
    /// A text that keeps a rule.
    Text(&'static TextRule),
    /// One of these words.
    Words(&'static [&'static str]),
    Bool,
    /// A whole number from the first to the second.
    Integer(i64, i64),
    /// A list; with a sentence, an empty one is a mistake.
    List(&'static Shape, Option<&'static str>),
    /// One value, or a list of them.
    OneOrList(&'static Shape),
    Object(&'static Record),
    /// A name, or an object; the text says what was expected, without an article.
    NameOr(&'static str, &'static TextRule, &'static Record),
    Map(&'static Names),
    /// A text, a whole number, true, false, or a list of these.
    Literal,
}

/// A rule for texts.
#[derive(Debug)]
pub struct TextRule {
    /// The rule as a regular expression that JavaScript and Rust both take. It may allow more than `check`.
    pub pattern: &'static str,
    /// Says what is wrong with a text.
    pub check: fn(&str) -> Result<(), String>,
}

/// Checks a text that becomes a `T`.
pub fn parses<T: FromStr<Err: Display>>(text: &str) -> Result<(), String> {
    text.parse::<T>().map(drop).map_err(|error| error.to_string())
}

/// An object with fields that are known.
#[derive(Debug)]
pub struct Record {
    /// The fields, in the order in which people should read of them.
    pub fields: fn() -> Vec<&'static Field>,
    /// Names that are refused, with the reason.
    pub refused: &'static [(&'static str, &'static str)],
    /// What the fields must be together. Asked when each is right by itself.
    pub rule: Option<fn(&Node) -> Vec<Problem>>,
}

/// An object whose names the developer chooses.
#[derive(Debug)]
pub struct Names {
    pub name: TextRule,
    /// Two names that come to the same text are one.
    pub folded: fn(&str) -> String,
    /// What is said of them.
    pub clash: &'static str,
    pub value: Shape,
    /// With a sentence, an empty object is a mistake.
    pub empty: Option<&'static str>,
}

/// A field of an object.
#[derive(Debug)]
pub struct Field {
    pub name: &'static str,
    pub shape: Shape,
    /// What it is for, in whole sentences.
    pub help: &'static str,
    /// What holds without it, as the documentation has it.
    pub default: &'static str,
    /// What a new blueprint shows, in JSON5.
    pub sample: &'static str,
    pub required: bool,
    /// Whether `null` stands for its default.
    pub nullable: bool,
    /// Whether the name with hyphens is taken, too.
    pub hyphens: bool,
}

impl Field {
    pub const fn new(name: &'static str, shape: Shape, help: &'static str) -> Field {
        Field {
            name,
            shape,
            help,
            default: "none",
            sample: "",
            required: false,
            nullable: false,
            hyphens: false,
        }
    }

    pub const fn default(self, default: &'static str) -> Field {
        Field { default, ..self }
    }

    pub const fn sample(self, sample: &'static str) -> Field {
        Field { sample, ..self }
    }

    pub const fn required(self) -> Field {
        Field {
            required: true,
            default: "none; must be there",
            ..self
        }
    }

    pub const fn nullable(self) -> Field {
        Field {
            nullable: true,
            ..self
        }
    }

    pub const fn hyphens(self) -> Field {
        Field {
            hyphens: true,
            ..self
        }
    }

    /// Whether a name in a file means this field.
    pub fn is_named(&self, name: &str) -> bool {
        self.name == name || (self.hyphens && self.name == name.replace('-', "_"))
    }
}
