//! Bonds: one address on several cables.

use std::fs::File;
use std::net::TcpStream;
use std::time::Duration;

use genpack_spec::report::{AddressOrigin, LinkKind};
use nix::sched::{CloneFlags, setns};
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::links::{has, link};
use crate::world::{World, ip};

const BOND: &str = r#"{"bond": {"bond0": {"ports": ["eth0", "eth1"]}}}"#;

/// Reaches the server's name service from the device.
fn connect(world: &World) -> std::io::Result<()> {
    let namespace = File::open(format!("/run/netns/{}", world.device)).unwrap();
    let thread = std::thread::spawn(move || {
        setns(namespace, CloneFlags::CLONE_NEWNET).unwrap();
        // The kernel asks again and again within this time.
        TcpStream::connect_timeout(&"10.77.0.1:53".parse().unwrap(), Duration::from_secs(30)).map(drop)
    });
    thread.join().unwrap()
}

fn data(world: &World) -> Value {
    world.ip_json("-d link show dev bond0")[0]["linkinfo"]["info_data"].clone()
}

fn address(world: &World, name: &str) -> String {
    let link = &world.ip_json(&format!("link show dev {name}"))[0];
    link["address"].as_str().unwrap().to_string()
}

#[test]
fn a_bond_goes_on_when_a_cable_goes() {
    let world = World::new();
    world.switch(2);
    let _server = world.dhcp_server();
    world.settings(BOND);
    let mut agent = world.agent(&[]);
    let whole = |report: &_| {
        let member = |name| {
            link(report, name)
                .is_some_and(|link| matches!(link.kind, LinkKind::Member { .. }) && link.carrier)
        };
        has(report, "bond0", AddressOrigin::Dhcp) && member("eth0") && member("eth1")
    };
    let report = world.await_report("bond with an address", whole);
    assert!(link(&report, "bond0").unwrap().problems.is_empty(), "{report:?}");
    let details = data(&world);
    assert_eq!(
        (&details["mode"], &details["miimon"]),
        (&"active-backup".into(), &100.into())
    );
    // The kernel checks cables every 100 ms: which port it took first, it may have taken before the other was there.
    let active = details["active_slave"].as_str().unwrap().to_string();
    let other = if active == "eth0" { "eth1" } else { "eth0" };
    assert_eq!(address(&world, "bond0"), "02:00:00:00:77:02");
    let before = world.addresses_of("bond0", "4");
    connect(&world).unwrap();

    ip(&format!("-n {} link set up{} down", world.server, &active[3..]));
    connect(&world).expect("the other cable serves");
    assert_eq!(data(&world)["active_slave"], other);
    assert_eq!(world.addresses_of("bond0", "4"), before);
    for name in ["eth0", "eth1"] {
        assert!(world.addresses_of(name, "4").is_empty() && world.addresses_of(name, "6").is_empty());
    }
    ip(&format!("-n {} link set up{} up", world.server, &active[3..]));

    // A new life of the agent takes it over, another setting takes it apart.
    let index = world.ip_json("link show dev bond0")[0]["ifindex"].clone();
    agent.signal(Signal::SIGKILL);
    std::fs::remove_file(world.run_dir().join("run-report.json")).unwrap();
    let mut agent = world.agent(&[]);
    world.await_report("adopted bond", whole);
    assert_eq!(world.ip_json("link show dev bond0")[0]["ifindex"], index);
    assert_eq!(world.addresses_of("bond0", "4"), before);
    agent.signal(Signal::SIGTERM);
    world.settings("{}");
    let _agent = world.agent(&[]);
    world.await_report("ports of their own", |report| {
        link(report, "bond0").is_none()
            && has(report, "eth0", AddressOrigin::Dhcp)
            && has(report, "eth1", AddressOrigin::Dhcp)
    });
    assert_eq!(address(&world, "eth0"), "02:00:00:00:77:02");
    assert_eq!(address(&world, "eth1"), "02:00:00:00:78:01");
}

#[test]
fn a_port_that_is_plugged_in_later_joins_its_bond() {
    let world = World::new();
    world.switch(1);
    let _server = world.dhcp_server();
    world.settings(BOND);
    let _agent = world.agent(&[]);
    let report = world.await_report("lease", |report| has(report, "bond0", AddressOrigin::Dhcp));
    assert_eq!(
        link(&report, "bond0").unwrap().problems[0].english(),
        "It waits for the port eth1, which is not there."
    );
    world.cable(1);
    ip(&format!("-n {} link set up1 master lan", world.server));
    world.await_report("whole bond", |report| {
        link(report, "bond0").is_some_and(|link| link.problems.is_empty())
            && link(report, "eth1").is_some_and(|link| link.carrier)
    });
    ip(&format!("-n {} link set up0 down", world.server));
    connect(&world).expect("the new cable serves");
}

#[test]
fn every_mode_is_taken_and_can_be_changed() {
    let world = World::new();
    world.switch(2);
    for mode in [
        "active-backup",
        "802.3ad",
        "balance-rr",
        "balance-xor",
        "balance-tlb",
        "balance-alb",
        "broadcast",
    ] {
        world.settings(&format!(
            r#"{{"bond": {{"bond0": {{"ports": ["eth0", "eth1"], "mode": "{mode}", "method": "static", "addresses": ["10.77.0.9/24"]}}}}}}"#
        ));
        let mut agent = world.agent(&[]);
        let report = world.await_report(mode, |report| {
            let member = |name| {
                link(report, name)
                    .is_some_and(|link| matches!(link.kind, LinkKind::Member { .. }) && link.carrier)
            };
            has(report, "bond0", AddressOrigin::Static)
                && member("eth0")
                && member("eth1")
                && data(&world)["mode"] == mode
        });
        assert!(
            report.links.iter().all(|link| link.problems.is_empty()),
            "{report:?}"
        );
        assert_eq!(world.ip_json("link show dev eth1")[0]["master"], "bond0");
        agent.signal(Signal::SIGTERM);
    }
}

#[test]
fn a_vlan_on_a_bond_is_made_in_one_go() {
    let world = World::new();
    world.switch(2);
    world.settings(
        r#"{"bond": {"bond0": {"ports": ["eth0", "eth1"]}},
            "vlan": {"v5": {"parent": "bond0", "id": 5, "method": "static", "addresses": ["10.5.0.2/24"]}}}"#,
    );
    let _agent = world.agent(&[]);
    let report = world.await_report("VLAN", |report| has(report, "v5", AddressOrigin::Static));
    assert!(link(&report, "v5").unwrap().problems.is_empty());
    assert_eq!(world.ip_json("link show dev v5")[0]["link"], "bond0");
}
