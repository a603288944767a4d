//! Real machines with a guest of one sector, under SeaBIOS.

use crate::common::{Guest, HELLO, POWER_OFF, RESTART, SOON};
use genpack_qemu::{
    Cable, DiskInterface, Error, Firmware, Forward, Machine, Nic, Overlay, Pattern, UserNetwork, Vm,
};
use serde_json::json;
use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

fn exists(pid: u32) -> bool {
    Path::new("/proc").join(pid.to_string()).exists()
}

#[test]
fn a_guest_is_talked_with_and_its_log_is_kept() {
    let guest = Guest::new();
    let logs = tempfile::tempdir().unwrap();
    let vm = guest
        .machine("talk")
        .log_dir(logs.path().join("new/folder"))
        .start()
        .unwrap();
    vm.expect("guest is up", SOON).unwrap();
    let address = vm
        .expect(Pattern::regex(r"^address (\S+)").unwrap(), SOON)
        .unwrap();
    assert_eq!(address.group(1), Some("10.0.2.15"));
    vm.expect("> ", SOON).unwrap();
    vm.send("hello").unwrap();
    // At the very end of the output, with nothing to follow.
    assert_eq!(
        vm.expect(Pattern::regex("h.*o").unwrap(), SOON).unwrap().text(),
        "hello"
    );
    vm.send(POWER_OFF).unwrap();
    assert!(vm.wait_exit(SOON).unwrap().success());
    assert!(
        vm.serial_log()
            .ends_with("guest is up\naddress 10.0.2.15\n> hello"),
        "{}",
        vm.serial_log()
    );
    let log = fs::read_to_string(vm.log_path().unwrap()).unwrap();
    assert!(log.ends_with(&format!("{HELLO}hello")), "{log:?}");
    assert_eq!(vm.pid(), None);
}

#[test]
fn waiting_in_vain_says_for_what_and_shows_the_log() {
    let guest = Guest::new();
    let vm = guest.machine("vain").start().unwrap();
    vm.expect("guest is up", SOON).unwrap();
    let begin = Instant::now();
    let error = vm.expect("login: ", Duration::from_millis(500)).unwrap_err();
    assert!(begin.elapsed() < Duration::from_secs(5));
    let text = error.to_string();
    assert!(
        text.starts_with(r#"machine vain: waited 0.5 s for "login: " on the serial console, in vain"#),
        "{text}"
    );
    assert!(text.contains("guest is up\naddress 10.0.2.15\n>"), "{text}");
}

#[test]
fn the_end_of_qemu_ends_every_wait() {
    let guest = Guest::new();
    let vm = guest.machine("ends").start().unwrap();
    vm.expect("> ", SOON).unwrap();
    let begin = Instant::now();
    thread::scope(|scope| {
        let waiting = scope.spawn(|| vm.expect("never", 2 * SOON));
        vm.send(POWER_OFF).unwrap();
        assert!(matches!(waiting.join().unwrap(), Err(Error::Exited { .. })));
    });
    assert!(matches!(
        vm.qmp("query-status", json!({})),
        Err(Error::Exited { .. })
    ));
    assert!(matches!(vm.wait_event("NEVER", SOON), Err(Error::Exited { .. })));
    assert!(begin.elapsed() < SOON);
}

#[test]
fn a_deadline_kills_the_machine_and_is_named() {
    let guest = Guest::new();
    let vm = guest
        .machine("late")
        .deadline(Duration::from_secs(2))
        .start()
        .unwrap();
    let pid = vm.pid().unwrap();
    let error = vm.expect("never", SOON).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("machine late: killed because its deadline of 2.0 s passed"),
        "{error}"
    );
    assert!(matches!(vm.wait_exit(SOON), Err(Error::Deadline { .. })));
    assert!(!exists(pid));
}

