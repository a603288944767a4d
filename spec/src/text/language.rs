//! The languages in which a device speaks to people, and who chooses among them.

use std::str::FromStr;

use super::{Text, catalogue};
use crate::text;
use crate::types::Invalid;

/// A language that has a translation of every text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Language {
    /// The language in which the texts are written in the code.
    #[default]
    #[serde(rename = "en")]
    English,
    /// `spec/translations/ja.po`
    #[serde(rename = "ja")]
    Japanese,
    /// `spec/translations/de.po`
    #[serde(rename = "de")]
    German,
}

impl Language {
    /// All of them.
    pub const ALL: [Language; 3] = [Language::English, Language::Japanese, Language::German];

    /// Returns its code by ISO 639-1.
    pub fn code(self) -> &'static str {
        match self {
            Language::English => "en",
            Language::Japanese => "ja",
            Language::German => "de",
        }
    }

    /// Returns the language of a locale such as `ja_JP.UTF-8`, `de_AT` or `de`; none when there is no translation into
    /// it. `C` and `POSIX`, which name no language, are English.
    pub fn of_locale(locale: &str) -> Option<Language> {
        let end = locale.find(['_', '.', '@', '-']).unwrap_or(locale.len());
        let code = locale[..end].to_ascii_lowercase();
        match code.as_str() {
            "c" | "posix" => Some(Language::English),
            code => Language::ALL.into_iter().find(|language| language.code() == code),
        }
    }

    /// Returns the language for a device: that of the locale which its owner chose, else that which its maker chose
    /// (in [`crate::image::ImageInfo::language`]).
    pub fn choose(locale: Option<&str>, image: Language) -> Language {
        locale.and_then(Language::of_locale).unwrap_or(image)
    }

    /// Returns a text in this language, or in English where a translation is missing.
    pub fn say(self, text: &Text) -> String {
        text.say(&|phrase| self.translate(phrase))
    }

    /// Returns the translation of a phrase; none for English and for a phrase that has none.
    pub fn translate(self, phrase: &str) -> Option<&'static str> {
        catalogue::find(self, phrase)
    }

    /// Returns the language that the consoles of a device speak. There nothing but ASCII is sure to be shown: the
    /// kernel's first font has 256 characters, and a serial line leads to a terminal of unknown age. German can be written
    /// so, with ae for the umlaut; Japanese can't, so the consoles of a Japanese device speak English.
    pub fn on_console(self) -> Language {
        match self {
            Language::Japanese => Language::English,
            other => other,
        }
    }

    /// Returns a text as consoles show it; see [`Language::on_console`].
    pub fn say_on_console(self, text: &Text) -> String {
        match self.on_console() {
            Language::English | Language::Japanese => text.english(),
            Language::German => self.say(text).chars().fold(String::new(), |mut said, c| {
                match c {
                    'ä' => said.push_str("ae"),
                    'ö' => said.push_str("oe"),
                    'ü' => said.push_str("ue"),
                    'Ä' => said.push_str("Ae"),
                    'Ö' => said.push_str("Oe"),
                    'Ü' => said.push_str("Ue"),
                    'ß' => said.push_str("ss"),
                    c => said.push(c),
                }
                said
            }),
        }
    }

    /// What stands between two sentences.
    pub(crate) fn between_sentences(self) -> &'static str {
        match self {
            Language::Japanese => "",
            Language::English | Language::German => " ",
        }
    }
}

impl FromStr for Language {
    type Err = Invalid;

    /// Reads the code, as it stands in a blueprint.
    fn from_str(code: &str) -> Result<Language, Invalid> {
        let named = Language::ALL.into_iter().find(|language| language.code() == code);
        named.ok_or_else(|| {
            let codes = Language::ALL.map(Language::code).join(", ");
            Invalid(text!("{value} is none of {words}", value = code, words = codes))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_locale_names_its_language() {
        for (locale, want) in [
            ("ja_JP.UTF-8", Some(Language::Japanese)),
            ("JA", Some(Language::Japanese)),
            ("de_AT", Some(Language::German)),
            ("de-CH", Some(Language::German)),
            ("de@euro", Some(Language::German)),
            ("en_GB.UTF-8", Some(Language::English)),
            ("C.UTF-8", Some(Language::English)),
            ("POSIX", Some(Language::English)),
            ("fr_FR.UTF-8", None),
            ("des_BR", None),
            ("", None),
        ] {
            assert_eq!(Language::of_locale(locale), want, "{locale}");
        }
    }

    #[test]
    fn the_owner_chooses_before_the_maker() {
        let choose = |locale| Language::choose(locale, Language::Japanese);
        assert_eq!(choose(Some("de_DE.UTF-8")), Language::German);
        assert_eq!(choose(Some("fr_FR.UTF-8")), Language::Japanese);
        assert_eq!(choose(None), Language::Japanese);
    }
}
