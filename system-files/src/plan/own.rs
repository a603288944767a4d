//! Sections that the blueprint declares, as files for the services that read them: `NAME.env` and `NAME.json`.

use std::collections::BTreeMap;

use genpack_spec::declared::{self, DeclaredKind, DeclaredSection};
use genpack_spec::layout;
use genpack_spec::settings::OwnValue;
use genpack_spec::text;
use genpack_spec::types::UserName;
use serde_json::{Map, Value};

use super::accounts::Table;
use super::{Owner, Plan, file};
use crate::image_files::ImageFiles;

/// Adds the files of every declared section, whether `system.ini` speaks of it or not.
pub(super) fn apply(
    sections: &[DeclaredSection],
    set: &BTreeMap<String, BTreeMap<String, OwnValue>>,
    image: &ImageFiles,
    plan: &mut Plan,
) {
    for section in sections {
        let name = &section.name;
        if !is_file_name(name) {
            plan.problems.push(text!(
                "The section {section} that this image declares can't be handed to its services: its name is no file name.",
                section = name
            ));
            continue;
        }
        let values = declared::effective(section, set.get(name));
        let secret = section
            .keys
            .iter()
            .any(|key| [Some(key.kind), key.items].contains(&Some(DeclaredKind::Secret)));
        let (mode, owner) = match (secret, &section.user) {
            (false, _) => (0o644, Owner::default()),
            // Root reads it all the same.
            (true, Some(user)) => match number_of(user, image) {
                Some(owner) => (0o400, owner),
                None => {
                    plan.problems.push(text!(
                        "The settings of {section} are readable by root only, because this image has no user {user}.",
                        section = name,
                        user
                    ));
                    (0o400, Owner::default())
                }
            },
            (true, None) => (0o400, Owner::default()),
        };
        let path = |ending: &str| format!("{}/{name}.{ending}", layout::OWN_SETTINGS_DIR);
        plan.entries
            .push(file(path("env"), mode, env(&values)).owned_by(owner));
        plan.entries
            .push(file(path("json"), mode, json(&values)).owned_by(owner));
    }
}

fn is_file_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= 64 && !name.starts_with('.') && !name.contains(['/', '\0'])
}

/// Files for a user belong to its own group too.
fn number_of(user: &UserName, image: &ImageFiles) -> Option<Owner> {
    let table = Table::parse(&image.passwd.as_ref()?.content);
    let row = table.find(user.as_str())?;
    Some(Owner {
        uid: table.number(row, 2)?,
        gid: table.number(row, 3)?,
    })
}

/// Returns the values as an environment file (systemd.exec(5), `EnvironmentFile=`), which a shell reads as well.
fn env(values: &BTreeMap<String, OwnValue>) -> String {
    let line = |(name, value): (&String, &OwnValue)| {
        let value = match value {
            OwnValue::Bool(on) => on.to_string(),
            OwnValue::Integer(number) => number.to_string(),
            OwnValue::Text(text) => text.clone(),
            OwnValue::List(values) => values.join(","),
            OwnValue::Secret(secret) => secret.reveal().to_string(),
        };
        format!("{}={}\n", variable(name), quoted(&value))
    };
    values.iter().map(line).collect()
}

/// Returns the name of the variable for a key: upper case, `_` for whatever is neither a letter nor a digit.
fn variable(key: &str) -> String {
    let plain = |c: char| match c {
        c if c.is_ascii_alphanumeric() => c.to_ascii_uppercase(),
        _ => '_',
    };
    let name: String = key.chars().map(plain).collect();
    match name.starts_with(|c: char| c.is_ascii_digit()) {
        true => format!("_{name}"),
        false => name,
    }
}

