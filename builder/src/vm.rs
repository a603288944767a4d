//! `genpack vm`: trying an image in QEMU.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand, ValueEnum};
use genpack_qemu::{Card, Disk, Ended, Firmware, Forward, Machine, Nic, Overlay, Protocol, UserNetwork};
use genpack_spec::cmdline::Slot;
use genpack_spec::layout::card::{GRUB_CFG, INITRAMFS, VMLINUZ, slot_dir};

use crate::blueprint::InputError;

/// What can be done with virtual machines.
#[derive(Subcommand)]
pub enum VmCommand {
    /// Boot an image and show its serial console; Ctrl-] leaves and switches the machine off
    Run(RunArguments),
}

/// Arguments of `genpack vm run`.
#[derive(Args)]
pub struct RunArguments {
    /// The disk image; what the machine writes stays in it
    image: PathBuf,
    /// What starts the image
    #[arg(long, value_enum, default_value_t = FirmwareKind::Bios)]
    firmware: FirmwareKind,
    /// Make a port of the machine reachable on 127.0.0.1; HOST may be left out for any free port
    #[arg(short, long = "forward", value_name = "[HOST:]GUEST", value_parser = parse_forward)]
    forwards: Vec<PortForward>,
    /// Memory in MiB
    #[arg(long, default_value_t = 1024, value_name = "MIB")]
    memory: u32,
    /// Processors
    #[arg(long, default_value_t = 1, value_name = "N")]
    cpus: u32,
    /// Leave the image as it is; what the machine writes is lost
    #[arg(long)]
    snapshot: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum FirmwareKind {
    /// SeaBIOS
    Bios,
    /// OVMF
    Uefi,
    /// QEMU loads the image's kernel itself
    Direct,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct PortForward {
    host: Option<u16>,
    guest: u16,
}

fn parse_forward(text: &str) -> Result<PortForward, String> {
    let port = |text: &str| match text.parse() {
        Ok(0) | Err(_) => Err(format!(
            "{text:?} is not a port; ports are numbers from 1 to 65535"
        )),
        Ok(port) => Ok(port),
    };
    Ok(match text.split_once(':') {
        Some((host, guest)) => PortForward {
            host: Some(port(host)?),
            guest: port(guest)?,
        },
        None => PortForward {
            host: None,
            guest: port(text)?,
        },
    })
}

/// Runs the command and returns the program's exit status.
pub fn run(command: &VmCommand) -> Result<ExitCode> {
    match command {
        VmCommand::Run(arguments) => run_image(arguments),
    }
}

fn run_image(arguments: &RunArguments) -> Result<ExitCode> {
    if !arguments.image.is_file() {
        bail!(InputError::plain(format!(
            "there is no disk image {}; make one with: genpack build",
            arguments.image.display()
        )));
    }
    let scratch = tempfile::tempdir().context("making a temporary folder")?;
    let overlay = arguments
        .snapshot
        .then(|| Overlay::create(&arguments.image))
        .transpose()?;
    let disk = match &overlay {
        Some(overlay) => overlay.disk(),
        None => Disk::detect(&arguments.image)?,
    };
    let firmware = match arguments.firmware {
        FirmwareKind::Bios => Firmware::Bios,
        FirmwareKind::Uefi => Firmware::uefi(),
        FirmwareKind::Direct => direct_boot(&arguments.image, scratch.path())?,
    };
    let network = arguments
        .forwards
        .iter()
        .fold(UserNetwork::new(), |network, forward| {
            let rule = Forward::tcp(forward.guest);
            network.forward(
                forward
                    .host
                    .map_or(rule.clone(), |port| rule.from_host_port(port)),
            )
        });
    let name = arguments
        .image
        .file_stem()
        .map_or("genpack".into(), |name| name.to_string_lossy().into_owned());
    let machine = Machine::new(name)
        .firmware(firmware)
        .memory_mib(arguments.memory)
        .cpus(arguments.cpus)
        .disk(disk)
        .nic(Nic::user(network));
    let vm = machine.start()?;
    for forward in &arguments.forwards {
        let port = vm.forwarded(Protocol::Tcp, forward.guest)?;
        eprintln!(
            "genpack: port {} of the machine is 127.0.0.1:{port} here",
            forward.guest
        );
    }
    eprintln!("genpack: this is the machine's serial console; Ctrl-] leaves and switches the machine off");
    match vm.attach_terminal()? {
        Ended::UserLeft => {
            vm.quit()?;
            eprintln!("genpack: the machine is switched off");
            Ok(ExitCode::SUCCESS)
        }
        Ended::PoweredOff(status) if status.success() => Ok(ExitCode::SUCCESS),
        Ended::PoweredOff(status) => bail!("QEMU ended with {status}"),
        // As shells count a program that a signal ended.
        Ended::Signal(signal) => Ok(ExitCode::from(128 + signal as u8)),
    }
}

/// Takes kernel, initramfs and parameters off the image's card.
fn direct_boot(image: &Path, scratch: &Path) -> Result<Firmware> {
    let card = Card::open(image)?;
    let folder = slot_dir(Slot::A);
    let take = |name: &str| -> Result<PathBuf> {
        let path = scratch.join(name);
        std::fs::write(&path, card.read(&format!("{folder}/{name}"))?)?;
        Ok(path)
    };
    let (kernel, initrd) = (take(VMLINUZ)?, take(INITRAMFS)?);
    let menu = String::from_utf8(card.read(GRUB_CFG)?).context("reading the boot menu of the image")?;
    let cmdline = kernel_parameters(&menu)
        .context("the boot menu of the image starts no kernel")?
        .to_string();
    card.close()?;
    Ok(Firmware::Direct {
        kernel,
        initrd: Some(initrd),
        cmdline,
    })
}

/// Returns what follows the kernel's path in a `grub.cfg`.
fn kernel_parameters(menu: &str) -> Option<&str> {
    let line = menu
        .lines()
        .find_map(|line| line.trim_start().strip_prefix("linux "))?;
    line.trim().split_once(' ').map(|(_, parameters)| parameters)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_read() {
        assert_eq!(
            parse_forward("8080:80"),
            Ok(PortForward {
                host: Some(8080),
                guest: 80
            })
        );
        assert_eq!(
            parse_forward("22"),
            Ok(PortForward {
                host: None,
                guest: 22
            })
        );
        for text in ["", "x", "0", "80:", "70000", "1:2:3"] {
            assert!(parse_forward(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_menus_parameters_are_found() {
        let menu = "set timeout=0\nmenuentry \"x\" {\n  linux /boot/a/vmlinuz genpack.slot=a quiet\n}\n";
        assert_eq!(kernel_parameters(menu), Some("genpack.slot=a quiet"));
    }
}
