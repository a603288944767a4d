//! `debug`: more is logged, and the console shows it, for somebody who wants to know why a start goes wrong.

use genpack_spec::settings::System;

use super::{Entry, file};

pub(super) fn entries(system: &System) -> Vec<Entry> {
    if system.debug != Some(true) {
        return Vec::new();
    }
    vec![
        // Why each unit is started, in the journal (systemd-system.conf(5)).
        file(
            "/run/systemd/system.conf.d/50-genpack-debug.conf",
            0o644,
            "[Manager]\nLogLevel=debug\n",
        ),
        // What programs say, on the console too; systemd's own flood stays in the journal (journald.conf(5)).
        file(
            "/run/systemd/journald.conf.d/50-genpack-debug.conf",
            0o644,
            "[Journal]\nForwardToConsole=yes\nMaxLevelConsole=info\n",
        ),
        // The kernel's messages on the console, all but those for its developers (sysctl.d(5)).
        file(
            "/run/sysctl.d/99-genpack-debug.conf",
            0o644,
            "kernel.printk = 7\n",
        ),
    ]
}
