//! Plans about tunnels, as text. Each plan is carried out on the data, after which there must be nothing left to do.

use std::collections::BTreeMap;

use genpack_config_agent::net::wireguard::{
    Action, Device, Inputs, Key, Observed, Peer, Step, Target, Targets, plan,
};
use genpack_spec::settings::{Settings, Wireguard};
use genpack_spec::types::InterfaceName;

// Bytes that are easy to tell apart: 1, 2, 3 and 4, each 32 times; the first as the kernel keeps it.
const ONE: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";
const TWO: &str = "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=";
const THREE: &str = "AwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwM=";
const FOUR: &str = "BAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQ=";

struct World {
    settings: BTreeMap<InterfaceName, Wireguard>,
    observed: Observed,
    targets: Targets,
}

impl World {
    /// A device with a port, and a new tunnel wg0 with the given peers.
    fn new(peers: &str) -> World {
        let mut world = World {
            settings: BTreeMap::new(),
            observed: Observed {
                addresses: ["192.168.1.5/24", "2001:db8:1::5/64"]
                    .map(|net| net.parse().unwrap())
                    .into(),
                ..Observed::default()
            },
            targets: Targets::new(),
        };
        world.device("wg0", 7, "10.10.0.2/24");
        world.peers(peers);
        world
    }

    fn device(&mut self, name: &str, index: u32, address: &str) {
        let device = Device {
            index,
            addresses: [address.parse().unwrap()].into(),
            ..Device::default()
        };
        self.observed.devices.insert(name.into(), device);
    }

    fn peers(&mut self, peers: &str) {
        self.tunnels(&format!(
            r#""wg0": {{"private_key": {{"secret": "{ONE}"}}, "listen_port": 51820, "peers": {{{peers}}}}}"#
        ));
    }

