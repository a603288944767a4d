//! What holds for every file, however it came about.

use genpack_spec::facts::{Facts, Machine};
use genpack_spec::report::Severity;
use genpack_spec::system_ini::{Context, Parsed, parse, schema, template};
use genpack_spec::text::Text;
use proptest::prelude::*;

fn facts() -> Facts {
    Facts {
        time_zones: Some(
            ["UTC", "Asia/Tokyo", "Europe/Berlin"]
                .iter()
                .map(|zone| zone.parse().expect("a valid name"))
                .collect(),
        ),
        ..Facts::default()
    }
}

fn read(bytes: &[u8]) -> Parsed {
    parse(
        bytes,
        &Context {
            default_hostname: &"web-123456".parse().expect("a valid name"),
            facts: &facts(),
            machine: Some(&Machine::default()),
        },
    )
}

fn check_bounds(parsed: &Parsed) -> Result<(), TestCaseError> {
    prop_assert!(parsed.diagnostics.len() <= 102);
    for diagnostic in &parsed.diagnostics {
        for text in [
            diagnostic.used.as_ref().map(Text::english),
            diagnostic.hint.as_ref().map(Text::english),
            diagnostic.text.clone(),
            Some(diagnostic.problem.english()),
        ] {
            let text = text.unwrap_or_default();
            prop_assert!(text.chars().count() <= 400, "{text}");
            prop_assert!(!text.contains(char::is_control), "{text:?}");
        }
    }
    Ok(())
}

/// Pieces from which a file that looks like a real one is put together.
fn line() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "[system]",
        "[network]",
        "[network eth0]",
        "[ssh",
        "services]",
        "[",
        "]",
        "hostname",
        "timezone",
        "address",
        "netmask",
        "gateway",
        "dns",
        "method",
        "key",
        "nginx",
        "=",
        ":",
        " ",
        "\t",
        ",",
        ";",
        "#",
        "\"",
        "'",
        "/",
        "kitchen",
        "Asia/Tokyo",
        "192.168.1.30/24",
        "192.168.1.30",
        "255.255.255.0",
        "192.168.1.1",
        "fe80::1",
        "2001:db8::1/64",
        "static",
        "off",
        "ssh-ed25519 AAAA",
        "-----BEGIN PRIVATE KEY-----",
        "\0",
        "ü",
        "\u{feff}",
        "\u{3000}",
        "\u{a0}",
        "\u{200b}",
        "\u{ad}",
        "\u{2013}",
        "\u{2019}",
        "“",
        "”",
        "［",
        "］",
        "［ｎｅｔｗｏｒｋ］",
        "＝",
        "：",
        "＃",
        "；",
        "、",
        "ｄｎｓ",
        "１．１．１．１",
        "台所",
        "password",
        "[wifi]",
        "\r",
    ]);
    prop::collection::vec(piece, 0..10).prop_map(|pieces| pieces.concat())
}

/// Pieces from which something that looks like RTF is put together.
fn rich_text() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop::sample::select(vec![
        &b"{"[..],
        b"}",
        b"\\",
        b"\\par ",
        b"\\line",
        b"\\\r\n",
        b"\\tab",
        b"\\'",
        b"\\'91",
        b"\\'e4",
        b"\\'83e",
        b"\\'gg",
        b"\\u21488 ",
        b"\\u-10180?",
        b"\\u-8448?",
        b"\\u99999999999",
        b"\\uc0",
        b"\\uc9",
        b"\\uc-1",
        b"\\bin3",
        b"\\bin-1",
        b"\\bin999999999",
        b"\\*",
        b"{\\*\\x ",
        b"{\\fonttbl{\\f1\\fcharset128 A;}}",
        b"{\\info ",
        b"\\f1 ",
        b"\\f0 ",
        b"\\ansicpg932 ",
        b"\\ansicpg936",
        b"\\ansicpg65001",
        b"\\mac",
        b"[network]",
        b"dns = 1.1.1.1",
        b"\\~",
        b"\\_",
        b"\xe5\x8f\xb0",
        b"\x91",
        b"\0",
        b"\n",
    ]);
    prop::collection::vec(piece, 0..200).prop_map(|pieces| [b"{\\rtf1".as_slice(), &pieces.concat()].concat())
}

/// Lines that do not touch each other: each about another setting of its section.
const DISTINCT: [(&str, &[&str]); 4] = [
    (
        "system",
        &[
            "hostname = my_kitchen",
            "timezone = Asia/Tokyo",
            "colour = red",
            "stray",
        ],
    ),
    (
        "network",
        &[
            "method = static",
            "address = 192.168.1.30",
            "netmask = 255.255.255.0",
            "gateway = 192.168.2.1",
            "dns = 1.1.1.1, x",
        ],
    ),
    (
        "network eth1",
        &["gateway = 10.0.0.1", "address = 10.0.0.2/8, 10.0.0.300/8"],
    ),
    ("services", &["nginx = off", "dbus = off", "cron = maybe"]),
];

/// A section and a line below it.
type Line = (&'static str, &'static str);

fn distinct_lines() -> impl Strategy<Value = (Vec<Line>, Vec<Line>)> {
    let all: Vec<_> = DISTINCT
        .iter()
        .flat_map(|(section, lines)| lines.iter().map(move |line| (*section, *line)))
        .collect();
    let shuffled = Just(all.clone()).prop_shuffle();
    (Just(all), shuffled)
}

