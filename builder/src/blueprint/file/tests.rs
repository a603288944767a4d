use genpack_spec::image::Reaction;
use genpack_spec::types::UnitName;

use super::*;

fn parse(text: &str) -> Result<BlueprintFile, InputError> {
    BlueprintFile::parse(Path::new("web/genpack.json5"), text.into(), "web")
}

fn blueprint(text: &str) -> Blueprint {
    parse(text).unwrap().resolve("x86_64", None).unwrap()
}

fn message(text: &str) -> String {
    parse(text).unwrap_err().render(false)
}

#[test]
fn the_line_and_the_word_are_shown() {
    let text = message("{\r\n  name: \"web\",\r\n  packges: [\"nginx\"],\r\n}\r\n");
    assert!(text.contains("web/genpack.json5 can't be used"), "{text}");
    assert!(text.contains("[web/genpack.json5:3:3]"), "{text}");
    assert!(
        text.contains("unknown field \"packges\", expected one of \"name\""),
        "{text}"
    );
    assert!(text.contains("───┬───"), "{text}");
    assert!(text.contains("help: did you mean \"packages\"?"), "{text}");
}

#[test]
fn what_a_build_finds_is_shown_where_it_stands() {
    let text = "{\n  name: 'web',\n  services: ['cron'],\n  users: [{ uid: 2000, name: 'op' }],\n  variants: {\n    a: { services: ['sshd@1.service'] },\n  },\n  \
                profile: 'kwm', persist: ['/srv'],\n  settings: { kiosk: { user: 'x', keys: { a: { type: 'url' } } } },\n}";
    let file = parse(text).unwrap();
    let locate = |problem: Problem, variant| {
        let error = anyhow::Error::from(InputError::from(problem)).context("building");
        let error = file.locate(error, "x86_64", variant);
        error.downcast::<InputError>().unwrap().render(false)
    };
    let unit = |name| Problem::about(&["services"], name, format!("no {name}"));
    for (problem, variant, place) in [
        (unit("cron.service"), None, ":3:14]"),
        (unit("sshd@1.service"), Some("a"), ":6:21]"),
        (
            Problem::about(&["groups", "users"], "op", "no op"),
            None,
            ":4:30]",
        ),
        (Problem::about(&["profile"], "kwm", "no kwm"), None, ":8:12]"),
        (Problem::about(&["persist"], "/srv", "no /srv"), None, ":8:29]"),
        (Problem::about(&["settings"], "kiosk", "for x"), None, ":9:15]"),
    ] {
        let said = locate(problem.clone(), variant);
        assert!(said.contains(&format!("web/genpack.json5{place}")), "{said}");
        assert!(said.contains(problem.label()), "{said}");
    }
    // Another variant's, a profile's, and what is no mistake.
    assert_eq!(locate(unit("sshd@1.service"), None), "no sshd@1.service");
    assert_eq!(
        locate(unit("of-profile.service"), Some("a")),
        "no of-profile.service"
    );
    let other = file.locate(anyhow::anyhow!("disk").context("writing"), "x86_64", None);
    assert_eq!(format!("{other:#}"), "writing: disk");
}

#[test]
fn the_caret_is_at_the_value_itself() {
    for (text, place) in [
        ("{\n  name: 'My web',\n}", "[web/genpack.json5:2:9]"),
        (
            "{\n  name: 'web',\n  packages: [\n    'nginx',\n    'Nginx!',\n  ],\n}",
            ":5:5]",
        ),
        (
            "{\n  name: 'web',\n  services: [\n    'nginx',\n    'a/b',\n  ],\n}",
            ":5:5]",
        ),
        (
            "{\n  name: 'web',\n  users: [\n    'op', 'Op',\n  ],\n}",
            ":4:11]",
        ),
        (
            "{\n  name: 'web',\n  users: [\n    { name: 'Op' },\n  ],\n}",
            ":4:13]",
        ),
        ("{\n  name: 'web',\n  base: 'debian',\n}", ":3:9]"),
        ("{\n  name: 'web',\n  mirror: 'ftp',\n}", ":3:11]"),
        ("\u{feff}{\n  name: 'web',\n  mirror: 'ftp',\n}", ":3:11]"),
    ] {
        let shown = message(text);
        assert!(shown.contains(place), "{text}\n{shown}");
    }
}

