//! Plans about the ways of answers, as text. Each plan is carried out on the data, after which there must be nothing left to do.

use std::collections::{BTreeMap, BTreeSet};

use genpack_config_agent::net::link::{Kind, Manager};
use genpack_config_agent::net::links::Links;
use genpack_config_agent::net::plan::{Action, Inputs, Step, plan};
use genpack_config_agent::net::port::{Address, Port, Route};
use genpack_config_agent::net::rescue::Standing;
use genpack_config_agent::net::rule::{MAIN, Rule};
use genpack_spec::settings::Settings;
use ipnet::IpNet;

/// What the kernel has. The settings are static ones without addresses, so that plans are about ways only.
#[derive(Default)]
struct World {
    ports: Vec<Port>,
    links: Links,
    rules: BTreeSet<Rule>,
}

/// A port that has these addresses of ours, and the routes that the kernel makes of them.
fn port(index: u32, addresses: &[&str]) -> Port {
    let nets: Vec<IpNet> = addresses.iter().map(|net| net.parse().unwrap()).collect();
    let address = |net: &IpNet| Address {
        net: *net,
        ours: true,
        valid: None,
        autoconf: false,
        tentative: false,
        duplicate: false,
    };
    let on_wire = |net: &IpNet| Route {
        source: Some(net.addr()),
        ours: false,
        ..route(&net.trunc().to_string(), None, 0)
    };
    Port {
        index,
        name: format!("eth{}", index - 2),
        up: true,
        carrier: true,
        mtu: 1500,
        addresses: nets.iter().map(address).collect(),
        routes: nets.iter().map(on_wire).collect(),
        ..Port::default()
    }
}

fn route(destination: &str, gateway: Option<&str>, metric: u32) -> Route {
    Route {
        destination: destination.parse().unwrap(),
        gateway: gateway.map(|ip| ip.parse().unwrap()),
        source: None,
        metric,
        onlink: false,
        ours: true,
        table: MAIN,
    }
}

fn with_gateway(mut port: Port, gateway: &str, metric: u32) -> Port {
    port.routes.push(route("0.0.0.0/0", Some(gateway), metric));
    port
}

impl World {
    fn new(ports: impl Into<Vec<Port>>) -> World {
        World {
            ports: ports.into(),
            ..World::default()
        }
    }

    fn steps(&self, rules: Option<&BTreeSet<Rule>>) -> Vec<Step> {
        // What the ports have is what is wanted of them.
        let mut network = serde_json::Map::new();
        let mut standing = BTreeMap::new();
        for port in &self.ports {
            let addresses: Vec<String> = port.addresses.iter().map(|have| have.net.to_string()).collect();
            let gateways: Vec<String> = port
                .routes
                .iter()
                .filter_map(|route| Some(route.gateway?.to_string()))
                .collect();
            let section =
                serde_json::json!({"method": "static", "addresses": addresses, "gateways": gateways});
            network.insert(port.name.clone(), section);
            standing.insert(port.index, Standing::default());
        }
        let settings: Settings = serde_json::from_value(serde_json::json!({"network": network})).unwrap();
        let mut steps = plan(Inputs {
            settings: &settings,
            ports: &self.ports,
            links: &self.links,
            leases: &BTreeMap::new(),
            clients: &BTreeSet::new(),
            standing: &standing,
            leases6: &BTreeMap::new(),
            clients6: &BTreeMap::new(),
            rules,
            now: 1000,
        });
        let is_way = |step: &Step| match &step.action {
            Action::AddRule(_) | Action::RemoveRule(_) => true,
            Action::AddRoute(route) | Action::RemoveRoute(route) => route.table != MAIN,
            _ => false,
        };
        steps.retain(is_way);
        steps
    }

    /// Returns the plan, and carries it out.
    fn carry_out(&mut self) -> String {
        let steps = self.steps(Some(&self.rules));
        for step in &steps {
            self.apply(step);
        }
        assert_eq!(self.steps(Some(&self.rules)), [], "nothing is left to do");
        steps.iter().map(|step| format!("{step}\n")).collect()
    }

    fn apply(&mut self, step: &Step) {
        let mut ports = self.ports.iter_mut().chain(&mut self.links.others);
        let port = ports.find(|port| port.index == step.index);
        match &step.action {
            Action::AddRule(rule) => assert!(self.rules.insert(*rule)),
            Action::RemoveRule(rule) => assert!(self.rules.remove(rule)),
            Action::AddRoute(route) => port.unwrap().ways.push(route.clone()),
            Action::RemoveRoute(route) => {
                let ways = &mut port.unwrap().ways;
                ways.remove(ways.iter().position(|way| way == route).unwrap());
            }
            _ => unreachable!(),
        }
    }
}

