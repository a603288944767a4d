//! What can go wrong, in words for the person who reads a failed test or runs a machine.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

/// The result of this crate's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Every failure of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A host program is missing.
    #[error("{program} is not installed: run `apt install {package}`")]
    MissingProgram {
        /// The program looked for.
        program: &'static str,
        /// The Debian package that has it.
        package: &'static str,
    },
    /// There is no UEFI firmware on this host.
    #[error("no UEFI firmware found (looked for {looked_for}): run `apt install ovmf`")]
    MissingFirmware {
        /// The files looked for.
        looked_for: String,
    },
    /// A host program failed.
    #[error("`{command}` failed ({status}): {output}")]
    Command {
        /// The command with its arguments.
        command: String,
        /// How it ended.
        status: ExitStatus,
        /// The end of what it wrote.
        output: String,
    },
    /// An operation on a file, socket or terminal failed.
    #[error("{doing}: {source}")]
    Io {
        /// What was being done, and to which path.
        doing: String,
        /// The system's reason.
        source: io::Error,
    },
    /// The guest did not do in time what was waited for.
    #[error("machine {machine}: waited {} for {what}, in vain{tail}", seconds(waited))]
    TimedOut {
        /// The machine's name.
        machine: String,
        /// What was waited for.
        what: String,
        /// How long.
        waited: Duration,
        /// The last output of the machine.
        tail: Tail,
    },
    /// QEMU ended while something was waited for.
    #[error(
        "machine {machine}: QEMU ended ({status}) after {}, while waiting for {what}{tail}",
        seconds(waited)
    )]
    Exited {
        /// The machine's name.
        machine: String,
        /// What was waited for.
        what: String,
        /// How QEMU ended.
        status: ExitStatus,
        /// How long was waited before it ended.
        waited: Duration,
        /// The last output of the machine.
        tail: Tail,
    },
    /// The deadline of the whole machine passed, so it was killed.
    #[error(
        "machine {machine}: killed because its deadline of {} passed, while waiting for {what}{tail}",
        seconds(deadline)
    )]
    Deadline {
        /// The machine's name.
        machine: String,
        /// What was waited for.
        what: String,
        /// The deadline, counted from the start of the machine.
        deadline: Duration,
        /// The last output of the machine.
        tail: Tail,
    },
    /// QEMU refused a QMP command.
    #[error("machine {machine}: QMP command {command} failed: {description}")]
    Qmp {
        /// The machine's name.
        machine: String,
        /// The command.
        command: String,
        /// QEMU's reason.
        description: String,
    },
    /// A guest port was asked for that the machine does not forward.
    #[error(
        "machine {machine}: guest port {port} is not forwarded; add `.forward(Forward::tcp({port}))` to its network"
    )]
    NotForwarded {
        /// The machine's name.
        machine: String,
        /// The guest's port.
        port: u16,
    },
    /// A regular expression does not parse.
    #[error("bad pattern: {0}")]
    Pattern(#[from] regex::Error),
    /// No FAT file system was found in an image.
    #[error("{image}: no FAT partition ({found})", image = image.display())]
    NoFat {
        /// The image looked into.
        image: PathBuf,
        /// What is there instead.
        found: String,
    },
    /// A FAT file system was checked and found wanting.
    #[error("{image}: fsck.fat -n has something to say about the FAT partition:\n{output}", image = image.display())]
    UncleanFat {
        /// The image checked.
        image: PathBuf,
        /// What `fsck.fat -n` wrote.
        output: String,
    },
}

impl Error {
    pub(crate) fn io(doing: impl Into<String>) -> impl FnOnce(io::Error) -> Error {
        let doing = doing.into();
        move |source| Error::Io { doing, source }
    }

    pub(crate) fn errno(doing: impl Into<String>) -> impl FnOnce(nix::errno::Errno) -> Error {
        let doing = doing.into();
        move |errno| Error::Io {
            doing,
            source: errno.into(),
        }
    }
}

fn seconds(duration: &Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

/// The last lines that a machine and its QEMU wrote, for an error message.
#[derive(Debug, Clone)]
pub struct Tail(String);

impl Tail {
    const LINES: usize = 40;

    pub(crate) fn new(serial: &str, stderr: &str, log: Option<&Path>) -> Tail {
        let mut tail = String::new();
        if !stderr.is_empty() {
            tail += &format!(
                "\n--- QEMU says ---\n{}",
                last_lines(stderr.trim_end(), Self::LINES)
            );
        }
        tail += &match last_lines(serial.trim_end(), Self::LINES) {
            "" => "\n--- nothing came from the serial console ---".to_owned(),
            lines => format!("\n--- last lines of the serial console ---\n{lines}\n---"),
        };
        if let Some(path) = log {
            tail += &format!("\nthe whole log: {}", path.display());
        }
        Tail(tail)
    }
}

impl fmt::Display for Tail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The last `count` lines of `text`.
pub(crate) fn last_lines(text: &str, count: usize) -> &str {
    let body = text.strip_suffix('\n').unwrap_or(text);
    match body.rmatch_indices('\n').nth(count - 1) {
        Some((newline, _)) => &text[newline + 1..],
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_text_is_whole_lines() {
        assert_eq!(last_lines("a\nb\nc\n", 2), "b\nc\n");
        assert_eq!(last_lines("a\nb\nc", 2), "b\nc");
        assert_eq!(last_lines("a", 2), "a");
        assert_eq!(last_lines("", 2), "");
    }
}
