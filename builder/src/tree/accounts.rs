//! Groups and users of a blueprint, made inside the tree with groupadd(8) and useradd(8).

use std::path::Path;

use anyhow::{Context, Result};

use super::chroot::Chroot;
use crate::blueprint::{Group, InputError, Problem, User};
use crate::command::Failed;

/// Our own groups, from `rootfs-overlay/`. A blueprint's users may belong to them, so they are made now and not by systemd at
/// the first start, which does nothing about accounts in a finished image.
const OWN_GROUPS: &str = "genpack.conf";
/// Exit statuses of groupadd(8) and useradd(8): a number is taken, there is no such group, a name is taken.
const MISTAKES: [i32; 3] = [4, 6, 9];

/// Makes our own groups, then the blueprint's, then users, each in the order of the blueprint. The day of a user's password is
/// that of `SOURCE_DATE_EPOCH` in `environment`.
///
/// # Errors
/// [`InputError`] when a name or a number is taken already, or a user's group does not exist; another error when the tree
/// lacks the programs.
pub fn make_accounts(
    root: &Path,
    groups: &[Group],
    users: &[User],
    environment: &[(&str, String)],
) -> Result<()> {
    let chroot = Chroot::enter(root)?;
    let run = |program: &str, arguments: &[String]| {
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        chroot.run(program, &arguments, environment)
    };
    run("systemd-sysusers", &[OWN_GROUPS.to_string()]).context("making genpack's own groups")?;
    for group in groups {
        run("groupadd", &groupadd_arguments(group))
            .map_err(|error| explain(error, "group", &["groups"], &group.name))?;
    }
    for user in users {
        run("useradd", &useradd_arguments(user, groups))
            .map_err(|error| explain(error, "user", &["users"], &user.name))?;
        if user.empty_password {
            run("passwd", &["--delete".to_string(), user.name.clone()])?;
        }
    }
    Ok(())
}

/// Adds which account was being made. What the blueprint wants and can't have is a mistake in one of its `fields`.
fn explain(error: anyhow::Error, kind: &str, fields: &'static [&'static str], name: &str) -> anyhow::Error {
    let doing = format!("making the {kind} {name}");
    match error.downcast_ref::<Failed>() {
        Some(failed) if failed.status.code().is_some_and(|code| MISTAKES.contains(&code)) => {
            let why = failed.said.lines().last().unwrap_or_default().trim();
            InputError::from(Problem::about(fields, name, format!("{doing}: {why}"))).into()
        }
        _ => error.context(doing),
    }
}

/// Arguments of groupadd(8).
fn groupadd_arguments(group: &Group) -> Vec<String> {
    let number = group.gid.map(|gid| ["--gid".to_string(), gid.to_string()]);
    let mut arguments: Vec<_> = number.into_iter().flatten().collect();
    arguments.push(group.name.clone());
    arguments
}

