//! What is said to people, as data: an English phrase with named gaps and what fills them, so that it can still be said
//! in another language when it is shown.
//!
//! Make one with [`text!`](crate::text!). The English phrase is also the key under which a translation is found.

mod catalogue;
mod language;

pub use language::Language;

use std::borrow::Cow;
use std::fmt::{self, Write as _};

use serde::{Deserialize, Serialize};

/// A phrase or sentence.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Text {
    /// The English words, with a gap `{name}` for each argument.
    phrase: Cow<'static, str>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    args: Vec<(Cow<'static, str>, Arg)>,
}

/// What fills a gap.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Arg {
    /// The same in every language: a name, a number, what a person typed.
    Verbatim(String),
    /// A phrase, which has a translation of its own.
    Text(Text),
}

impl<T: fmt::Display> From<T> for Arg {
    fn from(value: T) -> Arg {
        Arg::Verbatim(value.to_string())
    }
}

impl From<Text> for Arg {
    fn from(text: Text) -> Arg {
        Arg::Text(text)
    }
}

/// Makes a [`Text`]: `text!("{port} has no cable", port = name)`, or `text!("{port} has no cable", port)` when a
/// variable has the gap's name. The phrase is a literal, so that a test can find every one.
#[macro_export]
macro_rules! text {
    ($phrase:literal $(, $name:ident $(= $value:expr)?)* $(,)?) => {
        $crate::text::Text::new($phrase, vec![$((stringify!($name), $crate::text_arg!($name $(, $value)?))),*])
    };
}

/// Part of [`text!`](crate::text!).
#[doc(hidden)]
#[macro_export]
macro_rules! text_arg {
    ($name:ident) => {
        $crate::text::Arg::from($name)
    };
    ($name:ident, $value:expr) => {
        $crate::text::Arg::from($value)
    };
}

/// The only phrase of texts that are the same in every language.
const VERBATIM: &str = "{value}";

impl Text {
    /// Returns a text; [`text!`](crate::text!) is the way to write it.
    pub fn new(phrase: &'static str, args: Vec<(&'static str, Arg)>) -> Text {
        let args = args
            .into_iter()
            .map(|(name, arg)| (Cow::Borrowed(name), arg))
            .collect();
        Text {
            phrase: Cow::Borrowed(phrase),
            args,
        }
    }

    /// Returns a text that is the same in every language: a name, a value, a line to copy.
    pub fn verbatim(value: impl fmt::Display) -> Text {
        Text::new(VERBATIM, vec![("value", Arg::from(value))])
    }

    /// Returns it in English.
    pub fn english(&self) -> String {
        self.say(&|_| None)
    }

    /// Returns it with each phrase replaced by what `translate` makes of it; where that is nothing, in English.
    pub fn say<'a>(&'a self, translate: &dyn Fn(&'a str) -> Option<&'a str>) -> String {
        let mut said = String::new();
        let mut rest = translate(&self.phrase).unwrap_or(&self.phrase);
        while let Some((before, behind)) = rest.split_once('{') {
            said.push_str(before);
            let (name, behind) = behind.split_once('}').unwrap_or((behind, ""));
            match self.args.iter().find(|(candidate, _)| candidate == name) {
                Some((_, Arg::Verbatim(value))) => said.push_str(value),
                Some((_, Arg::Text(text))) => said.push_str(&text.say(translate)),
                None => {
                    let _ = write!(said, "{{{name}}}");
                }
            }
            rest = behind;
        }
        said + rest
    }

    /// Returns it with every argument passed through `change`.
    pub(crate) fn map_args(self, change: &dyn Fn(&str) -> String) -> Text {
        let change_one = |arg| match arg {
            Arg::Verbatim(value) => Arg::Verbatim(change(&value)),
            Arg::Text(text) => Arg::Text(text.map_args(change)),
        };
        let args = self
            .args
            .into_iter()
            .map(|(name, arg)| (name, change_one(arg)))
            .collect();
        Text { args, ..self }
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.english())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_filled_in_the_order_of_the_language() {
        let why = text!("{number} is larger than 255", number = 300);
        let address = "10.0.0.300";
        let text = text!("{address} is not an IP address: {why}", address, why);
        assert_eq!(
            text.english(),
            "10.0.0.300 is not an IP address: 300 is larger than 255"
        );
        let said = text.say(&|phrase| match phrase {
            "{number} is larger than 255" => Some("255 < {number}"),
            "{address} is not an IP address: {why}" => Some("{why} ({address})"),
            _ => None,
        });
        assert_eq!(said, "255 < 300 (10.0.0.300)");
    }

    #[test]
    fn what_a_person_typed_is_never_a_gap() {
        let text = text!("there is no {what}", what = "{what} {x}");
        assert_eq!(text.english(), "there is no {what} {x}");
        assert_eq!(Text::verbatim("{value}").english(), "{value}");
        assert_eq!(text!("a {gap").english(), "a {gap}");
    }

    #[test]
    fn it_survives_the_way_from_one_program_to_another() {
        let text = text!("{a} and {b}", a = text!("one"), b = 2);
        let json = serde_json::to_string(&text).unwrap();
        assert_eq!(
            json,
            r#"{"phrase":"{a} and {b}","args":[["a",{"phrase":"one"}],["b","2"]]}"#
        );
        assert_eq!(serde_json::from_str::<Text>(&json).unwrap(), text);
    }
}
