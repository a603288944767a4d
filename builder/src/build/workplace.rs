//! Where a build has its trees while it works on them: in memory when there is plenty, since most of the time goes into
//! making and removing many small files.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use nix::mount::{MntFlags, MsFlags, mount, umount2};

use crate::limit::Limit;
use crate::room;

/// Says how much memory trees may take; `0M` keeps them on disk.
const LIMIT_VARIABLE: &str = "GENPACK_MEMORY";
/// Without that variable, this part of the memory that nobody uses.
const SHARE: u64 = 3;
/// Less than this is not worth a beginning.
const LEAST: u64 = 100_000_000;
/// What is left for scripts, which write what they like, where they work in memory.
const FOR_SCRIPTS: u64 = 4_000_000_000;
/// Where the memory is mounted in the working folder.
const MEMORY: &str = "memory";
/// Where a build works that has left the memory.
const AGAIN: &str = "again";

/// The folders of a build under way. All of them are gone after it.
pub struct Workplace {
    disk: PathBuf,
    memory: Option<PathBuf>,
}

impl Workplace {
    /// Returns a workplace with nothing in memory, in the folder `work`.
    pub fn on_disk(work: &Path) -> Workplace {
        Workplace {
            disk: work.to_path_buf(),
            memory: None,
        }
    }

    /// Returns one with trees in memory, as far as the limit and this machine let it; with `user_attributes` only if files in
    /// memory can have attributes of any name. The mount ends with the sandbox.
    ///
    /// # Errors
    /// [`InputError`](crate::blueprint::InputError) when the limit is not a size.
    pub fn in_memory(work: &Path, user_attributes: bool) -> Result<Workplace> {
        let limit = match Limit::from_environment(LIMIT_VARIABLE)? {
            Some(limit) => limit.bytes(),
            None => available_memory().unwrap_or_default() / SHARE,
        };
        let mut workplace = Workplace::on_disk(work);
        if limit >= LEAST {
            let folder = work.join(MEMORY);
            fs::create_dir(&folder).with_context(|| format!("making {}", folder.display()))?;
            let size = format!("size={limit},mode=755");
            let mounted = mount(
                Some("genpack"),
                &folder,
                Some("tmpfs"),
                MsFlags::empty(),
                Some(size.as_str()),
            );
            // Before Linux 6.6 a tmpfs had no user's attributes (xattr(7)).
            let is_enough = !user_attributes || xattr::set(&folder, "user.genpack", b"").is_ok();
            // A machine that does not let us do so has a disk.
            workplace.memory = (mounted.is_ok() && is_enough).then_some(folder);
        }
        Ok(workplace)
    }

    /// Whether trees are in memory.
    pub fn is_in_memory(&self) -> bool {
        self.memory.is_some()
    }

    /// Gives the memory back, with all that is in it, and returns a workplace on disk.
    pub fn leave_memory(self) -> Result<Workplace> {
        if let Some(memory) = &self.memory {
            umount2(memory, MntFlags::MNT_DETACH).context("giving memory back")?;
        }
        let folder = self.disk.join(AGAIN);
        fs::create_dir(&folder).with_context(|| format!("making {}", folder.display()))?;
        Ok(Workplace::on_disk(&folder))
    }

    /// Returns the folder for what takes much room and is written once.
    pub fn files(&self) -> &Path {
        &self.disk
    }

    /// Returns the folder for trees.
    pub fn trees(&self) -> &Path {
        self.memory.as_deref().unwrap_or(&self.disk)
    }

    /// Returns the folder for a tree in which scripts run. They may write more than memory has.
    pub fn scripts(&self) -> &Path {
        match &self.memory {
            Some(memory) if room::left(memory).is_some_and(|left| left >= FOR_SCRIPTS) => memory,
            _ => &self.disk,
        }
    }
}