#[test]
fn dropping_kills_and_reaps() {
    let guest = Guest::new();
    // Started by a thread that ends at once: the machine must not end with it.
    let machine = guest.machine("drop");
    let vm = thread::spawn(move || machine.start().unwrap()).join().unwrap();
    vm.expect("> ", SOON).unwrap();
    let pid = vm.pid().unwrap();
    assert!(exists(pid));
    drop(vm);
    assert!(!exists(pid));
}

/// Runs itself in a process of its own that is killed, as a test runner's timeout would do.
#[test]
fn qemu_dies_with_the_process_that_started_it() {
    const MONITOR: &str = "QEMU_TEST_MONITOR";
    if let Ok(monitor) = env::var(MONITOR) {
        let args = ["-qmp".to_owned(), format!("unix:{monitor},server=on,wait=off")];
        let vm = Machine::new("orphan")
            .memory_mib(64)
            .deadline(2 * SOON)
            .extra_args(args)
            .start()
            .unwrap();
        println!("\nstarted");
        vm.wait_exit(2 * SOON).unwrap();
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let monitor = folder.path().join("monitor");
    let mut owner = Command::new(env::current_exe().unwrap())
        .args([
            "--exact",
            "--nocapture",
            "guest::qemu_dies_with_the_process_that_started_it",
        ])
        .env(MONITOR, &monitor)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(owner.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap() == "started"));
    let mut connection = UnixStream::connect(&monitor).unwrap();
    connection.set_read_timeout(Some(SOON)).unwrap();
    owner.kill().unwrap();
    owner.wait().unwrap();
    // The connection ends when QEMU does.
    let ended = connection.read_to_end(&mut Vec::new());
    assert!(ended.is_ok() || ended.unwrap_err().kind() == ErrorKind::ConnectionReset);
}

#[test]
fn restarting_is_seen_or_forbidden() {
    let guest = Guest::new();
    let vm = guest.machine("restart").start().unwrap();
    vm.expect("> ", SOON).unwrap();
    vm.send(RESTART).unwrap();
    vm.wait_event("RESET", SOON).unwrap();
    vm.expect("guest is up", SOON).unwrap();
    vm.system_reset().unwrap();
    vm.expect("guest is up", SOON).unwrap();
    vm.powerdown().unwrap();
    vm.wait_event("POWERDOWN", SOON).unwrap();
    vm.quit().unwrap();
    vm.quit().unwrap();
    drop(vm);

    let vm = guest.machine("no-restart").no_reboot().start().unwrap();
    vm.expect("> ", SOON).unwrap();
    vm.send(RESTART).unwrap();
    assert!(vm.wait_exit(SOON).unwrap().success());
}

#[test]
fn the_screen_is_saved_as_png() {
    let guest = Guest::new();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("screen, one.png");
    let vm = guest.machine("screen").start().unwrap();
    vm.expect("> ", SOON).unwrap();
    vm.screenshot(&path).unwrap();
    let file = BufReader::new(fs::File::open(&path).unwrap());
    let mut reader = png::Decoder::new(file).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let frame = reader.next_frame(&mut pixels).unwrap();
    assert!(frame.width >= 640 && frame.height >= 400);
    let lit = pixels.iter().filter(|&&byte| byte > 0x80).count();
    assert!(
        lit > 100,
        "SeaBIOS's text is on the screen, {lit} bright samples are not"
    );
    let error = vm.screenshot(folder.path().join("no/folder.png")).unwrap_err();
    assert!(error.to_string().contains("screendump"), "{error}");
}

