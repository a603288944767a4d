//! Addresses and routes: how they come, stay and go.

use std::fs::{self, File};
use std::process::{Command, Stdio};

use genpack_spec::report::{AddressOrigin, RunReport};
use nix::sys::signal::Signal;

use crate::world::{Process, World, ip};

fn has(report: &RunReport, origin: AddressOrigin) -> bool {
    report
        .links
        .iter()
        .any(|link| link.addresses.iter().any(|address| address.origin == origin))
}

fn carrier(report: &RunReport) -> bool {
    report.links.iter().any(|link| link.carrier)
}

#[test]
fn dhcp_brings_address_route_and_name_server() {
    let world = World::new();
    let _server = world.dhcp_server();
    let _agent = world.agent(&[]);
    let report = world.await_report("lease", |report| {
        has(report, AddressOrigin::Dhcp) && !report.links[0].gateways.is_empty()
    });

    let address = world.addresses("4");
    assert_eq!(address.len(), 1);
    assert!(
        address[0].starts_with("10.77.0.1") && address[0].ends_with("/24"),
        "{address:?}"
    );
    let info = world.ipv4_info();
    let valid = info["valid_life_time"].as_u64().unwrap();
    assert!(
        (280..=300).contains(&valid),
        "the kernel ends the address with its lease: {info}"
    );
    assert_eq!(info["broadcast"], "10.77.0.255");

    let index = world.ip_json("link show dev eth0")[0]["ifindex"]
        .as_u64()
        .unwrap();
    assert_eq!(
        world.default_routes("4"),
        [("10.77.0.1".into(), "98".into(), 100 + index)]
    );

    let link = &report.links[0];
    assert_eq!((link.name.as_str(), link.carrier), ("eth0", true));
    assert_eq!(link.gateways, ["10.77.0.1".parse::<std::net::IpAddr>().unwrap()]);
    assert!(link.problems.is_empty(), "{:?}", link.problems);
    assert_eq!(report.dns, ["10.77.0.1".parse::<std::net::IpAddr>().unwrap()]);
    let resolv = fs::read_to_string(world.run_dir().join("resolver/resolv.conf")).unwrap();
    assert!(
        resolv.contains("nameserver 10.77.0.1\nsearch test.lan\n"),
        "{resolv}"
    );
    let leases = fs::read_to_string(world.path("dnsmasq.leases")).unwrap();
    assert!(
        leases.contains(" kitchen "),
        "the server knows the host name: {leases}"
    );
}

#[test]
fn a_server_may_come_late() {
    let world = World::new();
    let _agent = world.agent(&["--patience", "1"]);
    let report = world.await_report("complaint", |report| {
        report.links.iter().any(|link| !link.problems.is_empty())
    });
    assert!(
        report.links[0].problems[0]
            .english()
            .contains("no DHCP server answers"),
        "{report:?}"
    );
    let _server = world.dhcp_server();
    let report = world.await_report("lease", |report| has(report, AddressOrigin::Dhcp));
    assert!(report.links[0].problems.is_empty());
}

#[test]
fn a_pulled_cable_is_noticed_and_the_address_confirmed_when_it_is_back() {
    let world = World::new();
    let _server = world.dhcp_server();
    let _agent = world.agent(&[]);
    world.await_report("lease", |report| has(report, AddressOrigin::Dhcp));
    let before = world.addresses("4");
    ip(&format!("-n {} link set up0 down", world.server));
    world.await_report("pulled cable", |report| !carrier(report));
    assert_eq!(world.addresses("4"), before);
    ip(&format!("-n {} link set up0 up", world.server));
    world.await_report("cable", carrier);
    world.await_dnsmasq("DHCPACK", 2);
    assert_eq!(world.addresses("4"), before);
}

#[test]
fn a_port_that_is_unplugged_and_plugged_in_again_works_again() {
    let world = World::new();
    let server = world.dhcp_server();
    let _agent = world.agent(&[]);
    world.await_report("lease", |report| has(report, AddressOrigin::Dhcp));
    drop(server);
    ip(&format!("-n {} link del eth0", world.device));
    let report = world.await_report("unplugged port", |report| report.links.is_empty());
    assert!(report.dns.is_empty());
    world.plug();
    let _server = world.dhcp_server();
    world.await_report("new lease", |report| has(report, AddressOrigin::Dhcp));
    assert_eq!(world.default_routes("4").len(), 1);
}

#[test]
fn another_network_refuses_the_old_address_and_gives_a_new_one() {
    let world = World::new();
    let server = world.dhcp_server();
    let _agent = world.agent(&[]);
    world.await_report("lease", |report| has(report, AddressOrigin::Dhcp));
    ip(&format!("-n {} link set up0 down", world.server));
    world.await_report("pulled cable", |report| !carrier(report));
    drop(server);
    ip(&format!("-n {} addr flush dev up0", world.server));
    ip(&format!("-n {} addr add 10.88.0.1/24 dev up0", world.server));
    ip(&format!("-n {} link set up0 up", world.server));
    let _server = world.dnsmasq(&["--dhcp-range=10.88.0.100,10.88.0.150,300", "--dhcp-authoritative"]);
    world.await_report("address of the other network", |report| {
        report.links[0].gateways == ["10.88.0.1".parse::<std::net::IpAddr>().unwrap()]
    });
    assert!(
        world
            .addresses("4")
            .iter()
            .all(|address| address.starts_with("10.88.0."))
    );
    assert_eq!(world.default_routes("4").len(), 1);
}

