//! `<host name>.local`, asked for with other people's programs: drill, which knows no Multicast DNS, and Avahi, which does.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use genpack_spec::report::{LocalName, RunReport};
use nix::sys::signal::Signal;

use crate::world::{DEADLINE, Process, World, ip};

const STATIC: &str = r#"{"network": {"default": {"method": "static", "addresses": ["10.77.0.9/24"]}}}"#;
/// The other end of the cable, as the settings of a second device.
const OTHER_STATIC: &str =
    r#"{"network": {"default": {"method": "static", "addresses": ["10.77.0.1/24", "fd77::1/64"]}}}"#;

fn named(report: &RunReport, name: &str) -> bool {
    report.local_name.as_ref().is_some_and(|found| found.name == name)
}

fn address(world: &World, args: &str) -> String {
    let links = world.ip_json(args);
    links[0]["addr_info"][0]["local"].as_str().unwrap().to_string()
}

/// Asks from the other end of the cable: name, type. Returns the data of the records that are the answer; none when nobody
/// answers. Without the rescue address, which may be there already or not. (dig takes no answer to a question that was for a
/// group.)
fn drill(world: &World, args: &str) -> Option<Vec<String>> {
    let output = Command::new("ip")
        .args([
            "netns",
            "exec",
            &world.server,
            "timeout",
            "2",
            "drill",
            "-p",
            "5353",
        ])
        .args(args.split_whitespace())
        .arg("@224.0.0.251")
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let records = text
        .lines()
        .skip_while(|line| *line != ";; ANSWER SECTION:")
        .skip(1);
    let records = records.take_while(|line| !line.is_empty());
    let data = |line: &str| line.split('\t').skip(3).collect::<Vec<_>>().join(" ");
    let records = records
        .map(data)
        .filter(|record| !record.starts_with("A 169.254."));
    output.status.success().then(|| records.collect())
}

/// Asks until somebody answers, as who looks for a device does: nobody does while the name is being asked for, also once more
/// when the first address of the other protocol comes (RFC 6762 section 8.1).
fn answer(world: &World, args: &str) -> Vec<String> {
    let end = Instant::now() + DEADLINE;
    loop {
        if let Some(records) = drill(world, args) {
            return records;
        }
        assert!(Instant::now() < end, "nobody answers {args}");
    }
}

/// Starts a program in a namespace; what it says is in the file `log`.
fn start(world: &World, namespace: &str, log: &str, command: &[&str]) -> Process {
    let log = File::options()
        .create(true)
        .append(true)
        .open(world.path(log))
        .unwrap();
    let child = Command::new("ip")
        .args(["netns", "exec", namespace])
        .args(command)
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap();
    Process(child)
}

fn await_log(world: &World, log: &str, what: &str, count: usize) {
    world.await_file(&world.path(""), what, || {
        let text = fs::read_to_string(world.path(log)).unwrap_or_default();
        (text.matches(what).count() >= count).then_some(())
    });
}

/// Records what is said on the wire, with lifetimes, in the file `wire.log`.
fn record(world: &World) -> Process {
    let command = [
        "tcpdump",
        "-l",
        "-n",
        "-vvv",
        "--immediate-mode",
        "-i",
        "up0",
        "udp port 5353",
    ];
    let process = start(world, &world.server, "wire.log", &command);
    await_log(world, "wire.log", "listening on up0", 1);
    process
}

/// Avahi in a namespace, with a `/run` and a system bus of its own.
struct Avahi {
    // In the order in which they end.
    daemon: Process,
    _bus: Process,
    namespace: String,
    bus_address: String,
}

impl Avahi {
    /// Starts it and waits until it has a name.
    fn start(world: &World, namespace: &str, hostname: &str) -> Avahi {
        let socket = world.path("avahi-bus").display().to_string();
        let bus_address = format!("unix:path={socket}");
        let bus_conf = world.path("avahi-bus.conf");
        let policy =
            r#"<allow user="*"/><allow own="*"/><allow send_destination="*"/><allow receive_sender="*"/>"#;
        fs::write(
            &bus_conf,
            format!(
                r#"<busconfig><listen>{bus_address}</listen><auth>EXTERNAL</auth>
                <policy context="default">{policy}</policy></busconfig>"#
            ),
        )
        .unwrap();
        let config = format!("--config-file={}", bus_conf.display());
        let bus = [
            "dbus-daemon",
            "--nofork",
            "--nosyslog",
            "--print-address",
            &config,
        ];
        let bus = start(world, namespace, "bus.log", &bus);
        await_log(world, "bus.log", "unix:path=", 1);
        let conf = world.path("avahi.conf");
        fs::write(
            &conf,
            format!("[server]\nhost-name={hostname}\n[publish]\npublish-workstation=no\n"),
        )
        .unwrap();
        let run = format!(
            "mount -t tmpfs run /run && exec env DBUS_SYSTEM_BUS_ADDRESS={bus_address} avahi-daemon --no-drop-root \
             --no-chroot --no-rlimits --no-proc-title --file={}",
            conf.display()
        );
        let daemon = start(
            world,
            namespace,
            "avahi.log",
            &["unshare", "--mount", "sh", "-c", &run],
        );
        await_log(world, "avahi.log", "Server startup complete", 1);
        Avahi {
            daemon,
            _bus: bus,
            namespace: namespace.to_string(),
            bus_address,
        }
    }

