//! The threads around one QEMU process: one owns it, one enforces the deadline, three read what it writes.

use crate::error::{Error, Result};
use crate::process;
use crate::qmp;
use crate::shared::{Shared, State, Step};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// How many streams of QEMU are read: serial, QMP, standard error.
const STREAMS: usize = 3;

/// The threads of a running QEMU; they end by themselves when it has ended.
pub(crate) struct Supervisor {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

impl Supervisor {
    /// Runs `command`, whose end of `serial` and `qmp` are in it already, and watches it.
    pub(crate) fn spawn(
        mut command: Command,
        shared: &Arc<Shared>,
        serial: UnixStream,
        qmp: UnixStream,
        log: Option<File>,
    ) -> Result<Supervisor> {
        let mut supervisor = Supervisor {
            shared: Arc::clone(shared),
            threads: Vec::new(),
        };
        let (spawned, result) = mpsc::channel();
        command.stderr(Stdio::piped());
        process::die_with_this_thread(&mut command);
        supervisor.thread("owner", move |shared| own(command, shared, &spawned))?;
        let stderr = result
            .recv()
            .unwrap_or_else(|gone| Err(std::io::Error::other(gone)));
        let stderr = stderr.map_err(Error::io(format!("starting {}", process::QEMU)))?;
        supervisor.thread("serial", move |shared| read_serial(serial, log, shared))?;
        supervisor.thread("qmp", move |shared| qmp::read(qmp, shared))?;
        supervisor.thread("stderr", move |shared| read_stderr(stderr, shared))?;
        if let Some(deadline) = shared.deadline {
            supervisor.thread("deadline", move |shared| enforce(deadline, shared))?;
        }
        Ok(supervisor)
    }

    fn thread(&mut self, role: &str, body: impl FnOnce(&Shared) + Send + 'static) -> Result<()> {
        let shared = Arc::clone(&self.shared);
        let builder = thread::Builder::new().name(format!("qemu {role}"));
        let thread = builder
            .spawn(move || body(&shared))
            .map_err(Error::io(format!("starting QEMU's {role} thread")))?;
        self.threads.push(thread);
        Ok(())
    }
}

impl Drop for Supervisor {
    /// Kills QEMU if it still runs and returns when it is gone.
    fn drop(&mut self) {
        self.shared.lock().kill();
        for thread in self.threads.drain(..) {
            // A panic in one of them has been printed, and must not become a second one here.
            let _ = thread.join();
        }
    }
}

/// Starts the process and waits for its end. This thread lives as long as the process does, as
/// [`process::die_with_this_thread`] asks for, whichever thread the machine is used from.
fn own(mut command: Command, shared: &Shared, spawned: &mpsc::Sender<std::io::Result<ChildStderr>>) {
    let child = command.spawn();
    // With the command go our copies of QEMU's ends of the sockets, so that they end with it.
    drop(command);
    match child {
        Ok(mut child) => {
            let pid = Pid::from_raw(child.id().cast_signed());
            let stderr = child
                .stderr
                .take()
                .ok_or_else(|| std::io::Error::other("no pipe for its messages"));
            shared.update(|state| {
                state.pid = Some(pid);
                state.open_streams = STREAMS;
            });
            let _ = spawned.send(stderr);
            await_end(pid);
            shared.update(|state| reap(state, &mut child));
        }
        Err(error) => drop(spawned.send(Err(error))),
    }
}

/// Waits for the end of the process but leaves it a zombie, so that its id cannot go to another process while someone
/// is about to kill it; see [`State::kill`].
fn await_end(pid: Pid) {
    let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT;
    while waitid(Id::Pid(pid), flags) == Err(nix::errno::Errno::EINTR) {}
}

fn reap(state: &mut State, child: &mut Child) {
    state.pid = None;
    state.status = child.wait().ok();
}

fn enforce(deadline: Duration, shared: &Shared) {
    let ended = shared.wait("the end of QEMU", deadline, |state| match state.status {
        Some(_) => Step::Done(()),
        None => Step::Wait,
    });
    if let Err(Error::TimedOut { .. }) = ended {
        shared.update(|state| {
            state.deadline_passed = state.pid.is_some();
            state.kill();
        });
    }
}

fn read_serial(mut stream: UnixStream, mut log: Option<File>, shared: &Shared) {
    let mut piece = [0; 4096];
    while let Ok(count @ 1..) = stream.read(&mut piece) {
        let written = log.as_mut().map_or(Ok(()), |log| log.write_all(&piece[..count]));
        if written.is_err() {
            log = None;
        }
        shared.update(|state| {
            state.serial.push(&piece[..count]);
            if let Err(error) = written {
                state
                    .stderr
                    .push_str(&format!("(the serial log is not complete: {error})\n"));
            }
        });
    }
    shared.update(|state| state.open_streams -= 1);
}

fn read_stderr(stderr: ChildStderr, shared: &Shared) {
    let mut stderr = BufReader::new(stderr);
    let mut line = Vec::new();
    while let Ok(1..) = stderr.read_until(b'\n', &mut line) {
        shared.update(|state| state.stderr.push_str(&String::from_utf8_lossy(&line)));
        line.clear();
    }
    shared.update(|state| state.open_streams -= 1);
}
