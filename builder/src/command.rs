//! The one way in which the builder runs other programs.

use std::ffi::OsString;
use std::fmt::Write;
use std::io;
use std::process::{Command, Output, Stdio};

use anyhow::{Context, Result, anyhow, bail};

/// Programs that we call, and files that we read, with the Debian package that brings each.
const PACKAGES: [(&str, &str); 16] = [
    ("/usr/lib/grub/i386-pc/moddep.lst", "grub-pc-bin"),
    ("/usr/lib/grub/x86_64-efi/moddep.lst", "grub-efi-amd64-bin"),
    ("apt-get", "apt"),
    ("apt-cache", "apt"),
    ("chroot", "coreutils"),
    ("depmod", "kmod"),
    ("dpkg-deb", "dpkg"),
    ("grub-mkimage", "grub-common"),
    ("mke2fs", "e2fsprogs"),
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

/// Runs a program to its end and returns what it printed.
///
/// # Errors
/// When the program is not installed (names its package), or ends with another status than 0 (shows the command, the
/// status and the last lines of what it said).
pub fn run(command: &mut Command) -> Result<Output> {
    command.stdin(Stdio::null());
    let output = command.output().map_err(|error| not_started(command, error))?;
    if !output.status.success() {
        bail!(failure(command, &output));
    }
    Ok(output)
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

/// Programs explain themselves on either stream, APT on both.
fn failure(command: &Command, output: &Output) -> String {
    let mut text = format!("{} failed ({}):", shown(command), output.status);
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
    fn a_missing_program_names_its_package() {
        let error = run(&mut Command::new("mmdebstrap-of-nowhere"))
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("mmdebstrap-of-nowhere can't be started"),
            "{error}"
        );
        let error = not_started(&Command::new("depmod"), io::ErrorKind::NotFound.into()).to_string();
        assert_eq!(
            error,
            "depmod is not installed here; install with: apt-get install kmod"
        );
        assert!(require(&["sh", "tar"]).is_ok());
    }
}
