use super::*;
use crate::blueprint::file::BlueprintFile;

fn read(settings: &str) -> Result<Vec<DeclaredSection>, String> {
    let text = format!("{{\n  name: 'web',\n  settings: {{\n{settings}\n  }},\n}}\n");
    let file = BlueprintFile::parse(std::path::Path::new("genpack.json5"), text, "web");
    file.map(|file| file.resolve("x86_64", None).unwrap().settings.0)
        .map_err(|error| error.render(false))
}

#[test]
fn every_type_is_read_in_the_order_of_the_file() {
    let sections = read(
        r#"kiosk: { help: "The page.", user: "kiosk", keys: {
             url: { type: "url", default: "HTTPS://example.com", help: "Which one." },
             zoom: { type: "integer", min: 1, max: 9, default: 3 },
             pin: { type: "secret", example: "1234" },
             mode: { type: "choice", choices: ["day", "night"], default: "night" },
             allow: { type: "list", items: "ip", default: ["10.0.0.1", "fe80::1"] },
             title: { type: "string", default: "Hello" },
             cursor: { type: "bool", default: false },
           } },
           a: { keys: { z: { type: "list" } } }"#,
    )
    .unwrap();
    assert_eq!(sections[1].name, "a");
    let kiosk = &sections[0];
    assert_eq!(
        (
            kiosk.name.as_str(),
            kiosk.user.as_ref().map(UserName::as_str),
            kiosk.help.as_str()
        ),
        ("kiosk", Some("kiosk"), "The page.")
    );
    let defaults: Vec<_> = kiosk
        .keys
        .iter()
        .map(|key| (key.name.as_str(), key.default.clone()))
        .collect();
    let text = |text: &str| Some(OwnValue::Text(text.into()));
    assert_eq!(
        defaults,
        [
            ("url", text("https://example.com")),
            ("zoom", Some(OwnValue::Integer(3))),
            ("pin", None),
            ("mode", text("night")),
            (
                "allow",
                Some(OwnValue::List(vec!["10.0.0.1".into(), "fe80::1".into()]))
            ),
            ("title", text("Hello")),
            ("cursor", Some(OwnValue::Bool(false))),
        ]
    );
}

#[test]
fn each_mistake_is_shown_where_it_stands() {
    for (settings, place, said) in [
        (
            "    Kiosk: { keys: { a: { type: 'bool' } } }",
            ":4:5]",
            "\"Kiosk\" can't be one",
        ),
        (
            "    ssh: { keys: { a: { type: 'bool' } } }",
            ":4:5]",
            "[ssh] is a section that every device has",
        ),
        (
            "    network_2: { keys: { a: { type: 'bool' } } }",
            ":4:5]",
            "would be read as the section [network]",
        ),
        (
            "    a_b: { keys: { a: { type: 'bool' } } },\n    ab: { keys: { a: { type: 'bool' } } }",
            ":5:5]",
            "ab and a_b are the same name to system.ini",
        ),
        ("    k: { keys: {} }", ":4:16]", "declare at least one"),
        ("    k: { }", ":4:8]", "missing field \"keys\""),
        ("    k: { kays: {} }", ":4:10]", "unknown field \"kays\""),
        (
            "    k: { user: 'A b', keys: { a: { type: 'bool' } } }",
            ":4:16]",
            "A b cannot be the name of a user",
        ),
        (
            "    k: { keys: {\n a: { type: 'bool' }, 'b-c': { type: 'bool' } } }",
            ":5:23]",
            "\"b-c\" can't be one",
        ),
        (
            "    k: { keys: {\n a: { type: 'bool' }, a: { type: 'bool' } } }",
            ":5:23]",
            "a is declared twice",
        ),
        (
            "    k: { keys: { a: { type: 'boolean' } } }",
            ":4:29]",
            "\"boolean\" is none of \"string\", \"integer\"",
        ),
        ("    k: { keys: { a: { } } }", ":4:21]", "missing field \"type\""),
        (
            "    k: { keys: { a: { type: 'bool', deflt: true } } }",
            ":4:37]",
            "unknown field \"deflt\"",
        ),
        (
            "    k: { keys: { a: { type: 'bool', default: 'yes' } } }",
            ":4:46]",
            "\"yes\" is neither true nor",
        ),
        (
            "    k: { keys: { a: { type: 'integer', default: 1.5 } } }",
            ":4:",
            "a whole number",
        ),
        (
            "    k: { keys: { a: { type: 'integer', max: 3, default: 4 } } }",
            ":4:57]",
            "4 is more than max, 3",
        ),
        (
            "    k: { keys: { a: { type: 'integer', min: 3, max: 2 } } }",
            ":4:53]",
            "no number is in between",
        ),
        (
            "    k: { keys: { a: { type: 'string', min: 3 } } }",
            ":4:44]",
            "belong to type \"integer\"",
        ),
        (
            "    k: { keys: { a: { type: 'string', default: 3 } } }",
            ":4:48]",
            "put quotes around it",
        ),
        (
            "    k: { keys: { a: { type: 'string', default: 'a\\nb' } } }",
            ":4:48]",
            "can't be written in a line",
        ),
        (
            "    k: { keys: { a: { type: 'choice' } } }",
            ":4:21]",
            "belong together",
        ),
        (
            "    k: { keys: { a: { type: 'choice', choices: ['a', 'A'] } } }",
            ":4:48]",
            "twice",
        ),
        (
            "    k: { keys: { a: { type: 'choice', choices: ['a', 'b'], default: 'c' } } }",
            ":4:69]",
            "\"c\" is none of the choices a, b",
        ),
        (
            "    k: { keys: { a: { type: 'url', default: 'example.com' } } }",
            ":4:45]",
            "does not begin with http",
        ),
        (
            "    k: { keys: { a: { type: 'list', items: 'ip', default: ['x'] } } }",
            ":4:59]",
            "\"x\" is not an IP address",
        ),
        (
            "    k: { keys: { a: { type: 'list', items: 'list' } } }",
            ":4:44]",
            "can't be lists or secrets",
        ),
        (
            "    k: { keys: { a: { type: 'list', default: ['a b'] } } }",
            ":4:46]",
            "can't be one value of a list",
        ),
        (
            "    k: { keys: { a: { type: 'list', default: 'x' } } }",
            ":4:46]",
            "x is not a list",
        ),
        (
            "    k: { keys: { a: { type: 'secret', default: 'x' } } }",
            ":4:48]",
            "a secret has no default",
        ),
        ("    k: 3", ":4:8]", "an object was expected here"),
    ] {
        let shown = read(settings).unwrap_err();
        let flat = shown
            .split(['\n', '│', '·'])
            .map(str::trim)
            .collect::<Vec<_>>()
            .join(" ");
        assert!(
            shown.contains(place) && flat.contains(said),
            "{settings}\n{place} {said}\n{shown}"
        );
    }
}
