//! The boot, step by step, as `docs/architecture.md` numbers it.

use std::convert::Infallible;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};

use genpack_spec::cmdline::Cmdline;
use genpack_spec::layout;
use genpack_spec::report::Severity;
use genpack_spec::status::BootFailure;
use genpack_spec::text;
use genpack_spec::text::Text;

use crate::boot_partition::{self, BootPartition};
use crate::devices::Devices;
use crate::failure::{during, explain_and_restart};
use crate::log::{self, Log};
use crate::{configure, fsck, mounts, random, storage, switch_root, system};

/// Boots the machine. Never returns, never lets a panic out: when the boot can't go on, it says why and restarts.
pub fn run() -> ! {
    let mut log = Log::start();
    let failure = match catch_unwind(AssertUnwindSafe(|| steps(&mut log))) {
        Ok(Ok(never)) => match never {},
        Ok(Err(failure)) => failure,
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text
                .or_else(|| panic.downcast_ref::<&str>().copied())
                .unwrap_or("no reason given");
            BootFailure::Other(text!("an internal error: {reason}", reason = text))
        }
    };
    let tried: Vec<Text> = log.notices.into_iter().map(|notice| notice.text).collect();
    explain_and_restart(&failure, &tried)
}

fn steps(log: &mut Log) -> Result<Infallible, BootFailure> {
    log.step("kernel file systems", |_| mounts::kernel_file_systems())
        .map_err(during(text!("mounting /dev and /proc")))?;
    random::collect();
    let text = fs::read_to_string("/proc/cmdline")
        .map_err(|e| during(text!("reading the kernel parameters"))(e.into()))?;
    let cmdline = Cmdline::parse(&text);

    let devices = Devices::open().map_err(during(text!("looking for devices")))?;
    log.step("modules", |_| devices.load_all());
    let partition = log.step("boot partition", |_| {
        boot_partition::find_and_mount(&devices, &cmdline)
    })?;
    log.step("system image", |_| system::mount_image(cmdline.slot))?;
    if partition.fat.dirty {
        log.step("check of the card", |log| check_card(&partition, &cmdline, log))?;
    }
    let image = system::image_info()?;
    // Before the storage, about which they decide.
    let settings = log.step("settings", |log| configure::read(&image, log));
    let upper = log.step("storage", |log| {
        storage::mount_root(
            &devices,
            &partition.device,
            &image,
            settings.storage(),
            &cmdline,
            log,
        )
    })?;
    log.step("files of settings", |log| {
        configure::apply(settings, &image, &cmdline, upper, log)
    })
    .map_err(during(text!("applying the settings")))?;
    switch_root::leave_shutdown_program().unwrap_or_else(|error| log::warn(&format!("{error:#}")));
    log::info(&format!("handing over to the system after {} ms", log.elapsed()));
    switch_root::switch().map_err(during(text!("handing over to the system")))
}

/// Step 4 on a dirty card. The checker comes from the system image, which lies on the card; see [`fsck`].
fn check_card(partition: &BootPartition, cmdline: &Cmdline, log: &mut Log) -> Result<(), BootFailure> {
    if let Err(error) = fsck::stage() {
        log.notice(
            Severity::Warning,
            text!(
                "The card could not be checked: {reason}.",
                reason = format!("{error:#}")
            ),
        );
        return Ok(());
    }
    for target in [layout::SYSTEM_MOUNT, layout::BOOT_MOUNT] {
        mounts::unmount(target).map_err(during(text!("unmounting the card to check it")))?;
    }
    fsck::check(&partition.device, log);
    boot_partition::mount_again(&partition.device)?;
    system::mount_image(cmdline.slot)
}
