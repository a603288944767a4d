//! Logging in as an administrator would.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A key pair of its own for each test.
pub struct SshKey {
    folder: tempfile::TempDir,
}

impl SshKey {
    /// Makes one.
    pub fn generate() -> SshKey {
        let key = SshKey {
            folder: tempfile::tempdir().expect("a temporary folder"),
        };
        let made = Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-C", "test", "-f"])
            .arg(key.private())
            .status()
            .expect("ssh-keygen of Debian's openssh-client");
        assert!(made.success());
        key
    }

    /// Returns the line of the `.pub` file.
    pub fn public(&self) -> String {
        let text = std::fs::read_to_string(self.folder.path().join("key.pub")).expect("the public key");
        text.trim_end().to_string()
    }

    fn private(&self) -> PathBuf {
        self.folder.path().join("key")
    }

    /// Runs `command` as root on the machine behind `port`, by this key only.
    pub fn run(&self, port: u16, command: &str) -> Output {
        let options = [
            "-o",
            "IdentitiesOnly=yes",
            "-o",
            "PreferredAuthentications=publickey",
        ];
        ssh(port, Some(&self.private()), &options, command)
    }
}

/// Runs `ssh` with no other keys, agents or settings than those given.
pub fn ssh(port: u16, key: Option<&Path>, options: &[&str], command: &str) -> Output {
    let mut ssh = Command::new("ssh");
    ssh.args([
        "-F",
        "none",
        "-p",
        &port.to_string(),
        "-o",
        "StrictHostKeyChecking=no",
        "-o",
        "BatchMode=yes",
    ]);
    ssh.args([
        "-o",
        "UserKnownHostsFile=/dev/null",
        "-o",
        "LogLevel=ERROR",
        "-o",
        "ConnectTimeout=60",
    ]);
    ssh.env_remove("SSH_AUTH_SOCK").args(options);
    match key {
        Some(key) => ssh.arg("-i").arg(key),
        None => ssh.args(["-o", "PubkeyAuthentication=no"]),
    };
    ssh.args(["root@127.0.0.1", command])
        .output()
        .expect("ssh of Debian's openssh-client")
}
