//! Step 6: what is written at run time goes to memory or, as far as it is to be kept, to the data partition.
//!
//! Nothing here stops the boot. Without a data partition that can be used, the device starts as if nothing were to be
//! kept, and says so.

mod decision;
mod ext4;
mod folders;
mod mbr;
mod partition;
mod reset;
#[cfg(test)]
mod tests;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use genpack_spec::cmdline::Cmdline;
use genpack_spec::image::ImageInfo;
use genpack_spec::layout;
use genpack_spec::layout::data::{OVERLAY_DIR, OVERLAY_IMAGE_JSON};
use genpack_spec::report::Severity;
use genpack_spec::settings::Storage;
use genpack_spec::status::BootFailure;
use genpack_spec::storage::PersistPath;
use genpack_spec::text;
use genpack_spec::text::Text;
use genpack_system_files::files::Roots;
use genpack_system_files::plan;
use nix::mount::MsFlags;

use crate::devices::Devices;
use crate::log::{self, Log};
use crate::{mounts, system};
pub use decision::Upper;
use decision::{Layers, Wanted};
use ext4::Superblock;
use partition::{Disk, Partition};

/// For so long the kernel may take to show a partition that the table has.
const PATIENCE: Duration = Duration::from_secs(5);
/// No file of the data partition is a device or lends rights: what is kept is data. The overlay has its own mount, to
/// which this does not apply.
const FLAGS: MsFlags = MsFlags::MS_NOSUID
    .union(MsFlags::MS_NODEV)
    .union(MsFlags::MS_NOATIME);

/// Mounts the file system that the running system sees as `/`, with all that is kept. Returns where the upper layer lies.
pub fn mount_root(
    devices: &Devices,
    boot_device: &str,
    image: &ImageInfo,
    settings: &Storage,
    cmdline: &Cmdline,
    log: &mut Log,
) -> Result<Upper, BootFailure> {
    let layers = prepare(devices, boot_device, image, settings, cmdline, log);
    let mut upper = layers.upper;
    if upper == Upper::Data
        && let Err(error) = mount_kept_overlay(image)
    {
        cannot_keep(&Text::verbatim(format!("{error:#}")), log);
        upper = Upper::Memory;
    }
    if upper == Upper::Memory {
        system::mount_overlay_in_memory()?;
    }
    for path in &layers.folders {
        keep_folder(path, log);
    }
    Ok(upper)
}

/// Decides what is kept, and has the data partition ready if it is needed.
fn prepare(
    devices: &Devices,
    boot_device: &str,
    image: &ImageInfo,
    settings: &Storage,
    cmdline: &Cmdline,
    log: &mut Log,
) -> Layers {
    let wanted = Wanted::new(image.persist.as_ref(), settings, cmdline.transient);
    if let Some((severity, text)) = &wanted.remark {
        log.notice(*severity, text.clone());
    }
    if !wanted.needs_partition() {
        return wanted.layers(false);
    }
    if let Err(reason) = open(devices, boot_device, log) {
        cannot_keep(&reason, log);
        return wanted.layers(false);
    }
    let data = Path::new(layout::DATA_MOUNT);
    if let Some(word) = &wanted.reset {
        reset_once(data, word, log);
    }
    for cleaned in [reset::delete_discarded(data), folders::remove_incoming(data)] {
        cleaned.unwrap_or_else(|error| log::warn(&format!("cleaning the data partition: {error}")));
    }
    if !wanted.keeps() {
        mounts::unmount(layout::DATA_MOUNT).unwrap_or_else(|error| log::warn(&format!("{error:#}")));
        return wanted.layers(false);
    }
    tell_room(data, log);
    wanted.layers(true)
}

fn cannot_keep(reason: &Text, log: &mut Log) {
    log.notice(
        Severity::Error,
        text!(
            "What is written on this device is lost when it is switched off, and what was kept before can't be reached: \
             {reason}.",
            reason = reason.clone()
        ),
    );
}

