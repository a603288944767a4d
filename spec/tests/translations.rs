//! Every text has a translation into every language, and there are no others.
//!
//! `GENPACK_BLESS=1` adds what is missing to `spec/translations/*.po`, without a translation, and takes out what is no
//! longer said; the test goes on failing until somebody has translated it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use genpack_spec::text::Language;
use polib::catalog::Catalog;
use polib::message::{Message, MessageMutView};
use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use syn::LitStr;

/// Where each phrase is said.
type Phrases = BTreeMap<String, BTreeSet<String>>;

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Returns every phrase in the sources of the workspace.
fn phrases() -> Phrases {
    let root = workspace();
    let mut found = Phrases::new();
    let members = fs::read_dir(&root).expect("the workspace can be read");
    let sources = members.map(|member| member.expect("a folder's entry").path().join("src"));
    for source in sources.filter(|source| source.is_dir()) {
        walk(&root, &source, &mut found);
    }
    assert!(
        found.len() > 100,
        "the search for phrases does not work: {found:?}"
    );
    found
}

fn walk(root: &Path, folder: &Path, found: &mut Phrases) {
    for entry in fs::read_dir(folder).expect("a source folder can be read") {
        let path = entry.expect("a folder's entry").path();
        if path.is_dir() {
            walk(root, &path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let source = fs::read_to_string(&path).expect("a source file can be read");
            let tokens: TokenStream = source
                .parse()
                .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            let name = path.strip_prefix(root).expect("a path below the root");
            scan(tokens, &mut |phrase| {
                found
                    .entry(phrase)
                    .or_default()
                    .insert(name.display().to_string());
            });
        }
    }
}

/// Finds `text!("phrase", ...)` and `Fallback::Text("phrase")`, but not in tests.
fn scan(tokens: TokenStream, found: &mut dyn FnMut(String)) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut index = 0;
    while let Some(token) = tokens.get(index) {
        index += 1;
        let TokenTree::Group(group) = token else { continue };
        let before: String = tokens[..index - 1]
            .iter()
            .rev()
            .take(4)
            .map(|token| format!("{token} "))
            .collect();
        if before.starts_with('#') && group.stream().to_string().replace(' ', "") == "cfg(test)" {
            let body = |token: &TokenTree| {
                matches!(token, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace)
                    || matches!(token, TokenTree::Punct(punct) if punct.as_char() == ';')
            };
            index += tokens[index..].iter().position(body).map_or(0, |at| at + 1);
            continue;
        }
        if before.starts_with("! text ") || before.starts_with("Text : : Fallback ") {
            first_literal(group).into_iter().for_each(&mut *found);
        }
        scan(group.stream(), found);
    }
}

fn first_literal(group: &Group) -> Option<String> {
    match group.stream().into_iter().next()? {
        TokenTree::Literal(literal) => {
            let literal: LitStr = syn::parse_str(&literal.to_string()).ok()?;
            Some(literal.value())
        }
        _ => None,
    }
}

