//! What the targets share: reading a file as a device does, and what must hold for every outcome.
//!
//! A target finds a fault by panicking. See `README.md` for how to run one.

pub mod lines;

use std::sync::LazyLock;

use genpack_spec::facts::{Facts, Machine};
use genpack_spec::report::Diagnostic;
use genpack_spec::settings::Settings;
use genpack_spec::system_ini::schema::{self, Kind, Section};
use genpack_spec::system_ini::{Context, Parsed, Secrets, parse, write};
use genpack_spec::text::Text;
use genpack_spec::types::Hostname;

/// Longest phrase, in characters.
const PHRASE_LIMIT: usize = 400;
/// Longest section name, key, and line of the file that is repeated, in characters.
const NAME_LIMIT: usize = 80;
/// Most diagnostics: a hundred, one about the file, one with the number of those left out.
const DIAGNOSTIC_LIMIT: usize = 102;

/// What the image of the golden tests has.
pub static FACTS: LazyLock<Facts> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../../spec/tests/golden/facts.json"))
        .expect("the facts of the golden tests")
});
static MACHINE: LazyLock<Machine> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../../spec/tests/golden/machine.json"))
        .expect("the machine of the golden tests")
});
static DEFAULT_HOSTNAME: LazyLock<Hostname> = LazyLock::new(|| "web-123456".parse().expect("a valid name"));
/// Every section that its `system.ini` can have.
pub static SECTIONS: LazyLock<Vec<Section<'static>>> = LazyLock::new(|| schema::sections(&FACTS.settings));

/// Returns what a device makes of a file.
pub fn read(bytes: &[u8]) -> Parsed {
    let context = Context {
        default_hostname: &DEFAULT_HOSTNAME,
        facts: &FACTS,
        machine: Some(&MACHINE),
    };
    parse(bytes, &context)
}

/// Checks what holds for every file.
pub fn check(parsed: &Parsed) {
    assert!(parsed.diagnostics.len() <= DIAGNOSTIC_LIMIT);
    for diagnostic in &parsed.diagnostics {
        check_diagnostic(diagnostic);
    }
    let json = serde_json::to_string(&parsed.settings).expect("settings have a JSON form");
    let again: Settings = serde_json::from_str(&json).unwrap_or_else(|error| panic!("{error} in {json}"));
    assert_eq!(again, parsed.settings);
    let written = write(&parsed.settings, Secrets::Plain);
    assert_eq!(read(written.as_bytes()).settings, parsed.settings, "{written}");
}

fn check_diagnostic(diagnostic: &Diagnostic) {
    for phrase in phrases(diagnostic) {
        check_text(&phrase, PHRASE_LIMIT);
    }
    for text in [&diagnostic.section, &diagnostic.key, &diagnostic.text] {
        check_text(text.as_deref().unwrap_or(""), NAME_LIMIT);
    }
    assert_eq!(diagnostic.line.is_some(), diagnostic.column.is_some());
    assert!(diagnostic.line != Some(0) && diagnostic.column != Some(0));
    let json = serde_json::to_string(diagnostic).expect("a diagnostic has a JSON form");
    assert_eq!(
        serde_json::from_str::<Diagnostic>(&json).ok().as_ref(),
        Some(diagnostic)
    );
}

/// Returns what a diagnostic says, in English.
pub fn phrases(diagnostic: &Diagnostic) -> impl Iterator<Item = String> {
    [
        Some(&diagnostic.problem),
        diagnostic.used.as_ref(),
        diagnostic.hint.as_ref(),
    ]
    .into_iter()
    .flatten()
    .map(Text::english)
}

fn check_text(text: &str, limit: usize) {
    assert!(text.chars().count() <= limit, "{text}");
    assert!(!text.contains(char::is_control), "{text:?}");
}

/// Returns every name and word that means something in a `system.ini`, and every sign that separates them.
///
/// It stands in for libFuzzer's dictionary file, which would be the schema written a second time.
fn words() -> Vec<String> {
    let signs = [
        "\r\n",
        "\r",
        "\n",
        "\n\n",
        "\n[",
        "]\n",
        "[",
        "]",
        "=",
        " = ",
        ":",
        ": ",
        ",",
        ";",
        " ;",
        "#",
        " #",
        "\"",
        "'",
        "\t",
        "\n ",
        "\0",
        "\u{1a}",
        "\u{feff}",
        "\u{200b}",
        "\u{a0}",
        "\u{3000}",
        "\u{201c}",
        "\u{201d}",
        "\u{2019}",
        "\u{ff1d}",
        "\u{ff3b}",
        "\u{ff3d}",
        "\u{ff1a}",
        "\u{ff11}",
        "\u{2028}",
        "\u{202e}",
        "{\\rtf1",
        "\\par\n",
        "\\'e4",
        "\\u8220?",
        "{\\*\\",
        "}",
        "on",
        "off",
        "auto",
        "192.168.1.30/24",
        "2001:db8::1/64",
        "fe80::1",
        "52:54:00:12:34:56",
        "eth0",
        "nginx",
        "https://",
        "ssh-ed25519 AAAA",
        "-----BEGIN PRIVATE KEY-----",
        "-----END PRIVATE KEY-----",
        "serial=ABC 12",
        "mac=52:54:00:12:34:56",
    ];
    let mut words: Vec<String> = signs.map(String::from).to_vec();
    for section in SECTIONS.iter() {
        words.push(section.name.into());
        for key in section.fixed_keys() {
            words.extend([
                key.name.into(),
                key.example.to_string(),
                format!("{}.{}", section.name, key.name),
            ]);
            words.extend(
                key.aliases
                    .iter()
                    .chain(key.other_words)
                    .map(|word| word.to_string()),
            );
            match key.kind {
                Kind::Choice(choices) => words.extend(choices.iter().map(|choice| choice.word.into())),
                Kind::Words(choices) => words.extend_from_slice(choices),
                _ => {}
            }
        }
    }
    words.extend(schema::EARLIER_NAMES.iter().map(|(name, ..)| name.to_string()));
    words
}

/// Changes the first `size` bytes of `data` and returns their new number: every fourth time by putting a word of
/// the schema somewhere, otherwise as libFuzzer does by itself.
pub fn mutate(data: &mut [u8], size: usize, max_size: usize, seed: u32) -> usize {
    static WORDS: LazyLock<Vec<String>> = LazyLock::new(words);
    let number = seed as usize;
    let word = WORDS[number / 4 % WORDS.len()].as_bytes();
    if !number.is_multiple_of(4) || size + word.len() > max_size {
        return libfuzzer_sys::fuzzer_mutate(data, size, max_size);
    }
    let at = number / 4 / WORDS.len() % (size + 1);
    data.copy_within(at..size, at + word.len());
    data[at..at + word.len()].copy_from_slice(word);
    size + word.len()
}
