//! Machines of the lab: any number of network cards on cables, and commands without a network.

use std::sync::Mutex;
use std::time::Duration;

use genpack_qemu::{
    CableEnd, Card, Disk, Machine, Nic, Overlay, PluggedDisk, PluggedNic, RemovableDisk, UserNetwork, Vm,
};
use genpack_spec::layout::card::SYSTEM_INI;

use crate::image::{lab_firmware, log_folder};
use crate::lab_image;
use crate::shell::{Answer, Shell};

/// How long a machine may take from power-on until it takes commands, on a host that has much else to do. Usually it is ten
/// seconds.
const BOOT_DEADLINE: Duration = Duration::from_secs(480);

/// How long a command in a guest may take unless the test says otherwise.
const COMMAND_DEADLINE: Duration = Duration::from_secs(180);

/// A machine of the lab that is switched off.
pub struct GuestSetup {
    name: String,
    card: Overlay,
    machine: Machine,
}

impl GuestSetup {
    /// Returns a machine without a network card, whose card nobody has touched yet. It is switched off when `lifetime`
    /// has passed since its start.
    pub fn new(name: &str, lifetime: Duration) -> GuestSetup {
        let card = Overlay::create(lab_image()).expect("a copy of the image");
        let machine = Machine::new(name)
            .firmware(lab_firmware())
            .memory_mib(768)
            .disk(card.disk())
            .log_dir(log_folder())
            .deadline(lifetime);
        GuestSetup {
            name: name.to_string(),
            card,
            machine,
        }
    }

    /// Adds a network card with one end of a cable in it. `mac` keeps machines on one cable apart.
    pub fn nic(self, end: &CableEnd, mac: &str) -> GuestSetup {
        let machine = self.machine.nic(Nic::cable(end).mac(mac));
        GuestSetup { machine, ..self }
    }

    /// Adds a network card on a network of its own, with a DHCP server and nobody else.
    pub fn dhcp_nic(self) -> GuestSetup {
        let machine = self.machine.nic(Nic::user(UserNetwork::new().restricted()));
        GuestSetup { machine, ..self }
    }

    /// Makes [`Guest::plug`] and [`Guest::plug_nic`] possible.
    pub fn usb(self) -> GuestSetup {
        let machine = self.machine.usb();
        GuestSetup { machine, ..self }
    }

    /// Adds a disk, the first as `/dev/vdb`.
    pub fn disk(self, disk: Disk) -> GuestSetup {
        let machine = self.machine.disk(disk);
        GuestSetup { machine, ..self }
    }

    /// Replaces `system.ini`.
    pub fn write_settings(&self, text: &str) {
        let card = Card::open(&self.card).expect("the card can be opened");
        card.write(SYSTEM_INI, text.as_bytes())
            .expect("system.ini can be written");
        card.close().expect("the card can be ejected");
    }

    /// Switches it on and waits until it takes commands, which is before its network starts or about then.
    pub fn switch_on(self) -> Guest {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let socket = folder.path().join("shell");
        let machine = self.machine.clone().extra_args(Shell::args(&socket));
        let vm = machine.start().expect("the machine can be started");
        let shell = Shell::connect(socket).expect("QEMU has opened the shell's socket");
        let guest = Guest {
            vm,
            shell: Mutex::new(shell),
            setup: self,
        };
        guest.await_shell();
        guest
    }
}

/// A place in a machine's journal.
pub struct Moment(String);

/// A machine of the lab that is switched on.
pub struct Guest {
    vm: Vm,
    shell: Mutex<Shell>,
    setup: GuestSetup,
}

impl Guest {
    /// Waits until the machine takes commands.
    fn await_shell(&self) {
        let ready = self.shell().wait(BOOT_DEADLINE);
        ready.unwrap_or_else(|error| self.fail(&format!("no shell: {error}")));
    }

    /// Runs a command as root and returns what it printed; the test fails when the command does.
    pub fn run(&self, command: &str) -> String {
        let answer = self.answer(command, COMMAND_DEADLINE);
        if answer.status != 0 {
            self.fail(&format!(
                "exit status {} of: {command}\n{}",
                answer.status, answer.output
            ));
        }
        answer.output.trim_end().to_string()
    }

    /// Runs a command as root, whatever comes of it.
    pub fn answer(&self, command: &str, deadline: Duration) -> Answer {
        let answer = self.shell().run(command, deadline);
        answer.unwrap_or_else(|error| self.fail(&format!("{error} while waiting for: {command}")))
    }

    /// Waits until a command succeeds, and returns what it printed then. It is tried again whenever the network changes.
    pub fn wait_for(&self, command: &str) -> String {
        self.run(&format!("lab-await 120 {}", quoted(command)))
    }

    /// Returns the end of the journal as it is now, for [`Guest::agent_said`].
    pub fn moment(&self) -> Moment {
        Moment(self.run("journalctl --lines=0 --show-cursor | sed -n 's/^-- cursor: //p'"))
    }

