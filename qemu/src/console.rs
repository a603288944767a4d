//! A machine's serial console on the user's terminal.

use crate::error::{Error, Result};
use crate::shared::{Shared, Step};
use crate::vm::Vm;
use nix::libc::{self, c_int};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use nix::sys::termios::{SetArg, Termios, cfmakeraw, tcgetattr, tcsetattr};
use nix::unistd;
use std::io::{self, IsTerminal, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::process::ExitStatus;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// Ctrl-].
const LEAVE: u8 = 0x1d;

/// Undoes what guests and their firmware do to a terminal: attributes, line wrap, cursor, keypad modes.
const RESET: &[u8] = b"\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1l\x1b>\r\n";

/// Why a console session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The user pressed Ctrl-], or the terminal went away; the machine still runs.
    UserLeft,
    /// The machine powered off, or QEMU ended in another way.
    PoweredOff(ExitStatus),
    /// This process was asked to end by that signal; the machine was ended.
    Signal(Signal),
}

impl Vm {
    /// Connects the serial console to standard input and output until the machine ends or the user presses Ctrl-],
    /// beginning with what the machine has written so far.
    ///
    /// A terminal is in raw mode meanwhile, and is as it was when this returns, whatever the reason. When standard
    /// input is no terminal it is not read. SIGINT, SIGTERM and SIGHUP end the machine.
    ///
    /// # Errors
    /// When the terminal cannot be set up or written to, or the machine's own deadline passes.
    pub fn attach_terminal(&self) -> Result<Ended> {
        self.attach(io::stdin().as_fd(), io::stdout())
    }

    /// Like [`Vm::attach_terminal`], with another terminal.
    ///
    /// # Errors
    /// As there.
    pub fn attach(&self, input: BorrowedFd<'_>, mut output: impl Write + Send) -> Result<Ended> {
        let signals = Signals::catch()?;
        let raw_mode = RawMode::enter(input)?;
        let (running, ended) = UnixStream::pair().map_err(Error::io("making a socket pair"))?;
        let leave = AtomicBool::new(false);
        let ended_by = thread::scope(|scope| {
            let printer = scope.spawn(|| {
                // Dropped at the end of this thread, which tells the other one.
                let _running = running;
                print(&self.shared, &leave, &mut output)
            });
            let keyboard = raw_mode.is_some().then_some(input);
            let reason = self.relay(keyboard, &signals, ended.as_fd());
            leave.store(true, Ordering::SeqCst);
            self.shared.update(|_| ());
            let printed = printer
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            printed.and(reason)
        });
        if raw_mode.is_some() {
            // The terminal may be gone, and there is no better place to say so.
            let _ = output.write_all(RESET).and_then(|()| output.flush());
        }
        drop(raw_mode);
        match ended_by? {
            Some(Ended::Signal(signal)) => {
                self.quit().or_else(|_| self.kill())?;
                Ok(Ended::Signal(signal))
            }
            Some(reason) => Ok(reason),
            None => self.wait_exit(Duration::from_secs(10)).map(Ended::PoweredOff),
        }
    }

    /// Sends what is typed to the guest until something ends that; `None` when there is no more output.
    fn relay(
        &self,
        keyboard: Option<BorrowedFd<'_>>,
        signals: &Signals,
        ended: BorrowedFd<'_>,
    ) -> Result<Option<Ended>> {
        let watch = |fd| PollFd::new(fd, PollFlags::POLLIN);
        let mut fds = vec![watch(signals.arrived.as_fd()), watch(ended)];
        fds.extend(keyboard.map(watch));
        loop {
            match poll(&mut fds, PollTimeout::NONE) {
                Err(nix::errno::Errno::EINTR) => continue,
                result => result.map_err(Error::errno("waiting for the terminal"))?,
            };
            let ready = |index: usize| fds.get(index).and_then(PollFd::any).unwrap_or(false);
            if ready(0) {
                return signals.next().map(Ended::Signal).map(Some);
            }
            if ready(1) {
                return Ok(None);
            }
            let Some(keyboard) = keyboard.filter(|_| ready(2)) else {
                continue;
            };
            let mut typed = [0; 256];
            let count = match unistd::read(keyboard, &mut typed) {
                Err(nix::errno::Errno::EINTR) => continue,
                // A terminal that went away reads as EIO.
                Ok(0) | Err(_) => return Ok(Some(Ended::UserLeft)),
                Ok(count) => count,
            };
            let typed = &typed[..count];
            let end = typed.iter().position(|&byte| byte == LEAVE);
            // What the guest does not take is lost, as with a real serial line; leaving must always work.
            let _ = self.send(&typed[..end.unwrap_or(count)]);
            if end.is_some() {
                return Ok(Some(Ended::UserLeft));
            }
        }
    }
}

