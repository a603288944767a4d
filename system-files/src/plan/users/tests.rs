use super::*;

const HASH: &str = "$6$saltsaltsalt$aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ me";

fn image_file(content: &str, mode: u32, gid: u32) -> Option<ImageFile> {
    Some(ImageFile {
        content: content.into(),
        mode,
        owner: Owner { uid: 0, gid },
    })
}

fn image() -> ImageFiles {
    ImageFiles {
        passwd: image_file(
            "root:x:0:0:root:/root:/bin/bash\nwww-data:x:33:33::/var/www:/usr/sbin/nologin\n\
             pi::1000:1000:,,,:/home/pi:/bin/sh\n",
            0o644,
            0,
        ),
        shadow: image_file(
            "root:*:20780:0:99999:7:::\nwww-data:*:20780::::::\npi:!:20780:0:99999:7:::\n",
            0o640,
            42,
        ),
        group: image_file("root:x:0:\nsudo:x:27:\naudio:x:29:pi\npi:x:1000:\n", 0o644, 0),
        gshadow: image_file("root:*::\nsudo:*::\naudio:*::pi\npi:!::\n", 0o640, 42),
        shells: ["/bin/bash", "/bin/sh"].map(String::from).into(),
        skeleton: vec![(".profile".into(), image_file("umask 022\n", 0o644, 0).unwrap())],
    }
}

fn planned(json: &str) -> (Plan, BTreeSet<UserName>) {
    let mut plan = Plan::default();
    let applied = apply(
        &serde_json::from_str(json).unwrap(),
        &image(),
        &Facts::default(),
        &mut plan,
    );
    (plan, applied)
}

fn content(plan: &Plan, path: &str) -> String {
    let entry = plan.entries.iter().find(|entry| entry.path == path);
    match entry.map(|entry| &entry.kind) {
        Some(Kind::File { content, .. }) => String::from_utf8(content.clone()).unwrap(),
        other => panic!("{path}: {other:?}"),
    }
}

fn paths(plan: &Plan) -> Vec<&str> {
    plan.entries.iter().map(|entry| entry.path.as_str()).collect()
}

#[test]
fn a_password_changes_one_field_of_one_line() {
    let (plan, applied) = planned(&format!(
        r#"{{"root": {{"password_hash": {{"secret": "{HASH}"}}}}}}"#
    ));
    assert_eq!(applied.len(), 1);
    assert_eq!(paths(&plan), ["/etc/shadow"]);
    assert_eq!(
        content(&plan, "/etc/shadow"),
        format!("root:{HASH}:20780:0:99999:7:::\nwww-data:*:20780::::::\npi:!:20780:0:99999:7:::\n")
    );
    let Kind::File { mode, .. } = plan.entries[0].kind else {
        panic!("not a file")
    };
    assert_eq!((mode, plan.entries[0].owner), (0o640, Owner { uid: 0, gid: 42 }));
}

#[test]
fn an_account_that_needed_no_password_needs_it_now() {
    let (plan, _) = planned(&format!(
        r#"{{"pi": {{"password_hash": {{"secret": "{HASH}"}}, "groups": ["sudo", "audio"], "shell": "/bin/bash"}}}}"#
    ));
    assert!(content(&plan, "/etc/passwd").ends_with("pi:x:1000:1000:,,,:/home/pi:/bin/bash\n"));
    assert_eq!(
        content(&plan, "/etc/group"),
        "root:x:0:\nsudo:x:27:pi\naudio:x:29:pi\npi:x:1000:\n"
    );
    assert_eq!(
        content(&plan, "/etc/gshadow"),
        "root:*::\nsudo:*::pi\naudio:*::pi\npi:!::\n"
    );
    assert!(plan.problems.is_empty(), "{:?}", plan.problems);
}

#[test]
fn a_plain_password_is_not_applied() {
    let (plan, _) = planned(r#"{"root": {"password": {"secret": "hunter2"}}}"#);
    assert!(plan.entries.is_empty());
}

#[test]
fn a_user_that_the_image_lacks_is_made() {
    let (plan, applied) = planned(&format!(r#"{{"anna": {{"ssh_keys": ["{KEY}"]}}}}"#));
    assert_eq!(applied.len(), 1);
    assert_eq!(
        paths(&plan),
        [
            "/home/anna",
            "/home/anna/.profile",
            "/etc/group",
            "/etc/gshadow",
            "/etc/shadow",
            "/etc/passwd"
        ]
    );
    let passwd = content(&plan, "/etc/passwd");
    let line = passwd.lines().last().unwrap();
    let uid: u32 = line.split(':').nth(2).unwrap().parse().unwrap();
    assert!(PEOPLE.contains(&uid));
    assert_eq!(line, format!("anna:x:{uid}:{uid}::/home/anna:/bin/bash"));
    assert!(content(&plan, "/etc/shadow").ends_with("\nanna:*::0:99999:7:::\n"));
    assert!(content(&plan, "/etc/group").ends_with(&format!("\nanna:x:{uid}:\n")));
    let owner = Owner { uid, gid: uid };
    assert_eq!((plan.entries[0].owner, plan.entries[1].owner), (owner, owner));

    // The number is a matter of the name alone.
    let (plan, _) = planned(&format!(
        r#"{{"adam": {{"ssh_keys": ["{KEY}"]}}, "anna": {{"ssh_keys": ["{KEY}"]}}}}"#
    ));
    assert!(content(&plan, "/etc/passwd").contains(line));
}

#[test]
fn nothing_is_opened_that_the_image_keeps_shut() {
    for (json, problem) in [
        (
            format!(r#"{{"www-data": {{"password_hash": {{"secret": "{HASH}"}}}}}}"#),
            "belongs to a program",
        ),
        (
            format!(r#"{{"sudo": {{"password_hash": {{"secret": "{HASH}"}}}}}}"#),
            "the name of a group",
        ),
        (
            r#"{"anna": {"groups": ["sudo"]}}"#.into(),
            "There is no user anna",
        ),
    ] {
        let (plan, applied) = planned(&json);
        assert!(plan.entries.is_empty() && applied.is_empty(), "{json}");
        assert_eq!(plan.problems.len(), 1);
        assert!(
            plan.problems[0].english().contains(problem),
            "{:?}",
            plan.problems
        );
    }
}

#[test]
fn what_is_missing_costs_no_more_than_itself() {
    let (plan, applied) = planned(&format!(
        r#"{{"pi": {{"password_hash": {{"secret": "{HASH}"}}, "groups": ["gamers"], "shell": "/bin/zsh"}}}}"#
    ));
    assert_eq!((applied.len(), plan.problems.len()), (1, 2));
    assert!(content(&plan, "/etc/shadow").contains(&format!("pi:{HASH}:")));
}
