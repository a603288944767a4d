//! A running machine.

use crate::error::{Error, Result};
use crate::firmware::{Firmware, Ovmf};
use crate::machine::Machine;
use crate::network::{Backend, Protocol};
use crate::pattern::{Match, Pattern};
use crate::process;
use crate::qmp::Qmp;
use crate::shared::{Shared, Step};
use crate::supervisor::Supervisor;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::fmt;
use std::fs::{self, File};
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long output has to pause before a regular expression is taken to match at its end.
const SETTLE: Duration = Duration::from_millis(200);

/// A running machine. Dropping it kills QEMU, as a pulled plug would.
///
/// Every method that waits returns an error as soon as QEMU ends, with the tail of what the machine wrote.
pub struct Vm {
    // First, so that QEMU is gone before the sockets that it talks through are closed.
    _supervisor: Supervisor,
    pub(crate) shared: Arc<Shared>,
    serial: Mutex<UnixStream>,
    qmp: Qmp,
    forwards: Vec<(Protocol, u16, u16)>,
    numbers: AtomicU32,
}

impl fmt::Debug for Vm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vm")
            .field("name", &self.name())
            .field("pid", &self.pid())
            .finish_non_exhaustive()
    }
}

impl Vm {
    pub(crate) fn start(machine: &Machine) -> Result<Vm> {
        let line = machine.command_line()?;
        make_variable_store(machine)?;
        let (log, log_path) = match &machine.log_dir {
            Some(folder) => open_log(folder, &machine.name).map(|(file, path)| (Some(file), Some(path)))?,
            None => (None, None),
        };
        let (serial, serial_of_qemu) = pair()?;
        let (qmp, qmp_of_qemu) = pair()?;
        let mut command = Command::new(process::find(line.program)?);
        // A process group of its own: Ctrl-C at the terminal is for us, and what happens to QEMU then our decision.
        command
            .args(&line.args)
            .stdin(serial_of_qemu)
            .stdout(qmp_of_qemu)
            .process_group(0);
        let shared = Arc::new(Shared::new(&machine.name, log_path, machine.deadline));
        let clone = |stream: &UnixStream| stream.try_clone().map_err(Error::io("duplicating a socket"));
        let supervisor = Supervisor::spawn(command, &shared, clone(&serial)?, clone(&qmp)?, log)?;
        let qmp = Qmp::new(qmp, Arc::clone(&shared));
        let mut vm = Vm {
            shared,
            serial: Mutex::new(serial),
            qmp,
            forwards: Vec::new(),
            numbers: AtomicU32::new(0),
            _supervisor: supervisor,
        };
        vm.qmp.negotiate()?;
        if machine
            .nics
            .iter()
            .any(|nic| matches!(&nic.backend, Backend::User(net) if !net.forwards.is_empty()))
        {
            let table = vm.qmp("human-monitor-command", json!({ "command-line": "info usernet" }))?;
            vm.forwards = forwards(table.as_str().unwrap_or_default());
        }
        Ok(vm)
    }

    /// The machine's name.
    pub fn name(&self) -> &str {
        &self.shared.machine
    }

    /// QEMU's process id, as long as it runs.
    pub fn pid(&self) -> Option<u32> {
        self.shared.lock().pid.map(|pid| pid.as_raw().cast_unsigned())
    }

    /// The file that keeps every byte from the serial port, when [`Machine::log_dir`] was set.
    pub fn log_path(&self) -> Option<&Path> {
        self.shared.log.as_deref()
    }

    /// What came from the serial port since the start, as plain text; of very long output the end.
    pub fn serial_log(&self) -> String {
        self.shared.lock().serial.text()
    }

    /// Waits until the guest writes `pattern` to its serial port, and goes behind it: the next call looks at what
    /// comes after. What was written before this call counts.
    ///
    /// # Errors
    /// When `timeout` passes or QEMU ends before.
    pub fn expect(&self, pattern: impl Into<Pattern>, timeout: Duration) -> Result<Match> {
        let pattern = pattern.into();
        let mut from = None;
        let mut settling = None;
        self.shared
            .wait(&format!("{pattern} on the serial console"), timeout, |state| {
                let ended = state.ended().is_some();
                let serial = &mut state.serial;
                let (text, end) = (serial.text.bytes(), serial.text.end());
                let start = serial.text.index(*from.get_or_insert(serial.cursor));
                let Some(found) = pattern.find(text, start) else {
                    from = Some(serial.text.position(pattern.resume(text, start)));
                    return Step::Wait;
                };
                if !found.settled && !ended {
                    let moment = match settling {
                        Some((at, moment)) if at == end => moment,
                        _ => settling.insert((end, Instant::now() + SETTLE)).1,
                    };
                    if Instant::now() < moment {
                        return Step::Until(moment);
                    }
                }
                serial.cursor = serial.text.position(found.end);
                Step::Done(found.into())
            })
    }

