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

/// How long the firmware may take under KVM: many times what it takes under TCG on a busy host.
const PATIENCE: Duration = Duration::from_secs(3);

/// Whether QEMU can run a machine with KVM here; tried once in a process.
///
/// Opening `/dev/kvm`, and even creating a machine through it, succeeds on some nested hosts where no guest can start, and on
/// others the kernel emulates each instruction of real mode, so that firmware and boot loader take minutes.
pub(crate) fn kvm_is_usable() -> bool {
    static USABLE: OnceLock<bool> = OnceLock::new();
    *USABLE.get_or_init(|| {
        let device = OpenOptions::new().read(true).write(true).open("/dev/kvm");
        device.is_ok() && runs_firmware(Acceleration::Kvm, PATIENCE)
    })
}

/// Whether SeaBIOS comes, in real mode, to its end in time: a machine without a disk, which then restarts.
fn runs_firmware(acceleration: Acceleration, patience: Duration) -> bool {
    let machine = Machine::new("probe")
        .acceleration(acceleration)
        .memory_mib(32)
        .no_reboot()
        .extra_args(["-boot", "reboot-timeout=0"]);
    let ended = machine.start().and_then(|vm| vm.wait_exit(patience));
    ended.is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_firmware_of_the_probe_comes_to_its_end() {
        assert!(runs_firmware(Acceleration::Tcg, Duration::from_secs(60)));
    }
}
