//! Plans about links that are made of ports, as text.

use std::collections::{BTreeMap, BTreeSet};

use genpack_config_agent::net::link::{Kind, Link, Manager};
use genpack_config_agent::net::original::Original;
use genpack_config_agent::net::plan::{Action, Inputs, Step, plan};
use genpack_config_agent::net::port::{Address, Ipv6Conf, Port, Route};
use genpack_config_agent::net::rule::MAIN;
use genpack_config_agent::net::{links::Links, wanted::Wishes};
use genpack_spec::report::LinkKind;
use genpack_spec::settings::{BondMode, Settings};

use super::given::{self, settings};

/// A port that is on, with a cable, as a plan without settings leaves it.
pub fn port(index: u32, name: &str) -> Port {
    Port {
        mac: format!("02:00:00:00:00:{index:02x}").parse().ok(),
        max_mtu: 9000,
        ..given::plugged(index, name)
    }
}

fn made(index: u32, name: &str, kind: Kind) -> Port {
    Port {
        max_mtu: 65535,
        link: Link {
            kind,
            made_here: true,
            ..Link::default()
        },
        ..port(index, name)
    }
}

fn member(of: u32, mut port: Port) -> Port {
    port.link.master = Some(of);
    port.ipv6 = port.ipv6.map(Ipv6Conf::off);
    port
}

pub fn address(net: &str) -> Address {
    given::address(net, true, None)
}

/// The plan, one step a line. Every port with a cable has its DHCP client already unless it is to get one in `clients`.
pub fn planned(settings: &Settings, ports: &[Port], links: &Links, clients: &[u32]) -> String {
    let steps = plan(Inputs {
        settings,
        ports,
        links,
        leases: &BTreeMap::new(),
        standing: &BTreeMap::new(),
        clients: &clients.iter().copied().collect::<BTreeSet<u32>>(),
        leases6: &BTreeMap::new(),
        clients6: &BTreeMap::new(),
        rules: None,
        now: 1000,
    });
    steps.iter().map(|step| format!("{step}\n")).collect()
}

pub fn none() -> Links {
    Links::default()
}

pub fn others(ports: Vec<Port>) -> Links {
    Links {
        others: ports,
        ..Links::default()
    }
}

/// What the report says about the links that the settings ask for.
fn problems(settings: &Settings, ports: &[Port], links: &Links) -> Vec<String> {
    let wishes = Wishes::new(settings, ports, links);
    let made = wishes.made().iter();
    made.flat_map(|made| {
        made.problems
            .iter()
            .map(move |text| format!("{}: {}", made.name, text.english()))
    })
    .collect()
}

const VLAN: &str =
    r#"{"vlan": {"v5": {"parent": "ETH0", "id": 5, "method": "static", "addresses": ["10.5.0.2/24"]}}}"#;

#[test]
fn a_vlan_is_made_beside_the_addresses_of_its_port() {
    let vlan = settings(VLAN);
    let eth0 = port(2, "eth0");
    assert_eq!(
        planned(&vlan, std::slice::from_ref(&eth0), &none(), &[]),
        "v5: make it: VLAN 5 on eth0\neth0: start DHCP\n"
    );
    let mut v5 = made(7, "v5", Kind::Vlan { parent: 2, id: 5 });
    v5.up = false;
    v5.carrier = false;
    assert_eq!(
        planned(&vlan, &[eth0.clone(), v5.clone()], &none(), &[2]),
        "v5: switch on\nv5: set the address 10.5.0.2/24\n"
    );
    v5.up = true;
    v5.addresses = vec![address("10.5.0.2/24")];
    assert_eq!(planned(&vlan, &[eth0, v5], &none(), &[2]), "");
}

