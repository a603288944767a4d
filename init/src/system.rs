//! Step 5, the slot's system image, and the overlay over it.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use anyhow::Context;
use genpack_spec::cmdline::Slot;
use genpack_spec::image::{self, ImageInfo, SUPERBLOCK_BYTES};
use genpack_spec::layout;
use genpack_spec::layout::card::{SYSTEM_IMG, slot_dir};
use genpack_spec::status::BootFailure;
use genpack_spec::text;
use genpack_spec::text::Text;
use nix::mount::MsFlags;

use crate::failure::during;
use crate::loop_device::LoopDevice;
use crate::mounts::mount;

/// Where the new root is put together. In the initramfs only, so no other part knows it.
pub const NEW_ROOT: &str = "/sysroot";

/// Step 5: checks that the slot's `system.img` is whole and mounts it read-only.
pub fn mount_image(slot: Slot) -> Result<(), BootFailure> {
    let path = Path::new(layout::BOOT_MOUNT)
        .join(slot_dir(slot))
        .join(SYSTEM_IMG);
    if !path.exists() {
        return Err(BootFailure::SystemMissing);
    }
    let (head, length) =
        read_head(&path).map_err(|error| BootFailure::SystemUnusable(Text::verbatim(error)))?;
    image::check_superblock(&head, length).map_err(BootFailure::SystemDamaged)?;
    let device = LoopDevice::attach(&path).map_err(during(text!("preparing the system image")))?;
    let flags = MsFlags::MS_RDONLY | MsFlags::MS_NODEV;
    mount(device.path(), layout::SYSTEM_MOUNT, "squashfs", flags, "")
        .map_err(|error| BootFailure::SystemUnusable(Text::verbatim(error.root_cause())))
}

/// Returns the first bytes of a file and its length.
fn read_head(path: &Path) -> io::Result<(Vec<u8>, u64)> {
    let file = File::open(path)?;
    let length = file.metadata()?.len();
    let mut head = Vec::with_capacity(SUPERBLOCK_BYTES);
    file.take(SUPERBLOCK_BYTES as u64).read_to_end(&mut head)?;
    Ok((head, length))
}

/// Mounts a writable layer in memory over the system image.
pub fn mount_overlay_in_memory() -> Result<(), BootFailure> {
    let doing = || text!("preparing the memory for what is written at run time");
    mount(
        "overlay",
        layout::OVERLAY_MOUNT,
        "tmpfs",
        MsFlags::empty(),
        "mode=0755",
    )
    .map_err(during(doing()))?;
    mount_overlay_in(Path::new(layout::OVERLAY_MOUNT)).map_err(during(doing()))
}

/// Mounts the overlay with its writable layer in `folder`, where an earlier start may have left one.
pub fn mount_overlay_in(folder: &Path) -> anyhow::Result<()> {
    let (upper, work) = (folder.join("upper"), folder.join("work"));
    for folder in [&upper, &work] {
        std::fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    }
    let data = format!(
        "lowerdir={},upperdir={},workdir={}",
        layout::SYSTEM_MOUNT,
        upper.display(),
        work.display()
    );
    mount("genpack", NEW_ROOT, "overlay", MsFlags::empty(), &data)
}

/// Returns what the mounted system image says about itself.
pub fn image_info() -> Result<ImageInfo, BootFailure> {
    let path = Path::new(layout::SYSTEM_MOUNT).join(layout::IMAGE_INFO.trim_start_matches('/'));
    let read = || -> anyhow::Result<ImageInfo> { Ok(serde_json::from_slice(&std::fs::read(&path)?)?) };
    read().map_err(during(text!("reading what the system image says about itself")))
}
