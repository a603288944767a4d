//! Whether the processor's virtualisation can be used.

use crate::process;
use std::fs::OpenOptions;
use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// How the guest's instructions are executed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Acceleration {
    /// KVM where a machine really starts with it, else TCG.
    #[default]
    Auto,
    /// KVM; starting fails where there is none.
    Kvm,
    /// QEMU's software emulation, with one host thread for each guest processor.
    Tcg,
}

/// Whether QEMU can start a machine with KVM here; asked once in a process.
///
/// Opening `/dev/kvm`, and even creating a machine through it, succeeds on some nested hosts where no guest can start,
/// so this starts a QEMU with the processor that would be used, and lets it quit before it executes anything.
pub(crate) fn kvm_is_usable() -> bool {
    static USABLE: OnceLock<bool> = OnceLock::new();
    *USABLE.get_or_init(|| {
        let device = OpenOptions::new().read(true).write(true).open("/dev/kvm");
        device.is_ok() && kvm_machine_starts().unwrap_or(false)
    })
}

fn kvm_machine_starts() -> Option<bool> {
    let mut command = Command::new(process::find(process::QEMU).ok()?);
    command
        .args([
            "-nodefaults",
            "-no-user-config",
            "-S",
            "-display",
            "none",
            "-machine",
            "q35",
        ])
        .args(["-accel", "kvm", "-cpu", "host", "-qmp", "stdio"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    process::die_with_this_thread(&mut command);
    let mut child = command.spawn().ok()?;
    let asked = child.stdin.take().map(|mut stdin| {
        stdin.write_all(b"{\"execute\":\"qmp_capabilities\"}\n{\"execute\":\"quit\"}\n")?;
        stdin.flush()?;
        Ok::<_, std::io::Error>(stdin)
    });
    let status = child.wait().ok()?;
    drop(asked);
    Some(status.success())
}