#[test]
fn static_addresses_and_gateways_of_both_families() {
    let world = World::new();
    world.settings(
        r#"{"network": {"eth0": {"method": "static", "addresses": ["10.77.0.9/24", "fd77::9/64"],
            "gateways": ["10.77.0.1", "fd77::1"], "dns": ["192.0.2.53"]}}}"#,
    );
    let _agent = world.agent(&[]);
    let report = world.await_report("both gateways and addresses", |report| {
        let link = report.links.first();
        link.is_some_and(|link| link.gateways.len() == 2 && link.addresses.len() >= 3)
    });
    assert!(report.links[0].problems.is_empty(), "{report:?}");
    assert_eq!(world.addresses("4"), ["10.77.0.9/24"]);
    assert!(world.addresses("6").contains(&"fd77::9/64".to_string()));
    assert_eq!(world.default_routes("4")[0].0, "10.77.0.1");
    assert_eq!(world.default_routes("6")[0].0, "fd77::1");
    let info = world.ipv4_info();
    assert_eq!(info["valid_life_time"], u32::MAX, "a static address has no end");
    let resolv = fs::read_to_string(world.run_dir().join("resolver/resolv.conf")).unwrap();
    assert!(resolv.ends_with("nameserver 192.0.2.53\n"), "{resolv}");
}

#[test]
fn a_port_that_is_turned_off_is_down() {
    let world = World::new();
    world.settings(r#"{"network": {"02:00:00:00:77:02": {"method": "off"}}}"#);
    ip(&format!("-n {} link set eth0 up", world.device));
    let _agent = world.agent(&[]);
    world.await_report("port that is off", |report| {
        !report.links.is_empty() && !carrier(report)
    });
    assert_eq!(world.ip_json("link show dev eth0")[0]["operstate"], "DOWN");
    let (_, said) = world.wait_online(30);
    assert!(said.contains("turned off"), "{said}");
}

/// Records what happens to addresses in the device's namespace.
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
fn a_restart_drops_nothing() {
    let world = World::new();
    let _server = world.dhcp_server();
    let mut agent = world.agent(&[]);
    world.await_report("lease", |report| {
        has(report, AddressOrigin::Dhcp) && !report.links[0].gateways.is_empty()
    });
    let (addresses, routes) = (world.addresses("4"), world.default_routes("4"));
    let _monitor = monitor(&world);
    for (signal, acks) in [(Signal::SIGTERM, 2), (Signal::SIGKILL, 3)] {
        agent.signal(signal);
        assert_eq!(world.addresses("4"), addresses);
        fs::remove_file(world.run_dir().join("run-report.json")).unwrap();
        agent = world.agent(&[]);
        let report = world.await_report("report of the next life", |report| {
            has(report, AddressOrigin::Dhcp)
        });
        assert_eq!(report.dns.len(), 1, "the lease is known at once");
        world.await_dnsmasq("DHCPACK", acks);
    }
    assert_eq!(
        (world.addresses("4"), world.default_routes("4")),
        (addresses, routes)
    );
    let happened = fs::read_to_string(world.path("monitor.log")).unwrap();
    assert!(!happened.contains("Deleted"), "{happened}");
}

#[test]
fn new_settings_replace_what_an_earlier_life_set_and_leave_what_others_set() {
    let world = World::new();
    let _server = world.dhcp_server();
    let mut agent = world.agent(&[]);
    world.await_report("lease", |report| has(report, AddressOrigin::Dhcp));
    agent.signal(Signal::SIGTERM);
    ip(&format!("-n {} addr add 172.16.5.5/16 dev eth0", world.device));
    ip(&format!(
        "-n {} route add 10.9.0.0/16 via 172.16.0.1",
        world.device
    ));
    world.settings(r#"{"network": {"default": {"method": "static", "addresses": ["10.77.0.9/24"]}}}"#);
    let _agent = world.agent(&[]);
    world.await_report("static address", |report| {
        has(report, AddressOrigin::Static) && !has(report, AddressOrigin::Dhcp)
    });
    let mut addresses = world.addresses("4");
    addresses.sort();
    assert_eq!(addresses, ["10.77.0.9/24", "172.16.5.5/16"]);
    assert!(world.default_routes("4").is_empty());
    assert_eq!(
        world.ip_json("route show 10.9.0.0/16")[0]["gateway"],
        "172.16.0.1"
    );
}

#[test]
fn router_advertisements_bring_an_ipv6_address() {
    let world = World::new();
    let _server = world.dnsmasq(&[
        "--dhcp-range=10.77.0.100,10.77.0.150,300",
        "--enable-ra",
        "--dhcp-range=fd77::,ra-only,64",
    ]);
    // As an image could have set it for all ports.
    let off = "echo 0 > /proc/sys/net/ipv6/conf/eth0/accept_ra";
    let status = Command::new("ip")
        .args(["netns", "exec", &world.device, "sh", "-c", off])
        .status()
        .unwrap();
    assert!(status.success());
    let _agent = world.agent(&[]);
    let report = world.await_report("SLAAC address", |report| {
        has(report, AddressOrigin::RouterAdvertisement) && has(report, AddressOrigin::Dhcp)
    });
    assert!(report.links[0].addresses.iter().any(|address| {
        address.origin == AddressOrigin::RouterAdvertisement
            && address.address.to_string().starts_with("fd77:")
    }));
    assert_eq!(world.default_routes("6")[0].1, "ra");
}
