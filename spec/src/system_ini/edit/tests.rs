mod any;

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
            (
                format!("UTF-8 BOM {name}"),
                format!("\u{feff}{text}").into_bytes(),
            ),
            (format!("UTF-16LE {name}"), utf16(u16::to_le_bytes, "")),
            (format!("UTF-16BE {name}"), utf16(u16::to_be_bytes, "")),
            (
                format!("UTF-16LE BOM {name}"),
                utf16(u16::to_le_bytes, "\u{feff}"),
            ),
            (
                format!("UTF-16BE BOM {name}"),
                utf16(u16::to_be_bytes, "\u{feff}"),
            ),
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
            replace_line(
                &encode(&format!("password = {remark}")),
                3,
                "password_hash",
                "$6$salt$abc"
            ),
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

fn edit(text: &str, name: &str, value: &str) -> Result<String, EditError> {
    set(text.as_bytes(), name, value, &Facts::default()).map(|bytes| String::from_utf8(bytes).unwrap())
}

#[test]
fn the_line_that_counts_gets_the_value() {
    for (old, name, value, new) in [
        ("hostname = a", "hostname", "b", "hostname = b"),
        ("hostname=a\r\n", "system.hostname", "b", "hostname=b\r\n"),
        (
            "  Host-Name :\ta  ; why\n",
            "hostname",
            "b",
            "  Host-Name :\tb  ; why\n",
        ),
        (
            "hostname = a\nhostname = b\n",
            "hostname",
            "c",
            "hostname = a\nhostname = c\n",
        ),
        ("hostname =\n", "hostname", "b", "hostname = b\n"),
        ("hostname=\n", "hostname", "b", "hostname=b\n"),
        ("hostname = ; why\n", "hostname", "b", "hostname = b ; why\n"),
        ("hostname = 'a' # why\n", "hostname", "b", "hostname = b # why\n"),
        (
            "[network eth0.100]address=1.1.1.1/8",
            "network eth0.100.address",
            "2.2.2.2/8",
            "[network eth0.100]address=2.2.2.2/8",
        ),
        (
            "[network]\ndns = 1.1.1.1, # a\n   2.2.2.2 # b\ndns=3.3.3.3\n",
            "network.dns",
            "4.4.4.4, 5.5.5.5",
            "[network]\ndns = 4.4.4.4, 5.5.5.5 # a\n",
        ),
        (
            "[services]\nNginx.service = on\n",
            "services.nginx",
            "off",
            "[services]\nNginx.service = off\n",
        ),
    ] {
        assert_eq!(edit(old, name, value).as_deref(), Ok(new), "{old}");
        assert_eq!(edit(new, name, value).as_deref(), Ok(new), "twice: {old}");
    }
}

#[test]
fn a_new_setting_stands_where_a_person_looks_for_it() {
    for (old, name, value, new) in [
        ("", "hostname", "a", "[system]\r\nhostname = a\r\n"),
        ("# hi", "hostname", "a", "# hi\r\n\r\n[system]\r\nhostname = a"),
        (
            "timezone = UTC\n\n[ssh]\n",
            "hostname",
            "a",
            "timezone = UTC\nhostname = a\n\n[ssh]\n",
        ),
        (
            "[system]\n; the name\n;hostname = kitchen\n\n;timezone = x\n",
            "hostname",
            "a",
            "[system]\n; the name\n;hostname = kitchen\nhostname = a\n\n;timezone = x\n",
        ),
        (
            "[network]\n;address = x\n\n;[network eth1]\n;dns = x\n\n# Login\n[ssh]\n",
            "network.dns",
            "1.1.1.1",
            "[network]\n;address = x\ndns = 1.1.1.1\n\n;[network eth1]\n;dns = x\n\n# Login\n[ssh]\n",
        ),
        (
            "[network]\ndns=1.1.1.1\n;address = x\n  2.2.2.2\n\n[ssh]\n",
            "network.address",
            "10.0.0.1/8",
            "[network]\ndns=1.1.1.1\n;address = x\n  2.2.2.2\naddress = 10.0.0.1/8\n\n[ssh]\n",
        ),
        (
            "[ssh]\n\x1a",
            "hostname",
            "a",
            "[ssh]\n\n[system]\nhostname = a\n\x1a",
        ),
        (
            "[ssh]",
            "network ETH1.method",
            "off",
            "[ssh]\r\n\r\n[network eth1]\r\nmethod = off",
        ),
    ] {
        assert_eq!(edit(old, name, value).as_deref(), Ok(new), "{old}");
        assert_eq!(edit(new, name, value).as_deref(), Ok(new), "twice: {old}");
    }
}

