//! Bridges, and what is left alone.

use std::fs;

use genpack_spec::report::{AddressOrigin, LinkKind, LinkReport, RunReport};
use nix::sys::signal::Signal;

use crate::world::{World, ip};

pub fn link<'a>(report: &'a RunReport, name: &str) -> Option<&'a LinkReport> {
    report.links.iter().find(|link| link.name == name)
}

pub fn has(report: &RunReport, name: &str, origin: AddressOrigin) -> bool {
    let link = link(report, name);
    link.is_some_and(|link| link.addresses.iter().any(|address| address.origin == origin))
}

const BRIDGE: &str = r#"{"bridge": {"br0": {"ports": ["eth0", "ETH1"]}}}"#;

#[test]
fn a_bridge_has_the_address_and_its_ports_have_none() {
    let world = World::new();
    world.cable(1);
    world.settings(BRIDGE);
    let _server = world.dhcp_server();
    let mut agent = world.agent(&[]);
    let report = world.await_report("lease of the bridge", |report| {
        has(report, "br0", AddressOrigin::Dhcp)
            && link(report, "eth1").is_some_and(|link| matches!(link.kind, LinkKind::Member { .. }))
    });
    let br0 = link(&report, "br0").unwrap();
    assert!(br0.problems.is_empty(), "{br0:?}");
    assert_eq!(
        br0.kind,
        LinkKind::Bridge {
            ports: vec!["eth0".into(), "ETH1".into()]
        }
    );
    let details = world.ip_json("-d link show dev br0");
    assert_eq!(details[0]["linkinfo"]["info_data"]["stp_state"], 0);
    assert_eq!(details[0]["ifalias"], "genpack");
    // That of its first port, so that it is known by it whatever else is plugged in.
    assert_eq!(details[0]["address"], "02:00:00:00:77:02");
    for name in ["eth0", "eth1"] {
        let port = &world.ip_json(&format!("link show dev {name}"))[0];
        assert_eq!(
            (&port["master"], &port["operstate"]),
            (&"br0".into(), &"UP".into())
        );
        assert!(world.addresses_of(name, "4").is_empty() && world.addresses_of(name, "6").is_empty());
    }
    assert!(!world.addresses_of("br0", "6").is_empty());
    assert_eq!(world.default_routes("4").len(), 1);

    // What goes in at one port comes out at the other.
    ip(&format!("-n {} addr add 10.77.0.7/24 dev up1", world.server));
    let index = details[0]["ifindex"].clone();
    let addresses = world.addresses_of("br0", "4");
    agent.signal(Signal::SIGKILL);
    fs::remove_file(world.run_dir().join("run-report.json")).unwrap();
    let mut agent = world.agent(&[]);
    world.await_report("adopted bridge", |report| has(report, "br0", AddressOrigin::Dhcp));
    assert_eq!(world.ip_json("link show dev br0")[0]["ifindex"], index);
    assert_eq!(world.addresses_of("br0", "4"), addresses);

    agent.signal(Signal::SIGTERM);
    world.settings("{}");
    let _agent = world.agent(&[]);
    world.await_report("port of its own", |report| {
        has(report, "eth0", AddressOrigin::Dhcp) && link(report, "br0").is_none()
    });
    assert!(!world.addresses("6").is_empty(), "IPv6 is on again");
    let links = world.ip_json("link show");
    assert!(!links.to_string().contains("br0"), "{links}");
}

