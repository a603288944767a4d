//! What the threads around one QEMU know together, and waiting for it to change.

use crate::error::{Error, Result, Tail};
use crate::qmp::Replies;
use crate::serial::Serial;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The state of one QEMU process.
pub(crate) struct Shared {
    pub(crate) machine: String,
    pub(crate) log: Option<PathBuf>,
    pub(crate) deadline: Option<Duration>,
    state: Mutex<State>,
    changed: Condvar,
}

/// What is known at one moment.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) serial: Serial,
    pub(crate) stderr: String,
    pub(crate) replies: Replies,
    /// The process, until it has been reaped: as long as it is here, its id cannot be another process's.
    pub(crate) pid: Option<Pid>,
    pub(crate) status: Option<ExitStatus>,
    /// How many of QEMU's output streams have not ended yet.
    pub(crate) open_streams: usize,
    pub(crate) deadline_passed: bool,
}

impl State {
    /// How QEMU ended, once all that it wrote has been read as well.
    pub(crate) fn ended(&self) -> Option<ExitStatus> {
        self.status.filter(|_| self.open_streams == 0)
    }

    /// Kills QEMU if it still runs.
    pub(crate) fn kill(&self) {
        if let Some(pid) = self.pid {
            // It can only fail when the process has just ended, which is what is wanted.
            let _ = kill(pid, Signal::SIGKILL);
        }
    }
}

/// What a look at the state says to a waiting caller.
pub(crate) enum Step<T> {
    /// The wait is over.
    Done(T),
    /// Look again when something has changed.
    Wait,
    /// Look again when something has changed, or else at that moment.
    Until(Instant),
}

impl Shared {
    pub(crate) fn new(machine: &str, log: Option<PathBuf>, deadline: Option<Duration>) -> Shared {
        let machine = machine.to_owned();
        Shared {
            machine,
            log,
            deadline,
            state: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    /// Looks at or changes the state without telling anyone.
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state and wakes everyone who waits.
    pub(crate) fn update(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    /// Waits until `look` is done; fails when QEMU has ended or `timeout` has passed before.
    pub(crate) fn wait<T>(
        &self,
        what: &str,
        timeout: Duration,
        mut look: impl FnMut(&mut State) -> Step<T>,
    ) -> Result<T> {
        let begin = Instant::now();
        let mut state = self.lock();
        loop {
            let until = match look(&mut state) {
                Step::Done(value) => return Ok(value),
                Step::Wait => None,
                Step::Until(moment) => Some(moment),
            };
            let now = Instant::now();
            let waited = now - begin;
            if let Some(status) = state.ended() {
                return Err(self.ended(&state, what, status, waited));
            }
            if waited >= timeout {
                return Err(self.timed_out(&state, what, waited));
            }
            let patience = until.map_or(Duration::MAX, |moment| moment.saturating_duration_since(now));
            let patience = patience.min(timeout - waited);
            (state, _) = self
                .changed
                .wait_timeout(state, patience)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn ended(&self, state: &State, what: &str, status: ExitStatus, waited: Duration) -> Error {
        let (machine, what, tail) = (self.machine.clone(), what.to_owned(), self.tail(state));
        match self.deadline {
            Some(deadline) if state.deadline_passed => Error::Deadline {
                machine,
                what,
                deadline,
                tail,
            },
            _ => Error::Exited {
                machine,
                what,
                status,
                waited,
                tail,
            },
        }
    }

    /// The error for having waited in vain.
    pub(crate) fn timed_out(&self, state: &State, what: &str, waited: Duration) -> Error {
        let (machine, what) = (self.machine.clone(), what.to_owned());
        Error::TimedOut {
            machine,
            what,
            waited,
            tail: self.tail(state),
        }
    }

    fn tail(&self, state: &State) -> Tail {
        Tail::new(&state.serial.text(), &state.stderr, self.log.as_deref())
    }
}
