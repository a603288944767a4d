//! The builder inside namespaces of its own.
//!
//! Building a system needs root's powers over a tree, mounts, and other people's scripts. All of it happens in a child
//! that has its own mount and process namespaces, and, for an ordinary user, a user namespace in which it is root.
//! When the child ends, however it ends, the kernel takes its mounts and kills its processes; the parent removes the
//! working folder. So nothing is left behind by an error, a full disk or Ctrl-C.

use std::ffi::OsString;
use std::fs;
use std::io::{self, IsTerminal, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::{Context, Result, bail};
use nix::sys::stat::{Mode, umask};
use nix::unistd::{Uid, sethostname};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::command;

/// Exit status of a program that Ctrl-C ended, as shells count it.
pub const INTERRUPTED: u8 = 130;

/// What stands for Ctrl-C and the like.
const SIGNALS: [i32; 4] = [SIGINT, SIGTERM, SIGHUP, SIGQUIT];
/// What scripts take for the name of this machine.
const HOST_NAME: &str = "genpack";

/// Keeps Ctrl-C and the like from ending the program, from now on; [`run`] takes them.
pub fn catch_signals() -> Result<Signals> {
    Signals::new(SIGNALS).context("preparing for Ctrl-C")
}

/// Returns what such a signal sets, from now on, also while nobody runs anything in a sandbox.
pub fn interruption() -> Result<Arc<AtomicBool>> {
    let flag = Arc::new(AtomicBool::new(false));
    for signal in SIGNALS {
        signal_hook::flag::register(signal, flag.clone()).context("preparing for Ctrl-C")?;
    }
    Ok(flag)
}

/// How what ran inside the sandbox ended.
#[derive(Debug, PartialEq)]
pub enum Ended {
    /// By itself, with this exit status.
    Itself(ExitCode),
    /// By Ctrl-C or the like.
    Interrupted,
}

/// Tells the developer that Ctrl-C or the like has ended something, and what that means; returns the exit status.
pub fn interrupted(meaning: &str) -> ExitCode {
    // A terminal still shows the stage that was under way.
    let line = if io::stderr().is_terminal() {
        "\r\x1b[2K"
    } else {
        ""
    };
    // The same Ctrl-C may have ended who reads this.
    let _ = writeln!(io::stderr(), "{line}genpack: interrupted; {meaning}");
    ExitCode::from(INTERRUPTED)
}

/// Runs this program again inside the sandbox with `arguments`, followed by the path of a working folder that is gone
/// afterwards. Returns how the child ended, once no process of the sandbox is left.
///
/// The child's standard input is a pipe to which nothing is written: when it closes, because of a signal or because
/// this process is no more, [`begin`] has seen to it that everything ends.
pub fn run(arguments: &[OsString], work_parent: &Path, mut signals: Signals) -> Result<Ended> {
    if !Uid::effective().is_root() {
        check_subordinate_ids()?;
    }
    command::run(unshare().arg("true")).context(
        "this machine does not let the build make namespaces: a container needs --privileged, and without root the \
         kernel must allow user namespaces (see sysctl user.max_user_namespaces)",
    )?;
    let work = WorkDir::make(work_parent)?;
    let program = std::env::current_exe().context("finding this program")?;
    let mut command = unshare();
    command.arg(program).args(arguments).arg(work.path());
    // What is made must not depend on who makes it: tar, mke2fs and others have options in the environment, too.
    command
        .env_clear()
        .envs(std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(is_kept)))
        .env("PATH", command::search_path())
        .env("LC_ALL", "C.UTF-8")
        .env("TZ", "UTC");
    // mmdebstrap and others put large temporary trees there.
    command.env("TMPDIR", work.path());
    command.stdin(Stdio::piped());
    let mut child = command.spawn().context("starting unshare (package util-linux)")?;
    let lease = child.stdin.take();
    let watcher = signals.handle();
    let (status, interrupted) = std::thread::scope(|scope| {
        let waiting = scope.spawn(move || {
            let interrupted = signals.forever().next().is_some();
            drop(lease);
            interrupted
        });
        let status = child.wait();
        watcher.close();
        (status, waiting.join().unwrap_or(false))
    });
    let status = status.context("waiting for the build")?;
    drop(work);
    if interrupted {
        return Ok(Ended::Interrupted);
    }
    match status.code() {
        Some(code) => Ok(Ended::Itself(ExitCode::from(u8::try_from(code).unwrap_or(1)))),
        None => bail!(
            "the build was killed by signal {}",
            status.signal().unwrap_or_default()
        ),
    }
}

