use std::fs;

use genpack_spec::declared::DeclaredKind;
use genpack_spec::image::Reaction;
use genpack_spec::text::Language;
use regex::Regex;

use super::*;
use crate::blueprint::accounts::{GROUP_FIELDS, USER_FIELDS};
use crate::blueprint::profile::{KERNEL_FIELDS, PROFILE_FIELDS};
use crate::blueprint::settings::{KEY_FIELDS, SECTION_FIELDS};
use crate::blueprint::types::Output;

/// Returns every field there is, with the name of the object that it is in.
fn all_fields() -> Vec<(&'static str, &'static Field)> {
    let tables: [(&str, &'static [Field]); 8] = [
        ("blueprint", &FIELDS),
        ("user", &USER_FIELDS),
        ("group", &GROUP_FIELDS),
        ("settings_from", &SETTINGS_FROM_FIELDS),
        ("section", &SECTION_FIELDS),
        ("setting", &KEY_FIELDS),
        ("profile", &PROFILE_FIELDS),
        ("kernel", &KERNEL_FIELDS),
    ];
    let named = |(of, fields): (&'static str, &'static [Field])| fields.iter().map(move |field| (of, field));
    tables.into_iter().flat_map(named).collect()
}

/// Returns the rules for texts of a shape, and of what is inside.
fn rules(shape: Shape) -> Vec<&'static TextRule> {
    match shape {
        Shape::Text(rule) | Shape::NameOr(_, rule, _) => vec![rule],
        Shape::List(item, _) | Shape::OneOrList(item) => rules(*item),
        Shape::Map(names) => std::iter::once(&names.name).chain(rules(names.value)).collect(),
        _ => Vec::new(),
    }
}

/// Texts at the edges of every rule.
const TEXTS: &[&str] = &[
    "",
    " ",
    "a",
    "A",
    "7",
    "-",
    "_",
    ".",
    "..",
    "/",
    "a/b",
    "/a",
    "/a/",
    "a/",
    "./a",
    "../a",
    "a/../b",
    "a//b",
    "..a",
    ".a",
    "a.",
    "a..b",
    "a-b",
    "-a",
    "a-",
    "--ab",
    "-ab",
    "ab",
    "aB",
    "a_b",
    "_a",
    "a b",
    " a",
    "a:b",
    "/a:b",
    "a\nb",
    "/a\nb",
    "a@b",
    "@a",
    "getty@tty2",
    "fstrim.timer",
    "-.mount",
    "libstdc++6",
    "debian",
    "debian:",
    "debian:trixie",
    "debian:Trixie",
    "debian:a1",
    "fedora:40",
    "tar:",
    "tar:a#b",
    "tar:../a b.tar",
    "tar:a\tb",
    "oci:",
    "oci:a",
    "oci:/a/b#c:1",
    "oci:a#",
    "oci:#a",
    "oci:a#b#c",
    "zstd",
    "zstd:0",
    "zstd:1",
    "zstd:22",
    "zstd:23",
    "zstd:x",
    "xz",
    "gzip",
    "lz4",
    "lz4:1",
    "http://a",
    "https://a/b",
    "https://",
    "ftp://a",
    "file:/a",
    "file:a",
    "copy:/a",
    "mirror+http://a",
    "https://a b",
    "x86_64",
    "aarch64",
    "x86_64|aarch64",
    "x86_64|",
    "|",
    "x86_64 | aarch64",
    "amd64",
    "nginx",
    "web.img",
    "out/web.img",
    "genpack.json5",
    "out/genpack.json",
    "genpack.lock",
    "Debian-exim",
    "100",
    "1a",
    "é",
    "aé",
    "a\tb",
    "a2345678901234567890123456789012",
    "a23456789012345678901234567890123",
    "a234567890123456789012345678901234567890",
    "a2345678901234567890123456789012345678901",
];

/// What the reader refuses for a reason that no expression is made for.
fn only_by_the_reader(text: &str) -> bool {
    text == "root" || text.contains('\0')
}

