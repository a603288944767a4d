//! Sections that a blueprint declares.

use std::collections::BTreeMap;

use super::super::kinds::Value;
use super::super::schema::{Key, List};
use super::Values;
use crate::settings::OwnValue;
use crate::types::Secret;

pub(super) fn section(keys: &[Key<'_>], values: &mut Values<'_, '_>) -> BTreeMap<String, OwnValue> {
    let mut section = BTreeMap::new();
    for key in keys {
        let mut given: Vec<Own> = values.list(key.name);
        let value = match key.list {
            _ if given.is_empty() => None,
            List::No => given.pop().map(|own| own.value(key.secret)),
            List::Words | List::Lines if key.secret => {
                let all: Vec<_> = given.into_iter().map(|own| own.text()).collect();
                Some(OwnValue::Secret(Secret::new(all.join(","))))
            }
            List::Words | List::Lines => {
                Some(OwnValue::List(given.into_iter().map(|own| own.text()).collect()))
            }
        };
        section.extend(value.map(|value| (key.name.to_string(), value)));
    }
    section
}

/// A value of one of the kinds that a blueprint can ask for.
enum Own {
    Bool(bool),
    Number(i64),
    Text(String),
}

impl TryFrom<Value<'_>> for Own {
    type Error = ();

    fn try_from(value: Value<'_>) -> Result<Own, ()> {
        match value {
            Value::Bool(on) => Ok(Own::Bool(on)),
            Value::Number(number) => Ok(Own::Number(number)),
            Value::Text(text) => Ok(Own::Text(text)),
            Value::Choice(word) => Ok(Own::Text(word.to_string())),
            Value::Url(url) => Ok(Own::Text(url.to_string())),
            Value::HostAddress(address) => Ok(Own::Text(address.to_string())),
            _ => Err(()),
        }
    }
}

impl Own {
    fn text(self) -> String {
        match self {
            Own::Bool(on) => on.to_string(),
            Own::Number(number) => number.to_string(),
            Own::Text(text) => text,
        }
    }

    fn value(self, secret: bool) -> OwnValue {
        match self {
            own if secret => OwnValue::Secret(Secret::new(own.text())),
            Own::Bool(on) => OwnValue::Bool(on),
            Own::Number(number) => OwnValue::Integer(number),
            Own::Text(text) => OwnValue::Text(text),
        }
    }
}
