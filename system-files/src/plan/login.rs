//! `autologin`: the consoles of the machine itself log in by themselves.

use genpack_spec::settings::System;

use super::{Entry, file};

/// The screen's first console, and every serial line: who sits at one has the machine, and the card, in hand. Nothing that
/// is reached over a network has such a getty.
const GETTYS: [(&str, &str); 2] = [
    ("getty@tty1", ""),
    ("serial-getty@", " --keep-baud 115200,57600,38400,9600"),
];

pub(super) fn entries(system: &System) -> Vec<Entry> {
    if system.autologin != Some(true) {
        return Vec::new();
    }
    let drop_in = |(unit, options): (&str, &str)| {
        let path = format!("/run/systemd/system/{unit}.service.d/50-genpack-autologin.conf");
        // The empty line takes the unit's own command away (systemd.service(5)); `-` is the terminal that the unit opens.
        let content = format!(
            "[Service]\nExecStart=\nExecStart=-/sbin/agetty --autologin root --noreset --noclear{options} - ${{TERM}}\n"
        );
        file(path, 0o644, content)
    };
    GETTYS.map(drop_in).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_on_request() {
        for json in ["{}", r#"{"autologin": false}"#] {
            assert!(entries(&serde_json::from_str(json).unwrap()).is_empty());
        }
        let entries = entries(&serde_json::from_str(r#"{"autologin": true}"#).unwrap());
        let paths: Vec<_> = entries.iter().map(|entry| entry.path.as_str()).collect();
        assert_eq!(
            paths,
            [
                "/run/systemd/system/getty@tty1.service.d/50-genpack-autologin.conf",
                "/run/systemd/system/serial-getty@.service.d/50-genpack-autologin.conf"
            ]
        );
    }
}