/// Finds, enlarges, checks and mounts the data partition.
fn open(devices: &Devices, boot_device: &str, log: &mut Log) -> Result<(), Text> {
    let verbatim = |error: anyhow::Error| Text::verbatim(format!("{error:#}"));
    let disk = Disk::of_partition(boot_device, Path::new("/sys"), Path::new("/dev")).map_err(verbatim)?;
    let Some(disk) = disk else {
        return Err(text!("the card has no data partition"));
    };
    let partition = find(devices, &disk).map_err(verbatim)?;
    if partition.is_some_and(|partition| !partition.read_only)
        && let Err(error) = disk.enlarge_data_partition()
    {
        not_enlarged(&error, log);
    }
    // Its size may be another one now.
    let Some(partition) = disk.data_partition().map_err(verbatim)? else {
        return Err(text!("the card has no data partition"));
    };
    open_partition(&partition, Path::new(layout::DATA_MOUNT), log)
}

/// Waits for the data partition if the table has one.
fn find(devices: &Devices, disk: &Disk) -> anyhow::Result<Option<Partition>> {
    let begun = Instant::now();
    loop {
        let found = disk.data_partition()?;
        if found.is_some() || !disk.has_data_partition()? {
            return Ok(found);
        }
        match PATIENCE.checked_sub(begun.elapsed()) {
            Some(left) if !left.is_zero() => devices.wait(left),
            _ => return Ok(None),
        }
    }
}

/// Mounts the data partition at `target`, and lets its file system grow to the partition's size.
fn open_partition(partition: &Partition, target: &Path, log: &mut Log) -> Result<(), Text> {
    let verbatim = |error: anyhow::Error| Text::verbatim(format!("{error:#}"));
    let superblock = Superblock::read(&partition.device).map_err(|error| verbatim(error.into()))?;
    let Some(superblock) = superblock.filter(|superblock| superblock.label == layout::DATA_LABEL) else {
        return Err(text!(
            "the second partition of the card is not the data partition of this device, or it is damaged"
        ));
    };
    if partition.read_only {
        return Err(text!("the card is write-protected"));
    }
    if superblock.has_errors {
        check(&partition.device, log).map_err(verbatim)?;
    }
    if let Err(error) = mount(&partition.device, target) {
        log::warn(&format!("{error:#}"));
        check(&partition.device, log).map_err(verbatim)?;
        mount(&partition.device, target).map_err(verbatim)?;
    }
    grow(partition, &superblock, target, log);
    // Folders below may be meant for few although those above them are for all.
    fs::set_permissions(target, Permissions::from_mode(0o700)).map_err(Text::verbatim)
}

fn mount(device: &Path, target: &Path) -> anyhow::Result<()> {
    let (device, target) = (device.to_string_lossy(), target.to_string_lossy());
    mounts::mount(&device, &target, layout::DATA_FILE_SYSTEM, FLAGS, "")
}

fn check(device: &Path, log: &mut Log) -> anyhow::Result<()> {
    // It may take minutes.
    log::warn("checking the data partition");
    let folder = Path::new(layout::SYSTEM_MOUNT).join(layout::FSCK_DIR.trim_start_matches('/'));
    ext4::check(&folder, device)?;
    log.notice(
        Severity::Warning,
        text!("The data partition was damaged. It was checked and repaired; something may be lost."),
    );
    Ok(())
}

/// Lets the file system fill its partition. A group of blocks at the end that is too short stays free.
fn grow(partition: &Partition, before: &Superblock, target: &Path, log: &mut Log) {
    if partition.bytes / before.block_size <= before.blocks {
        return;
    }
    let grown = ext4::grow(target, before.block_size, partition.bytes)
        .and_then(|()| Ok(Superblock::read(&partition.device)?.map_or(before.blocks, |after| after.blocks)));
    match grown {
        Ok(blocks) if blocks > before.blocks => log.notice(
            Severity::Note,
            text!(
                "There was more room on the card, so the data partition was enlarged to {size}.",
                size = shown(blocks * before.block_size)
            ),
        ),
        Ok(_) => {}
        Err(error) => not_enlarged(&error, log),
    }
}