#[test]
fn a_vlan_with_another_id_or_port_is_made_anew() {
    let vlan = settings(VLAN);
    let ports = |kind| [port(2, "eth0"), port(3, "eth1"), made(7, "v5", kind)];
    for kind in [
        Kind::Vlan { parent: 2, id: 6 },
        Kind::Vlan { parent: 3, id: 5 },
        Kind::Bridge { stp: false },
    ] {
        assert_eq!(
            planned(&vlan, &ports(kind), &none(), &[2, 3]),
            "v5: remove it\n",
            "{kind:?}"
        );
    }
    assert_eq!(
        planned(
            &Settings::default(),
            &ports(Kind::Vlan { parent: 2, id: 5 }),
            &none(),
            &[2, 3]
        ),
        "v5: remove it\n"
    );
}

#[test]
fn a_port_that_is_off_still_carries_its_vlan() {
    let off = settings(
        r#"{"network": {"default": {"method": "off"}}, "vlan": {"v5": {"parent": "eth0", "id": 5}}}"#,
    );
    let mut eth0 = port(2, "eth0");
    eth0.up = false;
    let v5 = made(7, "v5", Kind::Vlan { parent: 2, id: 5 });
    assert_eq!(
        planned(&off, &[eth0, port(3, "eth1"), v5], &none(), &[]),
        "eth0: turn off IPv6\neth0: switch on\neth1: switch off\nv5: start DHCP\n"
    );
}

const BRIDGE: &str = r#"{"bridge": {"br0": {"ports": ["eth0", "eth1"]}}}"#;

