//! The agent's own tests, packed for a guest.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use genpack_qemu::{Disk, Format};

use crate::image::scratch;

/// Builds a test target of the agent and returns a disk with the program in its root, under the target's name.
///
/// The program is linked like every test, against the host's libraries. A guest can run it as long as its C library
/// is not older than the host's.
pub fn guest_tests(target: &str) -> Disk {
    let folder = tempfile::tempdir().expect("a temporary folder");
    run(Command::new("strip")
        .arg("-o")
        .arg(folder.path().join(target))
        .arg(built(target)));
    let image = scratch().join(format!("{target}.squashfs"));
    run(Command::new("mksquashfs").args([folder.path(), &image]).args([
        "-noappend",
        "-quiet",
        "-no-progress",
        "-comp",
        "zstd",
        "-Xcompression-level",
        "1",
    ]));
    Disk::new(image, Format::Raw)
}

/// Has cargo build the target. The same packages are chosen as by `make unit-tests`, so that what that compiled serves.
fn built(target: &str) -> PathBuf {
    let output = Command::new(env!("CARGO"))
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))
        .args(["test", "--locked", "--workspace", "--exclude", "genpack-tests"])
        .args(["--test", target, "--no-run", "--message-format", "json"])
        .stderr(Stdio::inherit())
        .output()
        .expect("cargo can be started");
    assert!(output.status.success(), "cargo: {}", output.status);
    let messages = String::from_utf8(output.stdout).expect("cargo's messages are UTF-8");
    let executable = messages.lines().find_map(|line| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        let of_target = message["target"]["name"] == target && message["profile"]["test"] == true;
        message["executable"]
            .as_str()
            .filter(|_| of_target)
            .map(PathBuf::from)
    });
    executable.expect("cargo says where the program is")
}

fn run(command: &mut Command) {
    let output = command.output().expect("the program can be started");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{said}", output.status);
}
