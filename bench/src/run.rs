//! Running programs with a time limit, so that whatever happens nothing of them is left.

use std::fs::{self, File};
use std::io::{Read, Seek};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// Lines of a failed program's output that are shown.
const TAIL: usize = 40;

/// How long a program may take to end when it is told to.
const GRACE: Duration = Duration::from_secs(15);

/// Why waiting for a program is over.
enum Event {
    Ended,
    Interrupted,
}

static INTERRUPTED: AtomicBool = AtomicBool::new(false);
/// Who waits for a program.
static WAITING: Mutex<Option<Sender<Event>>> = Mutex::new(None);

/// From now on, signals that end programs end what [`run`] and [`timed`] have started, and these fail. So folders are
/// removed by those that made them.
pub fn end_on_signals() -> Result<()> {
    let mut signals = Signals::new([SIGHUP, SIGINT, SIGTERM]).context("waiting for signals")?;
    thread::spawn(move || {
        for _ in signals.forever() {
            INTERRUPTED.store(true, Ordering::SeqCst);
            if let Some(waiting) = &*WAITING.lock().unwrap_or_else(PoisonError::into_inner) {
                // Nobody listens any more when the program has just ended.
                let _ = waiting.send(Event::Interrupted);
            }
        }
    });
    Ok(())
}

/// Fails if a signal has come that ends programs. For whoever waits for something else than [`run`].
pub fn go_on() -> Result<()> {
    if INTERRUPTED.load(Ordering::SeqCst) {
        bail!("interrupted");
    }
    Ok(())
}

/// Runs a program to its end and returns the seconds that it took. What earlier ones wrote is on the disk by then.
///
/// # Errors
/// When it fails, with the end of what it said; or when it takes longer than `limit`, or a signal came, and all its processes
/// were ended.
pub fn timed(command: &Command, limit: Duration) -> Result<f64> {
    nix::unistd::sync();
    let begun = Instant::now();
    run(command, limit)?;
    Ok(begun.elapsed().as_secs_f64())
}

/// Runs a program to its end, in namespaces of processes and mounts that end with it (unshare(1)).
///
/// # Errors
/// As of [`timed`].
pub fn run(command: &Command, limit: Duration) -> Result<()> {
    let mut said = tempfile::tempfile().context("making a file for what a program says")?;
    let mut child = in_namespaces(command)
        .stdin(Stdio::null())
        .stdout(said.try_clone()?)
        .stderr(said.try_clone()?)
        .spawn()
        .context("starting unshare")?;
    let pid = Pid::from_raw(child.id().try_into()?);

    let (sender, events) = mpsc::channel();
    *WAITING.lock().unwrap_or_else(PoisonError::into_inner) = Some(sender.clone());
    if INTERRUPTED.load(Ordering::SeqCst) {
        let _ = sender.send(Event::Interrupted);
    }
    thread::spawn(move || {
        // The number stays the program's own until the child is waited for below.
        let _ = waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT);
        let _ = sender.send(Event::Ended);
    });
    let event = events.recv_timeout(limit);
    if !matches!(event, Ok(Event::Ended)) {
        end(pid, &events)?;
    }
    let status = child.wait().context("waiting for a program")?;
    *WAITING.lock().unwrap_or_else(PoisonError::into_inner) = None;

    let program = command.get_program().display();
    match event {
        Ok(Event::Interrupted) => bail!("interrupted while {program} ran"),
        Err(RecvTimeoutError::Timeout) => bail!(
            "{program} took longer than {} s and was ended; it said last:\n{}",
            limit.as_secs(),
            tail(&mut said)?
        ),
        _ if !status.success() => bail!("{program}: {status}; it said last:\n{}", tail(&mut said)?),
        _ => Ok(()),
    }
}

/// Returns what a quick program prints.
///
/// # Errors
/// When it fails, with what it said.
pub fn stdout_of(command: &mut Command) -> Result<String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("starting {command:?}"))?;
    if !output.status.success() {
        bail!(
            "{command:?}: {}\n{}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// All that is started in a namespace of processes dies with the first of them, and mounts go with the last process.
fn in_namespaces(command: &Command) -> Command {
    let mut unshare = Command::new("unshare");
    unshare.args(["--mount", "--mount-proc", "--pid", "--fork", "--kill-child", "--"]);
    unshare.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => unshare.env(name, value),
            None => unshare.env_remove(name),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        unshare.current_dir(folder);
    }
    unshare
}

/// Asks the program that `unshare` has started to end, so that it can remove what it made in other folders. If it does not,
/// it is killed with all its processes.
fn end(unshare: Pid, events: &Receiver<Event>) -> Result<()> {
    // proc_pid_task(5)
    let children = fs::read_to_string(format!("/proc/{unshare}/task/{unshare}/children")).unwrap_or_default();
    for child in children.split_whitespace().filter_map(|word| word.parse().ok()) {
        // It may have ended by itself.
        let _ = kill(Pid::from_raw(child), Signal::SIGTERM);
    }
    let by_itself = Instant::now() + GRACE;
    loop {
        match events.recv_timeout(by_itself.saturating_duration_since(Instant::now())) {
            Ok(Event::Ended) => return Ok(()),
            // Somebody is impatient.
            Ok(Event::Interrupted) => {}
            Err(_) => return kill(unshare, Signal::SIGKILL).context("killing a program"),
        }
    }
}

fn tail(said: &mut File) -> Result<String> {
    let mut bytes = Vec::new();
    said.rewind()?;
    said.read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<_> = text.lines().collect();
    Ok(lines[lines.len().saturating_sub(TAIL)..].join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn a_program_that_takes_too_long_is_ended_with_all_that_it_started() {
        let script = "trap 'exit 0' TERM; echo almost; tail -f /dev/null & wait";
        let error = run(&shell(script), Duration::from_secs(1))
            .unwrap_err()
            .to_string();
        assert_eq!(
            error,
            "sh took longer than 1 s and was ended; it said last:\nalmost"
        );
    }

    #[test]
    fn what_a_program_said_last_is_in_the_error() {
        let error = run(&shell("seq 100 >&2; exit 3"), Duration::from_secs(30))
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("sh: exit status: 3; it said last:\n61\n"),
            "{error}"
        );
        assert!(error.ends_with("\n100"), "{error}");
    }
}