#[test]
fn each_kind_of_mistake_says_what_was_expected() {
    for (text, want) in [
        ("{ name 'web' }", "a colon was expected here"),
        ("{ name: 'web' packages: [] }", "a comma was expected here"),
        ("{ name: 'web', ", "a closing } is missing for what begins here"),
        ("{ name: 'web', packages: ['ab' }", "a comma was expected here"),
        ("{ name: 'web }", "this string has no closing quote"),
        ("{ name: web }", "a value was expected here"),
        ("{ name: 'web', /* }", "a closing */ is missing"),
        ("{ name: 3 }", "a string was expected here"),
        ("{ name: 'web', packages: 'nginx' }", "a list was expected here"),
        ("{ name: 'web', packages: [3] }", "a string was expected here"),
        ("", "is empty; it begins with"),
        ("// nothing", "a value was expected here, and the file ends"),
        ("[]", "an object was expected here"),
        ("{ name: 'web', name: 'b' }", "duplicate field \"name\""),
        ("{ name: 'my web' }", "a name has letters, digits and hyphens"),
        (
            "{ name: 'web', packages: ['Nginx!'] }",
            "is not the name of a Debian package",
        ),
        ("{ name: 'web', compression: 'zip' }", "is not a compression"),
        ("{ name: 'web', base: 'fedora:40' }", "is not a base"),
        (
            "{ name: 'web', language: 'fr' }",
            "\"fr\" is none of \"en\", \"ja\", \"de\"",
        ),
        ("{ name: 'web', users: [3] }", "a user's name or an object"),
        (
            "{ name: 'web', users: [{ name: 'a', uid: 'b' }] }",
            "a number was expected here",
        ),
        ("{ name: 'web', users: [{ uid: 7 }] }", "missing field \"name\""),
        (
            "{ name: 'web', users: [{ name: 'a', uuid: 7 }] }",
            "unknown field \"uuid\"",
        ),
    ] {
        let shown = message(text);
        assert!(shown.contains(want), "{text}\n{shown}");
        assert!(shown.contains("web/genpack.json5"), "{shown}");
    }
}

#[test]
fn every_mistake_is_found_at_once() {
    let error = parse("{\n  name: 'My web',\n  packges: [],\n  users: [{ uid: 'x' }],\n  compression: 3,\n}")
        .unwrap_err();
    let text = error.render(false);
    for (number, place) in [
        (1, ":2:9]"),
        (2, ":3:3]"),
        (3, ":4:11]"),
        (4, ":4:18]"),
        (5, ":5:16]"),
    ] {
        let (_, rest) = text.split_once(&format!("mistake {number} of 5")).unwrap();
        assert!(
            rest.split_once(']')
                .unwrap()
                .0
                .ends_with(place.trim_end_matches(']')),
            "{text}"
        );
    }
}

#[test]
fn whatever_is_cut_out_of_a_file_the_answer_has_a_place() {
    let text = "\u{feff}// é\r\n{ name: 'web', users: [\"a\", { name: 'b', uid: 0x10 }], arch: { 'x86_64': { packages: ['a1'] } },\n\
                settings: { k: { keys: { é: { type: 'list', default: ['x', 'y'], items: 'ip' } } } } /* end */ }\n";
    let places: Vec<_> = text
        .char_indices()
        .map(|(offset, _)| offset)
        .chain([text.len()])
        .collect();
    for (index, from) in places.iter().enumerate() {
        for to in places[index..]
            .iter()
            .filter(|to| **to == text.len() || **to - from < 4)
        {
            let cut = format!("{}{}", &text[..*from], &text[*to..]);
            if let Err(error) = parse(&cut) {
                let shown = error.render(false);
                assert!(
                    shown.contains("╰── ") || shown.contains("is empty"),
                    "{cut}\n{shown}"
                );
            }
        }
    }
}

#[test]
fn what_is_left_out_has_a_default() {
    let blueprint = blueprint("{ name: 'web' }");
    assert_eq!(blueprint.profile, "kvm");
    assert_eq!(blueprint.base.to_string(), "debian:trixie");
    assert_eq!(blueprint.compression.to_string(), "zstd:15");
    assert!(blueprint.packages.is_empty() && blueprint.mirror.is_none());
}

#[test]
fn a_user_is_a_name_or_an_object() {
    let users = blueprint(
        "{ name: 'web', users: ['guest', { name: 'op', uid: 1500, additional_groups: 'adm' },
           { name: 'old', 'additional-groups': ['adm', 'tty'], 'create-home': false, 'empty-password': true,
             'initial-group': 'users' }] }",
    )
    .users;
    assert_eq!(
        (
            users[0].name.as_str(),
            users[0].create_home,
            users[0].empty_password
        ),
        ("guest", true, false)
    );
    assert_eq!(
        (users[1].uid, users[1].additional_groups.as_slice()),
        (Some(1500), &["adm".to_string()][..])
    );
    let old = &users[2];
    assert_eq!(
        (old.additional_groups.len(), old.create_home, old.empty_password),
        (2, false, true)
    );
    assert_eq!(old.initial_group.as_deref(), Some("users"));
}