#[test]
fn patterns_and_checks_agree() {
    let fields = all_fields();
    let mut compared = 0;
    for (of, field) in &fields {
        for rule in rules(field.shape) {
            let pattern = fancy(rule.pattern);
            for text in TEXTS.iter().filter(|text| !only_by_the_reader(text)) {
                let checked = (rule.check)(text);
                assert_eq!(
                    checked.is_ok(),
                    pattern(text),
                    "{text:?} as {} of {of}, {}: {checked:?}",
                    field.name,
                    rule.pattern
                );
                compared += 1;
            }
        }
    }
    assert!(compared > 1000, "{compared}");
}

/// Matches as JavaScript does. The one rule with conditions on what does not follow is taken apart, because regex knows none.
fn fancy(pattern: &'static str) -> impl Fn(&str) -> bool {
    let mut rest = pattern;
    let mut forbidden = Vec::new();
    while let Some((inner, after)) = rest.strip_prefix("^(?!").and_then(closing) {
        forbidden.push(Regex::new(&format!("^(?:{inner})")).unwrap());
        rest = Box::leak(format!("^{after}").into_boxed_str());
    }
    let wanted = Regex::new(rest).unwrap();
    move |text| wanted.is_match(text) && !forbidden.iter().any(|pattern| pattern.is_match(text))
}

/// Splits behind the bracket that closes what is open.
fn closing(text: &str) -> Option<(&str, &str)> {
    let mut open = 1;
    for (offset, character) in text.char_indices() {
        open += match character {
            '(' => 1,
            ')' => -1,
            _ => 0,
        };
        if open == 0 {
            return Some((&text[..offset], &text[offset + 1..]));
        }
    }
    None
}

#[test]
fn words_are_those_of_the_types() {
    fn known<T: serde::de::DeserializeOwned>(word: &str) -> bool {
        serde_json::from_value::<T>(word.into()).is_ok()
    }
    let words = |of: &str, name: &str| {
        let (_, field) = all_fields()
            .into_iter()
            .find(|(o, field)| (*o, field.name) == (of, name))
            .unwrap();
        match field.shape {
            Shape::Words(words) => words,
            Shape::List(Shape::Words(words), _) => *words,
            shape => panic!("{shape:?}"),
        }
    };
    assert_eq!(words("blueprint", "language"), Language::ALL.map(Language::code));
    assert!(
        words("blueprint", "outputs")
            .iter()
            .all(|word| known::<Output>(word))
    );
    assert!(
        words("settings_from", "card")
            .iter()
            .all(|word| known::<Reaction>(word))
    );
    assert!(
        words("setting", "type")
            .iter()
            .all(|word| known::<DeclaredKind>(word))
    );
}

#[test]
fn the_documentation_has_every_field() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/blueprint.md");
    let text = fs::read_to_string(path).unwrap();
    let rows: Vec<&str> = text.lines().filter(|line| line.starts_with("| `")).collect();
    let mut lacking = Vec::new();
    for (of, field) in all_fields() {
        let name = match of {
            "kernel" => format!("| `kernel.{}` |", field.name),
            // Its fields are explained in a paragraph.
            "settings_from" => continue,
            _ if field.name == "kernel" => continue,
            _ => format!("| `{}` |", field.name),
        };
        // Some tables have no column for the default.
        let default = match of {
            "blueprint" | "user" | "group" => format!("| {} |", field.default),
            _ => String::new(),
        };
        // `min` and `max` share a row.
        let shared = format!("`{}`", field.name);
        let has = |row: &&&str| {
            (row.starts_with(&name) && row.ends_with(&default)) || (of == "setting" && row.contains(&shared))
        };
        if !rows.iter().any(|row| has(&row)) {
            lacking.push(format!("{of}: {name} ... {default}"));
        }
        if of == "blueprint" && !text.contains(&format!("**`{}`**", field.name)) {
            lacking.push(format!("a paragraph about {}", field.name));
        }
    }
    assert!(lacking.is_empty(), "docs/blueprint.md lacks {lacking:#?}");
    let fields = FIELDS.iter().map(|field| format!("| `{}` |", field.name));
    let (_, table) = text.split_once("## Blueprint").unwrap();
    let order: Vec<_> = table
        .lines()
        .filter(|line| line.starts_with("| `"))
        .take(FIELDS.len())
        .collect();
    for (row, name) in order.iter().zip(fields) {
        assert!(
            row.starts_with(&name),
            "{row} is not {name}: the table has another order than the fields"
        );
    }
}