/// Two ports with their rescue addresses.
fn two() -> [Port; 2] {
    [port(2, &["169.254.3.4/16"]), port(3, &["169.254.5.6/16"])]
}

const TWO: &str = "eth0: add the route 169.254.0.0/16 metric 0 table 980000002\n\
                   eth1: add the route 169.254.0.0/16 metric 0 table 980000003\n\
                   eth0: add the rule 9732: from 169.254.3.4 table 254 for prefixes longer than 16\n\
                   eth1: add the rule 9732: from 169.254.5.6 table 254 for prefixes longer than 16\n\
                   eth0: add the rule 9733: from 169.254.3.4 table 980000002 for prefixes longer than 15\n\
                   eth1: add the rule 9733: from 169.254.5.6 table 980000003 for prefixes longer than 15\n";

#[test]
fn one_port_or_ports_of_different_networks_need_nothing() {
    let alone = with_gateway(port(2, &["10.0.0.5/24", "169.254.3.4/16"]), "10.0.0.1", 102);
    assert_eq!(World::new([alone.clone()]).carry_out(), "");
    let other = port(3, &["10.0.1.5/24"]);
    assert_eq!(World::new([alone, other]).carry_out(), "");
}

#[test]
fn two_rescue_addresses_have_ways_of_their_own_until_one_goes() {
    let mut world = World::new(two());
    assert_eq!(world.carry_out(), TWO);

    // Another device had the address.
    let ways = world.ports[1].ways.clone();
    world.ports[1] = Port {
        ways,
        ..port(3, &["169.254.7.8/16"])
    };
    assert_eq!(
        world.carry_out(),
        "answers: remove the rule 9732: from 169.254.5.6 table 254 for prefixes longer than 16\n\
         eth1: remove the rule 9733: from 169.254.5.6 table 980000003 for prefixes longer than 15\n\
         eth1: add the rule 9732: from 169.254.7.8 table 254 for prefixes longer than 16\n\
         eth1: add the rule 9733: from 169.254.7.8 table 980000003 for prefixes longer than 15\n"
    );

    // The kernel removes the routes of a port that goes, and no rule.
    world.ports.truncate(1);
    assert_eq!(
        world.carry_out(),
        "eth0: remove the rule 9732: from 169.254.3.4 table 254 for prefixes longer than 16\n\
         answers: remove the rule 9732: from 169.254.7.8 table 254 for prefixes longer than 16\n\
         eth0: remove the rule 9733: from 169.254.3.4 table 980000002 for prefixes longer than 15\n\
         answers: remove the rule 9733: from 169.254.7.8 table 980000003 for prefixes longer than 15\n\
         eth0: remove the route 169.254.0.0/16 metric 0 table 980000002\n"
    );
}

#[test]
fn a_port_without_a_cable_is_no_way_and_still_in_the_way() {
    let mut world = World::new(two());
    world.carry_out();
    world.ports[0].carrier = false;
    assert_eq!(
        world.carry_out(),
        "eth0: remove the rule 9732: from 169.254.3.4 table 254 for prefixes longer than 16\n\
         eth0: remove the rule 9733: from 169.254.3.4 table 980000002 for prefixes longer than 15\n\
         eth0: remove the route 169.254.0.0/16 metric 0 table 980000002\n"
    );
    assert_eq!(world.rules.len(), 2, "the kernel goes on choosing the first port");
}

