//! The one way in which the builder runs other programs.

use std::ffi::OsString;
use std::fmt::Write;
use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::{Pid, getpid};

/// Programs that we call, and files that we read, with the Debian package that brings each.
const PACKAGES: [(&str, &str); 12] = [
    ("/usr/lib/apt/apt-helper", "apt"),
    ("apt-get", "apt"),
    ("apt-cache", "apt"),
    ("chroot", "coreutils"),
    ("dpkg-deb", "dpkg"),
    ("mmdebstrap", "mmdebstrap"),
    ("newuidmap", "uidmap"),
    ("qemu-img", "qemu-utils"),
    ("qemu-system-x86_64", "qemu-system-x86"),
    ("tar", "tar"),
    ("unshare", "util-linux"),
    ("dpkg-query", "dpkg"),
];
/// How many lines of each output of a failed program are shown.
const TAIL_LINES: usize = 15;
/// How often a program that is watched is looked after.
const TICK: Duration = Duration::from_millis(500);

/// Runs a program to its end and returns what it printed.
///
/// # Errors
/// When the program is not installed (names its package), or ends with another status than 0 (shows the command, the
/// status and the last lines of what it said).
pub fn run(command: &mut Command) -> Result<Output> {
    run_as(&shown(command), command)
}

/// Does what [`run`] does; an error calls the program `name`.
pub fn run_as(name: &str, command: &mut Command) -> Result<Output> {
    command.stdin(Stdio::null());
    let output = command.output().map_err(|error| not_started(command, error))?;
    check(name, output)
}

/// Does what [`run_as`] does, and does not wait for what the program has started and left running: as the first process of
/// the sandbox, this one ends all of that, and says so. To be called while nothing else runs.
pub fn run_alone(name: &str, command: &mut Command) -> Result<Output> {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| not_started(command, error))?;
    let (pipes, _) = pipes(&mut child);
    let status = child.wait().context("waiting for a program")?;
    if getpid() == Pid::from_raw(1) {
        let left = left_running();
        // Those that began meanwhile, too. The call never means this process itself (kill(2)).
        let _ = kill(Pid::from_raw(-1), Signal::SIGKILL);
        if !left.is_empty() {
            eprintln!(
                "genpack: warning: {name} has left {} running, which was ended: each command runs by itself",
                left.join(", ")
            );
        }
    }
    let [stdout, stderr] = pipes.map(|pipe| pipe.join().unwrap_or_default());
    let output = Output {
        status,
        stdout,
        stderr,
    };
    check(name, output)
}

/// Returns the names of all other processes that have not ended (proc_pid_stat(5)).
fn left_running() -> Vec<String> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let number = entry.file_name().to_string_lossy().parse::<u32>();
        let stat = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let Some((_, rest)) = stat.split_once('(') else {
            continue;
        };
        let Some((name, fields)) = rest.rsplit_once(')') else {
            continue;
        };
        let has_ended = fields.trim_start().starts_with(['Z', 'X']);
        if number.is_ok_and(|number| number != std::process::id()) && !has_ended {
            names.push(name.to_string());
        }
    }
    names.sort();
    names.dedup();
    names
}

/// Returns what a program printed that has ended well.
///
/// # Errors
/// [`Failed`] when it has not; it is called `name`.
pub fn check(name: &str, output: Output) -> Result<Output> {
    if !output.status.success() {
        bail!(Failed {
            name: name.to_string(),
            status: output.status,
            said: tail(&output),
        });
    }
    Ok(output)
}

/// A program that has ended, and not well.
#[derive(Debug, thiserror::Error)]
#[error("{name} failed ({status}):{said}")]
pub struct Failed {
    name: String,
    /// How it ended.
    pub status: ExitStatus,
    /// The last lines of what it said.
    pub said: String,
}

/// What became of a program that [`watch`] ran.
#[derive(Debug)]
pub struct Watched {
    /// What it printed, and its status.
    pub output: Output,
    /// Whether it was ended because nothing moved any more.
    pub given_up: bool,
}

/// Runs a program, and ends it, together with all that it has started, as soon as `state` has returned the same for
/// `patience`.
///
/// # Errors
/// When it can't be started.
pub fn watch<T: PartialEq>(
    command: &mut Command,
    patience: Duration,
    state: impl Fn() -> T,
) -> Result<Watched> {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    // A group of its own, so that those whom it has started can be ended with it.
    let child = command.process_group(0).spawn();
    let mut child = child.map_err(|error| not_started(command, error))?;
    let group = Pid::from_raw(child.id().cast_signed());
    let (pipes, ended) = pipes(&mut child);
    let mut given_up = false;
    let (mut last, mut since) = (state(), Instant::now());
    while ended.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
        let now = state();
        if now != last {
            (last, since) = (now, Instant::now());
        } else if since.elapsed() >= patience && !given_up {
            given_up = killpg(group, Signal::SIGKILL).is_ok();
        }
    }
    let status = child.wait().context("waiting for a program")?;
    let [stdout, stderr] = pipes.map(|pipe| pipe.join().unwrap_or_default());
    let output = Output {
        status,
        stdout,
        stderr,
    };
    Ok(Watched { output, given_up })
}

