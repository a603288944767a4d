//! Whether the processor's virtualisation can be used.

use crate::machine::Machine;
use std::fs::OpenOptions;
use std::sync::OnceLock;
use std::time::Duration;

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

/// Whether QEMU can start a machine with KVM here; tried once in a process.
///
/// Opening `/dev/kvm`, and even creating a machine through it, succeeds on some nested hosts where no guest can start,
/// so this starts a QEMU with the processor that would be used, and ends it before it executes anything.
pub(crate) fn kvm_is_usable() -> bool {
    static USABLE: OnceLock<bool> = OnceLock::new();
    *USABLE.get_or_init(|| {
        let device = OpenOptions::new().read(true).write(true).open("/dev/kvm");
        let probe = Machine::new("kvm")
            .acceleration(Acceleration::Kvm)
            .memory_mib(32)
            .extra_args(["-S"]);
        let probe = probe.deadline(Duration::from_secs(10));
        device.is_ok() && probe.start().is_ok_and(|vm| vm.quit().is_ok())
    })
}