#[test]
fn the_gateway_of_the_first_port_needs_no_rule() {
    let one = with_gateway(port(2, &["10.0.0.5/24"]), "10.0.0.1", 102);
    let two = with_gateway(port(3, &["10.0.1.5/24"]), "10.0.1.1", 103);
    let mut world = World::new([one.clone(), two.clone()]);
    assert_eq!(
        world.carry_out(),
        "eth1: add the route 0.0.0.0/0 via 10.0.1.1 metric 0 table 980000003\n\
         eth1: add the rule 9764: from 10.0.1.5 table 254 for prefixes longer than 0\n\
         eth1: add the rule 9765: from 10.0.1.5 table 980000003\n"
    );
    // Its server names another router.
    world.ports[1].routes.pop();
    world.ports[1]
        .routes
        .push(route("0.0.0.0/0", Some("10.0.1.2"), 103));
    assert_eq!(
        world.carry_out(),
        "eth1: remove the route 0.0.0.0/0 via 10.0.1.1 metric 0 table 980000003\n\
         eth1: add the route 0.0.0.0/0 via 10.0.1.2 metric 0 table 980000003\n"
    );
    // A silent gateway is no way for an answer either.
    world.ports[1].routes.pop();
    world.ports[1]
        .routes
        .push(route("0.0.0.0/0", Some("10.0.1.2"), 100_103));
    assert_eq!(
        world.carry_out(),
        "eth1: remove the rule 9764: from 10.0.1.5 table 254 for prefixes longer than 0\n\
         eth1: remove the rule 9765: from 10.0.1.5 table 980000003\n\
         eth1: remove the route 0.0.0.0/0 via 10.0.1.2 metric 0 table 980000003\n"
    );
    // And one is no rival of another.
    let silent = with_gateway(port(2, &["10.0.0.5/24"]), "10.0.0.1", 100_102);
    assert_eq!(World::new([silent, two]).carry_out(), "");
}

#[test]
fn the_longest_prefix_wins_as_within_one_table() {
    let one = with_gateway(port(2, &["10.0.0.5/8", "169.254.3.4/16"]), "10.0.0.1", 102);
    let two = with_gateway(port(3, &["10.0.0.6/8", "169.254.5.6/16"]), "10.0.0.1", 103);
    let mut world = World::new([one, two]);
    world.carry_out();
    let of = |address: &str| -> Vec<String> {
        let rules = world
            .rules
            .iter()
            .filter(|rule| rule.source == address.parse().ok());
        rules.map(ToString::to_string).collect()
    };
    assert_eq!(
        of("10.0.0.6"),
        [
            "9732: from 10.0.0.6 table 254 for prefixes longer than 16",
            "9733: from 10.0.0.6 table 980000003 for prefixes longer than 15",
            "9748: from 10.0.0.6 table 254 for prefixes longer than 8",
            "9749: from 10.0.0.6 table 980000003 for prefixes longer than 7",
            "9764: from 10.0.0.6 table 254 for prefixes longer than 0",
            "9765: from 10.0.0.6 table 980000003",
        ]
    );
    assert_eq!(of("10.0.0.5").len(), 4, "without its gateway");
    // A link-local address goes through no router.
    assert_eq!(of("169.254.5.6").len(), 4);
}

#[test]
fn what_others_manage_is_in_the_way_and_gets_no_rules() {
    let [one, mut two] = two();
    two.link.manager = Some(Manager::Networkd);
    let mut world = World::new([one.clone()]);
    world.links.others = vec![two.clone()];
    let of_first: String = TWO
        .lines()
        .filter(|line| line.starts_with("eth0"))
        .map(|line| format!("{line}\n"))
        .collect();
    assert_eq!(world.carry_out(), of_first);
    // Neither containers nor tunnels are wires at which somebody waits for an answer.
    two.link.manager = None;
    let mut bridge = two.clone();
    bridge.link.kind = Kind::Bridge { stp: false };
    world = World::new([one.clone()]);
    world.links.others = vec![bridge];
    assert_eq!(world.carry_out(), "");
    two.link.kind = Kind::Wireguard;
    two.link.made_here = true;
    assert_eq!(World::new([one.clone(), two]).carry_out(), "");
    // An address that somebody else set on our port is his.
    let [_, mut two] = self::two();
    two.addresses[0].ours = false;
    assert_eq!(World::new([one, two]).carry_out(), of_first);
}

#[test]
fn a_restarted_agent_waits_for_udev_before_it_judges() {
    let mut world = World::new(two());
    world.carry_out();
    for port in &mut world.ports {
        port.link.settling = true;
    }
    world.links.others = std::mem::take(&mut world.ports);
    assert_eq!(world.carry_out(), "");
    // Another program takes both: nothing of ours stays.
    for port in &mut world.links.others {
        port.link.settling = false;
        port.link.manager = Some(Manager::NetworkManager);
    }
    let plan = world.carry_out();
    assert_eq!(
        plan.lines().filter(|line| line.contains("remove the r")).count(),
        6,
        "{plan}"
    );
    assert!(world.rules.is_empty());
}

#[test]
fn a_kernel_without_rules_is_asked_for_nothing() {
    assert_eq!(World::new(two()).steps(None), []);
}
