//! The translations, made from `spec/translations/*.po` by the build script: sorted, so that nothing has to be prepared
//! at run time.

use super::language::Language;

/// Phrases and their translations, by phrase.
type Catalogue = [(&'static str, &'static str)];

const JAPANESE: &Catalogue = include!(concat!(env!("OUT_DIR"), "/ja.rs"));
const GERMAN: &Catalogue = include!(concat!(env!("OUT_DIR"), "/de.rs"));

/// Returns the translation of a phrase.
pub(super) fn find(language: Language, phrase: &str) -> Option<&'static str> {
    let catalogue = match language {
        Language::English => return None,
        Language::Japanese => JAPANESE,
        Language::German => GERMAN,
    };
    let index = catalogue
        .binary_search_by_key(&phrase, |(phrase, _)| phrase)
        .ok()?;
    Some(catalogue[index].1)
}
