//! From the kernel's start to systemd, by the kernel's own clock.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use genpack_qemu::{Acceleration, Disk, Firmware, Machine, Overlay, Pattern};

use crate::systems::Parts;

const DEADLINE: Duration = Duration::from_secs(180);

/// One boot, in seconds.
#[derive(Debug, Clone, Copy)]
pub struct Boot {
    /// From the kernel's start to the first program of the initramfs.
    pub kernel: f64,
    /// From there to systemd in the real system.
    pub init: f64,
}

/// Boots once, on a copy of the disk.
pub fn measure(parts: &Parts) -> Result<Boot> {
    let overlay = Overlay::create(&parts.disk)?;
    let cmdline = format!(
        "{} console=ttyS0 loglevel=7 printk.time=1 net.ifnames=0",
        parts.cmdline
    );
    let firmware = Firmware::Direct {
        kernel: parts.kernel.clone(),
        initrd: Some(parts.initrd.clone()),
        cmdline,
    };
    let vm = Machine::new("bench")
        .acceleration(Acceleration::Tcg)
        .firmware(firmware)
        .disk(Disk::detect(overlay.as_ref() as &Path)?)
        .deadline(DEADLINE)
        .start()?;
    let at = |pattern: &str| -> Result<f64> {
        let found = vm.expect(Pattern::regex(pattern)?, DEADLINE)?;
        let seconds = found.group(1).context("the kernel's log has no times")?;
        Ok(seconds.trim().parse()?)
    };
    let kernel = at(r"\[ *([0-9.]+)\] Run /init as init process")?;
    let systemd = at(r"\[ *([0-9.]+)\] systemd\[1\]: systemd .* running in system mode")?;
    Ok(Boot {
        kernel,
        init: systemd - kernel,
    })
}