fn not_enlarged(error: &anyhow::Error, log: &mut Log) {
    log.notice(
        Severity::Warning,
        text!(
            "There is more room on the card, but the data partition could not be enlarged: {reason}.",
            reason = format!("{error:#}")
        ),
    );
}

fn reset_once(data: &Path, word: &str, log: &mut Log) {
    match reset::reset_once(data, word) {
        Ok(reset::Outcome::Reset) => log.notice(
            Severity::Note,
            text!("Everything that was kept on this device was deleted, because factory_reset has a new word."),
        ),
        Ok(_) => {}
        Err(error) => log.notice(
            Severity::Error,
            text!(
                "What was kept on this device could not be deleted, although factory_reset has a new word: {reason}.",
                reason = error
            ),
        ),
    }
}

/// Tells when hardly anything more can be written.
fn tell_room(data: &Path, log: &mut Log) {
    let Ok(room) = nix::sys::statvfs::statvfs(data) else {
        return;
    };
    if room.blocks_available() * 50 < room.blocks() {
        log.notice(
            Severity::Warning,
            text!(
                "The data partition is full: {free} of {size} are free. What does not fit is lost.",
                free = shown(room.blocks_available() * room.fragment_size()),
                size = shown(room.blocks() * room.fragment_size())
            ),
        );
    }
}

/// Returns a size for people.
fn shown(bytes: u64) -> String {
    let mebibytes = bytes as f64 / f64::from(1 << 20);
    match mebibytes < 1024.0 {
        true => format!("{mebibytes:.0} MiB"),
        false => format!("{:.1} GiB", mebibytes / 1024.0),
    }
}

/// Mounts the overlay with its upper layer on the data partition, and writes down which image uses it: an update may have to
/// know what the files there were written over.
fn mount_kept_overlay(image: &ImageInfo) -> anyhow::Result<()> {
    let data = Path::new(layout::DATA_MOUNT);
    fs::create_dir_all(data.join(OVERLAY_DIR))?;
    system::mount_overlay_in(&data.join(OVERLAY_DIR))?;
    let json = serde_json::to_vec_pretty(image)?;
    let place = data.join(OVERLAY_IMAGE_JSON);
    if fs::read(&place).is_ok_and(|before| before == json) {
        return Ok(());
    }
    let temporary = place.with_extension("new");
    let written = fs::write(&temporary, &json).and_then(|()| fs::rename(&temporary, &place));
    // A full partition must not cost what is on it.
    written.unwrap_or_else(|error| log::warn(&format!("{}: {error}", place.display())));
    Ok(())
}

/// Mounts one kept folder over the system's, and has systemd leave it alone until the end, as the drop-ins of the image do for
/// the other mounts of PID 1.
fn keep_folder(path: &PersistPath, log: &mut Log) {
    let root = Path::new(system::NEW_ROOT);
    let roots = Roots {
        system: root,
        run: Path::new("/"),
    };
    let drop_in = plan::Entry {
        path: format!("/run/systemd/system/{}.mount.d/10-genpack.conf", path.escaped()),
        owner: plan::Owner::default(),
        kind: plan::Kind::File {
            mode: 0o644,
            content: b"[Unit]\nDefaultDependencies=no\n".to_vec(),
        },
    };
    let kept = folders::keep(root, Path::new(layout::DATA_MOUNT), path);
    if let Err(error) = kept.and_then(|()| Ok(roots.make(&drop_in)?)) {
        log.notice(
            Severity::Error,
            text!(
                "What is written to {folder} is lost when the device is switched off: {reason}.",
                folder = path,
                reason = format!("{error:#}")
            ),
        );
    }
}