    fn tunnels(&mut self, tunnels: &str) {
        let settings: Settings = serde_json::from_str(&format!(r#"{{"wireguard": {{{tunnels}}}}}"#)).unwrap();
        self.settings = settings.wireguard;
    }

    fn at(&mut self, peer: &str, address: &str, insist: bool) {
        let address = address.parse().unwrap();
        self.targets
            .insert(("wg0".into(), peer.into()), Target { address, insist });
    }

    fn peer(&mut self, key: &str) -> &mut Peer {
        let key = Key::public(&key.parse().unwrap()).unwrap();
        let device = self.observed.devices.get_mut("wg0").unwrap();
        device.peers.get_mut(&key).unwrap()
    }

    fn proved(&mut self, key: &str) {
        self.peer(key).handshake = Some((1_700_000_000, 5));
    }

    fn steps(&self) -> Vec<Step> {
        plan(Inputs {
            settings: &self.settings,
            observed: &self.observed,
            targets: &self.targets,
        })
    }

    /// Returns the plan, and carries it out.
    fn carry_out(&mut self) -> String {
        let steps = self.steps();
        for step in &steps {
            self.apply(step);
        }
        assert_eq!(self.steps(), [], "nothing is left to do");
        steps.iter().map(|step| format!("{step}\n")).collect()
    }

    fn apply(&mut self, step: &Step) {
        match &step.action {
            Action::AddRule(rule) => assert!(self.observed.rules.insert(*rule)),
            Action::RemoveRule(rule) => assert!(self.observed.rules.remove(rule)),
            _ => {}
        }
        let mut devices = self.observed.devices.values_mut();
        let Some(device) = devices.find(|device| device.index == step.index) else {
            return;
        };
        match &step.action {
            Action::SetPrivateKey(key) => device.private_key = Some(*key),
            Action::SetListenPort(port) => device.listen_port = *port,
            Action::SetMark(mark) => device.mark = *mark,
            Action::RemovePeer(key) => assert!(device.peers.remove(key).is_some()),
            Action::SetPeer { key, change, .. } => {
                let peer = device.peers.entry(*key).or_default();
                if let Some(preshared) = change.preshared_key {
                    peer.preshared_key = preshared;
                }
                peer.endpoint = change.endpoint.or(peer.endpoint);
                peer.keepalive = change.keepalive.unwrap_or(peer.keepalive);
                if let Some(allowed) = &change.allowed {
                    peer.allowed = allowed.clone();
                }
            }
            Action::AddRoute(route) => assert!(device.routes.insert(*route)),
            Action::RemoveRoute(route) => assert!(device.routes.remove(route)),
            Action::AddRule(_) | Action::RemoveRule(_) => {}
        }
    }
}

fn peer(name: &str, key: &str, rest: &str) -> String {
    format!(r#""{name}": {{"public_key": "{key}"{rest}}}"#)
}

const OFFICE: &str =
    r#", "endpoint": "192.0.2.1:51820", "keepalive": 25, "allowed_ips": ["10.10.0.0/24", "10.20.0.5/16"]"#;

#[test]
fn a_tunnel_is_set_up_and_then_left_alone() {
    let mut world = World::new(&peer("office", TWO, OFFICE));
    world.at("office", "192.0.2.1:51820", true);
    assert_eq!(
        world.carry_out(),
        "wg0: set the private key
wg0: listen on port 51820
wg0: mark its own packets with 0x6770
wg0: set the peer office: at 192.0.2.1:51820 keepalive 25 s 10.10.0.0/24 10.20.0.0/16
wg0: add the route 10.20.0.0/16 metric 519
"
    );
    world.proved(TWO);
    assert_eq!(world.carry_out(), "");
}

#[test]
fn only_what_differs_is_set() {
    let mut world = World::new(&peer("office", TWO, OFFICE));
    world.at("office", "192.0.2.1:51820", false);
    world.carry_out();
    world.proved(TWO);

    let more =
        r#", "endpoint": "192.0.2.1:51820", "keepalive": 25, "allowed_ips": ["10.20.0.0/16", "fd20::/48"]"#;
    world.peers(&peer("office", TWO, more));
    assert_eq!(
        world.carry_out(),
        "wg0: set the peer office: 10.20.0.0/16 fd20::/48\nwg0: add the route fd20::/48 metric 519\n"
    );
    let preshared = format!(r#"{more}, "preshared_key": {{"secret": "{THREE}"}}"#);
    world.peers(&peer("office", TWO, &preshared));
    assert_eq!(world.carry_out(), "wg0: set the peer office: preshared key\n");
    let unshared = more.replace("25", "0");
    world.peers(&peer("office", TWO, &unshared));
    assert_eq!(
        world.carry_out(),
        "wg0: set the peer office: no preshared key keepalive 0 s\n"
    );
    // Another key is another peer.
    world.peers(&peer("office", FOUR, &unshared));
    assert_eq!(
        world.carry_out(),
        "wg0: remove a peer that the settings don't have
wg0: set the peer office: at 192.0.2.1:51820 10.20.0.0/16 fd20::/48
"
    );
    world.peers("");
    assert_eq!(
        world.carry_out(),
        "wg0: remove the route 10.20.0.0/16 metric 519
wg0: remove the route fd20::/48 metric 519
wg0: remove a peer that the settings don't have
"
    );
}

#[test]
fn a_peer_that_moves_is_followed_unless_the_settings_say_more() {
    let mut world = World::new(&peer("office", TWO, OFFICE));
    world.at("office", "192.0.2.1:51820", true);
    world.carry_out();
    world.peer(TWO).endpoint = "203.0.113.9:4000".parse().ok();
    world.at("office", "192.0.2.1:51820", false);
    assert_eq!(world.carry_out(), "");
    world.at("office", "192.0.2.7:51820", true);
    assert_eq!(
        world.carry_out(),
        "wg0: set the peer office: at 192.0.2.7:51820\n"
    );
}

const ALL: &str =
    r#", "endpoint": "vpn.example.com:51820", "allowed_ips": ["0.0.0.0/0", "::/0", "10.30.0.0/16"]"#;

#[test]
fn a_tunnel_for_everything_waits_for_its_peer_and_leaves_the_ports_reachable() {
    let mut world = World::new(&peer("vpn", TWO, ALL));
    let plan = world.carry_out();
    assert!(
        plan.ends_with(
            "wg0: set the peer vpn: keepalive 25 s 0.0.0.0/0 10.30.0.0/16 ::/0
wg0: add the route 10.30.0.0/16 metric 519
"
        ),
        "{plan}"
    );
    world.at("vpn", "192.0.2.1:51820", true);
    assert_eq!(world.carry_out(), "wg0: set the peer vpn: at 192.0.2.1:51820\n");
    world.proved(TWO);
    assert_eq!(
        world.carry_out(),
        "wg0: set the peer vpn: keepalive 0 s
wg0: add the route 0.0.0.0/0 metric 519 table 98
wg0: add the route ::/0 metric 519 table 98
wg0: add the rule 9800: from 192.168.1.5 table 254
wg0: add the rule 9801: IPv4 table 254 for prefixes longer than 0
wg0: add the rule 9802: IPv4 without mark 0x6770 table 98
wg0: add the rule 9800: from 2001:db8:1::5 table 254
wg0: add the rule 9801: IPv6 table 254 for prefixes longer than 0
wg0: add the rule 9802: IPv6 without mark 0x6770 table 98
"
    );
    world.observed.addresses = ["192.168.1.77/24".parse().unwrap()].into();
    assert_eq!(
        world.carry_out(),
        "tunnels: remove the rule 9800: from 192.168.1.5 table 254
tunnels: remove the rule 9800: from 2001:db8:1::5 table 254
wg0: add the rule 9800: from 192.168.1.77 table 254
"
    );
    // The link goes, and its routes with it.
    world.settings.clear();
    world.observed.devices.clear();
    assert_eq!(world.carry_out().matches("tunnels: remove the rule").count(), 5);
    assert!(world.observed.rules.is_empty());
}

#[test]
fn networks_with_the_device_or_an_endpoint_in_them_are_as_wide_as_everything() {
    for net in ["0.0.0.0/1", "192.168.0.0/16", "192.168.1.0/24", "192.0.2.0/24"] {
        let settings = format!(r#", "endpoint": "192.0.2.1:51820", "allowed_ips": ["{net}"]"#);
        let mut world = World::new(&peer("office", TWO, &settings));
        world.at("office", "192.0.2.1:51820", true);
        assert!(!world.carry_out().contains("route"), "{net}");
        world.proved(TWO);
        let plan = world.carry_out();
        assert!(plan.contains("metric 519 table 98\n"), "{plan}");
        assert_eq!(plan.matches("add the rule").count(), 3, "{plan}");
    }
    let beside = r#", "allowed_ips": ["192.168.2.0/24"]"#;
    let mut world = World::new(&peer("office", TWO, beside));
    assert!(
        world
            .carry_out()
            .contains("add the route 192.168.2.0/24 metric 519\n")
    );
    // An address in it comes later.
    world.proved(TWO);
    world.observed.addresses.insert("192.168.2.3/23".parse().unwrap());
    let plan = world.carry_out();
    assert!(
        plan.contains("remove the route 192.168.2.0/24 metric 519\n"),
        "{plan}"
    );
    assert!(
        plan.contains("add the route 192.168.2.0/24 metric 519 table 98\n"),
        "{plan}"
    );
}

#[test]
fn a_key_and_a_network_belong_to_one_peer() {
    let net = r#", "allowed_ips": ["10.20.0.0/16"]"#;
    let all = [
        peer("alpha", TWO, net),
        peer("beta", TWO, net),
        peer("gamma", THREE, net),
        peer("own", FOUR, net),
    ];
    let mut world = World::new(&all.join(", "));
    let device = world.observed.devices.get_mut("wg0").unwrap();
    device.public_key = Key::public(&FOUR.parse().unwrap());
    let plan = world.carry_out();
    assert!(
        plan.contains("set the peer alpha: 10.20.0.0/16\nwg0: set the peer gamma:\n"),
        "{plan}"
    );
    assert!(!plan.contains("own") || plan.contains("its own"), "{plan}");
    assert!(!plan.contains("beta") && !plan.contains("peer own"), "{plan}");
}

#[test]
fn two_tunnels_for_everything_do_not_get_in_each_others_way() {
    let mut world = World::new("");
    world.device("wg1", 8, "10.11.0.2/32");
    let tunnel = |name: &str, key: &str| {
        let everything = peer("vpn", key, r#", "allowed_ips": ["0.0.0.0/0"]"#);
        format!(r#""{name}": {{"private_key": {{"secret": "{ONE}"}}, "peers": {{{everything}}}}}"#)
    };
    world.tunnels(&[tunnel("wg0", TWO), tunnel("wg1", THREE)].join(", "));
    world.carry_out();
    for device in world.observed.devices.values_mut() {
        for peer in device.peers.values_mut() {
            peer.handshake = Some((1, 0));
        }
    }
    let plan = world.carry_out();
    assert!(
        plan.contains("wg0: add the route 0.0.0.0/0 metric 519 table 98\n"),
        "{plan}"
    );
    assert!(
        plan.contains("wg1: add the route 0.0.0.0/0 metric 520 table 98\n"),
        "{plan}"
    );
}

#[test]
fn keys_are_never_shown() {
    let preshared = format!(r#"{OFFICE}, "preshared_key": {{"secret": "{THREE}"}}"#);
    let mut world = World::new(&peer("office", TWO, &preshared));
    let steps = world.steps();
    let shown = format!("{steps:?} {}", world.carry_out());
    let shown = format!("{shown} {:?}", world.observed);
    assert!(shown.contains("********"));
    for hidden in ["AQEB", "AgIC", "AwMD", "[1, 1", "[2, 2", "[3, 3", "0101", "0202"] {
        assert!(!shown.contains(hidden), "{hidden} in {shown}");
    }
}
