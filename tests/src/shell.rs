//! Running commands in a guest without a network: through a virtio port to the guest's `lab-shell`.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What a command left behind.
#[derive(Debug)]
pub struct Answer {
    /// Its exit status; 128 and the number of the signal that ended it.
    pub status: u32,
    /// What it printed, to either stream.
    pub output: String,
}

/// A shell in a guest.
pub struct Shell {
    stream: BufReader<UnixStream>,
}

impl Shell {
    /// Returns QEMU's arguments for the port, whose socket will be at `socket`.
    pub fn args(socket: &Path) -> [String; 6] {
        let chardev = format!("socket,id=lab,path={},server=on,wait=off", socket.display());
        let words = ["-chardev", &chardev, "-device", "virtio-serial-pci", "-device"];
        let [a, b, c, d, e] = words.map(String::from);
        [a, b, c, d, e, "virtserialport,chardev=lab,name=lab".into()]
    }

    /// Connects to the socket of a machine that runs. What is sent waits until the guest reads.
    pub fn connect(socket: PathBuf) -> std::io::Result<Shell> {
        Ok(Shell {
            stream: BufReader::new(UnixStream::connect(socket)?),
        })
    }

    /// Waits until the guest's end says that it has started.
    ///
    /// # Errors
    /// When nothing comes for so long, or something else.
    pub fn wait(&mut self, timeout: Duration) -> std::io::Result<()> {
        match self.line(timeout)?.as_str() {
            "ready" => Ok(()),
            other => Err(std::io::Error::other(format!("{other:?} instead of \"ready\""))),
        }
    }

    /// Runs `command` in bash, as root, and waits for its end.
    ///
    /// # Errors
    /// When nothing comes for so long, or the machine has ended.
    pub fn run(&mut self, command: &str, timeout: Duration) -> std::io::Result<Answer> {
        let message = format!("{}\n{command}", command.len());
        self.stream.get_mut().write_all(message.as_bytes())?;
        let line = self.line(timeout)?;
        let numbers = line.split_once(' ').and_then(|(status, length)| {
            let length: usize = length.parse().ok()?;
            Some((status.parse().ok()?, length))
        });
        let (status, length) =
            numbers.ok_or_else(|| std::io::Error::other(format!("{line:?} instead of a status")))?;
        let mut output = vec![0; length];
        self.stream.read_exact(&mut output)?;
        Ok(Answer {
            status,
            output: String::from_utf8_lossy(&output).into_owned(),
        })
    }

    /// Runs a command that makes the guest start again, and waits until its end of the new start is there.
    ///
    /// # Errors
    /// When the command fails, or nothing comes for so long.
    pub fn run_until_restart(&mut self, command: &str, timeout: Duration) -> std::io::Result<()> {
        // It does not end by itself, so that its answer can't be taken for that of a later one.
        let command = format!("{{ {command}; }} && exec sleep infinity");
        let message = format!("{}\n{command}", command.len());
        self.stream.get_mut().write_all(message.as_bytes())?;
        self.wait(timeout)
    }

    fn line(&mut self, timeout: Duration) -> std::io::Result<String> {
        self.stream.get_ref().set_read_timeout(Some(timeout))?;
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        Ok(line.trim_end().to_string())
    }
}