fn file(lines: &[Line]) -> String {
    lines
        .iter()
        .map(|(section, line)| format!("[{section}]\n{line}\n"))
        .collect()
}

/// What is said, without where.
fn said(parsed: &Parsed) -> Vec<String> {
    let mut said: Vec<_> = parsed
        .diagnostics
        .iter()
        .map(|d| {
            format!(
                "{:?} {:?} {:?} {:?} {:?} {:?}",
                d.severity, d.section, d.key, d.problem, d.used, d.hint
            )
        })
        .collect();
    said.sort();
    said
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        check_bounds(&read(&bytes))?;
    }

    #[test]
    fn any_near_miss_is_read(lines in prop::collection::vec(line(), 0..30), end in prop::sample::select(vec!["\n", "\r\n", "\r"])) {
        // A first line that is not blank: a mark in front of it would be taken for the encoding's.
        let text = format!("#{end}{}", lines.join(end));
        check_bounds(&read(text.as_bytes()))?;
        let utf16: Vec<u8> = format!("\u{feff}{text}").encode_utf16().flat_map(u16::to_le_bytes).collect();
        let (one, other) = (read(text.as_bytes()), read(&utf16));
        prop_assert_eq!(one.settings, other.settings);
        prop_assert_eq!(one.diagnostics, other.diagnostics);
    }

    #[test]
    fn anything_like_rich_text_is_read(bytes in rich_text()) {
        check_bounds(&read(&bytes))?;
    }

    #[test]
    fn order_never_matters((lines, shuffled) in distinct_lines()) {
        let (one, other) = (read(file(&lines).as_bytes()), read(file(&shuffled).as_bytes()));
        prop_assert_eq!(&one.settings, &other.settings);
        prop_assert_eq!(said(&one), said(&other));
    }
}

#[test]
fn much_of_anything_gives_a_bounded_answer() {
    let shapes: [&[u8]; 23] = [
        b"a=b\n",
        b"x\n",
        b"[x]\n",
        b"[network]\n",
        b"hostname=a\n",
        b"[network]\naddress=1.1.1.1x\n",
        b"\0\n",
        b"\xff\n",
        b"' ",
        b"= ",
        b"[",
        b"[]",
        b"]",
        b"dns = 1.1.1.1,\n  ",
        b"{\\rtf1 {",
        b"{\\rtf1 \\'91",
        b"{\\rtf1{\\uc2\\u233",
        b"{\\rtf1 x\\par}",
        "［".as_bytes(),
        "dns＝“１、\u{200b}".as_bytes(),
        "ｄｎｓ＝１，\n".as_bytes(),
        b"# \x91\xe4\n",
        b"\x91\xe4\xff",
    ];
    for shape in shapes {
        let bytes: Vec<u8> = shape.iter().copied().cycle().take(256 * 1024).collect();
        let parsed = read(&bytes);
        check_bounds(&parsed).unwrap();
    }
    let mut state = 1u32;
    let random: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    })
    .take(1024 * 1024)
    .collect();
    let parsed = read(&random);
    assert_eq!(parsed.diagnostics.len(), 1, "{:#?}", parsed.diagnostics);
    assert_eq!(parsed.diagnostics[0].line, None);
    assert_eq!(
        read(&vec![b'#'; 1024 * 1024 + 1]).diagnostics[0].severity,
        Severity::Error
    );
}

#[test]
fn the_template_changes_nothing_and_says_nothing() {
    let template = template(&facts());
    let parsed = read(template.as_bytes());
    assert_eq!(parsed.settings, Default::default());
    assert_eq!(parsed.diagnostics, []);
    assert!(template.is_ascii());
    assert_eq!(template.matches('\n').count(), template.matches("\r\n").count());
    assert!(
        template
            .lines()
            .filter(|line| line.starts_with('#'))
            .all(|line| line.chars().count() <= 76)
    );
}

#[test]
fn every_example_of_the_template_is_right() {
    // "; x" is a remark, ";x" a setting that waits. A person takes one method, and either a password or its hash.
    let uncommented = template(&facts())
        .replace("\r\n;", "\r\n")
        .replace("method = auto", "method = static")
        .replace("password_hash =", "#password_hash =");
    let parsed = read(uncommented.as_bytes());
    // The examples of keys must let nobody in and open no tunnel.
    let about: Vec<_> = parsed
        .diagnostics
        .iter()
        .map(|found| found.key.as_deref().unwrap_or_default())
        .collect();
    assert_eq!(
        about,
        [
            "key",
            "ssh_key",
            "private_key",
            "peer_public_key",
            "peer_preshared_key"
        ],
        "{:#?}",
        parsed.diagnostics
    );
    let json = parsed.settings.shown();
    for section in schema::SECTIONS
        .iter()
        .filter(|section| !["match", "wireguard"].contains(&section.name))
    {
        let value = &json[section.name];
        let is_empty = value.as_object().is_none_or(|keys| keys.is_empty())
            && value.as_array().is_none_or(Vec::is_empty);
        assert!(!is_empty, "{}: {value}", section.name);
    }
}