#[test]
fn ports_are_forwarded_from_free_ones() {
    let network = || {
        UserNetwork::new()
            .restricted()
            .forward(Forward::tcp(80))
            .forward(Forward::udp(53))
    };
    let [one, two] = ["one", "two"].map(|name| {
        let machine = Machine::new(name)
            .memory_mib(64)
            .deadline(2 * SOON)
            .nic(Nic::user(network()));
        machine.start().unwrap()
    });
    let ports = [&one, &two].map(|vm| vm.forwarded_port(80).unwrap());
    assert!(ports[0] != ports[1] && !ports.contains(&0), "{ports:?}");
    assert!(one.forwarded(genpack_qemu::Protocol::Udp, 53).is_ok());
    let error = one.forwarded_port(443).unwrap_err();
    assert!(
        error.to_string().contains("guest port 443 is not forwarded"),
        "{error}"
    );
    // This guest answers nobody, and says so in time.
    let begin = Instant::now();
    let error = one.wait_http(80, "/page", Duration::from_secs(1)).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("an answer to GET /page from guest port 80 (last attempt: "),
        "{error}"
    );
    assert!(matches!(
        one.wait_banner(80, Duration::from_millis(300)),
        Err(Error::TimedOut { .. })
    ));
    assert!(begin.elapsed() < Duration::from_secs(10));
    // A port that is taken is an error with QEMU's reason.
    let taken = UserNetwork::new().forward(Forward::tcp(80).from_host_port(ports[0]));
    let error = start_error(Machine::new("taken").nic(Nic::user(taken)));
    assert!(error.contains("Could not set up host forwarding rule"), "{error}");
}

fn start_error(machine: Machine) -> String {
    machine.start().unwrap_err().to_string()
}

#[test]
fn what_keeps_qemu_from_starting_is_told() {
    let error = start_error(Machine::new("bad").extra_args(["-no-such-option"]));
    assert!(
        error.contains("while waiting for QEMU to start") && error.contains("no-such-option"),
        "{error}"
    );
    let disk = genpack_qemu::Disk::new("/no/such/disk.img", genpack_qemu::Format::Raw);
    let error = start_error(Machine::new("bad").disk(disk));
    assert!(error.contains("/no/such/disk.img"), "{error}");
    let guest = Guest::new();
    let _one = guest.machine("one").start().unwrap();
    let error = start_error(guest.machine("two"));
    assert!(error.contains("lock"), "{error}");
}

#[test]
fn a_cable_carries_frames() {
    let cable = Cable::new().unwrap();
    let other_end = UnixDatagram::bind(cable.b().socket()).unwrap();
    other_end.set_read_timeout(Some(SOON)).unwrap();
    let card = Nic::cable(cable.a()).mac("52:54:00:00:00:07");
    let vm = Machine::new("cable")
        .memory_mib(64)
        .deadline(2 * SOON)
        .nic(card)
        .start()
        .unwrap();
    vm.qmp(
        "announce-self",
        json!({ "initial": 50, "max": 50, "rounds": 1, "step": 0 }),
    )
    .unwrap();
    let mut frame = [0; 2048];
    let length = other_end.recv(&mut frame).unwrap();
    // A reverse ARP broadcast from the card's address.
    assert_eq!(
        &frame[..length.min(14)],
        b"\xff\xff\xff\xff\xff\xff\x52\x54\x00\x00\x00\x07\x80\x35"
    );
}

#[test]
fn every_disk_interface_boots() {
    let guest = Guest::new();
    let boot = |interface| -> Vm {
        let overlay = Overlay::create(guest.disk_path()).unwrap();
        let machine = Machine::new(format!("{interface:?}"))
            .memory_mib(64)
            .deadline(2 * SOON);
        let vm = machine.disk_on(overlay.disk(), interface).start().unwrap();
        vm.expect("guest is up", SOON).unwrap();
        vm
    };
    for interface in [
        DiskInterface::VirtioScsi,
        DiskInterface::Chipset,
        DiskInterface::Nvme,
        DiskInterface::Usb,
    ] {
        boot(interface).quit().unwrap();
    }
}

#[test]
fn uefi_firmware_starts() {
    let folder = tempfile::tempdir().unwrap();
    let variables = folder.path().join("variables.fd");
    let kept = Firmware::Uefi {
        variables: Some(variables.clone()),
    };
    for firmware in [Firmware::uefi(), kept] {
        let machine = Machine::new("uefi")
            .memory_mib(256)
            .deadline(2 * SOON)
            .firmware(firmware);
        machine.start().unwrap().expect("BdsDxe", SOON).unwrap();
    }
    assert!(variables.metadata().unwrap().len() > 100_000);
}
