//! A device as a person has it: a card to edit, a switch, a page, an answer.

use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use genpack_qemu::{Card, Firmware, Forward, Machine, Nic, Overlay, Pattern, UserNetwork, Vm, check_fat};
use genpack_spec::layout::card::{STATUS_TXT, SYSTEM_INI};

use crate::image::log_folder;
use crate::ssh::{SshKey, ssh};
use crate::{BOOT_DEADLINE, DataPartition, example_image};

/// A device that is switched off. Its card is a copy-on-write copy of the image under test.
pub struct Device {
    name: String,
    firmware: Firmware,
    processor: Option<&'static str>,
    card: Overlay,
}

impl Device {
    /// Returns a device with `examples/web`, whose card nobody has touched yet.
    pub fn new(name: &str, firmware: &Firmware) -> Device {
        Device::with_image(name, firmware, example_image())
    }

    /// Returns a device with this image, whose card nobody has touched yet.
    pub fn with_image(name: &str, firmware: &Firmware, image: &Path) -> Device {
        let kind = match firmware {
            Firmware::Bios => "bios",
            Firmware::Direct { .. } => "direct",
            _ => "uefi",
        };
        Device {
            name: format!("{kind}-{name}"),
            firmware: firmware.clone(),
            processor: None,
            card: Overlay::create(image).expect("a copy of the image"),
        }
    }

    /// Gives the device a processor by QEMU's name for it.
    pub fn with_processor(self, model: &'static str) -> Device {
        Device {
            processor: Some(model),
            ..self
        }
    }

    /// Opens the card in the person's computer.
    pub fn card(&self) -> Card {
        Card::open(&self.card).expect("the card can be opened")
    }

    /// Copies everything to a card of this size in bytes.
    pub fn copy_to_card_of(&self, bytes: u64) {
        let resized = Command::new("qemu-img")
            .args(["resize", "-q", "-f", "qcow2"])
            .arg(self.card.as_ref())
            .arg(bytes.to_string())
            .output();
        let resized = resized.expect("qemu-img of Debian's qemu-utils");
        assert!(resized.status.success(), "{resized:?}");
    }

    /// Opens the data partition in a computer that knows Linux.
    pub fn data_partition(&self) -> DataPartition {
        DataPartition::on(self.card.as_ref())
    }

    /// Leaves the mark on the card that a computer makes while it writes: bit 0 of byte 65 of the file system (kernel:
    /// `struct fat_boot_sector`, `fat32.state`), which begins at 1 MiB.
    pub fn mark_dirty(&self) {
        let write = format!("write -P 1 {} 1", (1 << 20) + 65);
        let written = Command::new("qemu-io")
            .args(["-f", "qcow2", "-c", &write])
            .arg(self.card.as_ref())
            .output();
        let written = written.expect("qemu-io of Debian's qemu-utils");
        assert!(written.status.success(), "{written:?}");
        assert!(self.card().is_dirty().expect("the card can be read"));
    }

    /// Replaces `system.ini`.
    pub fn write_settings(&self, bytes: impl AsRef<[u8]>) {
        let card = self.card();
        card.write(SYSTEM_INI, bytes.as_ref())
            .expect("system.ini can be written");
        card.close().expect("the card can be ejected");
    }

    /// Returns `STATUS.txt` as the card has it, with plain line ends and without those that only wrap long sentences.
    pub fn status(&self) -> String {
        let bytes = self.card().read(STATUS_TXT).expect("STATUS.txt is on the card");
        let text = String::from_utf8(bytes).expect("STATUS.txt is UTF-8");
        assert!(
            !text.replace("\r\n", "").contains(['\r', '\n']),
            "STATUS.txt has line ends other than CR LF: {text:?}"
        );
        text.replace("\r\n", "\n")
    }

    /// Switches the device on, reachable at the address that DHCP gives.
    pub fn switch_on(self) -> Running {
        self.switch_on_at(Ipv4Addr::new(10, 0, 2, 15))
    }

    /// Switches the device on, reachable at `address`. It can't reach anything itself.
    pub fn switch_on_at(self, address: Ipv4Addr) -> Running {
        let network = [80, 22]
            .into_iter()
            .fold(UserNetwork::new().restricted(), |network, port| {
                network.forward(Forward::tcp(port).to_address(address))
            });
        let mut machine = Machine::new(&self.name);
        if let Some(model) = self.processor {
            machine = machine.cpu_model(model);
        }
        let vm = machine
            .firmware(self.firmware.clone())
            .memory_mib(768)
            .disk(self.card.disk())
            .nic(Nic::user(network))
            .log_dir(log_folder())
            .deadline(BOOT_DEADLINE + Duration::from_secs(120))
            .start()
            .expect("the machine can be started");
        Running { vm, device: self }
    }
}