/// Whether a variable of the environment holds inside the sandbox.
fn is_kept(name: &str) -> bool {
    // Where programs and the cache are, what is asked of genpack, and how it looks.
    const NAMES: [&str; 8] = [
        "APT_CONFIG",
        "HOME",
        "NO_COLOR",
        "PATH",
        "RUST_BACKTRACE",
        "SOURCE_DATE_EPOCH",
        "TERM",
        "XDG_CACHE_HOME",
    ];
    // How programs are loaded on this host (ld.so(8)), and with which clock (faketime(1)).
    const BEGINNINGS: [&str; 4] = ["GENPACK_", "LD_", "FAKETIME", "NO_FAKE_STAT"];
    NAMES.contains(&name)
        || BEGINNINGS.iter().any(|beginning| name.starts_with(beginning))
        || name.to_ascii_lowercase().ends_with("_proxy")
}

/// Makes the sandbox the same for everybody, and ends it with its parent. To be called first thing inside.
pub fn begin() {
    // Files that programs make have the modes that they have everywhere.
    umask(Mode::from_bits_truncate(0o022));
    if let Err(errno) = sethostname(HOST_NAME) {
        eprintln!("genpack: scripts see this machine's host name: {errno}");
    }
    end_with_parent();
}

/// Ends this process, and so, as it is the first of its process namespace, all others in there, as soon as standard
/// input closes. A signal on the parent's death would not do: the kernel forgets it when a user namespace is made.
fn end_with_parent() {
    std::thread::spawn(|| {
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
        std::process::exit(i32::from(INTERRUPTED));
    });
}

fn unshare() -> Command {
    let mut command = Command::new("unshare");
    command.args([
        "--mount",
        "--uts",
        "--pid",
        "--fork",
        "--kill-child",
        "--mount-proc",
    ]);
    if !Uid::effective().is_root() {
        command.args(["--user", "--map-auto", "--map-root-user"]);
    }
    command.env("PATH", command::search_path());
    // A group of its own: what a terminal sends when someone presses Ctrl-C reaches only us.
    command.process_group(0);
    command
}

/// An ordinary user's namespace needs a range of user numbers (subuid(5)).
fn check_subordinate_ids() -> Result<()> {
    let uid = Uid::current();
    let name = nix::unistd::User::from_uid(uid)
        .ok()
        .flatten()
        .map_or(uid.to_string(), |user| user.name);
    let files =
        ["/etc/subuid", "/etc/subgid"].map(|file| (file, fs::read_to_string(file).unwrap_or_default()));
    for (file, text) in &files {
        let has_range = text.lines().any(|line| {
            let owner = line.split(':').next().unwrap_or_default();
            owner == name || owner == uid.to_string()
        });
        if !has_range {
            let first = first_free_id(files.iter().flat_map(|(_, text)| text.lines()));
            let range = format!("{first}-{}", first + 65535);
            bail!(
                "building without root needs a range of user numbers for {name} in {file}; \
                 add one with: sudo usermod --add-subuids {range} --add-subgids {range} {name}"
            );
        }
    }
    Ok(())
}

/// Returns the first number after the ranges in `lines` of subuid(5). Who shares numbers shares files.
fn first_free_id<'a>(lines: impl Iterator<Item = &'a str>) -> u64 {
    let end = |line: &str| {
        let mut fields = line
            .split(':')
            .skip(1)
            .map_while(|field| field.trim().parse::<u64>().ok());
        Some(fields.next()? + fields.next()?)
    };
    lines.filter_map(end).fold(100_000, u64::max)
}

/// The working folder; removed when dropped.
struct WorkDir {
    path: PathBuf,
}

impl WorkDir {
    fn make(parent: &Path) -> Result<WorkDir> {
        let parent = std::path::absolute(parent)?;
        if !parent.is_dir() {
            bail!("there is no folder {}, which TMPDIR names", parent.display());
        }
        let dir = tempfile::Builder::new()
            .prefix("genpack-")
            .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755))
            .tempdir_in(&parent)
            .map_err(|error| io::Error::from(error.kind()))
            .with_context(|| {
                format!(
                    "no working folder can be made in {}; TMPDIR names another place",
                    parent.display()
                )
            })?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_of_programs_stay_outside() {
        for name in ["PATH", "GENPACK_MIRROR", "https_proxy", "NO_PROXY", "LD_PRELOAD"] {
            assert!(is_kept(name), "{name}");
        }
        for name in [
            "TAR_OPTIONS",
            "MKE2FS_CONFIG",
            "LANGUAGE",
            "POSIXLY_CORRECT",
            "PROXY",
        ] {
            assert!(!is_kept(name), "{name}");
        }
    }

    #[test]
    fn a_new_range_begins_after_all_others() {
        let lines = [
            "a:100000:65536",
            "b:231072:65536",
            "c:165536:65536",
            "rubbish",
            "",
        ];
        assert_eq!(first_free_id(lines.into_iter()), 296_608);
        assert_eq!(first_free_id([].into_iter()), 100_000);
    }
}
