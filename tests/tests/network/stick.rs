//! What is plugged into the USB sockets of a running device: a network adapter, and sticks, with the kernel's own events and its FAT
//! driver, and what stands on a stick afterwards.

use std::time::Duration;

use genpack_spec::layout::{BOOT_MOUNT, BOOT_REPORT_JSON, SETTINGS_JSON, STICK_MOUNT};
use genpack_tests::{Division, Guest, GuestSetup, Step, Stick, run_steps};

/// The machine's time, from power-on to power-off.
const LIFETIME: Duration = Duration::from_secs(1200);

const STEPS: &[Step<Guest>] = &[
    ("a network adapter", network_adapter),
    ("settings for good", for_good),
    ("lines that are wrong", bad_lines),
    ("a boot sector that is a partition table, too", both_tables),
    ("exFAT", exfat),
    ("no settings", no_settings),
    ("no settings file", no_settings_file),
    ("write-protected", write_protected),
    ("pulled out at once", pulled_at_once),
    ("pulled out while it is read", pulled_while_read),
    ("taken back by somebody", taken_back_by_somebody),
    ("an agent that is killed", killed_agent),
    ("no network with it", no_network),
    ("only checked", only_checked),
    ("not looked at", not_looked_at),
];

/// What is seen at once where it holds, and nobody else has to be asked for.
const MTU: &str = "[network eth0]\r\nmtu = 1400\r\n";
/// Cuts the device off.
const NO_NETWORK: &str = "[network]\r\nmethod = off\r\n";

/// What the agent says when a stick is not in use any more.
const ANSWERED: &str = "the answer is on the stick; it can be pulled out";
const UNANSWERED: &str = "RESULT.txt can't be written to the stick";
const NO_SETTINGS: &str = "there are no settings on this stick";
const ON_TRIAL: &str = "Settings are on trial";

#[test]
fn sticks_are_answered_and_do_no_harm() {
    let guest = GuestSetup::new("stick", LIFETIME).dhcp_nic().usb().switch_on();
    restart_agent(&guest, PATIENCE);
    let before = |guest: &Guest| {
        guest.run(&format!(
            "genpack-config revert >/dev/null 2>&1
             grep -q -x '# nothing' {BOOT_MOUNT}/system.ini ||
                 echo '# nothing' | genpack-config apply - --revert-after 0"
        ));
        await_address(guest);
    };
    run_steps(&guest, before, STEPS);
    let ends = guest
        .run("journalctl --boot --output=cat --grep='^genpack-config-agent.*Main process exited' || true");
    assert!(
        ends.ends_with("status=9/KILL") && ends.lines().count() == 1,
        "{ends}"
    );
}

/// Gives a network that does not come 12 seconds with a stick's settings, instead of 60.
const PATIENCE: &str = "mkdir /run/systemd/system/genpack-config-agent.service.d
    printf '[Service]\\nExecStart=\\nExecStart=/usr/lib/genpack/genpack-config-agent --patience 4\\n' \
        >/run/systemd/system/genpack-config-agent.service.d/patience.conf
    systemctl daemon-reload";

/// Runs a command, starts the agent anew, and waits until it sees sticks.
fn restart_agent(guest: &Guest, command: &str) {
    let before = guest.moment();
    guest.run(&format!(
        "set -e; {command}; systemctl restart genpack-config-agent"
    ));
    guest.agent_said(&before, "is on the bus");
    await_address(guest);
}

fn await_address(guest: &Guest) {
    guest.wait_for("ip -4 -o addr show dev eth0 | grep -F 10.0.2.15/");
}

/// Returns all that a stick could change.
fn state(guest: &Guest) -> String {
    guest.run(&format!(
        "sha256sum {SETTINGS_JSON} {BOOT_MOUNT}/system.ini && ip -o link show eth0 | grep -o 'mtu [0-9]*' &&
         ! test -e {BOOT_MOUNT}/boot/state/pending.json && ! mountpoint -q {STICK_MOUNT}"
    ))
}

fn assert_mtu(guest: &Guest) {
    guest.run("ip -o link show eth0 | grep -F 'mtu 1400 '");
}

/// Plugs a stick in, pulls it out when it is answered, and returns the answer.
fn answer_to(guest: &Guest, stick: &Stick) -> String {
    let before = guest.moment();
    let plugged = guest.plug(&stick.disk());
    guest.agent_said(&before, ANSWERED);
    guest.unplug(plugged);
    await_no_stick(guest);
    stick.result().expect("the device has answered")
}

/// Waits until the kernel has seen the end of every stick, so that the next one is `sda`.
fn await_no_stick(guest: &Guest) {
    guest.run("udevadm wait --removed --timeout=120 /dev/sda /dev/sdb");
}

