//! That the device can be reached whatever was typed: clashes, the rescue address, and DHCP beside a silent gateway. What the
//! agent sends is judged by tcpdump, and the other hosts are the kernel, arping and dnsmasq.

use std::fs::{self, File};
use std::net::Ipv4Addr;
use std::process::{Command, Stdio};

use genpack_config_agent::net::arp::link_local::candidate;
use genpack_spec::report::{AddressOrigin, RunReport};
use genpack_spec::types::MacAddress;
use nix::sys::signal::Signal;

use crate::world::{Process, World, ip};

const STATIC: &str = r#"{"network": {"eth0": {"method": "static", "addresses": ["10.77.0.9/24"], "gateways": ["10.77.0.1"]}}}"#;
const TYPO: &str = r#"{"network": {"eth0": {"method": "static", "addresses": ["10.77.0.9/24"], "gateways": ["10.77.0.3"]}}}"#;
const PROBE: &str = "who-has 10.77.0.9 tell 0.0.0.0";
const ANNOUNCEMENT: &str = "who-has 10.77.0.9 tell 10.77.0.9";

fn announcement(address: Ipv4Addr) -> String {
    format!("who-has {address} tell {address}")
}

/// The device's rescue addresses in the order in which it tries them.
fn rescue(number: u32) -> Ipv4Addr {
    candidate(MacAddress::new([2, 0, 0, 0, 0x77, 2]), number)
}

fn problems(report: &RunReport) -> String {
    let problems = report.links.iter().flat_map(|link| &link.problems);
    problems.map(|text| text.english() + "\n").collect()
}

fn has(report: &RunReport, origin: AddressOrigin) -> bool {
    let mut addresses = report.links.iter().flat_map(|link| &link.addresses);
    addresses.any(|address| address.origin == origin)
}

fn server_has(world: &World, change: &str, address: impl std::fmt::Display) {
    ip(&format!("-n {} addr {change} {address} dev up0", world.server));
}

fn cable(world: &World, state: &str) {
    ip(&format!("-n {} link set up0 {state}", world.server));
}

fn spawn(world: &World, name: &str, namespace: &str, program: &[&str]) -> Process {
    let log = |end: &str| File::create(world.path(&format!("{name}.{end}"))).unwrap();
    let child = Command::new("ip")
        .args(["netns", "exec", namespace])
        .args(program)
        .stdin(Stdio::null())
        .stdout(log("log"))
        .stderr(log("err"))
        .spawn()
        .unwrap();
    Process(child)
}

/// Records all ARP on the server's end of the cable; on any port, because tcpdump ends when the one that it listens to is switched
/// off.
fn tcpdump(world: &World) -> Process {
    let process = spawn(
        world,
        "arp",
        &world.server,
        &[
            "tcpdump",
            "-i",
            "any",
            "-n",
            "-e",
            "-l",
            "--immediate-mode",
            "arp",
        ],
    );
    let ready = world.path("arp.err");
    world.await_file(&world.path(""), "tcpdump", || {
        fs::read_to_string(&ready)
            .unwrap()
            .contains("listening")
            .then_some(())
    });
    process
}

/// Returns the device's ARP so far.
fn sent(world: &World) -> Vec<String> {
    let text = fs::read_to_string(world.path("arp.log")).unwrap();
    let lines = text.lines().filter(|line| line.contains(" 02:00:00:00:77:02 "));
    lines.map(String::from).collect()
}

fn await_sent(world: &World, what: &str, count: usize) {
    world.await_file(&world.path(""), &format!("{count} times {what}"), || {
        let matching = sent(world).iter().filter(|line| line.contains(what)).count();
        (matching >= count).then_some(())
    });
}

/// Records what happens to addresses of the device.
fn monitor(world: &World) -> Process {
    spawn(
        world,
        "monitor",
        &world.device,
        &["ip", "-o", "monitor", "address", "route"],
    )
}

fn arping(world: &World, args: &str) -> bool {
    let status = Command::new("ip")
        .args(["netns", "exec", &world.server, "arping", "-I", "up0"])
        .args(args.split_whitespace())
        .stdout(Stdio::null())
        .status()
        .unwrap();
    status.success()
}

fn up0_mac(world: &World) -> String {
    let output = Command::new("ip")
        .args(["-n", &world.server, "-j", "link", "show", "dev", "up0"])
        .output()
        .unwrap();
    let links: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    links[0]["address"].as_str().unwrap().to_string()
}