#[test]
fn sticks_are_off_unless_they_are_asked_for() {
    let from = |text: &str| blueprint(text).settings_from;
    let default = from("{ name: 'web' }");
    assert_eq!((default.card, default.stick), (Reaction::Apply, Reaction::Off));
    let asked = from("{ name: 'web', settings_from: { stick: 'check' } }");
    assert_eq!((asked.card, asked.stick), (Reaction::Apply, Reaction::Check));
    assert!(parse("{ name: 'web', settings_from: { stick: 'yes' } }").is_err());
    assert!(parse("{ name: 'web', settings_from: { usb: 'apply' } }").is_err());
}

#[test]
fn services_get_their_suffix_and_are_there_once() {
    let services = blueprint(
        "{ name: 'web', services: ['nginx', 'fstrim.timer', 'getty@tty2', 'nginx.service', 'srv-data.mount'] }",
    )
    .services;
    assert_eq!(
        services.iter().map(UnitName::as_str).collect::<Vec<_>>(),
        [
            "nginx.service",
            "fstrim.timer",
            "getty@tty2.service",
            "srv-data.mount"
        ]
    );
}

#[test]
fn a_name_can_come_from_the_folder() {
    let file = parse("{ variants: { a: { name: 'other' }, b: {} } }").unwrap();
    assert!(file.warnings()[0].label().contains("the folder's is taken: web"));
    let name = |variant| file.resolve("x86_64", variant).unwrap().name.to_string();
    assert_eq!(
        (name(None), name(Some("a")), name(Some("b"))),
        ("web".into(), "other".into(), "web".into())
    );

    // Then the base alone is nothing that could be built.
    let named = "{ variants: { a: { name: 'other' } }, default_variant: 'a' }";
    assert!(parse(named).unwrap().warnings().is_empty());

    let parse = |text: &str| BlueprintFile::parse(Path::new("genpack.json5"), text.into(), "My web");
    assert!(parse(named).is_ok());
    let shown = parse("{}").unwrap_err().render(false);
    assert!(
        shown.contains("missing field \"name\"") && shown.contains("\"My web\" can't be one"),
        "{shown}"
    );
    assert!(parse("{ name: 'web' }").unwrap().warnings().is_empty());
}

#[test]
fn variants_are_named_in_the_files_order() {
    let file = parse("{ name: 'web', variants: { b: {}, a: {} }, default_variant: 'a' }").unwrap();
    assert_eq!(
        (file.variants(), file.default_variant()),
        (vec!["b", "a"], Some("a"))
    );
    assert_eq!(
        file.resolve("x86_64", None).unwrap().variant.as_deref(),
        Some("a")
    );
    assert_eq!(file.buildable(), [Some("b"), Some("a")]);
    assert_eq!(
        file.resolve("x86_64", Some("c")).unwrap_err().to_string(),
        "web/genpack.json5 has no variant \"c\"; there is b, a"
    );
    let without = parse("{ name: 'web', variants: { b: {} } }").unwrap();
    assert_eq!(without.buildable(), [None, Some("b")]);
    assert_eq!(without.resolve("x86_64", None).unwrap().variant, None);
}

#[test]
fn equal_blueprints_have_equal_serialisations() {
    let json = |text: &str| serde_json::to_string(&blueprint(text)).unwrap();
    assert_eq!(
        json("{ name: 'web', packages: ['nginx', 'nginx'], services: ['nginx'] }"),
        json("{ services: ['nginx.service'], arch: { x86_64: { packages: ['nginx'] } }, name: 'web' }")
    );
}

mod folders {
    use super::*;

    fn error(folder: &Path) -> String {
        BlueprintFile::load(folder).unwrap_err().to_string()
    }

    #[test]
    fn a_missing_blueprint_says_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let error = error(dir.path());
        assert!(error.contains("there is no genpack.json5 in"), "{error}");
        assert!(error.contains("genpack build DIR"), "{error}");
    }

    #[test]
    fn either_file_name_will_do_but_not_both() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("genpack.json"), "{ \"name\": \"web\" }").unwrap();
        let file = BlueprintFile::load(dir.path()).unwrap();
        assert_eq!(file.path(), dir.path().join("genpack.json"));
        fs::write(dir.path().join("genpack.json5"), "{}").unwrap();
        let error = error(dir.path());
        assert!(error.contains("remove genpack.json,"), "{error}");
    }

    #[test]
    fn a_folder_is_called_as_it_is_reached() {
        let dir = tempfile::tempdir().unwrap();
        let real = dir.path().join("real");
        fs::create_dir(&real).unwrap();
        std::os::unix::fs::symlink(&real, dir.path().join("link")).unwrap();
        assert_eq!(name_of(&real), "real");
        assert_eq!(name_of(&dir.path().join("link")), "link");
        assert_eq!(name_of(&real.join("..").join("real")), "real");
        assert_eq!(name_of(Path::new("/")), "");
    }
}