/// Another one each time, as far as the kernel knows.
fn network_adapter(guest: &Guest) {
    let address = "ip -4 -o addr show | grep -v ' eth0 ' | grep -F 10.0.2.15/";
    for _ in 0..2 {
        let nic = guest.plug_nic();
        let line = guest.wait_for(address);
        let name = line.split_whitespace().nth(1).unwrap();
        guest.wait_for(&format!("genpack-config status | grep -F 'Port {name},'"));
        guest.unplug_nic(nic);
        guest.wait_for(&format!("! genpack-config status | grep -F 'Port {name},'"));
        guest.run("! ip -4 route | grep -v ' dev eth0 '");
    }
}

fn for_good(guest: &Guest) {
    let settings = format!("hostname = kitchen\r\n{MTU}");
    let result = answer_to(guest, &Stick::with(Division::None, &settings));
    assert!(
        result.starts_with("The settings on this stick hold now."),
        "{result}"
    );
    assert!(
        result.contains("Host name: kitchen") && result.contains("10.0.2.15"),
        "{result}"
    );
    assert_mtu(guest);
    assert_eq!(
        guest.run(&format!("cat {BOOT_MOUNT}/system.ini")),
        settings.trim_end()
    );
    state(guest);
    guest.wait_for("hostname | grep '^kitchen$'");
}

fn bad_lines(guest: &Guest) {
    let settings = [b"colour = blue\r\n".as_slice(), MTU.as_bytes(), b"# K\xfcche\r\n"].concat();
    let result = answer_to(guest, &Stick::with(Division::Partition, settings));
    for words in [
        "The settings on this stick hold now. 1 line of system.ini was not used as written.",
        "Line 1: colour = blue",
        "letters in an old encoding",
    ] {
        assert!(result.contains(words), "{result}");
    }
    assert_mtu(guest);
}

fn both_tables(guest: &Guest) {
    let before = guest.moment();
    let result = answer_to(guest, &Stick::with(Division::Both, MTU));
    assert!(
        result.starts_with("The settings on this stick hold now."),
        "{result}"
    );
    // The next one comes after all that the kernel had to say about this one.
    no_settings(guest);
    assert_eq!(guest.count_said(&before, ON_TRIAL), 1);
}

/// The usual file system of large sticks. Few hosts can write it, so the guest does.
fn exfat(guest: &Guest) {
    let stick = Stick::blank();
    let plugged = guest.plug(&stick.disk());
    guest.run(&format!(
        "set -e
        udevadm wait --timeout=120 /dev/sda
        udevadm settle
        mkfs.exfat /dev/sda
        mount -t exfat /dev/sda /mnt
        printf '%s' '{MTU}' >/mnt/system.ini
        umount /mnt"
    ));
    guest.unplug(plugged);
    await_no_stick(guest);
    let before = guest.moment();
    let plugged = guest.plug(&stick.disk());
    guest.agent_said(&before, ANSWERED);
    assert_mtu(guest);
    let result = guest
        .run("fsck.exfat -n /dev/sda >&2 && mount -o ro /dev/sda /mnt && cat /mnt/RESULT.txt && umount /mnt");
    assert!(
        result.contains("The settings on this stick hold now.\r\n"),
        "{result}"
    );
    guest.unplug(plugged);
    await_no_stick(guest);
}

fn no_settings(guest: &Guest) {
    let stick = Stick::new(Division::None);
    stick.write("holiday.jpg", b"x");
    let (state_before, bytes) = (state(guest), stick.bytes());
    let before = guest.moment();
    let plugged = guest.plug(&stick.disk());
    guest.agent_said(&before, NO_SETTINGS);
    guest.unplug(plugged);
    await_no_stick(guest);
    assert!(stick.bytes() == bytes, "something was written on the stick");
    assert_eq!(state(guest), state_before);
}

fn no_settings_file(guest: &Guest) {
    let before = state(guest);
    for (content, reason) in [
        (vec![b'#'; 2 << 20], "it is 2.0 MB long"),
        (
            b"\x89PNG\r\n\x1a\n\0\0\x01\xff\xfe".to_vec(),
            "this is not a text file",
        ),
        (vec![0; 4096], "the file holds nothing but zeros"),
    ] {
        let result = answer_to(guest, &Stick::with(Division::None, content));
        assert!(
            result.starts_with("The settings on this stick can't be used, so nothing was changed."),
            "{result}"
        );
        assert!(result.contains(&format!("Wrong: {reason}")), "{result}");
        assert_eq!(state(guest), before, "{reason}");
    }
}

fn write_protected(guest: &Guest) {
    let stick = Stick::with(Division::None, MTU);
    let bytes = stick.bytes();
    let before = guest.moment();
    let plugged = guest.plug(&stick.disk().read_only());
    guest.agent_said(&before, UNANSWERED);
    guest.unplug(plugged);
    await_no_stick(guest);
    assert_mtu(guest);
    state(guest);
    assert!(stick.bytes() == bytes, "something was written on the stick");
}

fn pulled_at_once(guest: &Guest) {
    let (moment, before) = (guest.moment(), state(guest));
    let stick = Stick::with(Division::Partition, MTU);
    let bytes = stick.bytes();
    // Slow, so that it can't be read in between however slow this host is.
    let plugged = guest.plug(&stick.disk().bytes_per_second(20_000));
    guest.unplug(plugged);
    // Looked at after whatever there was to see of the other one.
    no_settings(guest);
    assert_eq!((guest.count_said(&moment, ON_TRIAL), state(guest)), (0, before));
    assert!(stick.bytes() == bytes, "something was written on the stick");
}