#[test]
fn a_static_address_is_asked_about_before_and_announced_after() {
    let world = World::new();
    let _tcpdump = tcpdump(&world);
    world.settings(STATIC);
    let _agent = world.agent(&[]);
    world.await_address("10.77.0.9");
    await_sent(&world, ANNOUNCEMENT, 2);
    let about: Vec<String> = sent(&world)
        .into_iter()
        .filter(|line| line.contains(PROBE) || line.contains(ANNOUNCEMENT))
        .collect();
    let probes = about.iter().take_while(|line| line.contains(PROBE)).count();
    assert_eq!((probes, about.len()), (3, 5), "{about:#?}");
}

#[test]
fn a_taken_address_is_reported_left_alone_and_taken_once_it_is_free() {
    let world = World::new();
    server_has(&world, "add", "10.77.0.9/24");
    world.settings(STATIC);
    let _agent = world.agent(&[]);
    let report = world.await_report("clash and rescue address", |report| {
        problems(report).contains("already used") && has(report, AddressOrigin::LinkLocal)
    });
    let said = problems(&report);
    assert!(
        said.contains("10.77.0.9 is") && said.contains(&up0_mac(&world)),
        "{said}"
    );
    world.await_address(&rescue(0).to_string());
    assert!(world.addresses("4").is_empty());
    assert!(world.default_routes("4").is_empty());
    assert!(
        arping(&world, &format!("-c 1 -w 10 -s 0.0.0.0 {}", rescue(0))),
        "it can be reached"
    );

    server_has(&world, "del", "10.77.0.9/24");
    cable(&world, "down");
    world.await_report("pulled cable", |report| !report.links[0].carrier);
    cable(&world, "up");
    let report = world.await_report("address and gateway", |report| {
        has(report, AddressOrigin::Static) && !report.links[0].gateways.is_empty()
    });
    assert_eq!(problems(&report), "");
}

#[test]
fn a_taken_address_is_replaced_by_dhcp_where_it_is_offered() {
    let world = World::new();
    server_has(&world, "add", "10.77.0.9/24");
    let _server = world.dhcp_server();
    world.settings(STATIC);
    let _agent = world.agent(&[]);
    let report = world.await_report("DHCP address and its gateway", |report| {
        has(report, AddressOrigin::Dhcp) && !report.links[0].gateways.is_empty()
    });
    let said = problems(&report);
    assert!(
        said.contains("already used") && said.contains("also uses the address 10.77.0.1"),
        "{said}"
    );
    assert_eq!(report.dns.len(), 1);
}

#[test]
fn a_typo_in_the_gateway_brings_dhcp_until_the_gateway_answers() {
    let world = World::new();
    let _server = world.dhcp_server();
    world.settings(TYPO);
    let mut agent = world.agent(&[]);
    let report = world.await_report("both addresses and both gateways", |report| {
        has(report, AddressOrigin::Dhcp)
            && has(report, AddressOrigin::Static)
            && report.links[0].gateways.len() == 2
    });
    let said = problems(&report);
    assert!(said.contains("The gateway 10.77.0.3 does not answer"), "{said}");
    assert!(said.contains("also uses the address 10.77.0.1"), "{said}");
    assert_eq!(
        report.links[0].gateways[0].to_string(),
        "10.77.0.1",
        "the one that works is first"
    );
    assert_eq!(report.dns.len(), 1);
    let way = world.ip_json("route get 192.0.2.1");
    assert_eq!(way[0]["gateway"], "10.77.0.1", "{way}");

    // A restart changes nothing of it.
    let _monitor = monitor(&world);
    agent.signal(Signal::SIGTERM);
    fs::remove_file(world.run_dir().join("run-report.json")).unwrap();
    let _agent = world.agent(&[]);
    world.await_report("the same in the next life", |report| {
        problems(report).contains("also uses the address 10.77.0.1")
    });
    world.await_dnsmasq("DHCPACK", 2);
    let happened = fs::read_to_string(world.path("monitor.log")).unwrap();
    assert!(!happened.contains("Deleted"), "{happened}");

    world.await_file(&world.path(""), "second check", || {
        let log = fs::read_to_string(world.path("agent.log")).unwrap();
        (log.matches("10.77.0.3 does not answer").count() >= 2).then_some(())
    });
    // It is switched on, and tells the network so.
    server_has(&world, "add", "10.77.0.3/24");
    assert!(arping(&world, "-U -c 1 10.77.0.3"));
    let report = world.await_report("only what was typed", |report| {
        !has(report, AddressOrigin::Dhcp)
            && report.links[0].gateways.len() == 1
            && problems(report).is_empty()
    });
    assert_eq!(report.links[0].gateways[0].to_string(), "10.77.0.3");
    assert_eq!(world.addresses("4"), ["10.77.0.9/24"]);
    assert!(report.dns.is_empty());
}