/// Arguments of useradd(8). Without a password the account is locked. A group of the blueprint that is called like the user
/// is the one of the user's own, which useradd would refuse to make a second time.
fn useradd_arguments(user: &User, groups: &[Group]) -> Vec<String> {
    let own = groups.iter().find(|group| group.name == user.name);
    let initial_group = user.initial_group.clone().or(own.map(|group| group.name.clone()));
    let mut arguments = Vec::new();
    let mut option = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            arguments.extend([name.to_string(), value]);
        }
    };
    option("--uid", user.uid.map(|uid| uid.to_string()));
    option("--comment", user.comment.clone());
    option("--home-dir", user.home.clone());
    option(
        "--shell",
        Some(user.shell.clone().unwrap_or_else(|| "/bin/bash".into())),
    );
    option("--gid", initial_group);
    let further = &user.additional_groups;
    option("--groups", (!further.is_empty()).then(|| further.join(",")));
    arguments.push(
        match user.create_home {
            true => "--create-home",
            false => "--no-create-home",
        }
        .into(),
    );
    arguments.push(user.name.clone());
    arguments
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(fields: &str) -> User {
        serde_json::from_str(fields).unwrap()
    }

    #[test]
    fn each_field_becomes_an_option() {
        let op = user(
            r#"{ "name": "op", "uid": 1500, "comment": "Operator", "home": "/srv/op", "shell": "/bin/sh",
                "initial_group": "adm", "additional_groups": ["tty", "disk"], "create_home": false }"#,
        );
        assert_eq!(
            useradd_arguments(&op, &[]).join(" "),
            "--uid 1500 --comment Operator --home-dir /srv/op --shell /bin/sh --gid adm --groups tty,disk \
             --no-create-home op"
        );
        assert_eq!(
            useradd_arguments(&user("\"guest\""), &[]).join(" "),
            "--shell /bin/bash --create-home guest"
        );
    }

    #[test]
    fn a_group_of_the_users_name_is_its_own() {
        let groups: Vec<Group> = serde_json::from_str(r#"["other", { "name": "op", "gid": 2000 }]"#).unwrap();
        assert_eq!(groupadd_arguments(&groups[0]), ["other"]);
        assert_eq!(groupadd_arguments(&groups[1]), ["--gid", "2000", "op"]);
        let op = user("\"op\"");
        assert!(useradd_arguments(&op, &groups).join(" ").contains("--gid op"));
        assert!(!useradd_arguments(&op, &groups[..1]).join(" ").contains("--gid"));
        let elsewhere = user(r#"{ "name": "op", "initial_group": "adm" }"#);
        assert!(
            useradd_arguments(&elsewhere, &groups)
                .join(" ")
                .contains("--gid adm")
        );
    }

    /// The real programs in a folder that looks like a system. They ask for root before they look at anything.
    #[test]
    fn the_real_programs_take_what_they_are_given() {
        let dir = tempfile::tempdir().unwrap();
        let etc = dir.path().join("etc");
        std::fs::create_dir(&etc).unwrap();
        for (name, text) in [
            ("passwd", "root:x:0:0:root:/root:/bin/bash\n"),
            ("group", "root:x:0:\nadm:x:4:\n"),
            ("shadow", "root:*:20000:0:99999:7:::\n"),
            ("gshadow", "root:*::\nadm:*::\n"),
            ("login.defs", "USERGROUPS_ENAB yes\nCREATE_HOME no\n"),
        ] {
            std::fs::write(etc.join(name), text).unwrap();
        }
        let run = |program: &str, arguments: Vec<String>| {
            let mut command = std::process::Command::new(program);
            command.arg("--prefix").arg(dir.path()).args(arguments);
            crate::command::run(&mut command).unwrap();
        };
        let groups: Vec<Group> = serde_json::from_str(r#"["staff", { "name": "op", "gid": 2000 }]"#).unwrap();
        let users: Vec<User> = serde_json::from_str(
            r#"["guest", { "name": "op", "uid": 1500, "comment": "Operator, night", "home": "/srv/op", "shell": "/bin/sh",
                "additional_groups": ["adm", "staff"], "create_home": false }]"#,
        )
        .unwrap();
        groups
            .iter()
            .for_each(|group| run("groupadd", groupadd_arguments(group)));
        users
            .iter()
            .for_each(|user| run("useradd", useradd_arguments(user, &groups)));
        let passwd = std::fs::read_to_string(etc.join("passwd")).unwrap();
        assert!(
            passwd.contains("\nop:x:1500:2000:Operator, night:/srv/op:/bin/sh\n"),
            "{passwd}"
        );
        assert!(
            passwd
                .lines()
                .any(|line| line.starts_with("guest:x:") && line.ends_with(":/home/guest:/bin/bash")),
            "{passwd}"
        );
        let group = std::fs::read_to_string(etc.join("group")).unwrap();
        assert!(
            group.contains("adm:x:4:op\n") && group.contains(":op\n") && group.contains("\nop:x:2000:"),
            "{group}"
        );
        assert!(group.lines().any(|line| line.starts_with("guest:x:")), "{group}");
        // Nobody can log in with a password.
        let shadow = std::fs::read_to_string(etc.join("shadow")).unwrap();
        assert!(
            shadow.contains("op:!:") && shadow.contains("guest:!:"),
            "{shadow}"
        );
    }
}
