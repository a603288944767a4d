//! Units that `[services]` may not touch, because the device would not start, not be reached, or be more open than
//! its maker built it.

use crate::text;
use crate::text::Text;
use crate::types::UnitName;

/// Programs of systemd that a device can do without; every other `systemd-...` unit belongs to its foundations.
const OPTIONAL: [&str; 7] = [
    "systemd-coredump",
    "systemd-homed",
    "systemd-networkd",
    "systemd-oomd",
    "systemd-pstore",
    "systemd-resolved",
    "systemd-timesyncd",
];

/// Returns why a unit may not be switched on or off; none when it may.
pub(super) fn refusal(unit: &UnitName, on: bool) -> Option<Text> {
    // Whoever looks the unit up ignores case, so this must too.
    let unit = unit.as_str().to_ascii_lowercase().replace('_', "-");
    let (stem, kind) = unit.rsplit_once('.').unwrap_or((&unit, ""));
    let template = stem.split('@').next().unwrap_or(stem);
    if !matches!(kind, "path" | "service" | "socket" | "timer") {
        return Some(text!(
            "{unit} is a step of the start itself, not a program to switch on or off",
            unit
        ));
    }
    let optional = OPTIONAL
        .iter()
        .any(|name| template == *name || template.starts_with(&format!("{name}-")));
    let foundation = template.starts_with("genpack-")
        || matches!(template, "dbus" | "dbus-broker" | "udev")
        || (template.starts_with("systemd-") && !optional);
    match on {
        false if foundation => Some(text!(
            "{unit} is needed for the device to start and to be reached, so it cannot be switched off",
            unit = stem
        )),
        true if matches!(template, "debug-shell") => Some(text!(
            "{unit} would let anybody in without a password",
            unit = stem
        )),
        true if foundation || matches!(template, "emergency" | "rescue" | "systemd-networkd") => Some(text!(
            "{unit} is started by the device itself when it is needed, so it cannot be switched on",
            unit = stem
        )),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foundations_stay_and_programs_go() {
        for (name, on, allowed) in [
            ("nginx", false, true),
            ("sshd", false, true),
            ("fstrim.timer", true, true),
            ("systemd-timesyncd", false, true),
            ("systemd-networkd", false, true),
            ("systemd-networkd-wait-online", false, true),
            ("systemd-networkd", true, false),
            ("genpack-config-agent", false, false),
            ("dbus", false, false),
            ("DBus.socket", false, false),
            ("systemd-journald", false, false),
            ("systemd_udevd", false, false),
            ("systemd-journald-dev-log.socket", false, false),
            ("multi-user.target", false, false),
            ("rescue.target", true, false),
            ("rescue", true, false),
            ("boot.mount", false, false),
            ("system.slice", false, false),
            ("systemd-poweroff", true, false),
            ("debug-shell", true, false),
            ("debug-shell", false, true),
        ] {
            let unit = name.parse().unwrap();
            assert_eq!(refusal(&unit, on).is_none(), allowed, "{name} {on}");
        }
    }
}
