//! Many ports, many changes, and none.

use std::fs::{self, File};
use std::io::Write;
use std::process::{Command, Stdio};

use genpack_spec::report::AddressOrigin;

use crate::links::{has, link};
use crate::world::{Process, World, ip};

const PORTS: u32 = 64;
const FLAPS: usize = 1000;

#[test]
fn sixty_four_ports_at_once_all_get_an_address() {
    let world = World::new();
    world.switch(PORTS);
    let _server = world.large_dhcp_server();
    let agent = world.agent(&[]);
    let report = world.await_report("64 leases", |report| {
        (0..PORTS).all(|number| has(report, &format!("eth{number}"), AddressOrigin::Dhcp))
    });
    let mut addresses: Vec<_> = (0..PORTS)
        .flat_map(|number| world.addresses_of(&format!("eth{number}"), "4"))
        .collect();
    addresses.sort();
    addresses.dedup();
    assert_eq!(addresses.len(), PORTS as usize, "{report:?}");
    assert_eq!(world.default_routes("4").len(), PORTS as usize);
    let (_, memory) = held(&agent);
    assert!(memory < 8 * 1024, "{memory} KiB");
}

/// Returns how many files a process has open, and the memory in KiB that it has filled itself: the pages of the program, which
/// is not optimised here, say nothing about the one in an image.
fn held(process: &Process) -> (usize, u64) {
    let proc = format!("/proc/{}", process.pid());
    let files = fs::read_dir(format!("{proc}/fd")).unwrap().count();
    let status = fs::read_to_string(format!("{proc}/status")).unwrap();
    let memory = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"))
        .unwrap();
    let memory = memory.trim().trim_end_matches(" kB").parse().unwrap();
    (files, memory)
}

/// Pulls the cable and plugs it in again so many times.
fn flap(world: &World, times: usize) {
    let mut child = Command::new("ip")
        .args(["-n", &world.server, "-batch", "-"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    for _ in 0..times {
        stdin.write_all(b"link set up0 down\nlink set up0 up\n").unwrap();
    }
    drop(stdin);
    assert!(child.wait().unwrap().success());
}

/// Waits until the agent has seen everything so far: it reports an address that comes last.
fn await_seen(world: &World, address: &str) {
    ip(&format!("-n {} addr add {address} dev eth0", world.device));
    world.await_report(address, |report| {
        link(report, "eth0").is_some_and(|link| {
            link.carrier
                && link
                    .addresses
                    .iter()
                    .any(|one| one.address.to_string() == address)
        })
    });
    ip(&format!("-n {} addr del {address} dev eth0", world.device));
    world.await_report("its end", |report| {
        link(report, "eth0").is_some_and(|link| {
            link.addresses
                .iter()
                .all(|one| one.address.to_string() != address)
        })
    });
}

#[test]
fn a_thousand_flaps_leak_nothing() {
    let world = World::new();
    let _server = world.dhcp_server();
    let agent = world.agent(&[]);
    world.await_report("lease", |report| has(report, "eth0", AddressOrigin::Dhcp));
    // What is made once is made by then.
    flap(&world, 20);
    await_seen(&world, "172.16.5.5/32");
    world.await_report("lease", |report| has(report, "eth0", AddressOrigin::Dhcp));
    let (addresses, routes) = (world.addresses("4"), world.default_routes("4"));
    let (files, memory) = held(&agent);

    flap(&world, FLAPS);
    await_seen(&world, "172.16.5.6/32");
    let report = world.await_report("lease", |report| has(report, "eth0", AddressOrigin::Dhcp));
    assert!(link(&report, "eth0").unwrap().problems.is_empty(), "{report:?}");
    assert_eq!(world.addresses("4"), addresses);
    assert_eq!(world.default_routes("4"), routes);
    let (files_after, memory_after) = held(&agent);
    // A DHCP client that starts has its socket open for a moment.
    assert!(
        files_after <= files + 2,
        "{files} files before, {files_after} after"
    );
    assert!(
        memory_after < memory + 1024,
        "{memory} KiB before, {memory_after} KiB after"
    );
}

#[test]
fn nothing_is_done_when_nothing_changed() {
    let world = World::new();
    world.cable(1);
    world.settings(
        r#"{"network": {"eth0": {"method": "static", "addresses": ["10.77.0.9/24", "fd77::9/64"], "gateways": ["10.77.0.1", "fd77::1"], "mtu": 1400}},
            "bridge": {"br0": {"ports": ["eth1"], "method": "static", "addresses": ["10.78.0.9/24"]}}}"#,
    );
    let _agent = world.agent(&[]);
    world.await_report("addresses", |report| {
        link(report, "eth0").is_some_and(|link| link.gateways.len() == 2 && link.addresses.len() == 4)
            && link(report, "br0").is_some_and(|link| link.addresses.len() == 3)
    });
    let before = fs::read_to_string(world.path("agent.log")).unwrap();
    // Each of these is an event, and so a pass.
    for last in 1..=5 {
        await_seen(&world, &format!("172.16.5.{last}/32"));
    }
    let after = fs::read_to_string(world.path("agent.log")).unwrap();
    assert_eq!(after, before);
}

/// Records what happens to addresses and links in the device's namespace.
fn monitor(world: &World) -> Process {
    let log = File::create(world.path("monitor.log")).unwrap();
    let child = Command::new("ip")
        .args(["-n", &world.device, "-o", "monitor", "address", "route"])
        .stdin(Stdio::null())
        .stdout(log)
        .spawn()
        .unwrap();
    Process(child)
}

#[test]
fn a_restart_drops_nothing_of_a_bridge_and_of_changed_ports() {
    let world = World::new();
    world.cable(1);
    ip(&format!("-n {} addr add 10.78.0.1/24 dev up1", world.server));
    let _server = world.dhcp_server();
    world.settings(
        r#"{"bridge": {"br0": {"ports": ["eth0"]}},
            "network": {"eth1": {"method": "static", "addresses": ["10.78.0.9/24", "fd78::9/64"], "gateways": ["10.78.0.1"], "mtu": 1400, "mac": "02:aa:00:00:00:01"}}}"#,
    );
    let whole = |report: &genpack_spec::report::RunReport| {
        has(report, "br0", AddressOrigin::Dhcp)
            && link(report, "br0").is_some_and(|link| link.gateways.len() == 1 && link.addresses.len() == 3)
            && link(report, "eth1").is_some_and(|link| link.gateways.len() == 1 && link.addresses.len() == 4)
    };
    let mut agent = world.agent(&[]);
    world.await_report("everything", whole);
    let _monitor = monitor(&world);
    for (signal, acks) in [
        (nix::sys::signal::Signal::SIGTERM, 2),
        (nix::sys::signal::Signal::SIGKILL, 3),
    ] {
        agent.signal(signal);
        fs::remove_file(world.run_dir().join("run-report.json")).unwrap();
        agent = world.agent(&[]);
        world.await_report("the next life", whole);
        world.await_dnsmasq("DHCPACK", acks);
    }
    let happened = fs::read_to_string(world.path("monitor.log")).unwrap();
    assert!(!happened.contains("Deleted"), "{happened}");
}