/// Prints what the guest writes until it ends or `leave` is set.
fn print(shared: &Shared, leave: &AtomicBool, output: &mut impl Write) -> Result<()> {
    let mut printed = 0;
    loop {
        let piece = shared.wait("output", Duration::MAX, |state| {
            let raw = &state.serial.raw;
            let new = &raw.bytes()[raw.index(printed)..];
            if leave.load(Ordering::SeqCst) || (new.is_empty() && state.ended().is_some()) {
                return Step::Done(None);
            }
            printed = raw.end();
            if new.is_empty() {
                Step::Wait
            } else {
                Step::Done(Some(new.to_vec()))
            }
        })?;
        let Some(piece) = piece else { return Ok(()) };
        output
            .write_all(&piece)
            .and_then(|()| output.flush())
            .map_err(Error::io("writing to the terminal"))?;
    }
}

/// Raw mode of a terminal, until dropped.
struct RawMode<'a> {
    terminal: BorrowedFd<'a>,
    before: Termios,
}

impl<'a> RawMode<'a> {
    /// `None` when `fd` is no terminal.
    fn enter(fd: BorrowedFd<'a>) -> Result<Option<RawMode<'a>>> {
        if !fd.is_terminal() {
            return Ok(None);
        }
        let before = tcgetattr(fd).map_err(Error::errno("reading the terminal's settings"))?;
        let mut raw = before.clone();
        cfmakeraw(&mut raw);
        let guard = RawMode { terminal: fd, before };
        tcsetattr(fd, SetArg::TCSANOW, &raw).map_err(Error::errno("setting the terminal to raw mode"))?;
        Ok(Some(guard))
    }
}

impl Drop for RawMode<'_> {
    fn drop(&mut self) {
        // The terminal may be gone; there is nothing to restore then.
        let _ = tcsetattr(self.terminal, SetArg::TCSANOW, &self.before);
    }
}

/// Where the signal handler writes; -1 when nobody listens.
static LISTENER: AtomicI32 = AtomicI32::new(-1);

/// Signals that ask this process to end are received instead, until this is dropped.
struct Signals {
    arrived: UnixStream,
    before: Vec<(Signal, SigAction)>,
    _pipe: UnixStream,
    /// Handlers belong to the whole process, so there is one console at a time.
    _alone: MutexGuard<'static, ()>,
}

impl Signals {
    const CAUGHT: [Signal; 3] = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP];

    fn catch() -> Result<Signals> {
        static ALONE: Mutex<()> = Mutex::new(());
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let (arrived, pipe) = UnixStream::pair().map_err(Error::io("making a socket pair"))?;
        pipe.set_nonblocking(true)
            .map_err(Error::io("setting up a socket"))?;
        LISTENER.store(pipe.as_raw_fd(), Ordering::SeqCst);
        let mut signals = Signals {
            arrived,
            before: Vec::new(),
            _pipe: pipe,
            _alone: alone,
        };
        let handler = SigAction::new(
            SigHandler::Handler(on_signal),
            SaFlags::SA_RESTART,
            SigSet::empty(),
        );
        for signal in Signals::CAUGHT {
            let before = set_action(signal, &handler).map_err(Error::errno(format!("catching {signal}")))?;
            signals.before.push((signal, before));
        }
        Ok(signals)
    }

    /// The signal that arrived.
    fn next(&self) -> Result<Signal> {
        let mut number = [0];
        (&self.arrived)
            .read_exact(&mut number)
            .map_err(Error::io("receiving a signal"))?;
        Signal::try_from(c_int::from(number[0])).map_err(Error::errno("receiving a signal"))
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        for (signal, before) in &self.before {
            // It was accepted once, so it will be again.
            let _ = set_action(*signal, before);
        }
        LISTENER.store(-1, Ordering::SeqCst);
    }
}

#[allow(unsafe_code)]
fn set_action(signal: Signal, action: &SigAction) -> nix::Result<SigAction> {
    // SAFETY: the action is either `on_signal`, which is async-signal-safe, or what was in force before.
    unsafe { sigaction(signal, action) }
}

#[allow(unsafe_code)]
extern "C" fn on_signal(number: c_int) {
    let errno = nix::errno::Errno::last_raw();
    let byte = u8::try_from(number).unwrap_or_default();
    // SAFETY: write(2) is async-signal-safe; the buffer is one live byte; a bad descriptor is an error, not harm.
    unsafe { libc::write(LISTENER.load(Ordering::SeqCst), (&raw const byte).cast(), 1) };
    nix::errno::Errno::set_raw(errno);
}
