//! What holds for every file and every value.

use proptest::prelude::*;

use super::*;
use crate::system_ini::encoding::decode;

fn line() -> impl Strategy<Value = String> {
    let pieces = [
        "[system]",
        "[network]",
        "[network eth0]",
        "[ssh",
        "[services]",
        "[",
        "]",
        "hostname",
        "timezone",
        "address",
        "dns",
        "method",
        "key",
        "nginx",
        "=",
        ":",
        " ",
        "  ",
        "\t",
        ",",
        ";",
        "#",
        "\"",
        "'",
        "a",
        "1.1.1.1",
        "ü",
        "台",
        ";hostname = x",
        "ssh-rsa AAAA",
        "\u{201c}",
        "\u{ff1d}",
        "\u{a0}",
        "\u{200b}",
    ];
    prop::collection::vec(prop::sample::select(pieces.to_vec()), 0..8).prop_map(|pieces| pieces.concat())
}

fn setting() -> impl Strategy<Value = (&'static str, String)> {
    let name = prop::sample::select(vec![
        "hostname",
        "timezone",
        "network.address",
        "network.dns",
        "network eth0.method",
        "ssh.key",
        "services.nginx",
    ]);
    (name, "[a-z0-9.\"' ;#=\\[\\],%\\\\]{0,12}")
}

fn read(bytes: &[u8]) -> Meaning {
    meaning::meaning(&decode(bytes).text, schema::SECTIONS)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn only_the_setting_changes(lines in prop::collection::vec(line(), 0..16), (name, value) in setting()) {
        let text = lines.join("\n");
        for (form, bytes) in every_form(&text) {
            let Ok(changed) = set(&bytes, name, &value, &Facts::default()) else {
                continue;
            };
            let target = meaning::target(name, schema::SECTIONS).unwrap();
            let this = (target.identity.clone(), target.name.clone());
            let (mut before, mut after) = (read(&bytes), read(&changed));
            let got = after.remove(&this).unwrap_or_default();
            before.remove(&this);
            prop_assert_eq!(before, after, "{}", form);
            if target.list == List::No {
                prop_assert_eq!(got, [value.trim()], "{}", form);
            }
            let again = set(&changed, name, &value, &Facts::default());
            prop_assert_eq!(again.as_ref(), Ok(&changed), "{}", form);
            let gone = unset(&changed, name, &Facts::default());
            if let Ok(gone) = gone {
                prop_assert!(!read(&gone).contains_key(&this), "{}", form);
            }
        }
    }

    #[test]
    fn a_plain_file_takes_every_value(value in "[a-z0-9.\"' ;#=\\[\\],%\\\\ü台]{1,12}") {
        let value = value.trim();
        prop_assume!(!value.is_empty());
        let both = value.contains('"') && value.contains('\'');
        let outcome = set(b"# a\n[system]\n;hostname = x\n", "hostname", value, &Facts::default());
        prop_assert!(outcome.is_ok() || both, "{}: {:?}", value, outcome);
    }

    #[test]
    fn other_lines_keep_their_bytes(lines in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 1..10)) {
        let bytes = lines.join(&b'\n');
        if let Ok(changed) = set(&bytes, "hostname", "kitchen", &Facts::default()) {
            let new = changed.split(|&b| b == b'\n').collect::<Vec<_>>();
            let kept = bytes.split(|&b| b == b'\n').filter(|line| new.contains(line)).count();
            prop_assert!(kept + 1 >= bytes.split(|&b| b == b'\n').count());
        }
    }
}