fn pulled_while_read(guest: &Guest) {
    let (moment, before) = (guest.moment(), state(guest));
    let long = MTU.to_string() + &"# and so on\r\n".repeat(80_000);
    let stick = Stick::with(Division::None, long);
    let bytes = stick.bytes();
    // The file alone takes twelve seconds.
    let plugged = guest.plug(&stick.disk().bytes_per_second(80_000));
    guest.wait_for(&format!("mountpoint -q {STICK_MOUNT}"));
    guest.unplug(plugged);
    guest.agent_said(&moment, "sda: ");
    await_no_stick(guest);
    assert_eq!((guest.count_said(&moment, ON_TRIAL), state(guest)), (0, before));
    assert!(stick.bytes() == bytes, "something was written on the stick");
    let result = answer_to(guest, &Stick::with(Division::None, MTU));
    assert!(
        result.starts_with("The settings on this stick hold now."),
        "{result}"
    );
    assert_mtu(guest);
}

fn taken_back_by_somebody(guest: &Guest) {
    let (moment, before) = (guest.moment(), state(guest));
    let stick = Stick::with(Division::Partition, NO_NETWORK);
    let plugged = guest.plug(&stick.disk());
    guest.agent_said(&moment, ON_TRIAL);
    guest.run("genpack-config revert");
    guest.agent_said(&moment, ANSWERED);
    guest.unplug(plugged);
    await_no_stick(guest);
    let result = stick.result().expect("the device has answered");
    assert!(
        result.starts_with("Somebody confirmed the settings on this stick"),
        "{result}"
    );
    assert_eq!(state(guest), before);
}

fn killed_agent(guest: &Guest) {
    let (moment, before) = (guest.moment(), state(guest));
    let stick = Stick::with(Division::None, NO_NETWORK);
    let plugged = guest.plug(&stick.disk());
    guest.agent_said(&moment, ON_TRIAL);
    guest.run("systemctl kill --signal=KILL genpack-config-agent");
    guest.agent_said(&moment, "A stick was still mounted");
    guest.wait_for("genpack-config revert");
    assert_eq!(state(guest), before);
    guest.unplug(plugged);
    await_no_stick(guest);
    assert_eq!(stick.result(), None);
    let result = answer_to(guest, &Stick::with(Division::None, MTU));
    assert!(
        result.starts_with("The settings on this stick hold now."),
        "{result}"
    );
    assert_mtu(guest);
}

/// Meanwhile another stick is plugged in, and has to wait.
fn no_network(guest: &Guest) {
    let (moment, before) = (guest.moment(), state(guest));
    let (stick, empty) = (
        Stick::with(Division::None, NO_NETWORK),
        Stick::new(Division::None),
    );
    let first = guest.plug(&stick.disk());
    guest.agent_said(&moment, ON_TRIAL);
    guest.wait_for("! ip -4 -o addr show dev eth0 | grep -F 10.0.2.15/");
    let second = guest.plug(&empty.disk());
    guest.agent_said(&moment, ANSWERED);
    guest.agent_said(&moment, NO_SETTINGS);
    for plugged in [first, second] {
        guest.unplug(plugged);
    }
    await_no_stick(guest);
    let result = stick.result().expect("the device has answered");
    let words = "The settings on this stick were taken back, because the network did not work with them within 12 seconds.";
    assert!(result.starts_with(words), "{result}");
    await_address(guest);
    assert_eq!(state(guest), before);
}

/// Changes what the image says of sticks.
fn set_policy(guest: &Guest, policy: &str) {
    restart_agent(
        guest,
        &format!("sed -i 's/\"stick\": \"[a-z]*\"/\"stick\": \"{policy}\"/' {BOOT_REPORT_JSON}"),
    );
}

fn only_checked(guest: &Guest) {
    set_policy(guest, "check");
    let before = state(guest);
    let result = answer_to(
        guest,
        &Stick::with(Division::None, format!("colour = blue\r\n{MTU}")),
    );
    assert!(
        result.starts_with("The settings on this stick were checked and not applied"),
        "{result}"
    );
    assert!(result.contains("Line 1: colour = blue"), "{result}");
    assert_eq!(state(guest), before);
}

fn not_looked_at(guest: &Guest) {
    set_policy(guest, "off");
    let (moment, before) = (guest.moment(), state(guest));
    let stick = Stick::with(Division::None, MTU);
    let bytes = stick.bytes();
    let plugged = guest.plug(&stick.disk());
    guest.run("udevadm wait --timeout=120 /dev/sda && udevadm settle");
    // The agent has answered something else since.
    guest.run("genpack-config status");
    guest.unplug(plugged);
    await_no_stick(guest);
    assert_eq!((guest.count_said(&moment, "stick"), state(guest)), (0, before));
    assert!(stick.bytes() == bytes, "something was written on the stick");
}