#[test]
fn a_bridge_takes_its_ports_over() {
    let bridge = settings(BRIDGE);
    let mut eth0 = port(2, "eth0");
    eth0.addresses = vec![address("10.0.0.9/24")];
    // Nothing is done twice: its ports wait for it.
    assert_eq!(
        planned(&bridge, &[eth0.clone(), port(3, "eth1")], &none(), &[2]),
        "br0: make it: bridge\n\
         eth0: stop DHCP\n\
         eth0: remove the address 10.0.0.9/24\n\
         eth0: turn off IPv6\n\
         eth1: turn off IPv6\n"
    );
    let br0 = made(7, "br0", Kind::Bridge { stp: false });
    assert_eq!(
        planned(
            &bridge,
            &[port(2, "eth0"), port(3, "eth1"), br0.clone()],
            &none(),
            &[7]
        ),
        "eth0: turn off IPv6\neth0: join br0\neth1: turn off IPv6\neth1: join br0\n"
    );
    let there = [member(7, port(2, "eth0")), member(7, port(3, "eth1")), br0];
    assert_eq!(planned(&bridge, &there, &none(), &[7]), "");

    let fewer = settings(r#"{"bridge": {"br0": {"ports": ["eth0"]}}}"#);
    assert_eq!(
        planned(&fewer, &there, &none(), &[7]),
        "eth1: leave its bridge or bond\n"
    );
    let stp = settings(r#"{"bridge": {"br0": {"ports": ["eth0", "eth1"], "stp": true}}}"#);
    assert!(planned(&stp, &there, &none(), &[7]).starts_with("br0: remove it\n"));
}

#[test]
fn a_missing_port_is_waited_for_and_the_rest_is_done() {
    let bridge = settings(BRIDGE);
    let ports = [port(3, "eth1")];
    assert_eq!(
        planned(&bridge, &ports, &none(), &[]),
        "br0: make it: bridge\neth1: turn off IPv6\n"
    );
    assert_eq!(
        problems(&bridge, &ports, &none()),
        ["br0: It waits for the port eth0, which is not there."]
    );
    // Nothing to make a bridge of.
    let ports = [port(4, "eth2")];
    assert_eq!(planned(&bridge, &ports, &none(), &[4]), "");
    assert_eq!(problems(&bridge, &ports, &none()).len(), 2);

    let vlan = settings(VLAN);
    assert_eq!(planned(&vlan, &ports, &none(), &[4]), "");
    assert_eq!(
        problems(&vlan, &ports, &none()),
        ["v5: It waits for the port ETH0, which is not there."]
    );
}

#[test]
fn a_bond_takes_ports_that_are_off() {
    let bond = settings(r#"{"bond": {"bond0": {"ports": ["eth0", "eth1"], "mode": "802.3ad"}}}"#);
    let mut down = port(3, "eth1");
    down.up = false;
    down.ipv6 = None;
    assert_eq!(
        planned(&bond, &[port(2, "eth0"), down.clone()], &none(), &[]),
        "bond0: make it: bond, 802.3ad\neth0: turn off IPv6\n"
    );
    let bond0 = made(7, "bond0", Kind::Bond(Some(BondMode::Lacp)));
    assert_eq!(
        planned(&bond, &[port(2, "eth0"), down, bond0], &none(), &[7]),
        "eth0: turn off IPv6\neth0: switch off\neth0: join bond0\neth1: join bond0\n"
    );
    let other = made(7, "bond0", Kind::Bond(Some(BondMode::ActiveBackup)));
    let plan = planned(&bond, &[member(7, port(2, "eth0")), other], &none(), &[7]);
    assert!(plan.starts_with("bond0: remove it\n"), "{plan}");
}

#[test]
fn a_vlan_on_a_bond_waits_for_the_bond() {
    let both =
        settings(r#"{"bond": {"bond0": {"ports": ["eth0"]}}, "vlan": {"v5": {"parent": "bond0", "id": 5}}}"#);
    assert_eq!(
        planned(&both, &[port(2, "eth0")], &none(), &[]),
        "bond0: make it: bond, active-backup\neth0: turn off IPv6\n"
    );
    let bond0 = made(7, "bond0", Kind::Bond(Some(BondMode::ActiveBackup)));
    assert_eq!(
        planned(&both, &[member(7, port(2, "eth0")), bond0], &none(), &[7]),
        "v5: make it: VLAN 5 on bond0\n"
    );
}

#[test]
fn a_tunnel_has_its_own_addresses_only() {
    let tunnel = settings(
        r#"{"wireguard": {"wg0": {"private_key": {"secret": "yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk="},
            "addresses": ["10.10.0.2/24"]}}}"#,
    );
    assert_eq!(
        planned(&tunnel, &[], &none(), &[]),
        "wg0: make it: WireGuard tunnel\n"
    );
    let mut wg0 = made(7, "wg0", Kind::Wireguard);
    wg0.mac = None;
    // Routes into it come from its peers.
    wg0.routes = vec![Route {
        destination: "10.20.0.0/16".parse().unwrap(),
        gateway: None,
        source: None,
        metric: 512,
        onlink: false,
        ours: true,
        table: MAIN,
    }];
    assert_eq!(
        planned(&tunnel, &[wg0], &none(), &[]),
        "wg0: turn off IPv6 autoconfiguration\nwg0: set the address 10.10.0.2/24\n"
    );
}

#[test]
fn what_was_made_by_others_is_left_alone() {
    let bridge = settings(BRIDGE);
    let mut foreign = made(7, "br0", Kind::Bridge { stp: false });
    foreign.link.made_here = false;
    let links = others(vec![foreign]);
    // Its ports keep their own addresses.
    assert_eq!(
        planned(&bridge, &[port(2, "eth0")], &links, &[]),
        "eth0: start DHCP\n"
    );
    assert_eq!(
        problems(&bridge, &[port(2, "eth0")], &links),
        ["br0: Something else has made a link of the name br0, so it is left alone; choose another name."]
    );
    assert_eq!(planned(&Settings::default(), &[], &links, &[]), "");

    // A port that belongs to somebody else's bridge stays there.
    let mut taken = port(2, "eth0");
    taken.link.master = Some(9);
    let links = others(vec![taken]);
    assert_eq!(
        planned(&bridge, &[port(3, "eth1")], &links, &[]),
        "br0: make it: bridge\neth1: turn off IPv6\n"
    );
    assert_eq!(
        problems(&bridge, &[port(3, "eth1")], &links),
        ["br0: The port eth0 can't belong to it, because something else uses it."]
    );
}

#[test]
fn a_port_that_another_program_manages_loses_what_is_ours_and_is_left_alone() {
    let mut eth0 = port(2, "eth0");
    eth0.link.manager = Some(Manager::Networkd);
    eth0.addresses = vec![address("10.0.0.5/24")];
    eth0.addresses.push(Address {
        ours: false,
        ..address("10.0.0.6/24")
    });
    assert_eq!(
        planned(&Settings::default(), &[], &others(vec![eth0.clone()]), &[]),
        "eth0: remove the address 10.0.0.5/24\n"
    );
    eth0.addresses.clear();
    let links = others(vec![eth0.clone()]);
    assert_eq!(planned(&Settings::default(), &[], &links, &[]), "");
    for (json, named) in [
        ("{}", false),
        (r#"{"network": {"default": {"method": "off"}}}"#, false),
        (r#"{"network": {"ETH0": {"method": "off"}}}"#, true),
        (r#"{"network": {"02:00:00:00:00:02": {"method": "off"}}}"#, true),
        (BRIDGE, true),
    ] {
        let settings = settings(json);
        let wishes = Wishes::new(&settings, &[], &links);
        assert_eq!(wishes.names(&eth0), named, "{json}");
        assert_eq!(
            wishes.kind(&eth0),
            LinkKind::Managed {
                by: "systemd-networkd".into()
            }
        );
    }
}

#[test]
fn names_that_are_used_twice_and_rings_do_no_harm() {
    let twice = settings(
        r#"{"bridge": {"br0": {"ports": ["eth0"]}}, "bond": {"BR0": {"ports": ["eth0", "eth1"]}, "bond1": {"ports": ["eth0", "eth1"]}}}"#,
    );
    let ports = [port(2, "eth0"), port(3, "eth1")];
    let plan = planned(&twice, &ports, &none(), &[]);
    assert!(
        plan.starts_with("br0: make it: bridge\nbond1: make it: bond, active-backup\n"),
        "{plan}"
    );
    let said = problems(&twice, &ports, &none()).join("\n");
    assert!(said.contains("BR0: system.ini has another section"), "{said}");
    assert!(
        said.contains("bond1: The port eth0 already belongs to br0."),
        "{said}"
    );

    let ring = settings(
        r#"{"bridge": {"br0": {"ports": ["br0", "v5"]}}, "vlan": {"v5": {"parent": "br0", "id": 5}, "v6": {"parent": "v6", "id": 6}}}"#,
    );
    assert_eq!(planned(&ring, &[], &none(), &[]), "");
    let br0 = made(7, "br0", Kind::Bridge { stp: false });
    let plan = planned(&ring, &[br0], &none(), &[7]);
    assert_eq!(plan, "v5: make it: VLAN 5 on br0\n");
}

#[test]
fn what_the_kernel_refuses_is_not_tried_for_ever() {
    let bridge = settings(BRIDGE);
    let ports = [port(2, "eth0")];
    let steps = |links: &Links, ports: &[Port]| {
        plan(Inputs {
            settings: &bridge,
            ports,
            links,
            leases: &BTreeMap::new(),
            standing: &BTreeMap::new(),
            clients: &BTreeSet::from([2, 7]),
            leases6: &BTreeMap::new(),
            clients6: &BTreeMap::new(),
            rules: None,
            now: 1000,
        })
    };
    let mut links = none();
    links.refused = vec![steps(&links, &ports)[0].clone()];
    // Without its bridge the port has its own addresses.
    assert_eq!(steps(&links, &ports), []);
    assert!(
        problems(&bridge, &ports, &links)
            .contains(&"br0: The device could not make this bridge.".to_string())
    );

    let ports = [port(2, "eth0"), made(7, "br0", Kind::Bridge { stp: false })];
    let mut links = none();
    let join = |step: &Step| matches!(step.action, Action::Join { .. });
    links.refused = steps(&links, &ports).into_iter().filter(join).collect();
    assert_eq!(steps(&links, &ports), []);
}

#[test]
fn mtu_and_mac_come_and_go_with_the_settings() {
    let details = settings(
        r#"{"network": {"02:00:00:00:00:02": {"method": "auto", "mtu": 1400, "mac": "02:aa:00:00:00:01"}}}"#,
    );
    let eth0 = port(2, "eth0");
    assert_eq!(
        planned(&details, std::slice::from_ref(&eth0), &none(), &[2]),
        "eth0: stop DHCP\n\
         eth0: switch off\n\
         eth0: set the MAC address to 02:aa:00:00:00:01\n\
         eth0: switch on\n"
    );
    let changed = Port {
        mac: "02:aa:00:00:00:01".parse().ok(),
        ..eth0.clone()
    };
    let links = |mtu| Links {
        originals: BTreeMap::from([(2, Original { mtu, mac: eth0.mac })]),
        ..Links::default()
    };
    // The section of its own MAC address still holds.
    assert_eq!(
        planned(&details, std::slice::from_ref(&changed), &links(None), &[]),
        "eth0: set the MTU to 1400\neth0: start DHCP\n"
    );
    let changed = Port { mtu: 1400, ..changed };
    assert_eq!(
        planned(&details, std::slice::from_ref(&changed), &links(Some(1500)), &[2]),
        ""
    );
    let plain = Settings::default();
    assert_eq!(
        planned(&plain, std::slice::from_ref(&changed), &links(Some(1500)), &[]),
        "eth0: switch off\neth0: set the MAC address back to 02:00:00:00:00:02\neth0: switch on\n"
    );
    let back = Links {
        originals: BTreeMap::from([(
            2,
            Original {
                mtu: Some(1500),
                mac: None,
            },
        )]),
        ..Links::default()
    };
    let restored = Port {
        mac: eth0.mac,
        ..changed
    };
    assert_eq!(
        planned(&plain, &[restored], &back, &[2]),
        "eth0: set the MTU back to 1500\n"
    );
    // What others set is theirs.
    let odd = Port { mtu: 1300, ..eth0 };
    assert_eq!(planned(&plain, &[odd], &none(), &[2]), "");
}

#[test]
fn an_mtu_beyond_what_a_port_or_the_port_of_a_vlan_has_is_not_set() {
    let big = settings(
        r#"{"network": {"default": {"method": "auto", "mtu": 9001}}, "vlan": {"v5": {"parent": "eth0", "id": 5, "method": "auto", "mtu": 2000}}}"#,
    );
    let v5 = made(7, "v5", Kind::Vlan { parent: 2, id: 5 });
    assert_eq!(planned(&big, &[port(2, "eth0"), v5], &none(), &[2, 7]), "");
}

#[test]
fn ipv6_off_leaves_no_ipv6() {
    let off = settings(
        r#"{"network": {"default": {"method": "static", "addresses": ["10.0.0.9/24", "fd00::9/64"],
            "gateways": ["10.0.0.1", "fd00::1"], "ipv6": "off"}}}"#,
    );
    assert_eq!(
        planned(&off, &[port(2, "eth0")], &none(), &[]),
        "eth0: turn off IPv6\n\
         eth0: set the address 10.0.0.9/24\n\
         eth0: add the route 0.0.0.0/0 via 10.0.0.1 metric 102\n"
    );
    let mut was_off = port(2, "eth0");
    was_off.ipv6 = was_off.ipv6.map(Ipv6Conf::off);
    assert_eq!(
        planned(&Settings::default(), &[was_off], &none(), &[2]),
        "eth0: turn on IPv6 autoconfiguration\n"
    );
}
