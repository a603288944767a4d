//! Step 8: from the initramfs to the real system.

use std::convert::Infallible;
use std::ffi::CString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, Result, bail};
use genpack_spec::layout;
use nix::mount::MsFlags;

use crate::system::NEW_ROOT;

/// Programs that may be the system's own PID 1.
const SYSTEM_INIT: [&str; 2] = ["/sbin/init", "/lib/systemd/systemd"];

/// Leaves a copy of this program for the shutdown.
pub fn leave_shutdown_program() -> Result<()> {
    fs::copy("/init", layout::SHUTDOWN_PROGRAM).context("copying /init for the shutdown")?;
    fs::set_permissions(layout::SHUTDOWN_PROGRAM, fs::Permissions::from_mode(0o755))?;
    Ok(())
}

/// Moves every mount into the new root, frees the initramfs's memory, makes the new root `/`, and becomes its init.
/// Returns only when that failed.
pub fn switch() -> Result<Infallible> {
    for kernel_fs in ["/dev", "/proc", "/sys", "/run"] {
        let target = format!("{NEW_ROOT}{kernel_fs}");
        fs::create_dir_all(&target)?;
        move_mount(kernel_fs, &target)?;
    }
    free_initramfs();
    std::env::set_current_dir(NEW_ROOT).context("entering the new root")?;
    move_mount(".", "/")?;
    nix::unistd::chroot(".").context("changing the root")?;
    std::env::set_current_dir("/").context("entering the new root")?;
    for program in SYSTEM_INIT {
        let path = CString::new(program)?;
        let Err(error) = nix::unistd::execv(&path, &[&path]);
        crate::log::warn(&format!("{program}: {error}"));
    }
    bail!(
        "the system image has no program to start with (neither of {})",
        SYSTEM_INIT.join(", ")
    )
}

fn move_mount(from: &str, to: &str) -> Result<()> {
    nix::mount::mount(Some(from), to, None::<&str>, MsFlags::MS_MOVE, None::<&str>)
        .with_context(|| format!("moving the mount {from} to {to}"))
}

/// The initramfs stays in memory for as long as it holds files.
fn free_initramfs() {
    let modules = Path::new(layout::INITRAMFS_MODULES_DIR);
    for removed in [fs::remove_dir_all(modules), fs::remove_file("/init")] {
        if let Err(error) = removed {
            // `/dev/kmsg` has moved with `/dev`; the message is lost at worst, and the boot goes on.
            eprintln!("genpack-init: freeing the initramfs: {error}");
        }
    }
}
