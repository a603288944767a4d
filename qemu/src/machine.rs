//! The description of a machine.

use crate::accel::Acceleration;
use crate::command::{CommandLine, Host};
use crate::error::Result;
use crate::firmware::Firmware;
use crate::network::Nic;
use crate::overlay::Disk;
use crate::vm::Vm;
use std::path::PathBuf;
use std::time::Duration;

/// The chipset of an x86 machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Chipset {
    /// PCI Express, AHCI.
    #[default]
    Q35,
    /// PCI, IDE: a machine of the nineties.
    Pc,
}

/// How disks are attached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DiskInterface {
    /// `/dev/vda`.
    #[default]
    VirtioBlk,
    /// `/dev/sda` behind a virtio SCSI controller.
    VirtioScsi,
    /// `/dev/sda` behind the chipset's own controller: AHCI on Q35, IDE on PC.
    Chipset,
    /// `/dev/nvme0n1`.
    Nvme,
    /// `/dev/sda` behind an xHCI controller.
    Usb,
}

/// A description of a virtual x86-64 machine, which can be started any number of times.
///
/// A new one has one processor, 1 GiB of memory, a VGA card, a random number generator, a serial port, and neither
/// disk nor network. It starts through SeaBIOS.
#[derive(Debug, Clone)]
pub struct Machine {
    pub(crate) name: String,
    pub(crate) firmware: Firmware,
    pub(crate) chipset: Chipset,
    pub(crate) acceleration: Acceleration,
    pub(crate) cpu_model: Option<String>,
    pub(crate) cpus: u32,
    pub(crate) memory_mib: u32,
    pub(crate) disks: Vec<(Disk, DiskInterface)>,
    pub(crate) usb: bool,
    pub(crate) nics: Vec<Nic>,
    pub(crate) reboots: bool,
    pub(crate) extra_args: Vec<String>,
    pub(crate) log_dir: Option<PathBuf>,
    pub(crate) deadline: Option<Duration>,
}

impl Machine {
    /// A new machine; the name is for messages and the log file.
    pub fn new(name: impl Into<String>) -> Machine {
        Machine {
            name: name.into(),
            firmware: Firmware::Bios,
            chipset: Chipset::Q35,
            acceleration: Acceleration::Auto,
            cpu_model: None,
            cpus: 1,
            memory_mib: 1024,
            disks: Vec::new(),
            usb: false,
            nics: Vec::new(),
            reboots: true,
            extra_args: Vec::new(),
            log_dir: None,
            deadline: None,
        }
    }

    /// Sets how the system is started.
    pub fn firmware(mut self, firmware: Firmware) -> Machine {
        self.firmware = firmware;
        self
    }

    /// Sets the chipset.
    pub fn chipset(mut self, chipset: Chipset) -> Machine {
        self.chipset = chipset;
        self
    }

    /// Sets how instructions are executed.
    pub fn acceleration(mut self, acceleration: Acceleration) -> Machine {
        self.acceleration = acceleration;
        self
    }

    /// Sets the processor model; the host's own under KVM and the fullest one under TCG otherwise.
    pub fn cpu_model(mut self, model: impl Into<String>) -> Machine {
        self.cpu_model = Some(model.into());
        self
    }

    /// Sets the number of processors.
    pub fn cpus(mut self, cpus: u32) -> Machine {
        self.cpus = cpus;
        self
    }

    /// Sets the memory in MiB.
    pub fn memory_mib(mut self, mebibytes: u32) -> Machine {
        self.memory_mib = mebibytes;
        self
    }

    /// Adds a virtio disk; the firmware tries disks in the order they were added.
    pub fn disk(self, disk: Disk) -> Machine {
        self.disk_on(disk, DiskInterface::VirtioBlk)
    }

    /// Adds a disk that is attached in a certain way.
    pub fn disk_on(mut self, disk: Disk, interface: DiskInterface) -> Machine {
        self.disks.push((disk, interface));
        self
    }

    /// Adds a USB controller for devices that come and go while the machine runs; see [`Vm::plug`] and [`Vm::plug_nic`].
    pub fn usb(mut self) -> Machine {
        self.usb = true;
        self
    }

    /// Adds a network card.
    pub fn nic(mut self, nic: Nic) -> Machine {
        self.nics.push(nic);
        self
    }

    /// Ends QEMU when the guest wants to restart, instead of restarting it.
    pub fn no_reboot(mut self) -> Machine {
        self.reboots = false;
        self
    }

    /// Adds arguments for QEMU.
    pub fn extra_args(mut self, args: impl IntoIterator<Item = impl Into<String>>) -> Machine {
        self.extra_args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Keeps the serial log in this folder, which is made when missing, as `<name>.log`; the second start of a name
    /// in this process goes to `<name>.2.log`, and so on.
    pub fn log_dir(mut self, folder: impl Into<PathBuf>) -> Machine {
        self.log_dir = Some(folder.into());
        self
    }

    /// Kills the machine when it still runs so long after its start; what then waits for it fails with that reason.
    pub fn deadline(mut self, deadline: Duration) -> Machine {
        self.deadline = Some(deadline);
        self
    }

    /// What [`Machine::start`] would run on this host, as data.
    ///
    /// # Errors
    /// When the machine needs UEFI firmware and the host has none.
    pub fn command_line(&self) -> Result<CommandLine> {
        self.command_line_on(&Host::detect(self.acceleration))
    }

    /// What [`Machine::start`] would run on such a host; runs nothing and looks at no file.
    ///
    /// # Errors
    /// When the machine needs UEFI firmware and the host has none.
    pub fn command_line_on(&self, host: &Host) -> Result<CommandLine> {
        CommandLine::of(self, host)
    }

    /// Starts the machine; returns when QEMU has opened its disks and sockets and the guest runs.
    ///
    /// # Errors
    /// When QEMU or its firmware is missing, or QEMU ends at once, with what it said.
    pub fn start(&self) -> Result<Vm> {
        Vm::start(self)
    }
}