#[test]
fn a_bridge_with_stp_is_made_anew_when_that_changes() {
    let world = World::new();
    world.settings(r#"{"bridge": {"br0": {"ports": ["eth0"], "stp": true, "method": "static", "addresses": ["10.77.0.9/24"]}}}"#);
    let mut agent = world.agent(&[]);
    world.await_report("bridge", |report| has(report, "br0", AddressOrigin::Static));
    let details = world.ip_json("-d link show dev br0");
    assert_eq!(details[0]["linkinfo"]["info_data"]["stp_state"], 1);
    agent.signal(Signal::SIGTERM);
    fs::remove_file(world.run_dir().join("run-report.json")).unwrap();
    world.settings(
        r#"{"bridge": {"br0": {"ports": ["eth0"], "method": "static", "addresses": ["10.77.0.9/24"]}}}"#,
    );
    let _agent = world.agent(&[]);
    world.await_report("bridge with a living port", |report| {
        has(report, "br0", AddressOrigin::Static) && link(report, "br0").is_some_and(|link| link.carrier)
    });
    let details = world.ip_json("-d link show dev br0");
    assert_eq!(details[0]["linkinfo"]["info_data"]["stp_state"], 0);
    assert_eq!(world.ip_json("link show dev eth0")[0]["master"], "br0");
}

#[test]
fn a_port_that_is_plugged_in_later_joins() {
    let world = World::new();
    world.settings(BRIDGE);
    let _server = world.dhcp_server();
    let _agent = world.agent(&[]);
    let report = world.await_report("lease", |report| has(report, "br0", AddressOrigin::Dhcp));
    assert_eq!(
        link(&report, "br0").unwrap().problems[0].english(),
        "It waits for the port ETH1, which is not there."
    );
    world.cable(1);
    world.await_report("whole bridge", |report| {
        link(report, "br0").is_some_and(|link| link.problems.is_empty())
            && link(report, "eth1").is_some_and(|link| link.carrier)
    });
    assert_eq!(world.ip_json("link show dev eth1")[0]["master"], "br0");
}

#[test]
fn a_bridge_whose_ports_are_all_missing_is_reported() {
    let world = World::new();
    world.settings(r#"{"bridge": {"br0": {"ports": ["lan1", "lan2"]}}}"#);
    let _server = world.dhcp_server();
    let _agent = world.agent(&[]);
    let report = world.await_report("lease of the port", |report| {
        has(report, "eth0", AddressOrigin::Dhcp)
    });
    assert_eq!(link(&report, "br0").unwrap().problems.len(), 2);
}

#[test]
fn links_and_ports_of_others_are_left_alone() {
    let world = World::new();
    world.cable(1);
    let device = &world.device;
    ip(&format!("-n {device} link add br0 type bridge"));
    ip(&format!("-n {device} addr add 172.16.0.1/24 dev br0"));
    ip(&format!("-n {device} link set eth1 master br0"));
    world.settings(BRIDGE);
    let _server = world.dhcp_server();
    let _agent = world.agent(&[]);
    // The port keeps the device reachable.
    let report = world.await_report("lease", |report| has(report, "eth0", AddressOrigin::Dhcp));
    let said = link(&report, "br0").unwrap().problems[0].english();
    assert!(
        said.contains("Something else has made a link of the name br0"),
        "{said}"
    );
    assert_eq!(world.addresses_of("br0", "4"), ["172.16.0.1/24"]);
    assert_eq!(world.ip_json("link show dev eth1")[0]["operstate"], "DOWN");
}

#[test]
fn a_port_that_another_program_manages_is_left_alone() {
    let world = World::new();
    let index = &world.ip_json("link show dev eth0")[0]["ifindex"];
    let folder = world.path("run/systemd/netif/links");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(index.to_string()), "ADMIN_STATE=configuring\n").unwrap();
    ip(&format!("-n {} addr add 10.77.0.8/24 dev eth0", world.device));
    ip(&format!("-n {} link set eth0 up", world.device));
    world.settings(r#"{"network": {"eth0": {"method": "static", "addresses": ["10.77.0.9/24"]}}}"#);
    let mut agent = world.agent(&[]);
    let report = world.await_report("port", |report| link(report, "eth0").is_some());
    let eth0 = link(&report, "eth0").unwrap();
    assert_eq!(
        eth0.kind,
        LinkKind::Managed {
            by: "systemd-networkd".into()
        }
    );
    assert!(
        eth0.problems[0]
            .english()
            .starts_with("systemd-networkd manages this port")
    );
    assert_eq!(world.addresses("4"), ["10.77.0.8/24"]);

    agent.signal(Signal::SIGTERM);
    world.settings("{}");
    fs::remove_file(world.run_dir().join("run-report.json")).unwrap();
    let _agent = world.agent(&[]);
    let report = world.await_report("port", |report| link(report, "eth0").is_some());
    assert!(link(&report, "eth0").unwrap().problems.is_empty(), "{report:?}");
}