    /// Returns what it finds.
    fn resolve(&self, args: &[&str]) -> String {
        let output = Command::new("ip")
            .args(["netns", "exec", &self.namespace, "avahi-resolve"])
            .args(args)
            .env("DBUS_SYSTEM_BUS_ADDRESS", &self.bus_address)
            .output()
            .unwrap();
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat())
            .trim()
            .to_string()
    }
}

/// A second device at the other end of the cable, with the same host name. Returns the directory that stands for its `/`.
fn second_device(world: &World) -> (Process, PathBuf) {
    let root = world.path("second");
    let run = root.join("run/genpack");
    fs::create_dir_all(&run).unwrap();
    fs::create_dir_all(root.join("dev")).unwrap();
    File::create(root.join("dev/kmsg")).unwrap();
    fs::copy(world.run_dir().join("report.json"), run.join("report.json")).unwrap();
    fs::write(run.join("settings.json"), OTHER_STATIC).unwrap();
    let root_argument = root.display().to_string();
    let agent = env!("CARGO_BIN_EXE_genpack-config-agent");
    let process = start(
        world,
        &world.server,
        "second.log",
        &[agent, "--root", &root_argument],
    );
    (process, root)
}

fn second_name(world: &World, root: &std::path::Path) -> LocalName {
    let run = root.join("run/genpack");
    world.await_file(&run, "name of the second device", || {
        let text = fs::read_to_string(run.join("run-report.json")).ok()?;
        let report: RunReport = serde_json::from_str(&text).unwrap();
        report.local_name
    })
}

#[test]
fn programs_without_multicast_dns_find_the_name_and_the_addresses_of_the_port() {
    let world = World::new();
    world.settings(STATIC);
    ip(&format!("-n {} route add 224.0.0.0/4 dev up0", world.server));
    let _agent = world.agent(&[]);
    world.await_report("name", |report| named(report, "kitchen.local"));
    // The rescue address is the last to come.
    world.await_report("all addresses", |report| {
        let addresses = report.links.iter().flat_map(|link| &link.addresses);
        addresses.count() == 3
    });
    let link_local = address(&world, "-6 addr show dev eth0 scope link");
    assert_eq!(answer(&world, "kitchen.local A"), ["A 10.77.0.9"]);
    assert_eq!(
        answer(&world, "Kitchen.Local AAAA"),
        [format!("AAAA {link_local}")]
    );
    for address in ["10.77.0.9", &link_local] {
        let found = answer(&world, &format!("-x {address}"));
        assert_eq!(found, ["PTR kitchen.local."], "{address}");
    }
    let denied = answer(&world, "kitchen.local TLSA");
    assert_eq!(
        denied,
        ["NSEC kitchen.local. A AAAA "],
        "there is none, and that is an answer"
    );
    assert_eq!(drill(&world, "kitchen-2.local A"), None);
}

#[test]
fn avahi_follows_the_addresses_of_the_device() {
    let world = World::new();
    world.settings(STATIC);
    let _wire = record(&world);
    let mut agent = world.agent(&[]);
    let avahi = Avahi::start(&world, &world.server, "pantry");
    world.await_report("name", |report| named(report, "kitchen.local"));
    let address = avahi.resolve(&["-4", "-n", "kitchen.local"]);
    // The rescue address may be there already, and Avahi takes either.
    assert!(
        address == "kitchen.local\t10.77.0.9" || address.starts_with("kitchen.local\t169.254."),
        "{address}"
    );
    assert_eq!(avahi.resolve(&["-a", "10.77.0.9"]), "10.77.0.9\tkitchen.local");
    let link_local = avahi.resolve(&["-6", "-n", "kitchen.local"]);
    assert!(link_local.starts_with("kitchen.local\tfe80:"), "{link_local}");

    ip(&format!("-n {} addr add 10.77.0.44/24 dev eth0", world.device));
    await_log(&world, "wire.log", "(Cache flush) [2m] A 10.77.0.44", 1);
    ip(&format!("-n {} addr del 10.77.0.44/24 dev eth0", world.device));
    await_log(&world, "wire.log", "kitchen.local. [0s] A 10.77.0.44", 1);

    agent.signal(Signal::SIGTERM);
    await_log(&world, "wire.log", "kitchen.local. [0s] A 10.77.0.9", 1);
    // It is forgotten a second after the farewell.
    let end = Instant::now() + DEADLINE;
    while !avahi.resolve(&["-4", "-n", "kitchen.local"]).contains("Timeout") {
        assert!(Instant::now() < end, "Avahi still knows the name");
    }
}

