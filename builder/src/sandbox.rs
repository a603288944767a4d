//! The builder inside namespaces of its own.
//!
//! Building a system needs root's powers over a tree, mounts, and other people's scripts. All of it happens in a child
//! that has its own mount and process namespaces, and, for an ordinary user, a user namespace in which it is root.
//! When the child ends, however it ends, the kernel takes its mounts and kills its processes; the parent removes the
//! working folder. So nothing is left behind by an error, a full disk or Ctrl-C.

use std::fs;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, Uid};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::command;

/// Exit status of a program that Ctrl-C ended, as shells count it.
const INTERRUPTED: u8 = 130;

/// Runs this program again inside the sandbox with `arguments`, followed by the path of a working folder that is gone
/// afterwards. Returns the child's exit code.
pub fn run(arguments: &[std::ffi::OsString], work_parent: &Path) -> Result<ExitCode> {
    if !Uid::effective().is_root() {
        command::require(&["newuidmap"])?;
        check_subordinate_ids()?;
    }
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).context("preparing for Ctrl-C")?;
    let work = WorkDir::make(work_parent)?;
    let program = std::env::current_exe().context("finding this program")?;
    let mut command = unshare();
    command.arg(program).args(arguments).arg(work.path());
    // mmdebstrap and others put large temporary trees there.
    command.env("TMPDIR", work.path());
    // A group of its own: Ctrl-C reaches only us, and we end everything at once.
    command.process_group(0);
    let mut child = command.spawn().context("starting unshare (package util-linux)")?;
    let watcher = signals.handle();
    let pid = Pid::from_raw(child.id() as i32);
    let interrupted = std::thread::scope(|scope| {
        let waiting = scope.spawn(move || {
            let interrupted = signals.forever().next().is_some();
            if interrupted {
                // --kill-child then kills PID 1 of the namespace, and the kernel everything else in it.
                let _ = kill(pid, Signal::SIGKILL);
            }
            interrupted
        });
        let status = child.wait();
        watcher.close();
        (status, waiting.join().unwrap_or(false))
    });
    let (status, interrupted) = interrupted;
    let status = status.context("waiting for the build")?;
    drop(work);
    if interrupted {
        eprintln!("genpack: interrupted; nothing was written");
        return Ok(ExitCode::from(INTERRUPTED));
    }
    match status.code() {
        Some(code) => Ok(ExitCode::from(u8::try_from(code).unwrap_or(1))),
        None => bail!(
            "the build was killed by signal {}",
            status.signal().unwrap_or_default()
        ),
    }
}

fn unshare() -> Command {
    let mut command = Command::new("unshare");
    command.args(["--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]);
    if !Uid::effective().is_root() {
        command.args(["--user", "--map-auto", "--map-root-user"]);
    }
    // SAFETY: prctl(PR_SET_PDEATHSIG) is a plain system call, allowed between fork and exec.
    #[allow(unsafe_code)]
    unsafe {
        command.pre_exec(|| Ok(nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)?));
    }
    command
}

/// An ordinary user's namespace needs a range of user numbers (subuid(5)).
fn check_subordinate_ids() -> Result<()> {
    let uid = Uid::current();
    let name = nix::unistd::User::from_uid(uid)
        .ok()
        .flatten()
        .map_or(uid.to_string(), |user| user.name);
    for file in ["/etc/subuid", "/etc/subgid"] {
        let text = fs::read_to_string(file).unwrap_or_default();
        let has_range = text.lines().any(|line| {
            let owner = line.split(':').next().unwrap_or_default();
            owner == name || owner == uid.to_string()
        });
        if !has_range {
            bail!(
                "building without root needs a range of user numbers for {name} in {file}; \
                 add one with: sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {name}"
            );
        }
    }
    Ok(())
}

/// The working folder; removed when dropped.
struct WorkDir {
    path: PathBuf,
}

impl WorkDir {
    fn make(parent: &Path) -> Result<WorkDir> {
        let dir = tempfile::Builder::new()
            .prefix("genpack-")
            .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755))
            .tempdir_in(parent)
            .with_context(|| format!("making a working folder in {}", parent.display()))?;
        Ok(WorkDir { path: dir.keep() })
    }

    fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for WorkDir {
    /// Files in it belong to user numbers of the namespace, so an ordinary user removes them from inside one.
    fn drop(&mut self) {
        let removed = if Uid::effective().is_root() {
            fs::remove_dir_all(&self.path).context("")
        } else {
            command::run(unshare().args(["rm", "-rf", "--"]).arg(&self.path)).map(drop)
        };
        if let Err(error) = removed {
            eprintln!("genpack: {} could not be removed: {error:#}", self.path.display());
        }
    }
}
