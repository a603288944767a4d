//! Units that other settings than `[services]` turn on or off.

use std::collections::BTreeMap;

use genpack_spec::facts::{Facts, Feature};
use genpack_spec::settings::Settings;
use genpack_spec::types::UnitName;

/// Names of sshd's unit, by distribution.
const SSH: [&str; 2] = ["ssh.service", "sshd.service"];
/// The NTP client.
const NTP: &str = "systemd-timesyncd.service";

/// Returns every unit that is to be on or off: `[ssh] enabled` means sshd, `[time] ntp` the NTP client. A line of
/// `[services]` about the same unit goes first.
pub fn wanted(settings: &Settings, facts: &Facts) -> BTreeMap<UnitName, bool> {
    let has = |name: &&&str| {
        let mut units = facts.units.iter().flatten();
        facts.units.is_none() || units.any(|unit| unit.as_str() == **name)
    };
    let mut implied: Vec<(&str, bool)> = Vec::new();
    if let Some(on) = settings.ssh.enabled.filter(|_| facts.has(Feature::Ssh)) {
        implied.push((SSH.iter().find(has).unwrap_or(&SSH[0]), on));
    }
    if let Some(servers) = settings.time.ntp.as_ref().filter(|_| facts.has(Feature::Ntp)) {
        implied.push((NTP, !servers.is_empty()));
    }
    let mut wanted = settings.services.clone();
    for (name, on) in implied {
        if let Ok(unit) = name.parse() {
            wanted.entry(unit).or_insert(on);
        }
    }
    wanted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(settings: &str, facts: &str) -> Vec<(String, bool)> {
        let wanted = wanted(
            &serde_json::from_str(settings).unwrap(),
            &serde_json::from_str(facts).unwrap(),
        );
        wanted
            .into_iter()
            .map(|(unit, on)| (unit.to_string(), on))
            .collect()
    }

    #[test]
    fn ssh_and_time_are_units_too() {
        let settings =
            r#"{"ssh": {"enabled": true}, "time": {"ntp": []}, "services": {"nginx.service": true}}"#;
        let unit = |name: &str, on| (name.to_string(), on);
        assert_eq!(
            shown(settings, "{}"),
            [
                unit("nginx.service", true),
                unit("ssh.service", true),
                unit(NTP, false)
            ]
        );
        assert_eq!(
            shown(settings, r#"{"units": ["sshd.service"], "features": ["ssh"]}"#),
            [unit("nginx.service", true), unit("sshd.service", true)]
        );
    }

    #[test]
    fn a_line_about_the_unit_itself_goes_first() {
        let settings = r#"{"ssh": {"enabled": true}, "services": {"ssh.service": false}}"#;
        assert_eq!(shown(settings, "{}"), [("ssh.service".to_string(), false)]);
    }
}