#[test]
fn no_part_of_a_list_becomes_a_remark() {
    let once = set(b"[network]\r\n", "network.address", "a ;", &Facts::default()).unwrap();
    assert_eq!(
        String::from_utf8_lossy(&once),
        "[network]\r\naddress = \"a ;\"\r\n"
    );
    let again = set(&once, "network.address", "a ;", &Facts::default()).unwrap();
    assert_eq!(again, once);
}

#[test]
fn lists_of_lines_become_the_new_list() {
    let key = |n: u8| format!("ssh-ed25519 AAAA{n} me");
    let old = format!(
        "[ssh]\nkey = {}\n  {}\n# between\nkey={}\n",
        key(1),
        key(2),
        key(3)
    );
    for (value, new) in [
        (key(7), format!("[ssh]\nkey = {}\n# between\n", key(7))),
        (
            format!("{}\r\n\r\n{}\r\n", key(7), key(8)),
            format!("[ssh]\nkey = {}\n  {}\n# between\n", key(7), key(8)),
        ),
        (
            format!("{}\n{}\n{}\n{}", key(7), key(8), key(9), key(6)),
            format!(
                "[ssh]\nkey = {}\n  {}\n# between\nkey={}\nkey = {}\n",
                key(7),
                key(8),
                key(9),
                key(6)
            ),
        ),
    ] {
        assert_eq!(edit(&old, "ssh.key", &value), Ok(new));
    }
    let new = format!("[ssh]\nkey = {}\nkey = {}\n", key(1), key(2));
    assert_eq!(
        edit("[ssh]\n", "ssh.key", &format!("{}\n{}", key(1), key(2))),
        Ok(new)
    );
}

#[test]
fn lines_of_a_setting_go() {
    let unset = |text: &str, name| {
        unset(text.as_bytes(), name, &Facts::default()).map(|bytes| String::from_utf8(bytes).unwrap())
    };
    for (old, name, new) in [
        ("hostname = a ; why\r\ntimezone=UTC", "hostname", "timezone=UTC"),
        ("timezone=UTC\nhostname = a", "hostname", "timezone=UTC\n"),
        (
            "hostname=a\n# x\n[system] hostname=b\n",
            "hostname",
            "# x\n[system]\n",
        ),
        (
            "[network]\ndns=1.1.1.1,\n  2.2.2.2\ndns=3.3.3.3\nmethod=off",
            "network.dns",
            "[network]\nmethod=off",
        ),
        ("# nothing", "hostname", "# nothing"),
    ] {
        assert_eq!(unset(old, name).as_deref(), Ok(new), "{old}");
    }
    assert_eq!(
        unset("x", "hostnmae").unwrap_err().to_string(),
        "there is no setting hostnmae; did you mean system.hostname?"
    );
}

#[test]
fn what_cannot_be_set_is_refused() {
    for (text, name, value, why) in [
        (
            "",
            "network.adress",
            "x",
            "there is no setting network.adress; did you mean network.address?",
        ),
        ("", "adress", "x", "did you mean network.address?"),
        ("", "a=b", "x", "there is no setting a=b"),
        ("", "network\n[x].dns", "x", "there is no setting"),
        (
            "",
            "match mac=52:54:00:12:34:56.hostname",
            "x",
            "settings of [match ...] sections can't",
        ),
        ("", "hostname", "", "a line of system.ini cannot hold this value"),
        (
            "",
            "hostname",
            "a\nb",
            "a line of system.ini cannot hold this value",
        ),
        ("{\\rtf1 x}", "hostname", "a", "rich text"),
    ] {
        let error = edit(text, name, value).unwrap_err().to_string();
        assert!(error.contains(why), "{name}: {error}");
    }
}

#[test]
fn declared_settings_are_settings_too() {
    let facts: Facts = serde_json::from_str(
        r#"{"settings": [{"name": "kiosk", "keys": [{"name": "page_url", "type": "url"}, {"name": "pin", "type": "secret"}]}]}"#,
    )
    .unwrap();
    let template = crate::system_ini::template(&facts);
    let changed = set(
        template.as_bytes(),
        "kiosk.page-url",
        "https://example.com/",
        &facts,
    )
    .unwrap();
    let changed = String::from_utf8(set(&changed, "kiosk.pin", " 'a ; b", &facts).unwrap()).unwrap();
    assert_eq!(
        changed,
        template
            .replace(
                ";page_url = https://example.com/\r\n",
                ";page_url = https://example.com/\r\npage_url = https://example.com/\r\n"
            )
            .replace(";pin = ...\r\n", ";pin = ...\r\npin = 'a ; b\r\n")
    );
}