/// Returns the bytes of memory that could be used now without swapping, for this machine and for the control groups that
/// this process is in, such as those of a container.
fn available_memory() -> Option<u64> {
    let machine = memory_of_machine(&fs::read_to_string("/proc/meminfo").ok()?)?;
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    Some(
        group_folders(&groups)
            .filter_map(|folder| memory_of_group(&folder))
            .fold(machine, u64::min),
    )
}

/// Reads `MemAvailable` of `/proc/meminfo` (proc_meminfo(5)).
fn memory_of_machine(meminfo: &str) -> Option<u64> {
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes << 10)
}

/// Returns the folders of the control groups that `/proc/self/cgroup` names, from the innermost to the root (cgroups(7),
/// version 2).
fn group_folders(groups: &str) -> impl Iterator<Item = PathBuf> {
    let group = groups.lines().find_map(|line| line.strip_prefix("0::/"));
    let ancestors = group.map(|group| Path::new(group).ancestors().map(Path::to_path_buf));
    let folders: Vec<_> = ancestors.into_iter().flatten().collect();
    folders
        .into_iter()
        .map(|group| Path::new("/sys/fs/cgroup").join(group))
}

/// Returns what a control group has left of its limit, if it has one. Kept files that nobody has used lately make place
/// (kernel: `Documentation/admin-guide/cgroup-v2.rst`, "Memory Interface Files").
fn memory_of_group(folder: &Path) -> Option<u64> {
    let read = |file: &str| fs::read_to_string(folder.join(file)).ok();
    let most: u64 = read("memory.max")?.trim().parse().ok()?;
    let current: u64 = read("memory.current")?.trim().parse().ok()?;
    let stat = read("memory.stat").unwrap_or_default();
    let kept = stat.lines().find_map(|line| line.strip_prefix("inactive_file "));
    let kept: u64 = kept.and_then(|kept| kept.parse().ok()).unwrap_or_default();
    Some(most.saturating_sub(current.saturating_sub(kept)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machines_memory_is_what_could_be_used() {
        let text = "MemTotal:       24689604 kB\nMemFree:         1000000 kB\nMemAvailable:   23000000 kB\n";
        assert_eq!(memory_of_machine(text), Some(23_000_000 << 10));
        assert_eq!(memory_of_machine("MemTotal: 1 kB\n"), None);
        assert!(available_memory().is_some());
    }

    #[test]
    fn every_group_above_counts() {
        let folders: Vec<_> = group_folders("1:name=x:/y\n0::/a.slice/b\n").collect();
        let want = [
            "/sys/fs/cgroup/a.slice/b",
            "/sys/fs/cgroup/a.slice",
            "/sys/fs/cgroup/",
        ];
        assert_eq!(folders, want.map(PathBuf::from));
        assert_eq!(group_folders("").count(), 0);
    }

    #[test]
    fn a_group_has_its_limit_less_what_it_needs() {
        let dir = tempfile::tempdir().unwrap();
        let write = |file: &str, text: &str| fs::write(dir.path().join(file), text).unwrap();
        assert_eq!(memory_of_group(dir.path()), None, "the root has no files");
        write("memory.max", "max\n");
        write("memory.current", "900\n");
        assert_eq!(memory_of_group(dir.path()), None, "no limit");
        write("memory.max", "1000\n");
        assert_eq!(memory_of_group(dir.path()), Some(100));
        write("memory.stat", "anon 100\ninactive_file 300\nactive_file 20\n");
        assert_eq!(memory_of_group(dir.path()), Some(400));
        write("memory.current", "2000\n");
        assert_eq!(memory_of_group(dir.path()), Some(0));
    }

    #[test]
    fn without_memory_all_is_on_disk() {
        let place = Workplace::on_disk(Path::new("/work"));
        assert!(!place.is_in_memory());
        for folder in [place.files(), place.trees(), place.scripts()] {
            assert_eq!(folder, Path::new("/work"));
        }
    }
}
