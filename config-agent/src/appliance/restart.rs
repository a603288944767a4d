//! Which settings hold only after a restart, because PID 1 makes them come true.

use std::collections::BTreeSet;

use genpack_spec::settings::Settings;
use serde_json::Value;

/// Sections whose settings hold at once, here or elsewhere in the agent.
const AT_ONCE: [&str; 8] = [
    "network",
    "wifi",
    "vlan",
    "bridge",
    "bond",
    "wireguard",
    "services",
    "update",
];

/// Returns the settings, as `section.key`, in which the second differ from the first and which hold only after a restart.
pub fn needed(started_with: &Settings, now: &Settings) -> BTreeSet<String> {
    let value = |settings| serde_json::to_value(settings).unwrap_or_default();
    let (old, new) = (value(started_with), value(now));
    let mut found = BTreeSet::new();
    let sections = keys(&old).chain(keys(&new)).collect::<BTreeSet<_>>();
    for section in sections.into_iter().filter(|name| !AT_ONCE.contains(name)) {
        let (old, new) = (&old[section], &new[section]);
        for key in keys(old).chain(keys(new)).filter(|key| old[*key] != new[*key]) {
            found.insert(format!("{section}.{key}"));
        }
    }
    // The unit is turned on and off at once.
    found.remove("ssh.enabled");
    found
}

fn keys(value: &Value) -> impl Iterator<Item = &str> {
    value
        .as_object()
        .into_iter()
        .flatten()
        .map(|(key, _)| key.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_named() {
        let settings = |json: &str| serde_json::from_str::<Settings>(json).unwrap();
        let old =
            settings(r#"{"system": {"locale": "C", "timezone": "UTC"}, "services": {"x.service": true}}"#);
        let new = settings(r#"{"system": {"locale": "C"}, "ssh": {"enabled": true}, "user": {"anna": {}}}"#);
        let needed: Vec<_> = needed(&old, &new).into_iter().collect();
        assert_eq!(needed, ["system.timezone", "user.anna"]);
        assert!(super::needed(&new, &new).is_empty());
    }
}
