//! The last program: systemd starts it in place of itself, with what it could not unmount below `/oldroot`, so that
//! the card ends clean (<https://systemd.io/INITRD_INTERFACE/>).

use std::fs;
use std::path::Path;
use std::time::Duration;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::reboot::{RebootMode, reboot};

use crate::log;
use crate::mounts::mount_points;

/// File systems of the kernel's own, which hold nothing and carry this program.
const KEPT: [&str; 5] = ["/", "/dev", "/proc", "/sys", "/run"];

/// Unmounts everything and does what the verb of systemd-shutdown says: `poweroff`, `reboot`, `halt` or `kexec`.
pub fn run(verb: Option<&str>) -> ! {
    log::info(&format!("shutting down: {}", verb.unwrap_or("poweroff")));
    unmount_all();
    nix::unistd::sync();
    let mode = match verb {
        Some("reboot") => RebootMode::RB_AUTOBOOT,
        Some("halt") => RebootMode::RB_HALT_SYSTEM,
        Some("kexec") => RebootMode::RB_KEXEC,
        _ => RebootMode::RB_POWER_OFF,
    };
    loop {
        let Err(error) = reboot(mode);
        log::warn(&format!("the machine can't be stopped: {error}"));
        std::thread::sleep(Duration::from_secs(10));
    }
}

/// Unmounts in rounds, the newest mount first, until nothing more comes off. What stays is made read-only; the memory
/// that this very program lies in always stays.
pub(crate) fn unmount_all() {
    loop {
        let mounted = mounted();
        let released = mounted
            .iter()
            .filter(|point| umount2(Path::new(point), MntFlags::empty()).is_ok())
            .count();
        if released == 0 {
            for point in mounted {
                log::info(&format!("{point} can't be unmounted"));
                let flags = MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
                if let Err(error) = mount(None::<&str>, Path::new(&point), None::<&str>, flags, None::<&str>)
                {
                    log::warn(&format!("{point} can't be made read-only: {error}"));
                }
            }
            return;
        }
    }
}

/// Returns what is mounted beside [`KEPT`], the newest first.
fn mounted() -> Vec<String> {
    let list = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let ours = |point: &&str| {
        let below_kept = ["/dev/", "/proc/", "/sys/"]
            .iter()
            .any(|parent| point.starts_with(parent));
        !KEPT.contains(point) && !below_kept
    };
    mount_points(&list).rev().filter(ours).map(unescape).collect()
}

/// Undoes the kernel's escaping of blanks in mount points (`\040` and the like, proc_pid_mountinfo(5)).
fn unescape(point: &str) -> String {
    [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")]
        .iter()
        .fold(point.to_string(), |text, (code, character)| {
            text.replace(code, character)
        })
}

#[cfg(test)]
mod tests {
    #[test]
    fn escaped_blanks_are_read() {
        assert_eq!(super::unescape("/mnt/a\\040b"), "/mnt/a b");
    }
}
