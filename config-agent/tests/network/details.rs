//! MTU, hardware address, IPv6 switch and search domains of a port: they come with the settings and go with them.

use std::fs;

use genpack_spec::report::AddressOrigin;
use nix::sys::signal::Signal;

use crate::links::{has, link};
use crate::world::World;

#[test]
fn mtu_and_mac_are_put_back_when_the_settings_no_longer_ask() {
    let world = World::new();
    let _server = world.dhcp_server();
    world.settings(
        r#"{"network": {"02:00:00:00:77:02": {"method": "auto", "mtu": 1400, "mac": "02:aa:00:00:00:01", "search": ["example.org"]}}}"#,
    );
    let mut agent = world.agent(&[]);
    world.await_report("lease", |report| has(report, "eth0", AddressOrigin::Dhcp));
    let port = &world.ip_json("link show dev eth0")[0];
    assert_eq!(
        (&port["mtu"], &port["address"]),
        (&1400.into(), &"02:aa:00:00:00:01".into())
    );
    let leases = fs::read_to_string(world.path("dnsmasq.leases")).unwrap();
    assert!(leases.contains("02:aa:00:00:00:01"), "{leases}");
    assert!(
        world.run_dir().join("leases/02:00:00:00:77:02.json").exists(),
        "a lease is kept under the port's own address"
    );
    let resolv = fs::read_to_string(world.run_dir().join("resolver/resolv.conf")).unwrap();
    assert!(resolv.ends_with("search example.org\n"), "{resolv}");

    // In another life the section of the port's own address still holds, and nothing is done twice.
    agent.signal(Signal::SIGKILL);
    fs::remove_file(world.run_dir().join("run-report.json")).unwrap();
    let done = fs::read_to_string(world.path("agent.log")).unwrap().len();
    let mut agent = world.agent(&[]);
    world.await_report("the next life", |report| has(report, "eth0", AddressOrigin::Dhcp));
    let log = fs::read_to_string(world.path("agent.log")).unwrap();
    assert!(
        !log[done..].contains("MTU") && !log[done..].contains("MAC"),
        "{log}"
    );

    agent.signal(Signal::SIGTERM);
    world.settings("{}");
    let _agent = world.agent(&[]);
    world.await_report("its own address", |report| {
        let eth0 = link(report, "eth0");
        eth0.is_some_and(|port| port.mac == "02:00:00:00:77:02".parse().ok())
            && has(report, "eth0", AddressOrigin::Dhcp)
    });
    let port = &world.ip_json("link show dev eth0")[0];
    assert_eq!(
        (&port["mtu"], &port["address"]),
        (&1500.into(), &"02:00:00:00:77:02".into())
    );
    let left: Vec<_> = fs::read_dir(world.run_dir().join("originals")).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn an_mtu_that_others_set_stays() {
    let world = World::new();
    crate::world::ip(&format!("-n {} link set eth0 mtu 1300", world.device));
    let _server = world.dhcp_server();
    let _agent = world.agent(&[]);
    world.await_report("lease", |report| has(report, "eth0", AddressOrigin::Dhcp));
    assert_eq!(world.ip_json("link show dev eth0")[0]["mtu"], 1300);
}

#[test]
fn an_mtu_that_the_port_can_not_have_is_reported() {
    let world = World::new();
    world.settings(
        r#"{"network": {"eth0": {"method": "static", "addresses": ["10.77.0.9/24"], "mtu": 65536}}}"#,
    );
    let _agent = world.agent(&[]);
    let report = world.await_report("address", |report| has(report, "eth0", AddressOrigin::Static));
    let said = link(&report, "eth0").unwrap().problems[0].english();
    assert!(
        said.starts_with("An MTU of 65536 is more than this port can have"),
        "{said}"
    );
    assert_eq!(world.ip_json("link show dev eth0")[0]["mtu"], 1500);
}

#[test]
fn ipv6_can_be_turned_off_and_comes_back() {
    let world = World::new();
    world.settings(
        r#"{"network": {"eth0": {"method": "static", "addresses": ["10.77.0.9/24", "fd77::9/64"], "ipv6": "off"}}}"#,
    );
    let mut agent = world.agent(&[]);
    let report = world.await_report("address", |report| {
        has(report, "eth0", AddressOrigin::Static) && link(report, "eth0").is_some_and(|link| link.carrier)
    });
    assert!(world.addresses("6").is_empty(), "{:?}", world.addresses("6"));
    assert!(report.links[0].problems.is_empty(), "{report:?}");
    agent.signal(Signal::SIGTERM);
    world.settings(
        r#"{"network": {"eth0": {"method": "static", "addresses": ["10.77.0.9/24", "fd77::9/64"]}}}"#,
    );
    let _agent = world.agent(&[]);
    world.await_report("IPv6", |report| {
        link(report, "eth0").is_some_and(|link| link.addresses.len() >= 3)
    });
    assert!(world.addresses("6").contains(&"fd77::9/64".to_string()));
}
