//! A change to any file changes one line, and what was set is what is read.

#![no_main]

use genpack_fuzz::{FACTS, SECTIONS, check, read};
use genpack_spec::system_ini::edit::{replace_line, set, unset};
use genpack_spec::system_ini::schema::{Key, List, Section, TOP};
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;

#[derive(Debug, Arbitrary)]
struct Case<'a> {
    section: u8,
    key: u8,
    subject: bool,
    value: Option<&'a str>,
    line: u8,
    file: &'a [u8],
}

fuzz_target!(|case: Case<'_>| {
    if let Ok(changed) = replace_line(case.file, u32::from(case.line), "password_hash", "$6$x$y") {
        one_line_differs(case.file, &changed);
    }

    let section = &SECTIONS[usize::from(case.section) % SECTIONS.len()];
    let keys: Vec<_> = section.fixed_keys().collect();
    if keys.is_empty() {
        return;
    }
    let key = keys[usize::from(case.key) % keys.len()];
    let subject = if case.subject { " eth1" } else { "" };
    let name = format!("{}{subject}.{}", section.name, key.name);
    let value = case.value.map_or_else(|| key.example.to_string(), String::from);
    set_and_unset(case.file, section, key, &name, &value);
});

fn set_and_unset(file: &[u8], section: &Section<'_>, key: &Key<'_>, name: &str, value: &str) {
    let before = read(file).settings;
    if let Ok(changed) = set(file, name, value, &FACTS) {
        if key.list == List::No {
            one_line_differs(file, &changed);
        }
        let parsed = read(&changed);
        check(&parsed);
        assert_eq!(
            set(&changed, name, value, &FACTS).as_deref(),
            Ok(&changed[..]),
            "setting it again changes more"
        );
        if section.name == TOP {
            // The settings of [system] are independent of each other and of all the rest.
            let alone =
                read(&set(b"", name, value, &FACTS).expect("an empty file takes any setting")).settings;
            let mut expected = serde_json::to_value(&before).expect("settings have a JSON form");
            let alone = serde_json::to_value(&alone).expect("settings have a JSON form");
            expected["system"][key.name] = alone["system"][key.name].clone();
            let mut actual = serde_json::to_value(&parsed.settings).expect("settings have a JSON form");
            // What is not set is absent in one and null in the other.
            let this = actual["system"][key.name].take();
            actual["system"][key.name] = this;
            assert_eq!(actual, expected);
        }
    }
    if let Ok(changed) = unset(file, name, &FACTS) {
        assert_eq!(
            unset(&changed, name, &FACTS).as_deref(),
            Ok(&changed[..]),
            "something was left"
        );
        assert!(changed.len() <= file.len());
    }
}

/// Checks that what differs lies within one line of the old file.
fn one_line_differs(old: &[u8], new: &[u8]) {
    let start = old.iter().zip(new).take_while(|(a, b)| a == b).count();
    let (old_rest, new_rest) = (&old[start..], &new[start..]);
    let end = old_rest
        .iter()
        .rev()
        .zip(new_rest.iter().rev())
        .take_while(|(a, b)| a == b)
        .count();
    let replaced = &old_rest[..old_rest.len() - end];
    // In UTF-16, a byte that looks like a line end may be half a letter.
    let is_utf16 = old.contains(&0) || old.starts_with(b"\xff\xfe") || old.starts_with(b"\xfe\xff");
    assert!(
        is_utf16 || !replaced.contains(&b'\n'),
        "{}",
        String::from_utf8_lossy(replaced)
    );
}
