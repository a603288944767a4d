//! Host programs: finding them, running them to their end, and tying one to the life of this process.

use crate::error::{Error, Result, last_lines};
use std::ffi::OsStr;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::{env, io};

pub(crate) const QEMU: &str = "qemu-system-x86_64";
pub(crate) const QEMU_IMG: &str = "qemu-img";
pub(crate) const QEMU_NBD: &str = "qemu-nbd";
pub(crate) const FSCK_FAT: &str = "fsck.fat";

/// The Debian package that brings a program we call.
fn package_of(program: &str) -> &'static str {
    match program {
        QEMU => "qemu-system-x86",
        FSCK_FAT => "dosfstools",
        _ => "qemu-utils",
    }
}

/// The full path of `program`, or an error naming its Debian package.
///
/// The `sbin` folders are looked through too, because Debian leaves them out of an ordinary user's `PATH`.
pub(crate) fn find(program: &'static str) -> Result<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .map(|dir| dir.join(program))
        .find(|candidate| candidate.is_file())
        .ok_or(Error::MissingProgram {
            program,
            package: package_of(program),
        })
}

/// Runs `program` to its end without a terminal; its output, whatever the exit status.
pub(crate) fn output<I: AsRef<OsStr>>(
    program: &'static str,
    args: impl IntoIterator<Item = I>,
) -> Result<(String, Output)> {
    let mut command = Command::new(find(program)?);
    command.args(args).stdin(Stdio::null());
    let shown = show(&command);
    let output = command
        .output()
        .map_err(Error::io(format!("running `{shown}`")))?;
    Ok((shown, output))
}

/// Runs `program` to its end; an error unless it succeeds.
pub(crate) fn run<I: AsRef<OsStr>>(program: &'static str, args: impl IntoIterator<Item = I>) -> Result<()> {
    let (command, output) = output(program, args)?;
    if output.status.success() {
        return Ok(());
    }
    Err(failure(command, output))
}

/// The error for a command that ran and failed.
pub(crate) fn failure(command: String, output: Output) -> Error {
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    Error::Command {
        command,
        status: output.status,
        output: last_lines(text.trim_end(), 20).to_owned(),
    }
}

/// A command as a line for messages.
pub(crate) fn show(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words
        .map(|word| word.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ")
}

/// Makes the kernel kill the child when the thread that spawned it ends, and so when this process dies in whatever
/// way (`PR_SET_PDEATHSIG`, prctl(2)). The thread that spawns must therefore live as long as the child may.
#[allow(unsafe_code)]
pub(crate) fn die_with_this_thread(command: &mut Command) {
    let parent = nix::unistd::getpid();
    let in_child = move || {
        nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGKILL)?;
        // The parent may have died before the line above took effect.
        if nix::unistd::getppid() != parent {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        Ok(())
    };
    // SAFETY: between fork and exec only prctl(2) and getppid(2) are called, which are async-signal-safe, and
    // nothing allocates (an `ErrorKind` and an errno need no memory).
    unsafe { command.pre_exec(in_child) };
}