/// Quotes a value so that systemd and a shell both read it back as it was: between double quotes, a backslash in front of
/// the four characters that keep a meaning there.
pub(super) fn quoted(value: &str) -> String {
    let mut quoted = String::from("\"");
    for c in value.chars() {
        if matches!(c, '"' | '\\' | '`' | '$') {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted.push('"');
    quoted
}

fn json(values: &BTreeMap<String, OwnValue>) -> String {
    let plain = |value: &OwnValue| match value {
        OwnValue::Bool(on) => Value::from(*on),
        OwnValue::Integer(number) => Value::from(*number),
        OwnValue::Text(text) => Value::from(text.as_str()),
        OwnValue::List(values) => Value::from(values.as_slice()),
        OwnValue::Secret(secret) => Value::from(secret.reveal()),
    };
    let object: Map<String, Value> = values
        .iter()
        .map(|(name, value)| (name.clone(), plain(value)))
        .collect();
    format!("{:#}\n", Value::Object(object))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use genpack_spec::facts::Facts;
    use genpack_spec::settings::Settings;

    use super::*;
    use crate::image_files::ImageFile;
    use crate::plan::Kind;

    const FACTS: &str = r#"{"settings": [
        {"name": "kiosk", "keys": [
            {"name": "start-page", "type": "url", "default": "https://example.com"},
            {"name": "zoom", "type": "integer", "default": 100},
            {"name": "clock", "type": "bool"},
            {"name": "3d", "type": "bool", "default": true},
            {"name": "rooms", "type": "list", "items": "string"}]},
        {"name": "feed", "user": "pi", "keys": [{"name": "token", "type": "secret"}]},
        {"name": "vault", "keys": [{"name": "pins", "type": "list", "items": "secret"}]},
        {"name": "other", "user": "nobody-here", "keys": [{"name": "token", "type": "secret"}]},
        {"name": "../etc", "keys": []}]}"#;

    fn planned(own: &str) -> Plan {
        let facts: Facts = serde_json::from_str(FACTS).unwrap();
        let settings: Settings = serde_json::from_str(&format!(r#"{{"own": {own}}}"#)).unwrap();
        let image = ImageFiles {
            passwd: Some(ImageFile {
                content: b"pi:x:1000:1001::/home/pi:/bin/sh\n".to_vec(),
                mode: 0o644,
                owner: Owner::default(),
            }),
            ..ImageFiles::default()
        };
        let mut plan = Plan::default();
        apply(&facts.settings, &settings.own, &image, &mut plan);
        plan
    }

    fn content(plan: &Plan, name: &str) -> String {
        let path = format!("/run/genpack/settings/{name}");
        let entry = plan.entries.iter().find(|entry| entry.path == path).unwrap();
        match &entry.kind {
            Kind::File { content, .. } => String::from_utf8(content.clone()).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn defaults_are_there_without_a_line_in_the_file() {
        let plan = planned("{}");
        assert_eq!(
            content(&plan, "kiosk.env"),
            "_3D=\"true\"\nSTART_PAGE=\"https://example.com\"\nZOOM=\"100\"\n"
        );
        let json: Value = serde_json::from_str(&content(&plan, "kiosk.json")).unwrap();
        assert_eq!(
            json,
            serde_json::json!({"3d": true, "start-page": "https://example.com", "zoom": 100})
        );
        assert_eq!(content(&plan, "feed.env"), "");
    }

    #[test]
    fn secrets_are_for_root_and_the_declared_user() {
        let plan = planned(r#"{"feed": {"token": {"secret": "hunter2"}}}"#);
        assert_eq!(content(&plan, "feed.env"), "TOKEN=\"hunter2\"\n");
        assert!(content(&plan, "feed.json").contains("\"token\": \"hunter2\""));
        let access: Vec<_> = plan
            .entries
            .iter()
            .step_by(2)
            .map(|entry| match entry.kind {
                Kind::File { mode, .. } => (entry.path.rsplit('/').next().unwrap(), mode, entry.owner.uid),
                _ => panic!("{entry:?}"),
            })
            .collect();
        assert_eq!(
            access,
            [
                ("kiosk.env", 0o644, 0),
                ("feed.env", 0o400, 1000),
                ("vault.env", 0o400, 0),
                ("other.env", 0o400, 0)
            ]
        );
        assert_eq!(plan.problems.len(), 2, "{:?}", plan.problems);
    }

    #[test]
    fn any_value_reaches_a_service_as_it_was() {
        let nasty = r#"a "b" 'c' $HOME `id` \n \ # ; %h ä 台所 "#;
        let own = serde_json::json!({"kiosk": {"start-page": nasty, "rooms": ["a b", "c$d"]}});
        let env = content(&planned(&own.to_string()), "kiosk.env");
        let script = format!("{env}printf '%s|%s' \"$START_PAGE\" \"$ROOMS\"");
        let output = Command::new("sh").args(["-c", &script]).output().unwrap();
        assert_eq!(
            String::from_utf8(output.stdout).unwrap(),
            format!("{nasty}|a b,c$d")
        );
    }
}
