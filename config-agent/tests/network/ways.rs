//! Two cables: computers at both reach the device, which answers by the port where the question came in. What the computers
//! do is plain TCP, and drill for names; judged by `ip -j`.

use std::fs::{self, File};
use std::net::Ipv4Addr;
use std::process::{Command, Stdio};

use genpack_config_agent::net::arp::link_local::candidate;
use genpack_spec::report::{AddressOrigin, LinkKind};
use genpack_spec::types::MacAddress;
use nix::sys::signal::Signal;

use crate::computer::{Computer, inside, listen};
use crate::links::{has, link};
use crate::world::{Process, World, ip};

/// The rescue address of a port.
fn rescue(number: u8) -> Ipv4Addr {
    let mac = match number {
        0 => [2, 0, 0, 0, 0x77, 2],
        _ => [2, 0, 0, 0, 0x78, number],
    };
    candidate(MacAddress::new(mac), 0)
}

/// The device as it is in the field: systemd makes the kernel check that there is a way back (`rp_filter`, loose).
fn world() -> World {
    let world = World::new();
    inside(&world.device, || {
        fs::write("/proc/sys/net/ipv4/conf/all/rp_filter", "2").unwrap();
    });
    world
}

/// Returns the rules that the agent made, as ip(8) shows them, one a line, with `own N` for the table of the port N.
fn rules(world: &World) -> Vec<String> {
    let ours = world.own_rules().into_iter();
    ours.map(|rule| {
        let mut line = format!(
            "{}: from {} {}",
            rule["priority"],
            rule["src"].as_str().unwrap(),
            table(world, &rule["table"])
        );
        if let Some(length) = rule["suppress_prefixlen"].as_i64() {
            line += &format!(" beyond {length}");
        }
        line
    })
    .collect()
}

fn table(world: &World, table: &serde_json::Value) -> String {
    let table = table.as_str().unwrap();
    let links = world.ip_json("link show");
    let mut links = links.as_array().unwrap().iter();
    let own = links.find(|link| format!("{}", 980_000_000 + link["ifindex"].as_u64().unwrap()) == table);
    own.map_or(table.to_string(), |link| {
        format!("own {}", link["ifname"].as_str().unwrap())
    })
}

/// Returns the routes in the ports' own tables.
fn own_routes(world: &World) -> Vec<String> {
    let routes = world.ip_json("-4 route show table all");
    let routes = routes.as_array().unwrap().iter();
    let own = routes.filter(|route| {
        route["table"]
            .as_str()
            .is_some_and(|table| table.starts_with("98000"))
    });
    own.map(|route| {
        assert_eq!(route["protocol"], "98");
        let text = |key: &str| route[key].as_str().unwrap_or_default().to_string();
        assert_eq!(table(world, &route["table"]), format!("own {}", text("dev")));
        format!("{} {} {}", text("dst"), text("gateway"), text("dev"))
    })
    .collect()
}

fn await_rescue(world: &World, numbers: &[u8]) {
    world.await_report("rescue addresses", |report| {
        numbers.iter().all(|number| {
            let mut addresses = report.links.iter().flat_map(|link| &link.addresses);
            addresses.any(|found| found.address.addr() == rescue(*number))
        })
    });
}

/// Records what happens to addresses, routes and rules of the device.
fn monitor(world: &World) -> Process {
    let child = Command::new("ip")
        .args([
            "-n",
            &world.device,
            "-4",
            "-o",
            "monitor",
            "address",
            "route",
            "rule",
        ])
        .stdin(Stdio::null())
        .stdout(File::create(world.path("monitor.log")).unwrap())
        .spawn()
        .unwrap();
    Process(child)
}

/// Returns the four rules that two rescue addresses need.
fn rescue_rules() -> Vec<String> {
    let mut rules: Vec<String> = [0, 1]
        .into_iter()
        .flat_map(|number| {
            let address = rescue(number);
            [
                format!("9732: from {address} main beyond 16"),
                format!("9733: from {address} own eth{number} beyond 15"),
            ]
        })
        .collect();
    rules.sort();
    rules
}

fn sorted(mut lines: Vec<String>) -> Vec<String> {
    lines.sort();
    lines
}