fn po_file(language: Language) -> PathBuf {
    let name = format!("translations/{}.po", language.code());
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn translated() -> impl Iterator<Item = Language> {
    Language::ALL
        .into_iter()
        .filter(|language| *language != Language::English)
}

fn read(language: Language) -> Catalog {
    let path = po_file(language);
    polib::po_file::parse(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Returns the names of the gaps.
fn gaps(phrase: &str) -> BTreeSet<&str> {
    phrase
        .split('{')
        .skip(1)
        .filter_map(|behind| behind.split_once('}'))
        .map(|(name, _)| name)
        .collect()
}

#[test]
fn every_phrase_is_translated() {
    let phrases = phrases();
    if std::env::var_os("GENPACK_BLESS").is_some() {
        translated().for_each(|language| bless(language, &phrases));
    }
    let mut complaints = String::new();
    for language in translated() {
        let catalogue = read(language);
        let mut missing: BTreeSet<&str> = phrases.keys().map(String::as_str).collect();
        for message in catalogue.messages() {
            let phrase = message.msgid();
            let code = language.code();
            if !phrases.contains_key(phrase) {
                let _ = writeln!(complaints, "{code}: nobody says {phrase:?} any more");
            }
            let Some(translation) = message.msgstr().ok().filter(|text| !text.is_empty()) else {
                continue;
            };
            if message.is_fuzzy() {
                let _ = writeln!(complaints, "{code}: in doubt (fuzzy): {phrase:?}");
            }
            if gaps(phrase) != gaps(translation) {
                let _ = writeln!(
                    complaints,
                    "{code}: other gaps than in {phrase:?}: {translation:?}"
                );
            }
            if phrase.ends_with('.') != translation.ends_with(['.', '。']) {
                let _ = writeln!(
                    complaints,
                    "{code}: one is a sentence: {phrase:?}, {translation:?}"
                );
            }
            missing.remove(phrase);
        }
        for phrase in missing {
            let _ = writeln!(
                complaints,
                "{}:\nmsgid {phrase:?}\nmsgstr \"\"\n",
                language.code()
            );
        }
    }
    assert!(
        complaints.is_empty(),
        "translations differ from what the sources say (GENPACK_BLESS=1 adds what is missing):\n{complaints}"
    );
}

/// Makes the messages of a file those of the sources, and keeps the translations that there are.
fn bless(language: Language, phrases: &Phrases) {
    let old = read(language);
    let mut new = Catalog::new(old.metadata.clone());
    let mut order: Vec<_> = phrases.iter().collect();
    order.sort_by_key(|(phrase, places)| (places.first(), *phrase));
    for (phrase, places) in order {
        let mut message = Message::build_singular().with_msgid(phrase.clone()).done();
        if let Some(known) = old.find_message(None, phrase, None) {
            let _ = message.set_msgstr(known.msgstr().unwrap_or_default().to_string());
            *message.translator_comments_mut() = known.translator_comments().to_string();
        }
        *message.source_mut() = places.iter().cloned().collect::<Vec<_>>().join("\n");
        new.append_or_update(message);
    }
    polib::po_file::write_to_file(&new, &po_file(language)).expect("the translations can be written");
}

#[test]
fn gettext_accepts_the_files() {
    for language in translated() {
        let output = Command::new("msgfmt")
            .args(["--check", "--output-file=/dev/null"])
            .arg(po_file(language))
            .output();
        match output {
            Ok(output) => assert!(
                output.status.success(),
                "{}",
                String::from_utf8_lossy(&output.stderr)
            ),
            Err(error) => eprintln!("msgfmt of gettext is not there, so it is not asked: {error}"),
        }
    }
}

#[test]
fn consoles_can_show_german() {
    for message in read(Language::German).messages() {
        let translation = message.msgstr().expect("one form");
        let unknown = |c: char| !c.is_ascii() && !"äöüÄÖÜß".contains(c);
        // What a phrase about letters shows is not said on consoles.
        assert!(
            !translation.contains(unknown) || message.msgid().contains(unknown),
            "{translation}"
        );
    }
}

#[test]
fn the_search_sees_what_it_should() {
    let source = r##"
        fn a() { b(text!("one {gap}", gap = text!("two"))); c![text!("thr\u{65}e \
            go")]; }
        const F: Fallback = Fallback::Text("four");
        const G: Fallback = schema::Fallback::Text("five");
        #[cfg(test)]
        mod tests { fn t() { text!("no"); } }
        #[cfg(test)] use no::text;
        fn d() { text!("six"); // text!("no")
            let s = "text!(\"no\")"; }
    "##;
    let mut found = BTreeSet::new();
    scan(source.parse().expect("Rust"), &mut |phrase| {
        found.insert(phrase);
    });
    let want = ["one {gap}", "two", "three go", "four", "five", "six"];
    assert_eq!(found, want.map(String::from).into());
}
