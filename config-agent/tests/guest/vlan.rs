//! VLANs: an address of their own beside that of their port.

use std::fs;

use genpack_spec::report::{AddressOrigin, LinkKind};
use nix::sys::signal::Signal;

use crate::links::{has, link};
use crate::world::{Process, World, ip};

const VLAN: &str = r#"{"vlan": {"office": {"parent": "eth0", "id": 5}}}"#;

/// Gives the server's end a VLAN, too, and a DHCP server on both.
fn serve(world: &World, id: u16) -> Process {
    let server = &world.server;
    ip(&format!(
        "-n {server} link add link up0 name up0.{id} type vlan id {id}"
    ));
    ip(&format!("-n {server} addr add 10.5.{id}.1/24 dev up0.{id}"));
    ip(&format!("-n {server} link set up0.{id} up"));
    world.dnsmasq(&[
        "--dhcp-range=10.77.0.100,10.77.0.150,300",
        &format!("--interface=up0.{id}"),
        &format!("--dhcp-range=10.5.{id}.100,10.5.{id}.150,300"),
    ])
}

#[test]
fn a_vlan_and_its_port_have_addresses_of_their_own() {
    let world = World::new();
    let _server = serve(&world, 5);
    world.settings(VLAN);
    let mut agent = world.agent(&[]);
    let both =
        |report: &_| has(report, "eth0", AddressOrigin::Dhcp) && has(report, "office", AddressOrigin::Dhcp);
    let report = world.await_report("both leases", both);
    let office = link(&report, "office").unwrap();
    assert_eq!(
        office.kind,
        LinkKind::Vlan {
            parent: "eth0".into(),
            id: 5
        }
    );
    assert!(office.problems.is_empty(), "{office:?}");
    let details = world.ip_json("-d link show dev office");
    assert_eq!(details[0]["linkinfo"]["info_kind"], "vlan");
    assert_eq!(details[0]["linkinfo"]["info_data"]["id"], 5);
    assert_eq!(
        (&details[0]["link"], &details[0]["ifalias"]),
        (&"eth0".into(), &"genpack".into())
    );
    let (untagged, tagged) = (world.addresses("4"), world.addresses_of("office", "4"));
    assert!(untagged[0].starts_with("10.77.0.") && tagged[0].starts_with("10.5.5."));
    // To the server they are two, although port and VLAN share a MAC address: it would take the lease of one away.
    let given = fs::read_to_string(world.path("dnsmasq.leases")).unwrap();
    assert!(
        given.contains(" 10.77.0.") && given.contains(" 10.5.5."),
        "{given}"
    );

    // Each keeps its lease.
    agent.signal(Signal::SIGKILL);
    fs::remove_file(world.run_dir().join("run-report.json")).unwrap();
    let mut agent = world.agent(&[]);
    world.await_report("adopted leases", both);
    assert_eq!(
        world.ip_json("link show dev office")[0]["ifindex"],
        details[0]["ifindex"]
    );
    assert_eq!(
        (world.addresses("4"), world.addresses_of("office", "4")),
        (untagged, tagged)
    );

    agent.signal(Signal::SIGTERM);
    world.settings("{}");
    let _agent = world.agent(&[]);
    world.await_report("no VLAN", |report| {
        link(report, "office").is_none() && has(report, "eth0", AddressOrigin::Dhcp)
    });
    assert!(!world.ip_json("link show").to_string().contains("office"));
}

#[test]
fn another_id_makes_another_vlan() {
    let world = World::new();
    let mut server = serve(&world, 5);
    world.settings(VLAN);
    let mut agent = world.agent(&[]);
    world.await_report("lease", |report| has(report, "office", AddressOrigin::Dhcp));
    agent.signal(Signal::SIGTERM);
    server.signal(Signal::SIGTERM);
    let _server = serve(&world, 6);
    world.settings(&VLAN.replace('5', "6"));
    let _agent = world.agent(&[]);
    world.await_report("lease of the other", |report| {
        let mut links = report.links.iter();
        links.any(|link| {
            link.addresses
                .iter()
                .any(|one| one.address.to_string().starts_with("10.5.6."))
        })
    });
    let details = world.ip_json("-d link show dev office");
    assert_eq!(details[0]["linkinfo"]["info_data"]["id"], 6);
    let addresses = world.addresses_of("office", "4");
    assert!(
        addresses.iter().all(|address| address.starts_with("10.5.6.")),
        "{addresses:?}"
    );
}

#[test]
fn a_vlan_comes_and_goes_with_its_port() {
    let world = World::new();
    let mut server = serve(&world, 5);
    world.settings(VLAN);
    let _agent = world.agent(&[]);
    world.await_report("lease", |report| has(report, "office", AddressOrigin::Dhcp));
    server.signal(Signal::SIGTERM);
    ip(&format!("-n {} link del eth0", world.device));
    let report = world.await_report("unplugged port", |report| {
        link(report, "eth0").is_none() && link(report, "office").is_some_and(|link| !link.problems.is_empty())
    });
    assert_eq!(
        link(&report, "office").unwrap().problems[0].english(),
        "It waits for the port eth0, which is not there."
    );
    world.plug();
    let _server = serve(&world, 5);
    world.await_report("lease again", |report| has(report, "office", AddressOrigin::Dhcp));
}

#[test]
fn a_port_that_is_off_carries_its_vlan() {
    let world = World::new();
    let _server = serve(&world, 5);
    world.settings(
        r#"{"network": {"default": {"method": "off"}}, "vlan": {"office": {"parent": "eth0", "id": 5, "method": "auto", "mtu": 1400}}}"#,
    );
    let _agent = world.agent(&[]);
    let report = world.await_report("lease", |report| has(report, "office", AddressOrigin::Dhcp));
    assert_eq!(link(&report, "eth0").unwrap().kind, LinkKind::VlansOnly);
    assert_eq!(world.ip_json("link show dev office")[0]["mtu"], 1400);
    // Whoever plugs a computer into the port itself reaches the device, too, and nothing else changes.
    let report = world.await_report("rescue address", |report| {
        has(report, "eth0", AddressOrigin::LinkLocal)
    });
    assert!(has(&report, "office", AddressOrigin::Dhcp));
    assert!(world.addresses("4").is_empty() && world.addresses("6").is_empty());
    assert!(
        world
            .all_addresses_of("office", "4")
            .iter()
            .all(|address| address.starts_with("10.5.5."))
    );
}
