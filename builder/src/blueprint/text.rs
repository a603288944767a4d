//! Values that are read by their text form.

use std::fmt::{self, Display};
use std::marker::PhantomData;
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, Error, Visitor};

/// Reads a value by its text form. What is wrong with the text is said while the deserializer still knows where the
/// text stands; `#[serde(try_from = "String")]` comes too late for that, and the blame falls on the whole list or
/// object.
pub fn parse<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: FromStr<Err: Display>,
    D: Deserializer<'de>,
{
    struct ByText<T>(PhantomData<T>);

    impl<T: FromStr<Err: Display>> Visitor<'_> for ByText<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
            f.write_str("a string")
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
            text.parse().map_err(E::custom)
        }
    }

    deserializer.deserialize_str(ByText(PhantomData))
}

/// Reads a list of values by their text forms.
pub fn parse_list<'de, T, D>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    T: FromStr<Err: Display>,
    D: Deserializer<'de>,
{
    struct Item<T>(T);

    impl<'de, T: FromStr<Err: Display>> Deserialize<'de> for Item<T> {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            parse(deserializer).map(Item)
        }
    }

    let items = Vec::<Item<T>>::deserialize(deserializer)?;
    Ok(items.into_iter().map(|Item(value)| value).collect())
}