#[test]
fn of_two_devices_with_one_name_the_later_gets_a_number() {
    let world = World::new();
    world.settings(STATIC);
    let _first = world.agent(&[]);
    world.await_report("name", |report| named(report, "kitchen.local"));
    let (_second, root) = second_device(&world);
    assert_eq!(
        second_name(&world, &root),
        LocalName {
            name: "kitchen-2.local".into(),
            taken: Some("kitchen.local".into())
        }
    );
    world.await_report("the first as before", |report| named(report, "kitchen.local"));
}

#[test]
fn of_two_devices_that_start_at_once_one_gets_a_number() {
    let world = World::new();
    world.settings(STATIC);
    let _first = world.agent(&[]);
    let (_second, root) = second_device(&world);
    // A name is certain only when both families have been asked, so both may have told one that they lose again.
    let other = |name: &str| match name {
        "kitchen.local" => "kitchen-2.local",
        _ => "kitchen.local",
    };
    let end = Instant::now() + DEADLINE;
    loop {
        let second = second_name(&world, &root);
        let report = world.await_report("name", |report| report.local_name.is_some());
        if named(&report, other(&second.name)) {
            break;
        }
        assert!(Instant::now() < end, "both are {}", second.name);
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn the_name_is_served_on_a_port_that_comes_later() {
    let world = World::new();
    world.settings(STATIC);
    ip(&format!("-n {} link del eth0", world.device));
    let _agent = world.agent(&[]);
    let report = world.await_report("report", |report| report.links.is_empty());
    assert_eq!(report.local_name, None);
    world.plug();
    ip(&format!("-n {} route add 224.0.0.0/4 dev up0", world.server));
    world.await_report("name", |report| named(report, "kitchen.local"));
    assert_eq!(answer(&world, "kitchen.local A"), ["A 10.77.0.9"]);
    ip(&format!("-n {} link set up0 down", world.server));
    world.await_report("no name without a cable", |report| report.local_name.is_none());
}

#[test]
fn avahi_on_the_same_device_keeps_the_name() {
    let world = World::new();
    world.settings(STATIC);
    ip(&format!("-n {} route add 224.0.0.0/4 dev up0", world.server));
    ip(&format!("-n {} addr add 10.77.0.9/24 dev eth0", world.device));
    ip(&format!("-n {} link set eth0 up", world.device));
    let mut avahi = Avahi::start(&world, &world.device, "kitchen");
    let _agent = world.agent(&[]);
    let aside = "Another program on this device serves kitchen.local";
    await_log(&world, "agent.log", aside, 1);
    world.await_report("name", |report| named(report, "kitchen.local"));
    assert_eq!(answer(&world, "kitchen.local A"), ["A 10.77.0.9"]);

    // It ends, and the agent takes over; it comes back, and has the name again.
    avahi.daemon.signal(Signal::SIGTERM);
    drop(avahi);
    await_log(&world, "agent.log", "this device is found as kitchen.local", 1);
    assert_eq!(answer(&world, "kitchen.local A"), ["A 10.77.0.9"]);
    fs::remove_file(world.path("avahi.log")).unwrap();
    fs::remove_file(world.path("bus.log")).unwrap();
    let _avahi = Avahi::start(&world, &world.device, "kitchen");
    await_log(&world, "agent.log", aside, 2);
    let log = fs::read_to_string(world.path("avahi.log")).unwrap();
    assert!(log.contains("Host name is kitchen.local"), "{log}");
    assert!(!log.contains("conflict"), "{log}");
}

#[test]
fn without_the_fallback_no_name_is_served() {
    let world = World::new();
    world.settings(
        r#"{"network": {"default": {"method": "static", "addresses": ["10.77.0.9/24"], "fallback": false}}}"#,
    );
    ip(&format!("-n {} route add 224.0.0.0/4 dev up0", world.server));
    let _agent = world.agent(&[]);
    world.await_report("address", |report| {
        report
            .links
            .first()
            .is_some_and(|link| !link.addresses.is_empty())
    });
    assert_eq!(drill(&world, "kitchen.local A"), None);
    world.await_report("no name", |report| report.local_name.is_none());
}

#[test]
fn a_bridge_has_the_name_and_its_ports_do_not() {
    let world = World::new();
    world.settings(
        r#"{"bridge": {"br0": {"ports": ["eth0"], "method": "static", "addresses": ["10.77.0.9/24"]}}}"#,
    );
    ip(&format!("-n {} route add 224.0.0.0/4 dev up0", world.server));
    let _agent = world.agent(&[]);
    await_log(
        &world,
        "agent.log",
        "br0: this device is found as kitchen.local",
        1,
    );
    assert_eq!(answer(&world, "kitchen.local A"), ["A 10.77.0.9"]);
    let log = fs::read_to_string(world.path("agent.log")).unwrap();
    assert!(!log.contains("eth0: this device is found"), "{log}");
}
