//! Step 1, and the one way in which PID 1 mounts anything.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use genpack_spec::layout;
use nix::mount::MsFlags;

/// Mounts `source` on `target`, which is made when it is not there.
pub fn mount(source: &str, target: &str, fstype: &str, flags: MsFlags, data: &str) -> Result<()> {
    fs::create_dir_all(target).with_context(|| format!("making the folder {target}"))?;
    nix::mount::mount(Some(source), target, Some(fstype), flags, Some(data))
        .with_context(|| format!("mounting {source} ({fstype}) on {target}"))
}

/// Unmounts `target`.
pub fn unmount(target: &str) -> Result<()> {
    nix::mount::umount(target).with_context(|| format!("unmounting {target}"))
}

/// Step 1: the kernel's own file systems, and `/run`, which lives on in the running system.
pub fn kernel_file_systems() -> Result<()> {
    let strict = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount("dev", "/dev", "devtmpfs", MsFlags::MS_NOSUID, "mode=0755")?;
    mount("proc", "/proc", "proc", strict, "")?;
    mount("sys", "/sys", "sysfs", strict, "")?;
    mount(
        "run",
        "/run",
        "tmpfs",
        MsFlags::MS_NOSUID | MsFlags::MS_NODEV,
        "mode=0755,size=20%",
    )?;
    for folder in [layout::RUN_DIR, layout::SHUTDOWN_ROOT] {
        fs::create_dir_all(folder).with_context(|| format!("making the folder {folder}"))?;
    }
    Ok(())
}

/// Whether something is mounted on `target`, by the kernel's own list.
pub fn is_mounted(target: &Path) -> bool {
    let list = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    mount_points(&list).any(|point| Path::new(point) == target)
}

/// Returns the mount points of a `/proc/self/mountinfo`, in its order: the fifth field (proc_pid_mountinfo(5)).
pub fn mount_points(mountinfo: &str) -> impl DoubleEndedIterator<Item = &str> {
    mountinfo.lines().filter_map(|line| line.split(' ').nth(4))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mount_points_are_read_in_order() {
        let text = "22 1 0:20 / /proc rw,nosuid - proc proc rw\n\
                    36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw\n";
        assert_eq!(mount_points(text).collect::<Vec<_>>(), ["/proc", "/mnt2"]);
    }
}