    /// Waits for a line with these words in the agent's journal after `since`.
    pub fn agent_said(&self, since: &Moment, words: &str) {
        let journal = "journalctl --unit=genpack-config-agent --output=cat --no-tail";
        let after = format!("{journal} --after-cursor='{}'", since.0);
        let words = quoted(words);
        self.run(&format!(
            "timeout 120 grep -m 1 -F -- {words} < <(exec timeout 120 {after} --follow) ||
             {{ echo the agent did not say: {words}; {after}; exit 1; }}"
        ));
    }

    /// Returns how many lines with these words are in the agent's journal after `since`.
    pub fn count_said(&self, since: &Moment, words: &str) -> usize {
        let journal = "journalctl --unit=genpack-config-agent --output=cat";
        let count = self.run(&format!(
            "{journal} --after-cursor='{}' | grep -c -F -- {} || true",
            since.0,
            quoted(words)
        ));
        count
            .parse()
            .unwrap_or_else(|_| self.fail(&format!("{count} is no number")))
    }

    /// Plugs a disk in.
    pub fn plug(&self, disk: &RemovableDisk) -> PluggedDisk {
        let plugged = self.vm.plug(disk);
        plugged.unwrap_or_else(|error| self.fail(&format!("a disk can't be plugged in: {error}")))
    }

    /// Pulls a disk out.
    pub fn unplug(&self, disk: PluggedDisk) {
        let unplugged = self.vm.unplug(disk);
        unplugged.unwrap_or_else(|error| self.fail(&format!("a disk can't be pulled out: {error}")));
    }

    /// Plugs a network adapter in, on a network of its own with a DHCP server.
    pub fn plug_nic(&self) -> PluggedNic {
        let plugged = self.vm.plug_nic();
        plugged.unwrap_or_else(|error| self.fail(&format!("an adapter can't be plugged in: {error}")))
    }

    /// Pulls a network adapter out.
    pub fn unplug_nic(&self, nic: PluggedNic) {
        let unplugged = self.vm.unplug_nic(nic);
        unplugged.unwrap_or_else(|error| self.fail(&format!("an adapter can't be pulled out: {error}")));
    }

    /// Makes `settings` those of the device, for good.
    pub fn apply(&self, settings: &str) {
        self.apply_on_trial(settings, 0);
    }

    /// Makes `settings` those of the device for so many seconds.
    pub fn apply_on_trial(&self, settings: &str, revert_after: u32) {
        self.run(&applying(settings, revert_after));
    }

    /// Does what [`Guest::apply`] does with settings that have mistakes, and returns what is said of these.
    pub fn apply_mistaken(&self, settings: &str) -> String {
        let answer = self.answer(&applying(settings, 0), COMMAND_DEADLINE);
        assert_eq!(answer.status, 1, "{}", answer.output);
        answer.output
    }

    /// Pulls the cable out of a network card, counted from 0, or plugs it in again.
    pub fn set_cable(&self, nic: usize, plugged: bool) {
        let set = self.vm.set_cable(nic, plugged);
        set.unwrap_or_else(|error| self.fail(&format!("cable {nic}: {error}")));
    }

    /// Runs a command that makes the machine start again, and waits until it takes commands again.
    pub fn restart_by(&self, command: &str) {
        let restarted = self.shell().run_until_restart(command, BOOT_DEADLINE);
        restarted.unwrap_or_else(|error| self.fail(&format!("{error} while waiting for: {command}")));
        let event = self.vm.wait_event("RESET", COMMAND_DEADLINE);
        let event = event.unwrap_or_else(|error| self.fail(&format!("no restart: {error}")));
        assert_eq!(event["data"]["reason"], "guest-reset", "{event}");
    }

    /// Waits until the status of the device says so.
    pub fn await_status(&self, words: &str) {
        // Its lines are folded.
        self.wait_for(&format!(
            "genpack-config status | tr -s '\\n ' ' ' | grep -F -- '{words}'"
        ));
    }

    /// Waits until a link has an IPv4 address, with prefix length, that the expression of grep(1) matches from its
    /// beginning, and returns it.
    pub fn await_address(&self, link: &str, address: &str) -> String {
        let addresses = format!("ip -4 -o addr show dev {link} | sed 's/.* inet \\([^ ]*\\).*/\\1/'");
        self.wait_for(&format!("{addresses} | grep '^{address}'"))
    }

    fn shell(&self) -> std::sync::MutexGuard<'_, Shell> {
        self.shell.lock().expect("no command has panicked")
    }

    /// Ends the test, with the end of the console; all of it is in the log folder.
    fn fail(&self, what: &str) -> ! {
        let console = self.vm.serial_log();
        let lines: Vec<&str> = console.lines().collect();
        let end = lines[lines.len().saturating_sub(40)..].join("\n");
        panic!("{}: {what}\n--- end of its console\n{end}", self.setup.name);
    }
}

/// The command that makes `settings` those of the device for so many seconds, or with 0 for good.
fn applying(settings: &str, revert_after: u32) -> String {
    format!("printf %s '{settings}' | genpack-config apply - --revert-after {revert_after}")
}

/// Returns a text as one word of the shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}
