//! Starts an image in a virtual machine to see which ports it opens.

use std::io::{BufRead, BufReader};
use std::os::unix::net::UnixListener;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use genpack_qemu::{Machine, Nic, Overlay, UserNetwork};
use genpack_spec::layout::INSPECT_PORT;

use super::ports::Port;
use crate::blueprint::InputError;
use crate::image::Image;

/// How long a machine may take to start, without KVM and on a busy computer.
const PATIENCE: Duration = Duration::from_secs(300);

/// Starts a copy of the image, waits until it has started, and returns the ports at which somebody listens.
///
/// The config agent tells them on a virtio port that only this machine has; nobody has to log in. What the machine writes is lost.
///
/// # Errors
/// When there is no disk to start from, when QEMU is missing, and when the image does not start or does not tell.
pub fn open_ports(image: &Image) -> Result<Vec<Port>> {
    if image.card.is_none() {
        bail!(InputError::plain(format!(
            "{} has no card to start from; --boot needs a disk image",
            image.path.display()
        )));
    }
    let overlay = Overlay::create(&image.path)?;
    let scratch = tempfile::tempdir().context("making a temporary folder")?;
    let path = scratch.path().join("port");
    let listener = UnixListener::bind(&path).context("making a socket for the machine")?;
    let machine = Machine::new("inspect")
        .disk(overlay.disk())
        .nic(Nic::user(UserNetwork::new()))
        .deadline(PATIENCE)
        .extra_args([
            "-device".to_string(),
            "virtio-serial-pci".into(),
            "-chardev".into(),
            format!("socket,id=inspect,path={}", path.display()),
            "-device".into(),
            format!("virtserialport,chardev=inspect,name={INSPECT_PORT}"),
        ]);
    eprintln!("genpack: starting a copy in a virtual machine");
    let vm = machine.start()?;
    let (stream, _) = listener.accept().context("talking to the machine")?;
    let mut line = String::new();
    // The machine's deadline ends QEMU, and with it the socket.
    BufReader::new(stream)
        .read_line(&mut line)
        .context("listening to the machine")?;
    if line.is_empty() {
        let said = vm.serial_log();
        let tail: Vec<_> = said.lines().rev().take(10).collect();
        let tail: Vec<_> = tail.into_iter().rev().map(|line| format!("    {line}")).collect();
        bail!(
            "the machine did not tell its ports within {} s; images of older genpacks can't. The end of its console:\n{}",
            PATIENCE.as_secs(),
            tail.join("\n")
        );
    }
    vm.quit()?;
    let mut ports: Vec<Port> = serde_json::from_str(&line).context("reading what the machine said")?;
    ports.sort();
    ports.dedup();
    Ok(ports)
}