/// Reads both outputs of a program to their ends, of which the receiver hears when nobody has either of them any more.
fn pipes(child: &mut Child) -> ([thread::JoinHandle<Vec<u8>>; 2], mpsc::Receiver<()>) {
    let (open, ended) = mpsc::channel();
    let read = |pipe: Option<Box<dyn Read + Send>>| {
        let open = open.clone();
        thread::spawn(move || {
            let mut said = Vec::new();
            // What can't be read was not said.
            let _ = pipe.map(|mut pipe| pipe.read_to_end(&mut said));
            drop(open);
            said
        })
    };
    let handles = [
        read(child.stdout.take().map(|pipe| Box::new(pipe) as _)),
        read(child.stderr.take().map(|pipe| Box::new(pipe) as _)),
    ];
    (handles, ended)
}

/// Runs a program and returns its standard output as text.
///
/// # Errors
/// As [`run`], and when the output is not UTF-8.
pub fn stdout_of(command: &mut Command) -> Result<String> {
    let output = run(command)?;
    String::from_utf8(output.stdout).with_context(|| format!("reading the output of {}", shown(command)))
}

/// Returns whether a failed program or system call said that a disk is full.
pub fn is_disk_full(said: &str) -> bool {
    said.contains("No space left on device")
}

/// Returns the value of `PATH` with which all programs are found: Debian keeps some where an ordinary user's `PATH`
/// does not look.
pub fn search_path() -> OsString {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    // Can't fail: what has been split has no separators.
    std::env::join_paths(folders).unwrap_or(path)
}

/// Fails when one of `programs` is not installed, naming all that are missing with their packages. An absolute path
/// is looked up as it is.
pub fn require(programs: &[&str]) -> Result<()> {
    let path = search_path();
    let folders: Vec<_> = std::env::split_paths(&path).collect();
    let missing: Vec<_> = programs
        .iter()
        .filter(|program| !folders.iter().any(|folder| folder.join(program).is_file()))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let mut packages: Vec<_> = missing.iter().filter_map(|program| package_of(program)).collect();
    packages.sort_unstable();
    packages.dedup();
    let names: Vec<_> = missing.iter().map(|program| **program).collect();
    bail!(
        "not installed here: {}; install with: apt-get install {}",
        names.join(", "),
        packages.join(" ")
    )
}

/// Returns the Debian package that brings a program.
pub fn package_of(program: &str) -> Option<&'static str> {
    PACKAGES
        .iter()
        .find(|(name, _)| *name == program)
        .map(|(_, package)| *package)
}

/// Returns the command as one could type it.
pub fn shown(command: &Command) -> String {
    let mut text = command.get_program().to_string_lossy().into_owned();
    for argument in command.get_args() {
        let argument = argument.to_string_lossy();
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_=./:,+%@".contains(c);
        if !argument.is_empty() && argument.chars().all(plain) {
            let _ = write!(text, " {argument}");
        } else {
            let _ = write!(text, " '{}'", argument.replace('\'', "'\\''"));
        }
    }
    text
}

fn not_started(command: &Command, error: io::Error) -> anyhow::Error {
    let program = command.get_program().to_string_lossy().into_owned();
    match package_of(&program) {
        Some(package) if error.kind() == io::ErrorKind::NotFound => {
            anyhow!("{program} is not installed here; install with: apt-get install {package}")
        }
        _ => anyhow!("{program} can't be started: {error}"),
    }
}

/// Returns the last lines of what a program printed, each on a line of its own. Programs explain themselves on either
/// stream, APT on both.
pub fn tail(output: &Output) -> String {
    let mut text = String::new();
    for said in [&output.stdout, &output.stderr] {
        let said = String::from_utf8_lossy(said);
        let lines: Vec<_> = said.lines().map(str::trim_end).collect();
        let lines = lines.iter().filter(|line| !line.is_empty());
        let skipped = lines.clone().count().saturating_sub(TAIL_LINES);
        for line in lines.skip(skipped) {
            text += "\n    ";
            text += line;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_shows_command_status_and_last_words() {
        let mut command = Command::new("sh");
        command.args(["-c", "for i in $(seq 100); do echo line $i >&2; done; exit 7"]);
        let error = run(&mut command).unwrap_err().to_string();
        assert!(
            error.contains("sh -c 'for i in") && error.contains("exit status: 7"),
            "{error}"
        );
        assert!(
            error.contains("line 100") && !error.contains("line 80\n"),
            "{error}"
        );
    }

    #[test]
    fn a_program_that_does_nothing_any_more_is_ended_with_its_children() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo begun; sleep 600 & sleep 600"]);
        let begun = Instant::now();
        // Reading its output to the end shows that nobody is left who could write to it.
        let watched = watch(&mut command, Duration::from_secs(1), || 0).unwrap();
        assert!(watched.given_up && begun.elapsed() < Duration::from_secs(60));
        assert_eq!(watched.output.stdout, b"begun\n");
    }

    #[test]
    fn a_program_that_goes_on_is_not_ended() {
        let mut command = Command::new("sh");
        command.args(["-c", "sleep 2; echo done; exit 3"]);
        let begun = Instant::now();
        let watched = watch(&mut command, Duration::from_secs(1), || begun.elapsed()).unwrap();
        assert!(!watched.given_up);
        assert_eq!(watched.output.status.code(), Some(3));
        assert_eq!(watched.output.stdout, b"done\n");
    }

    #[test]
    fn a_missing_program_names_its_package() {
        let error = run(&mut Command::new("mmdebstrap-of-nowhere"))
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("mmdebstrap-of-nowhere can't be started"),
            "{error}"
        );
        let error = not_started(&Command::new("tar"), io::ErrorKind::NotFound.into()).to_string();
        assert_eq!(
            error,
            "tar is not installed here; install with: apt-get install tar"
        );
        assert!(require(&["sh", "tar"]).is_ok());
    }
}