#[test]
fn nobody_is_asked_for_an_address_while_the_gateway_answers() {
    let world = World::new();
    let _server = world.dhcp_server();
    world.settings(STATIC);
    let _agent = world.agent(&[]);
    world.await_address(&rescue(0).to_string());
    world.await_file(&world.path(""), "gateway", || {
        let log = fs::read_to_string(world.path("agent.log")).unwrap_or_default();
        log.contains("the gateway 10.77.0.1 answers").then_some(())
    });
    let asked = fs::read_to_string(world.path("dnsmasq.log")).unwrap();
    assert!(
        !asked.contains("DHCPDISCOVER") && !asked.contains("DHCPREQUEST"),
        "{asked}"
    );
    assert_eq!(world.addresses("4"), ["10.77.0.9/24"]);
    // The rescue address is the source of nothing that goes to others.
    for elsewhere in [
        "192.0.2.1",
        "10.77.0.200",
        "255.255.255.255 oif eth0",
        "224.0.0.251 oif eth0",
    ] {
        let way = world.ip_json(&format!("route get {elsewhere}"));
        assert_eq!(way[0]["prefsrc"], "10.77.0.9", "{way}");
    }
}

#[test]
fn fallback_off_leaves_only_what_was_typed() {
    let world = World::new();
    server_has(&world, "add", "10.77.0.9/24");
    let _server = world.dhcp_server();
    // The second port shows when a rescue address would have come.
    ip(&format!(
        "link add eth1 netns {} type veth peer name up1 netns {}",
        world.device, world.server
    ));
    ip(&format!("-n {} link set up1 up", world.server));
    let off = r#"{"network": {"eth0": {"method": "static", "addresses": ["10.77.0.9/24"], "gateways": ["10.77.0.1"],
        "fallback": false}}}"#;
    world.settings(off);
    let _agent = world.agent(&[]);
    let report = world.await_report("clash, and the other port's rescue address", |report| {
        problems(report).contains("already used")
            && report.links.iter().any(|link| {
                let mut addresses = link.addresses.iter();
                link.name == "eth1" && addresses.any(|found| found.address.addr().is_ipv4())
            })
    });
    assert!(!problems(&report).contains("DHCP)"), "{report:?}");
    assert!(world.all_addresses_of("eth0", "4").is_empty());
    let asked = fs::read_to_string(world.path("dnsmasq.log")).unwrap();
    assert!(!asked.contains("DHCPDISCOVER"), "{asked}");
}

#[test]
fn a_rescue_address_that_others_have_moves_on() {
    let world = World::new();
    let _tcpdump = tcpdump(&world);
    server_has(&world, "add", format!("{}/16", rescue(0)));
    let _agent = world.agent(&[]);
    world.await_address(&rescue(1).to_string());
    await_sent(&world, &announcement(rescue(1)), 2);

    // Somebody comes who does not ask, and insists.
    server_has(&world, "add", format!("{}/16", rescue(1)));
    assert!(arping(&world, &format!("-A -c 3 {}", rescue(1))));
    world.await_address(&rescue(2).to_string());
    assert_eq!(world.all_addresses_of("eth0", "4"), [format!("{}/16", rescue(2))]);
}