/// A device that is switched on.
pub struct Running {
    /// The machine.
    pub vm: Vm,
    device: Device,
}

impl Running {
    /// Waits until the device says on its console that `STATUS.txt` is written, and returns its verdict there: `well`
    /// or `N problems`.
    pub fn wait_for_status(&self) -> String {
        let pattern =
            Pattern::regex(r"genpack-config-agent: status written: (well|\d+ problems?)").expect("a pattern");
        let said = self
            .vm
            .expect(pattern, BOOT_DEADLINE)
            .expect("STATUS.txt gets written");
        said.group(1).expect("a verdict").to_string()
    }

    /// Waits until the console asks who logs in. It may have asked before the words that were waited for last. What is typed
    /// while it says that the device is still starting is lost when it asks again with better news.
    pub fn wait_for_login(&self, hostname: &str) {
        const STARTING: &str = "The device is still starting";
        let prompt = format!("{hostname} login:");
        loop {
            let log = self.vm.serial_log();
            let (prompts, wanted) = match log.rsplit_once(STARTING) {
                Some((_, after)) => (after.matches(&prompt).count(), 2),
                None => (log.matches(&prompt).count(), 1),
            };
            if prompts >= wanted {
                return;
            }
            self.vm
                .expect(prompt.as_str(), BOOT_DEADLINE)
                .expect("the console asks who logs in");
        }
    }

    /// Returns the web server's page.
    pub fn page(&self) -> String {
        self.page_at("/")
    }

    /// Returns one of its other pages.
    pub fn page_at(&self, path: &str) -> String {
        let response = self
            .vm
            .wait_http(80, path, Duration::from_secs(60))
            .expect("the page answers");
        assert_eq!(response.status, 200, "{}", response.body);
        response.body
    }

    /// Runs a command as root and returns what it printed.
    pub fn run(&self, key: &SshKey, command: &str) -> String {
        let output = key.run(self.ssh_port(), command);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "{command}: {} {said}\n{}",
            output.status,
            self.vm.serial_log()
        );
        String::from_utf8(output.stdout)
            .expect("UTF-8")
            .trim_end()
            .to_string()
    }

    /// Tries to log in without a key, or with one that the device does not know, and returns what ssh says.
    pub fn refused_login(&self, key: Option<&SshKey>) -> String {
        let output = match key {
            Some(key) => key.run(self.ssh_port(), "true"),
            None => ssh(self.ssh_port(), None, &[], "true"),
        };
        assert!(!output.status.success(), "a login that must be refused succeeded");
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    fn ssh_port(&self) -> u16 {
        self.vm
            .wait_banner(22, Duration::from_secs(60))
            .expect("sshd answers");
        self.vm.forwarded_port(22).expect("the port of sshd")
    }

    /// Takes a picture of the screen, which is kept beside the console's log, and returns how many of its pixels are not
    /// dark.
    pub fn lit_pixels(&self) -> usize {
        let path = log_folder().join(format!("{}.png", self.device.name));
        self.vm.screenshot(&path).expect("the screen can be photographed");
        let file = std::io::BufReader::new(std::fs::File::open(&path).expect("the picture is there"));
        let mut reader = png::Decoder::new(file).read_info().expect("the picture is a PNG");
        let mut pixels = vec![0; reader.output_buffer_size().expect("a picture of sensible size")];
        let info = reader.next_frame(&mut pixels).expect("the picture is whole");
        let bytes = info.color_type.samples();
        pixels
            .chunks(bytes)
            .filter(|pixel| pixel.iter().any(|&part| part > 64))
            .count()
    }

    /// Presses the power button until the device is off, and checks the card as a computer would.
    pub fn switch_off(self) -> Device {
        // The button does nothing before logind has found it, which may be after everything else has started. So do
        // what a person does when nothing happens.
        const PRESSES: u32 = 12;
        let status = (0..PRESSES).find_map(|_| {
            // A machine that is just going off takes no more commands.
            let _ = self.vm.powerdown();
            self.vm.wait_exit(Duration::from_secs(15)).ok()
        });
        let status =
            status.unwrap_or_else(|| panic!("the device does not go off:\n{}", self.vm.serial_log()));
        assert!(status.success(), "QEMU ended with {status}");
        drop(self.vm);
        self.device.card.check().expect("qemu-img finds nothing to say");
        check_fat(&self.device.card).expect("fsck.fat finds nothing to say");
        self.device
    }

    /// Pulls the plug.
    pub fn pull_the_plug(self) -> Device {
        drop(self.vm);
        self.device
    }
}
