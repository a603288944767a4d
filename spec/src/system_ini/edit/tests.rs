use encoding_rs::{GBK, SHIFT_JIS, WINDOWS_1252};

use super::*;

/// The same text in every encoding and with every line end that is read.
fn every_form(text: &str) -> Vec<(String, Vec<u8>)> {
    let mut forms = Vec::new();
    for (name, end) in [("CRLF", "\r\n"), ("LF", "\n"), ("CR", "\r")] {
        let text = text.replace('\n', end);
        let utf16 = |order: fn(u16) -> [u8; 2], mark: &str| -> Vec<u8> {
            format!("{mark}{text}").encode_utf16().flat_map(order).collect()
        };
        forms.extend([
            (format!("UTF-8 {name}"), text.clone().into_bytes()),
            (format!("UTF-8 BOM {name}"), format!("\u{feff}{text}").into_bytes()),
            (format!("UTF-16LE {name}"), utf16(u16::to_le_bytes, "")),
            (format!("UTF-16BE {name}"), utf16(u16::to_be_bytes, "")),
            (format!("UTF-16LE BOM {name}"), utf16(u16::to_le_bytes, "\u{feff}")),
            (format!("UTF-16BE BOM {name}"), utf16(u16::to_be_bytes, "\u{feff}")),
        ]);
    }
    forms
}

#[test]
fn one_line_changes_in_every_encoding() {
    let old = "# Grüße, 台所\n[user pi]\n  Password :  ein Paßwort \t\n\nhostname = k\n";
    let new = "# Grüße, 台所\n[user pi]\n  password_hash :  $6$salt$abc \t\n\nhostname = k\n";
    for ((name, old), (_, new)) in every_form(old).into_iter().zip(every_form(new)) {
        assert_eq!(
            replace_line(&old, 3, "password_hash", "$6$salt$abc"),
            Ok(new),
            "{name}"
        );
    }
}

#[test]
fn one_line_changes_in_old_encodings() {
    for (table, remark) in [
        (WINDOWS_1252, "Grüße aus der Küche"),
        (SHIFT_JIS, "ホスト名をここに書く。予定表：機能"),
        (GBK, "在这里写机器的名字，网络地址"),
    ] {
        let text = |line: &str| format!("# {remark}\r\n[user pi]\r\n{line}\r\n# {remark}");
        let encode = |line: &str| table.encode(&text(line)).0.into_owned();
        assert_eq!(
            replace_line(&encode(&format!("password = {remark}")), 3, "password_hash", "$6$salt$abc"),
            Ok(encode("password_hash = $6$salt$abc"))
        );
    }
}

#[test]
fn damage_elsewhere_stays_as_it_is() {
    let old = b"a\xff\xfe\x00 = 1\r\n\n\rpassword=x\r\r\n\xc3\n\x1a";
    let new = b"a\xff\xfe\x00 = 1\r\n\n\rpassword_hash=y\r\r\n\xc3\n\x1a";
    assert_eq!(
        replace_line(old, 4, "password_hash", "y").as_deref(),
        Ok(&new[..])
    );
    let half = [&b"\xff\xfe"[..], b"a\0=\0b\0\n\0\x00\xd8=\0c\0x"].concat();
    let want = [&b"\xff\xfe"[..], b"k\0=\0v\0\n\0\x00\xd8=\0c\0x"].concat();
    assert_eq!(replace_line(&half, 1, "k", "v"), Ok(want));
}

#[test]
fn values_of_every_shape_are_replaced_whole() {
    for (old, new) in [
        ("password=", "k=v"),
        ("password = ", "k = v"),
        ("password", ""),
        ("= x", ""),
        ("[user pi] password = \"a ; b\" # c", "[user pi] k = v"),
        ("[user:pi]", ""),
        ("password\u{ff1d}x", "k\u{ff1d}v"),
        ("\u{a0}password = a=b:c\u{3000}", "\u{a0}k = v\u{3000}"),
    ] {
        let outcome = replace_line(old.as_bytes(), 1, "k", "v");
        match new {
            "" => assert_eq!(outcome, Err(EditError::NoSetting(1)), "{old}"),
            new => assert_eq!(outcome.as_deref(), Ok(new.as_bytes()), "{old}"),
        }
    }
    for line in [0, 3, u32::MAX] {
        assert!(matches!(
            replace_line(b"a=b\n", line, "k", "v"),
            Err(EditError::NoSuchLine(_))
        ));
    }
}

#[test]
fn letters_that_the_encoding_lacks_are_refused() {
    let old = WINDOWS_1252.encode("# Küche\nssid = a ä\n# Grüße").0;
    let error = replace_line(&old, 2, "ssid", "ä台所").unwrap_err();
    assert_eq!(error, EditError::Letters(Encoding::Windows1252));
    assert!(
        error.to_string().contains("Windows-1252") && error.to_string().contains("UTF-8"),
        "{error}"
    );
}