#[test]
fn a_restart_keeps_static_and_rescue_address_without_asking_and_defends_them() {
    let world = World::new();
    world.settings(STATIC);
    let mut agent = world.agent(&[]);
    world.await_address(&rescue(0).to_string());
    world.await_address("10.77.0.9");
    let _tcpdump = tcpdump(&world);
    let _monitor = monitor(&world);
    for signal in [Signal::SIGTERM, Signal::SIGKILL] {
        agent.signal(signal);
        fs::remove_file(world.run_dir().join("run-report.json")).unwrap();
        fs::remove_file(world.path("agent.log")).unwrap();
        agent = world.agent(&[]);
        world.await_address("10.77.0.9");
        // Probes would have gone out long before.
        world.await_file(&world.path(""), "gateway", || {
            let log = fs::read_to_string(world.path("agent.log")).unwrap_or_default();
            log.contains("the gateway 10.77.0.1 answers").then_some(())
        });
    }
    let lines = sent(&world);
    assert!(
        !lines.iter().any(|line| line.contains("tell 0.0.0.0")),
        "{lines:#?}"
    );

    // Another host claims the address: it is defended once, reported, and stays.
    server_has(&world, "add", "10.77.0.9/32");
    assert!(arping(&world, "-A -c 3 10.77.0.9"));
    let report = world.await_report("contest", |report| {
        problems(report).contains("needs another address")
    });
    assert!(problems(&report).contains(&up0_mac(&world)), "{report:?}");
    let defences = || {
        sent(&world)
            .iter()
            .filter(|line| line.contains(ANNOUNCEMENT))
            .count()
    };
    await_sent(&world, ANNOUNCEMENT, 1);
    assert_eq!(defences(), 1);
    let happened = fs::read_to_string(world.path("monitor.log")).unwrap();
    assert!(!happened.contains("Deleted"), "{happened}");
}

#[test]
fn a_static_address_comes_with_the_cable_and_stays_when_that_is_loose() {
    let world = World::new();
    let _tcpdump = tcpdump(&world);
    cable(&world, "down");
    world.settings(STATIC);
    let _agent = world.agent(&[]);
    world.await_report("port without cable", |report| {
        report.links.iter().any(|link| !link.carrier)
    });
    assert!(world.all_addresses_of("eth0", "4").is_empty());
    cable(&world, "up");
    world.await_address("10.77.0.9");
    world.await_address(&rescue(0).to_string());

    await_sent(&world, ANNOUNCEMENT, 2);
    await_sent(&world, &announcement(rescue(0)), 2);

    let _monitor = monitor(&world);
    cable(&world, "down");
    world.await_report("pulled cable", |report| !report.links[0].carrier);
    cable(&world, "up");
    await_sent(&world, ANNOUNCEMENT, 3);
    await_sent(&world, &announcement(rescue(0)), 3);
    // It may be another network.
    await_sent(&world, PROBE, 6);
    let happened = fs::read_to_string(world.path("monitor.log")).unwrap();
    let dropped = |line: &&str| line.contains("Deleted") && line.contains("inet ");
    assert_eq!(happened.lines().find(dropped), None);
}

#[test]
fn an_ipv6_address_that_was_taken_is_tried_again() {
    let world = World::new();
    server_has(&world, "add", "fd77::9/64 nodad");
    world.settings(r#"{"network": {"eth0": {"method": "static", "addresses": ["fd77::9/64"]}}}"#);
    let _agent = world.agent(&[]);
    world.await_report("clash", |report| problems(report).contains("fd77::9"));
    server_has(&world, "del", "fd77::9/64");
    cable(&world, "down");
    world.await_report("pulled cable", |report| !report.links[0].carrier);
    cable(&world, "up");
    world.await_address("fd77::9");
}

#[test]
fn the_name_is_served_from_the_rescue_address_only_when_there_is_no_other() {
    let world = World::new();
    let _names = spawn(
        &world,
        "mdns",
        &world.server,
        &[
            "tcpdump",
            "-i",
            "any",
            "-n",
            "-l",
            "--immediate-mode",
            "udp",
            "port",
            "5353",
        ],
    );
    let (ready, log) = (world.path("mdns.err"), world.path("mdns.log"));
    world.await_file(&world.path(""), "tcpdump", || {
        fs::read_to_string(&ready)
            .unwrap()
            .contains("listening")
            .then_some(())
    });
    let await_from = |address: &str, begin: usize| {
        world.await_file(&world.path(""), &format!("name from {address}"), || {
            let text = fs::read_to_string(&log).unwrap();
            let from = format!("{address}.5353 > 224.0.0.251.5353");
            let at = text.get(begin..)?.find(&from)? + begin;
            Some(text[at..].to_string())
        })
    };
    let mut agent = world.agent(&[]);
    await_from(&rescue(0).to_string(), 0);

    agent.signal(Signal::SIGTERM);
    world.settings(STATIC);
    let before = fs::read_to_string(&log).unwrap().len();
    let _agent = world.agent(&[]);
    let text = await_from("10.77.0.9", before);
    assert!(!text.contains("IP 169.254."), "{text}");
}
