use super::*;

fn text(rtf: &str) -> String {
    recover(&format!("{{\\rtf1{rtf}}}")).unwrap()
}

#[test]
fn only_rich_text_is_recovered() {
    for other in ["", "[system]\nhostname=a", "{", "{ rtf }", "# {\\rtf1 }"] {
        assert_eq!(recover(other), None, "{other}");
    }
    assert_eq!(recover("\u{feff}\r\n{\\rtf1 a}").as_deref(), Some("a"));
}

#[test]
fn lines_and_signs() {
    for (rtf, want) in [
        (" a\\par b\\line c\\\r\nd\\\ne\r\nf", "a\nb\nc\nd\nef"),
        (" a\\tab b\\~c\\_d\\-e", "a\tb\u{a0}c\u{2011}de"),
        (" \\{a\\\\b\\}", "{a\\b}"),
        (" \\ldblquote a\\rdblquote  \\endash ", "“a” –"),
        (" {\\b bold} and\\i0  not", "bold and not"),
        ("\\pard\\f0\\fs24 \\cf0 a = b", "a = b"),
        ("{\\*\\generator x;}{\\info{\\title y}}{\\colortbl;\\red1;}a", "a"),
        (
            "{\\field{\\*\\fldinst{HYPERLINK \"u\"}}{\\fldrslt shown}}",
            "shown",
        ),
        ("{\\pict\\bin4 }}}} 0a}b", "b"),
    ] {
        assert_eq!(text(rtf), want, "{rtf}");
    }
}

#[test]
fn letters_of_every_code_page() {
    for (rtf, want) in [
        (" K\\'fcche", "Küche"),
        ("\\mac K\\'9fche", "Küche"),
        ("\\ansicpg932 \\'91\\'e4\\'8f\\'8a", "台所"),
        ("\\ansicpg932 \\'83e\\'83X\\'83g=a", "テスト=a"),
        ("\\ansicpg936 \\'b3\\'f8\\'b7\\'bf", "厨房"),
        (
            "\\ansicpg1252{\\fonttbl\\f0\\fcharset0 A;\\f7\\fcharset128 B;}\\f7 \\'91\\'e4\\f0 \\'e9",
            "台é",
        ),
        ("{\\fonttbl{\\f0\\fcharset128 B;}}{\\f0 \\'91\\'e4}\\'e9", "台é"),
        (" \\u21488?\\u25152\\'3f.", "台所."),
        ("\\uc0\\u21488 \\u-28638 x", "台逢x"),
        ("\\uc2\\u21488??{\\uc0\\u25152 }\\u233 abc", "台所éc"),
        (" \\u-10180?\\u-8448?", "\u{1f300}"),
        (" \\u-10180?x\\u-8448?", "x"),
        (" \\u233{x}", "éx"),
    ] {
        assert_eq!(text(rtf), want, "{rtf}");
    }
}

#[test]
fn what_is_broken_gives_what_is_left() {
    for (rtf, want) in [
        ("{\\rtf", ""),
        ("{\\rtf1 a", "a"),
        ("{\\rtf1 a\\", "a"),
        ("{\\rtf1 a\\'", "a"),
        ("{\\rtf1 a\\'é", "aé"),
        ("{\\rtf1 a\\'9", "a9"),
        ("{\\rtf1 \\u99999999999 a", "a"),
        ("{\\rtf1 \\bin99999 a", ""),
        ("{\\rtf1 \\bin1 éa", "a"),
        ("{\\rtf1 a}}}}", "a\n}}}"),
        ("{\\rtf1 a}\r\nb = c\r\n", "a\nb = c"),
        ("{\\rtf1 a}\0\0", "a"),
    ] {
        assert_eq!(recover(rtf).as_deref(), Some(want), "{rtf}");
    }
}

#[test]
fn depth_costs_nothing_and_is_closed_again() {
    let deep = format!("{{\\rtf1 {}a{}b}}", "{".repeat(300_000), "}".repeat(300_000));
    assert_eq!(recover(&deep).as_deref(), Some("ab"));
    let open = format!("{{\\rtf1 {}", "{\\'91".repeat(100_000));
    assert!(recover(&open).unwrap().len() <= open.len());
}

#[test]
fn what_programs_write() {
    let golden = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    for (folder, first) in [
        ("libreoffice-rich-text", "# Küche, 台所: settings"),
        ("textedit-rich-text", "# Küche, 台所: settings"),
        ("textedit-rich-text-unicode", "# Küche, 台所: settings"),
        ("wordpad-rich-text", "# Küche, 台所: settings"),
        ("wordpad-rich-text-japan", "# ソファ、テスト, 台所: settings"),
    ] {
        let file = golden.join(format!("written-by-{folder}")).join("system.ini");
        let text = recover(&std::fs::read_to_string(file).unwrap()).unwrap();
        assert!(text.starts_with(first), "{folder}: {text}");
        assert!(
            text.contains("\ntimezone = Asia/Tokyo\n\n[network]\naddress = 192.168.1.30/24\n"),
            "{text}"
        );
    }
}