#[test]
fn computers_with_link_local_addresses_reach_the_device_at_both_ports() {
    let world = world();
    world.cable(1);
    // They know nothing of each other, and may even have the same address.
    let first = Computer::at(&world, 0, "169.254.10.10/16");
    let second = Computer::at(&world, 1, "169.254.10.10/16");
    ip(&format!(
        "-n {} rule add from 10.9.9.9 lookup 100 priority 9733 protocol static",
        world.device
    ));
    ip(&format!(
        "-n {} route add 10.9.0.0/16 dev lo table 980000001",
        world.device
    ));
    let (_listener, port) = listen(&world);
    let mut agent = world.agent(&[]);
    await_rescue(&world, &[0, 1]);
    for (number, computer) in [(0, &first), (1, &second)] {
        assert!(
            computer.reaches("169.254.10.10", rescue(number), port),
            "eth{number}"
        );
        assert_eq!(computer.finds(number.into()), rescue(number).to_string());
    }
    assert_eq!(sorted(rules(&world)), rescue_rules());

    // A restart drops nothing.
    let events = monitor(&world);
    for signal in [Signal::SIGTERM, Signal::SIGKILL] {
        agent.signal(signal);
        fs::remove_file(world.run_dir().join("run-report.json")).unwrap();
        agent = world.agent(&[]);
        await_rescue(&world, &[0, 1]);
    }
    // The first thing that happens is this.
    let device = &world.device;
    ip(&format!(
        "-n {device} rule add from 10.9.9.8 lookup 100 protocol static"
    ));
    let happened = world.await_file(&world.path(""), "rule in the monitor's file", || {
        let text = fs::read_to_string(world.path("monitor.log")).unwrap();
        text.contains('\n').then_some(text)
    });
    assert!(
        happened.lines().next().unwrap().contains("10.9.9.8"),
        "{happened}"
    );
    drop(events);

    // With one cable there is nothing to choose; that of the other port may even be the first one.
    first.ip("link set up0 down");
    world.await_report("pulled cable", |report| {
        link(report, "eth0").is_some_and(|link| !link.carrier)
    });
    assert!(second.reaches("169.254.10.10", rescue(1), port));
    first.ip("link set up0 up");
    world.await_report("cable", |report| {
        link(report, "eth0").is_some_and(|link| link.carrier)
    });
    assert!(first.reaches("169.254.10.10", rescue(0), port));
    assert_eq!(sorted(rules(&world)), rescue_rules());

    ip(&format!("-n {} link del eth1", world.device));
    world.await_report("one port", |report| link(report, "eth1").is_none());
    assert_eq!(rules(&world), Vec::<String>::new());
    assert!(first.reaches("169.254.10.10", rescue(0), port));
    // What others made is as it was.
    let all = world.ip_json("rule show").to_string();
    assert!(all.contains("10.9.9.9"), "{all}");
    let routes = world.ip_json("route show table 980000001").to_string();
    assert!(routes.contains("10.9.0.0/16"), "{routes}");
}

#[test]
fn one_port_needs_no_rules() {
    let world = world();
    let computer = Computer::at(&world, 0, "169.254.10.10/16");
    let (_listener, port) = listen(&world);
    let _agent = world.agent(&[]);
    await_rescue(&world, &[0]);
    assert!(computer.reaches("169.254.10.10", rescue(0), port));
    assert_eq!(rules(&world), Vec::<String>::new());
    assert_eq!(own_routes(&world), Vec::<String>::new());
}

const FAR: &str = "198.51.100.7";