    /// Types `bytes` on the serial console.
    ///
    /// # Errors
    /// When QEMU has ended, or the guest has not read for so long that the way is full.
    pub fn send(&self, bytes: impl AsRef<[u8]>) -> Result<()> {
        let mut serial = self.serial.lock().unwrap_or_else(PoisonError::into_inner);
        serial.write_all(bytes.as_ref()).map_err(Error::io(format!(
            "typing on the console of machine {}",
            self.name()
        )))
    }

    /// Waits until QEMU ends by itself, and says how.
    ///
    /// # Errors
    /// When `timeout` passes before, or the machine was killed by its own deadline.
    pub fn wait_exit(&self, timeout: Duration) -> Result<ExitStatus> {
        self.shared
            .wait("the machine to power off", timeout, |state| match state.ended() {
                Some(status) if !state.deadline_passed => Step::Done(status),
                _ => Step::Wait,
            })
    }

    /// Executes a QMP command, such as `query-block`; what it returns.
    ///
    /// # Errors
    /// When QEMU refuses it or has ended.
    pub fn qmp(&self, command: &str, arguments: Value) -> Result<Value> {
        self.qmp.execute(command, arguments)
    }

    /// Waits for a QMP event of that name, such as `RESET`, and takes it; one from before this call counts.
    ///
    /// # Errors
    /// When `timeout` passes or QEMU ends before.
    pub fn wait_event(&self, name: &str, timeout: Duration) -> Result<Value> {
        self.take_event(&format!("QMP event {name}"), timeout, |event| {
            event["event"] == name
        })
    }

    /// Waits for an event that `wanted` accepts, and takes it; `what` says in messages which one that is.
    pub(crate) fn take_event(
        &self,
        what: &str,
        timeout: Duration,
        wanted: impl Fn(&Value) -> bool,
    ) -> Result<Value> {
        self.shared.wait(what, timeout, |state| {
            let events = &mut state.replies.events;
            match events.iter().position(&wanted) {
                Some(index) => Step::Done(events.remove(index)),
                None => Step::Wait,
            }
        })
    }

    /// Pulls the cable out of the network card of this number, counted from 0, or plugs it in again.
    ///
    /// # Errors
    /// When there is no such card or QEMU has ended.
    pub fn set_cable(&self, nic: usize, plugged: bool) -> Result<()> {
        let link = json!({"name": format!("nic{nic}"), "up": plugged});
        self.qmp("set_link", link).map(drop)
    }

    /// A number that no earlier call returned, for naming what is added while the machine runs.
    pub(crate) fn next_number(&self) -> u32 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }

    /// Presses the reset button.
    ///
    /// # Errors
    /// When QEMU has ended.
    pub fn system_reset(&self) -> Result<()> {
        self.qmp("system_reset", json!({})).map(drop)
    }

    /// Presses the power button (ACPI); a guest that listens shuts down, see [`Vm::wait_exit`].
    ///
    /// # Errors
    /// When QEMU has ended.
    pub fn powerdown(&self) -> Result<()> {
        self.qmp("system_powerdown", json!({})).map(drop)
    }

    /// Ends QEMU in order: its image files are complete, while the guest is stopped where it is.
    ///
    /// # Errors
    /// When QEMU does not end in 30 seconds, or was ended by the machine's deadline.
    pub fn quit(&self) -> Result<()> {
        match self.qmp("quit", json!({})) {
            Ok(_) | Err(Error::Exited { .. }) => self.wait_exit(Duration::from_secs(30)).map(drop),
            Err(error) => Err(error),
        }
    }

    /// Pulls the plug: QEMU is gone when this returns.
    ///
    /// # Errors
    /// When the kernel does not end it in 30 seconds.
    pub fn kill(&self) -> Result<()> {
        self.shared.lock().kill();
        self.shared.wait(
            "QEMU to be killed",
            Duration::from_secs(30),
            |state| match state.ended() {
                Some(_) => Step::Done(()),
                None => Step::Wait,
            },
        )
    }

    /// Saves what the screen shows as a PNG file.
    ///
    /// # Errors
    /// When the file cannot be written or QEMU has ended.
    pub fn screenshot(&self, png: impl AsRef<Path>) -> Result<()> {
        let png = png.as_ref();
        let path = std::path::absolute(png)
            .map_err(Error::io(format!("saving a screenshot as {}", png.display())))?;
        self.qmp("screendump", json!({ "filename": path, "format": "png" }))
            .map(drop)
    }

    /// The port on 127.0.0.1 that leads to the guest's TCP port.
    ///
    /// # Errors
    /// When the machine's description forwards no such port.
    pub fn forwarded_port(&self, guest_port: u16) -> Result<u16> {
        self.forwarded(Protocol::Tcp, guest_port)
    }

    /// The port on 127.0.0.1 that leads to the guest's port of that protocol.
    ///
    /// # Errors
    /// When the machine's description forwards no such port.
    pub fn forwarded(&self, protocol: Protocol, guest_port: u16) -> Result<u16> {
        let mut forwards = self.forwards.iter();
        match forwards.find(|(of, _, to)| (*of, *to) == (protocol, guest_port)) {
            Some((_, from, _)) => Ok(*from),
            None => Err(Error::NotForwarded {
                machine: self.name().to_owned(),
                port: guest_port,
            }),
        }
    }
}

