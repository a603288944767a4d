//! Units that must not start. What is to be on is turned on by the config agent.

use genpack_spec::layout;
use genpack_spec::settings::Settings;

use super::{Entry, link};

/// Everything by which systemd starts sshd, under the names that distributions give to it: the daemon, its socket, and the
/// sockets of systemd-ssh-generator(8).
const SSH: [&str; 7] = [
    "ssh.service",
    "ssh.socket",
    "sshd.service",
    "sshd.socket",
    "sshd-vsock.socket",
    "sshd-unix-local.socket",
    "sshd-unix-export.socket",
];

/// The NTP client, and what waits for it: without it that would wait for ever.
const NTP: [&str; 2] = ["systemd-timesyncd.service", "systemd-time-wait-sync.service"];

pub(super) fn entries(settings: &Settings) -> Vec<Entry> {
    let off = settings.services.iter().filter(|(_, on)| !**on);
    let mut masked: Vec<&str> = off.map(|(unit, _)| unit.as_str()).collect();
    if settings.ssh.enabled == Some(false) {
        masked.extend(SSH);
    }
    if settings.time.ntp.as_ref().is_some_and(Vec::is_empty) {
        masked.extend(NTP);
    }
    masked.sort_unstable();
    masked.dedup();
    masked
        .into_iter()
        .map(|unit| link(format!("{}/{unit}", layout::UNIT_MASK_DIR), "/dev/null"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(json: &str) -> Vec<String> {
        let entries = entries(&serde_json::from_str(json).unwrap());
        let name = |entry: Entry| entry.path.rsplit('/').next().unwrap().to_string();
        entries.into_iter().map(name).collect()
    }

    #[test]
    fn off_is_masked_and_on_is_left_to_the_agent() {
        assert_eq!(
            masked(r#"{"services": {"nginx.service": false, "cron.service": true}}"#),
            ["nginx.service"]
        );
        assert!(masked(r#"{"ssh": {"enabled": true}, "time": {"ntp": ["pool.ntp.org"]}}"#).is_empty());
    }

    #[test]
    fn ssh_and_time_go_by_their_own_settings() {
        let units =
            masked(r#"{"ssh": {"enabled": false}, "time": {"ntp": []}, "services": {"ssh.service": false}}"#);
        assert_eq!(units.len(), SSH.len() + NTP.len());
        assert!(units.contains(&"ssh.socket".to_string()));
    }
}