#[test]
fn computers_beyond_both_routers_reach_the_device() {
    let world = world();
    world.cable(1);
    world.settings(
        r#"{"network": {"eth0": {"method": "static", "addresses": ["10.77.0.9/24"], "gateways": ["10.77.0.1"]},
            "eth1": {"method": "static", "addresses": ["10.78.0.9/24"], "gateways": ["10.78.0.1"]}}}"#,
    );
    let first = Computer::at(&world, 0, "10.77.0.1/24");
    let second = Computer::at(&world, 1, "10.78.0.1/24");
    // Each stands for the rest of the world, too.
    for router in [&first, &second] {
        router.ip(&format!("addr add {FAR}/32 dev lo"));
    }
    // A container on the device.
    let device = &world.device;
    let container = format!("{device}c");
    ip(&format!("netns add {container}"));
    let container = Computer { namespace: container };
    ip(&format!(
        "link add veth0 netns {device} type veth peer name up9 netns {}",
        container.namespace
    ));
    ip(&format!("-n {device} addr add 172.17.0.1/16 dev veth0"));
    ip(&format!("-n {device} link set veth0 up"));
    container.ip("addr add 172.17.0.2/16 dev up9");
    container.ip("link set up9 up");
    container.ip("route add default via 172.17.0.1");

    let (_listener, port) = listen(&world);
    let _agent = world.agent(&[]);
    await_rescue(&world, &[0, 1]);
    world.await_report("gateways", |report| {
        ["eth0", "eth1"]
            .into_iter()
            .all(|name| link(report, name).is_some_and(|link| link.gateways.len() == 1))
    });
    let [one, two] = [[10, 77, 0, 9], [10, 78, 0, 9]].map(Ipv4Addr::from);
    assert!(first.reaches(FAR, one, port));
    assert!(second.reaches(FAR, two, port));
    assert!(first.reaches("10.77.0.1", one, port));
    assert!(second.reaches("10.78.0.1", two, port));
    // What another route leads to is not sent to the gateway.
    assert!(container.reaches("172.17.0.2", two, port));
    let of_second: Vec<String> = rules(&world)
        .into_iter()
        .filter(|rule| rule.contains(&two.to_string()))
        .collect();
    assert_eq!(
        of_second,
        [
            "9732: from 10.78.0.9 main beyond 16",
            "9733: from 10.78.0.9 own eth1 beyond 15",
            "9764: from 10.78.0.9 main beyond 0",
            "9765: from 10.78.0.9 own eth1"
        ]
    );
    assert_eq!(
        sorted(own_routes(&world)),
        [
            "169.254.0.0/16  eth0",
            "169.254.0.0/16  eth1",
            "default 10.78.0.1 eth1"
        ]
    );
    // What the device sends by itself goes on using the first port.
    assert_eq!(world.ip_json("route get 192.0.2.1")[0]["dev"], "eth0");

    // The first cable is pulled: the second one serves as before.
    first.ip("link set up0 down");
    world.await_report("pulled cable", |report| {
        link(report, "eth0").is_some_and(|link| !link.carrier)
    });
    assert!(second.reaches(FAR, two, port));
}

#[test]
fn the_same_network_on_two_wires_is_no_harm() {
    let world = world();
    world.cable(1);
    world.settings(
        r#"{"network": {"eth0": {"method": "static", "addresses": ["192.168.1.9/24"]},
            "eth1": {"method": "static", "addresses": ["192.168.1.10/24"]}}}"#,
    );
    let first = Computer::at(&world, 0, "192.168.1.2/24");
    let second = Computer::at(&world, 1, "192.168.1.2/24");
    let (_listener, port) = listen(&world);
    let _agent = world.agent(&[]);
    await_rescue(&world, &[0, 1]);
    world.await_report("addresses", |report| {
        ["eth0", "eth1"]
            .into_iter()
            .all(|name| has(report, name, AddressOrigin::Static))
    });
    assert!(first.reaches("192.168.1.2", Ipv4Addr::new(192, 168, 1, 9), port));
    assert!(second.reaches("192.168.1.2", Ipv4Addr::new(192, 168, 1, 10), port));
}

#[test]
fn a_port_that_only_carries_vlans_has_a_rescue_address() {
    let world = world();
    let settings =
        r#"{"network": {"eth0": {"method": "off"}}, "vlan": {"office": {"parent": "eth0", "id": 5}}}"#;
    world.settings(settings);
    let computer = Computer::at(&world, 0, "169.254.10.10/16");
    let (_listener, port) = listen(&world);
    let mut agent = world.agent(&[]);
    await_rescue(&world, &[0]);
    let report = world.await_report("name", |report| report.local_name.is_some());
    assert_eq!(link(&report, "eth0").unwrap().kind, LinkKind::VlansOnly);
    assert!(computer.reaches("169.254.10.10", rescue(0), port));
    assert_eq!(computer.finds(0), rescue(0).to_string());
    assert!(world.addresses("4").is_empty() && world.addresses("6").is_empty());

    agent.signal(Signal::SIGTERM);
    world.settings(&settings.replace(r#""off""#, r#""off", "fallback": false"#));
    fs::remove_file(world.run_dir().join("run-report.json")).unwrap();
    let _agent = world.agent(&[]);
    world.await_report("no address", |report| {
        link(report, "eth0").is_some_and(|link| link.addresses.is_empty() && link.carrier)
    });
    assert!(world.all_addresses_of("eth0", "4").is_empty());
}