fn pair() -> Result<(UnixStream, OwnedFd)> {
    let (ours, theirs) = UnixStream::pair().map_err(Error::io("making a socket pair for QEMU"))?;
    // A guest that does not read must not hold up whoever types to it.
    ours.set_write_timeout(Some(Duration::from_secs(10)))
        .map_err(Error::io("setting up a socket"))?;
    Ok((ours, theirs.into()))
}

/// Gives a machine that keeps its UEFI variables an empty store at its first start.
fn make_variable_store(machine: &Machine) -> Result<()> {
    if let Firmware::Uefi {
        variables: Some(kept),
    } = &machine.firmware
        && let Some(Ovmf::Split { variables: empty, .. }) = Ovmf::detect()
        && !kept.exists()
    {
        let doing = format!(
            "copying the UEFI variable store {} to {}",
            empty.display(),
            kept.display()
        );
        fs::copy(&empty, kept).map_err(Error::io(doing))?;
    }
    Ok(())
}

/// Opens the log of one start of the machine of that name.
fn open_log(folder: &Path, name: &str) -> Result<(File, PathBuf)> {
    static STARTS: LazyLock<Mutex<HashMap<PathBuf, u32>>> = LazyLock::new(Mutex::default);
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() || "-_.".contains(c) {
            c
        } else {
            '_'
        }
    };
    let stem = folder.join(name.chars().map(plain).collect::<String>());
    let mut starts = STARTS.lock().unwrap_or_else(PoisonError::into_inner);
    let count = starts
        .entry(stem.clone())
        .and_modify(|count| *count += 1)
        .or_insert(1);
    let mut path = stem.into_os_string();
    path.push(if *count == 1 {
        ".log".to_owned()
    } else {
        format!(".{count}.log")
    });
    let path = PathBuf::from(path);
    let doing = format!("creating the serial log {}", path.display());
    let file = fs::create_dir_all(folder)
        .and_then(|()| File::create(&path))
        .map_err(Error::io(doing))?;
    Ok((file, path))
}

/// The forwarded ports in QEMU's `info usernet`: protocol, host port, guest port.
///
/// Only QEMU knows them, as it was asked to bind free ports; there is no QMP command for it.
fn forwards(table: &str) -> Vec<(Protocol, u16, u16)> {
    let row = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let protocol = match *fields.first()? {
            "TCP[HOST_FORWARD]" => Protocol::Tcp,
            "UDP[HOST_FORWARD]" => Protocol::Udp,
            _ => return None,
        };
        Some((
            protocol,
            fields.get(3)?.parse().ok()?,
            fields.get(5)?.parse().ok()?,
        ))
    };
    table.lines().filter_map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_forwards_is_read() {
        let table = "Hub -1 (net0):\r\n  Protocol[State]    FD  Source Address  Port   Dest. Address  Port RecvQ SendQ\r\n  \
            TCP[HOST_FORWARD]  12       127.0.0.1 39365       10.0.2.15    80     0     0\r\n  \
            TCP[ESTABLISHED]   13       127.0.0.1 39365       10.0.2.15    80     0     0\r\n  \
            UDP[HOST_FORWARD]  11       127.0.0.1 60045       10.0.2.15    53     0     0\r\n";
        assert_eq!(
            forwards(table),
            [(Protocol::Tcp, 39365, 80), (Protocol::Udp, 60045, 53)]
        );
    }

    #[test]
    fn every_start_has_its_own_log() {
        let folder = tempfile::tempdir().unwrap();
        let names = ["a/b", "a/b", "c"].map(|name| open_log(folder.path(), name).unwrap().1);
        assert_eq!(
            names,
            ["a_b.log", "a_b.2.log", "c.log"].map(|name| folder.path().join(name))
        );
    }
}
