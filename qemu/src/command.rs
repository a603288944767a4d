//! From a machine's description to QEMU's command line.

use crate::accel::{self, Acceleration};
use crate::error::{Error, Result};
use crate::firmware::{Firmware, Ovmf};
use crate::machine::{Chipset, DiskInterface, Machine};
use crate::network::escape;
use crate::overlay::Disk;
use crate::process;
use crate::usb::CONTROLLER;
use std::fmt;

/// What a command line depends on besides the machine's description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// Whether KVM can be used.
    pub kvm: bool,
    /// The UEFI firmware.
    pub ovmf: Option<Ovmf>,
}

impl Host {
    /// This host; KVM is tried only when it may be used and is not asked for in any case.
    pub(crate) fn detect(acceleration: Acceleration) -> Host {
        let kvm = match acceleration {
            Acceleration::Auto => accel::kvm_is_usable(),
            Acceleration::Kvm => true,
            Acceleration::Tcg => false,
        };
        Host {
            kvm,
            ovmf: Ovmf::detect(),
        }
    }
}

/// A QEMU command line. Printed, it is one option per line, quoted for a shell.
///
/// The serial port is the socket on file descriptor 0 and QMP the one on 1: inherited sockets cannot be missed, need no
/// names, and tell by their end that QEMU is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandLine {
    /// The program's name.
    pub program: &'static str,
    /// Its arguments.
    pub args: Vec<String>,
}

impl CommandLine {
    pub(crate) fn of(machine: &Machine, host: &Host) -> Result<CommandLine> {
        let mut line = CommandLine {
            program: process::QEMU,
            args: Vec::new(),
        };
        line.add("-name", &machine.name.replace(',', ",,"));
        line.args.extend(["-nodefaults".into(), "-no-user-config".into()]);
        line.processor(machine, host);
        line.firmware(&machine.firmware, host)?;
        for (index, (disk, interface)) in machine.disks.iter().enumerate() {
            line.disk(index, disk, *interface);
        }
        for (index, nic) in machine.nics.iter().enumerate() {
            line.args.extend(nic.args(index));
        }
        if machine.usb {
            line.add("-device", &format!("qemu-xhci,id={CONTROLLER}"));
        }
        line.add("-device", "virtio-rng-pci");
        line.add("-vga", "std");
        line.add("-display", "none");
        line.add("-chardev", "socket,id=serial0,fd=0");
        line.add("-serial", "chardev:serial0");
        line.add("-chardev", "socket,id=qmp,fd=1");
        line.add("-mon", "chardev=qmp,mode=control");
        if !machine.reboots {
            line.args.push("-no-reboot".into());
        }
        line.args.extend_from_slice(&machine.extra_args);
        Ok(line)
    }

    fn add(&mut self, option: &str, value: &str) {
        self.args.extend([option.to_owned(), value.to_owned()]);
    }

    fn processor(&mut self, machine: &Machine, host: &Host) {
        let kvm = match machine.acceleration {
            Acceleration::Auto => host.kvm,
            Acceleration::Kvm => true,
            Acceleration::Tcg => false,
        };
        let (accelerator, cpu) = if kvm {
            ("kvm", "host")
        } else {
            ("tcg,thread=multi", "max")
        };
        let chipset = match machine.chipset {
            Chipset::Q35 => "q35",
            Chipset::Pc => "pc",
        };
        self.add("-machine", chipset);
        self.add("-accel", accelerator);
        self.add("-cpu", machine.cpu_model.as_deref().unwrap_or(cpu));
        self.add("-smp", &machine.cpus.to_string());
        self.add("-m", &machine.memory_mib.to_string());
    }

    fn firmware(&mut self, firmware: &Firmware, host: &Host) -> Result<()> {
        match firmware {
            Firmware::Bios => {}
            Firmware::Uefi { variables } => match &host.ovmf {
                Some(Ovmf::Split {
                    code,
                    variables: empty,
                }) => {
                    let flash = "if=pflash,format=raw";
                    self.add(
                        "-drive",
                        &format!("{flash},unit=0,readonly=on,file={}", escape(code)),
                    );
                    let store = match variables {
                        Some(kept) => escape(kept),
                        // QEMU writes to a temporary file of its own instead.
                        None => format!("{},snapshot=on", escape(empty)),
                    };
                    self.add("-drive", &format!("{flash},unit=1,file={store}"));
                }
                Some(Ovmf::Whole(path)) => self.add("-bios", &path.to_string_lossy()),
                None => {
                    return Err(Error::MissingFirmware {
                        looked_for: Ovmf::looked_for(),
                    });
                }
            },
            Firmware::Direct {
                kernel,
                initrd,
                cmdline,
            } => {
                self.add("-kernel", &kernel.to_string_lossy());
                if let Some(initrd) = initrd {
                    self.add("-initrd", &initrd.to_string_lossy());
                }
                self.add("-append", cmdline);
            }
        }
        Ok(())
    }

    /// Caching stays write-back: what the guest flushed is in the file, and the rest is lost with a kill.
    fn disk(&mut self, index: usize, disk: &Disk, interface: DiskInterface) {
        let id = format!("disk{index}");
        let (file, format) = (escape(&disk.path), disk.format.name());
        self.add(
            "-drive",
            &format!("if=none,id={id},format={format},discard=unmap,file={file}"),
        );
        let device = match interface {
            DiskInterface::VirtioBlk => "virtio-blk-pci".to_owned(),
            DiskInterface::VirtioScsi => {
                self.add("-device", &format!("virtio-scsi-pci,id=scsi{index}"));
                format!("scsi-hd,bus=scsi{index}.0")
            }
            DiskInterface::Chipset => "ide-hd".to_owned(),
            DiskInterface::Nvme => format!("nvme,serial={id}"),
            DiskInterface::Usb => {
                self.add("-device", &format!("qemu-xhci,id=usb{index}"));
                format!("usb-storage,bus=usb{index}.0")
            }
        };
        self.add("-device", &format!("{device},drive={id},bootindex={}", index + 1));
    }
}

impl fmt::Display for CommandLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.program)?;
        for arg in &self.args {
            f.write_str(if arg.starts_with('-') { " \\\n  " } else { " " })?;
            let plain = |c: char| c.is_ascii_alphanumeric() || "-_=.,:/@%+".contains(c);
            if !arg.is_empty() && arg.chars().all(plain) {
                f.write_str(arg)?;
            } else {
                write!(f, "'{}'", arg.replace('\'', r"'\''"))?;
            }
        }
        Ok(())
    }
}
