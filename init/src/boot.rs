//! The boot, step by step, as `docs/architecture.md` numbers it.

use std::convert::Infallible;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use genpack_card::Card;
use genpack_spec::cmdline::Cmdline;
use genpack_spec::image::ImageInfo;
use genpack_spec::layout;
use genpack_spec::report::{BootReport, Severity};
use genpack_spec::status::BootFailure;
use genpack_spec::text;
use genpack_spec::text::Text;
use genpack_spec::types::{Hostname, TimeZone};
use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_settime};

use crate::boot_partition::{self, BootPartition};
use crate::devices::Devices;
use crate::failure::{during, explain_and_restart, language};
use crate::files::Roots;
use crate::identity::Identity;
use crate::log::{self, Log};
use crate::system::{self, NEW_ROOT};
use crate::{fsck, mounts, plan, settings, switch_root, wired};

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
    log.step("overlay", |_| system::mount_overlay())?;
    let image = system::image_info()?;
    log.step("settings", |log| apply_settings(&image, &cmdline, log))
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

/// Step 7. A single file that can't be written costs that setting, never the boot.
fn apply_settings(image: &ImageInfo, cmdline: &Cmdline, log: &mut Log) -> Result<()> {
    raise_clock(image.epoch);
    let card = Card::at(layout::BOOT_MOUNT);
    let default_hostname = Hostname::default_for(&image.name, wired::first_mac(Path::new("/sys/class/net")));
    let read = settings::read(card.root(), Path::new(layout::SYSTEM_MOUNT), &default_hostname);
    let hostname = read.settings.system.hostname.clone().unwrap_or(default_hostname);
    let identity = Identity::load_or_make(&card, log);

    nix::unistd::sethostname(hostname.as_str()).context("setting the host name")?;
    let roots = Roots {
        system: Path::new(NEW_ROOT),
        run: Path::new("/"),
    };
    for entry in plan::plan(
        &read.settings,
        &hostname,
        &identity.machine_id(),
        &identity.ssh_host_key()?,
    ) {
        if let Err(error) = roots.write(&entry) {
            log.notice(
                Severity::Error,
                text!(
                    "The file {file} could not be written: {reason}.",
                    file = &entry.path,
                    reason = error
                ),
            );
        }
    }
    let report = BootReport {
        image: image.clone(),
        slot: cmdline.slot,
        language: language(&read.settings, image.language),
        hostname,
        timezone: read
            .settings
            .system
            .timezone
            .clone()
            .unwrap_or_else(TimeZone::utc),
        file: read.file,
        diagnostics: read.diagnostics,
        notices: std::mem::take(&mut log.notices),
        timings: log.timings.clone(),
    };
    hand_over(layout::SETTINGS_JSON, &read.settings, &roots)?;
    hand_over(layout::BOOT_REPORT_JSON, &report, &roots)
}

/// Writes JSON for the config agent; for root only, because settings hold secrets.
fn hand_over(path: &str, value: &impl serde::Serialize, roots: &Roots) -> Result<()> {
    let content = serde_json::to_string_pretty(value)?;
    let entry = plan::Entry {
        path: path.into(),
        kind: plan::Kind::File { mode: 0o600, content },
    };
    roots.write(&entry).with_context(|| format!("writing {path}"))
}

/// A machine without a clock battery wakes up in the past; certificates then look as if they were not valid yet.
fn raise_clock(epoch: u64) {
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    let floor = Duration::from_secs(epoch);
    if now < floor
        && let Err(error) = clock_settime(ClockId::CLOCK_REALTIME, TimeSpec::from_duration(floor))
    {
        log::warn(&format!("setting the clock: {error}"));
    }
}
