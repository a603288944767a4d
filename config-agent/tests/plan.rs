//! Plans as text: settings, leases and what the kernel has, against the steps that follow.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};

use genpack_config_agent::net::dhcp6::{Lease6, Mode};
use genpack_config_agent::net::lease::{Lease, LeaseRoute};
use genpack_config_agent::net::links::Links;
use genpack_config_agent::net::plan::{Inputs, plan};
use genpack_config_agent::net::port::{Address, Ipv6Conf, Port, Route, RouterFlags};
use genpack_config_agent::net::rescue::{Gateway, Standing};
use genpack_config_agent::net::rule::MAIN;
use genpack_spec::settings::Settings;

const NOW: u64 = 1000;

fn settings(json: &str) -> Settings {
    serde_json::from_str(json).unwrap()
}

/// A port as it is when its driver has just made it.
fn fresh(index: u32, name: &str) -> Port {
    Port {
        index,
        name: name.into(),
        mtu: 1500,
        max_mtu: 1500,
        ipv6: Some(Ipv6Conf {
            accept_ra: 1,
            autoconf: 1,
            disabled: 0,
            forwarding: 0,
        }),
        ..Port::default()
    }
}

fn plugged(index: u32, name: &str) -> Port {
    Port {
        up: true,
        carrier: true,
        ..fresh(index, name)
    }
}

fn address(net: &str, ours: bool, valid: Option<u32>) -> Address {
    Address {
        net: net.parse().unwrap(),
        ours,
        valid,
        autoconf: false,
        tentative: false,
        duplicate: false,
    }
}

fn route(destination: &str, gateway: &str, source: Option<&str>, metric: u32, ours: bool) -> Route {
    Route {
        destination: destination.parse().unwrap(),
        gateway: Some(gateway.parse().unwrap()),
        source: source.map(|ip| ip.parse().unwrap()),
        metric,
        onlink: false,
        ours,
        table: MAIN,
    }
}

fn lease(address: &str, gateway: &str, expires: Option<u64>) -> Lease {
    Lease {
        address: address.parse().unwrap(),
        routes: vec![LeaseRoute {
            destination: "0.0.0.0/0".parse().unwrap(),
            gateway: Some(gateway.parse().unwrap()),
        }],
        dns: Vec::new(),
        search: Vec::new(),
        mtu: None,
        expires,
    }
}

/// The plan, one step a line.
fn planned(settings: &Settings, ports: &[Port], leases: &[(u32, Lease)], clients: &[u32]) -> String {
    planned_with(settings, ports, &Links::default(), leases, clients)
}

fn planned_with(
    settings: &Settings,
    ports: &[Port],
    links: &Links,
    leases: &[(u32, Lease)],
    clients: &[u32],
) -> String {
    planned_for(settings, ports, links, leases, clients, &BTreeMap::new())
}

/// The plan for a port of which this is known.
fn planned_as(
    settings: &Settings,
    port: Port,
    leases: &[(u32, Lease)],
    clients: &[u32],
    standing: Standing,
) -> String {
    let standing = [(port.index, standing)].into();
    planned_for(settings, &[port], &Links::default(), leases, clients, &standing)
}

fn planned_for(
    settings: &Settings,
    ports: &[Port],
    links: &Links,
    leases: &[(u32, Lease)],
    clients: &[u32],
    standing: &BTreeMap<u32, Standing>,
) -> String {
    planned_all(settings, ports, links, (leases, clients), standing, (&[], &[]))
}

/// What there is of DHCPv6: leases and clients.
type Of6<'a> = (&'a [(u32, Lease6)], &'a [(u32, Mode)]);

fn planned6(
    settings: &Settings,
    ports: &[Port],
    clients: &[u32],
    leases6: &[(u32, Lease6)],
    clients6: &[(u32, Mode)],
) -> String {
    planned_all(
        settings,
        ports,
        &Links::default(),
        (&[], clients),
        &BTreeMap::new(),
        (leases6, clients6),
    )
}

fn planned_all(
    settings: &Settings,
    ports: &[Port],
    links: &Links,
    (leases, clients): (&[(u32, Lease)], &[u32]),
    standing: &BTreeMap<u32, Standing>,
    (leases6, clients6): Of6<'_>,
) -> String {
    let leases: BTreeMap<u32, Lease> = leases.iter().cloned().collect();
    let clients: BTreeSet<u32> = clients.iter().copied().collect();
    let steps = plan(Inputs {
        settings,
        ports,
        links,
        leases: &leases,
        clients: &clients,
        standing,
        leases6: &leases6.iter().cloned().collect(),
        clients6: &clients6.iter().copied().collect(),
        rules: None,
        now: NOW,
    });
    steps.iter().map(|step| format!("{step}\n")).collect()
}

#[test]
fn without_settings_every_port_goes_on_and_asks_once_its_cable_is_alive() {
    let ports = [fresh(2, "eth0"), plugged(3, "eth1")];
    assert_eq!(
        planned(&Settings::default(), &ports, &[], &[]),
        "eth0: switch on\neth1: start DHCP\n"
    );
}

#[test]
fn a_lease_brings_address_and_route() {
    let leases = [(2, lease("10.0.0.5/24", "10.0.0.1", Some(NOW + 600)))];
    assert_eq!(
        planned(&Settings::default(), &[plugged(2, "eth0")], &leases, &[2]),
        "eth0: set the address 10.0.0.5/24 for 600 s\n\
         eth0: add the route 0.0.0.0/0 via 10.0.0.1 from 10.0.0.5 metric 102\n"
    );
}

#[test]
fn a_router_off_the_subnet_is_reached_on_the_wire() {
    let leases = [(2, lease("203.0.113.9/32", "203.0.113.1", None))];
    assert_eq!(
        planned(&Settings::default(), &[plugged(2, "eth0")], &leases, &[2]),
        "eth0: set the address 203.0.113.9/32\n\
         eth0: add the route 0.0.0.0/0 via 203.0.113.1 from 203.0.113.9 metric 102 onlink\n"
    );
}

fn bound() -> Port {
    let mut port = plugged(2, "eth0");
    port.addresses = vec![address("10.0.0.5/24", true, Some(599))];
    port.routes = vec![route("0.0.0.0/0", "10.0.0.1", Some("10.0.0.5"), 102, true)];
    port
}

#[test]
fn when_all_is_well_the_plan_is_empty() {
    let leases = [(2, lease("10.0.0.5/24", "10.0.0.1", Some(NOW + 600)))];
    assert_eq!(planned(&Settings::default(), &[bound()], &leases, &[2]), "");

    let fixed = settings(
        r#"{"network": {"default": {"method": "static", "addresses": ["192.0.2.7/24", "2001:db8::7/64"],
            "gateways": ["192.0.2.1", "2001:db8::1"]}}}"#,
    );
    let mut port = plugged(2, "eth0");
    port.addresses = vec![
        address("192.0.2.7/24", true, None),
        address("2001:db8::7/64", true, None),
    ];
    port.routes = vec![
        route("0.0.0.0/0", "192.0.2.1", None, 102, true),
        route("::/0", "2001:db8::1", None, 102, true),
    ];
    assert_eq!(planned(&fixed, &[port], &[], &[]), "");

    let off = settings(r#"{"network": {"eth0": {"method": "off"}}}"#);
    assert_eq!(planned(&off, &[fresh(2, "eth0")], &[], &[]), "");
}

#[test]
fn a_renewal_only_prolongs() {
    let leases = [(2, lease("10.0.0.5/24", "10.0.0.1", Some(NOW + 900)))];
    assert_eq!(
        planned(&Settings::default(), &[bound()], &leases, &[2]),
        "eth0: set the address 10.0.0.5/24 for 900 s\n"
    );
}

#[test]
fn another_lease_replaces_the_old_one() {
    let leases = [(2, lease("10.0.0.6/24", "10.0.0.1", Some(NOW + 600)))];
    assert_eq!(
        planned(&Settings::default(), &[bound()], &leases, &[2]),
        "eth0: remove the route 0.0.0.0/0 via 10.0.0.1 from 10.0.0.5 metric 102\n\
         eth0: remove the address 10.0.0.5/24\n\
         eth0: set the address 10.0.0.6/24 for 600 s\n\
         eth0: add the route 0.0.0.0/0 via 10.0.0.1 from 10.0.0.6 metric 102\n"
    );
}

#[test]
fn a_lease_that_is_over_or_lost_leaves_nothing() {
    let gone = "eth0: remove the route 0.0.0.0/0 via 10.0.0.1 from 10.0.0.5 metric 102\n\
                eth0: remove the address 10.0.0.5/24\n";
    let over = [(2, lease("10.0.0.5/24", "10.0.0.1", Some(NOW)))];
    assert_eq!(planned(&Settings::default(), &[bound()], &over, &[2]), gone);
    assert_eq!(planned(&Settings::default(), &[bound()], &[], &[2]), gone);
}

#[test]
fn a_pulled_cable_stops_the_questions_and_keeps_the_address() {
    let mut port = bound();
    port.carrier = false;
    let leases = [(2, lease("10.0.0.5/24", "10.0.0.1", Some(NOW + 600)))];
    assert_eq!(
        planned(&Settings::default(), &[port], &leases, &[2]),
        "eth0: stop DHCP\n"
    );
}

#[test]
fn from_dhcp_to_static() {
    let fixed = settings(
        r#"{"network": {"eth0": {"method": "static", "addresses": ["192.0.2.7/24"], "gateways": ["192.0.2.1"]}}}"#,
    );
    let leases = [(2, lease("10.0.0.5/24", "10.0.0.1", Some(NOW + 600)))];
    assert_eq!(
        planned(&fixed, &[bound()], &leases, &[2]),
        "eth0: stop DHCP\n\
         eth0: remove the route 0.0.0.0/0 via 10.0.0.1 from 10.0.0.5 metric 102\n\
         eth0: remove the address 10.0.0.5/24\n\
         eth0: set the address 192.0.2.7/24\n\
         eth0: add the route 0.0.0.0/0 via 192.0.2.1 metric 102\n"
    );
}

#[test]
fn off_removes_what_is_ours_and_switches_off() {
    let off = settings(r#"{"network": {"default": {"method": "off"}}}"#);
    assert_eq!(
        planned(&off, &[bound()], &[], &[2]),
        "eth0: stop DHCP\n\
         eth0: remove the route 0.0.0.0/0 via 10.0.0.1 from 10.0.0.5 metric 102\n\
         eth0: remove the address 10.0.0.5/24\n\
         eth0: switch off\n"
    );
}

#[test]
fn what_others_set_stays() {
    let mut port = plugged(2, "eth0");
    port.addresses = vec![address("172.16.0.1/16", false, None)];
    port.routes = vec![route("10.9.0.0/16", "172.16.0.2", None, 0, false)];
    assert_eq!(planned(&Settings::default(), &[port.clone()], &[], &[2]), "");
    let off = settings(r#"{"network": {"default": {"method": "off"}}}"#);
    assert_eq!(planned(&off, &[port], &[], &[]), "eth0: switch off\n");
}

#[test]
fn ipv6_autoconfiguration_holds_even_while_the_machine_forwards() {
    let mut port = plugged(2, "eth0");
    port.ipv6 = Some(Ipv6Conf {
        accept_ra: 1,
        autoconf: 1,
        disabled: 0,
        forwarding: 1,
    });
    assert_eq!(
        planned(&Settings::default(), &[port.clone()], &[], &[2]),
        "eth0: turn on IPv6 autoconfiguration\n"
    );
    port.ipv6 = port.ipv6.map(Ipv6Conf::wanted);
    assert_eq!(planned(&Settings::default(), &[port.clone()], &[], &[2]), "");
    port.ipv6 = None;
    assert_eq!(planned(&Settings::default(), &[port], &[], &[2]), "");
}

#[test]
fn an_mtu_from_dhcp_is_taken_when_the_port_can_do_it() {
    for (mtu, plan) in [(1400, "eth0: set the MTU to 1400\n"), (9000, ""), (1500, "")] {
        let granted = Lease {
            mtu: Some(mtu),
            ..lease("10.0.0.5/24", "10.0.0.1", Some(NOW + 600))
        };
        assert_eq!(
            planned(&Settings::default(), &[bound()], &[(2, granted)], &[2]),
            plan
        );
    }
}

fn typed() -> Settings {
    settings(
        r#"{"network": {"eth0": {"method": "static", "addresses": ["192.0.2.7/24"], "gateways": ["192.0.2.1"]}}}"#,
    )
}

/// A port that has what was typed.
fn typed_port(metric: u32) -> Port {
    let mut port = plugged(2, "eth0");
    port.addresses = vec![address("192.0.2.7/24", true, None)];
    port.routes = vec![route("0.0.0.0/0", "192.0.2.1", None, metric, true)];
    port
}

fn withheld(clash: bool) -> Standing {
    let ip = "192.0.2.7".parse().unwrap();
    let mac = "02:00:00:00:00:09".parse().unwrap();
    Standing {
        withheld: [ip].into(),
        clashes: if clash {
            [(ip, mac)].into()
        } else {
            BTreeMap::new()
        },
        gateway: Gateway::Unknown,
        ..Standing::default()
    }
}

fn gateway(gateway: Gateway) -> Standing {
    Standing {
        gateway,
        ..Standing::default()
    }
}

fn elsewhere() -> [(u32, Lease); 1] {
    [(2, lease("10.0.0.5/24", "10.0.0.1", Some(NOW + 600)))]
}

#[test]
fn an_address_that_was_not_asked_about_waits_with_its_gateway() {
    let plan = planned_as(&typed(), plugged(2, "eth0"), &[], &[], withheld(false));
    assert_eq!(plan, "");
    let both = settings(
        r#"{"network": {"eth0": {"method": "static", "addresses": ["192.0.2.7/24", "198.51.100.7/24", "2001:db8::7/64"],
            "gateways": ["192.0.2.1", "198.51.100.1", "2001:db8::1"]}}}"#,
    );
    assert_eq!(
        planned_as(&both, plugged(2, "eth0"), &[], &[], withheld(false)),
        "eth0: set the address 198.51.100.7/24\n\
         eth0: set the address 2001:db8::7/64\n\
         eth0: add the route 0.0.0.0/0 via 198.51.100.1 metric 102\n\
         eth0: add the route ::/0 via 2001:db8::1 metric 102\n"
    );
}

#[test]
fn a_clash_takes_the_address_away_and_asks_for_another() {
    assert_eq!(
        planned_as(&typed(), typed_port(102), &[], &[], withheld(true)),
        "eth0: remove the route 0.0.0.0/0 via 192.0.2.1 metric 102\n\
         eth0: remove the address 192.0.2.7/24\n\
         eth0: start DHCP\n"
    );
    let mut unplugged = plugged(2, "eth0");
    unplugged.carrier = false;
    assert_eq!(planned_as(&typed(), unplugged, &[], &[], withheld(true)), "");
}

#[test]
fn a_silent_gateway_makes_way_and_brings_dhcp() {
    let silent = || gateway(Gateway::Silent);
    let demoted = "eth0: remove the route 0.0.0.0/0 via 192.0.2.1 metric 102\n\
                   eth0: add the route 0.0.0.0/0 via 192.0.2.1 metric 100102\n";
    assert_eq!(
        planned_as(&typed(), typed_port(102), &[], &[], silent()),
        format!("{demoted}eth0: start DHCP\n")
    );
    assert_eq!(
        planned_as(&typed(), typed_port(100_102), &elsewhere(), &[2], silent()),
        "eth0: set the address 10.0.0.5/24 for 600 s\n\
         eth0: add the route 0.0.0.0/0 via 10.0.0.1 from 10.0.0.5 metric 102\n"
    );
}

#[test]
fn with_its_answer_the_gateway_is_the_only_one_again() {
    let mut port = typed_port(100_102);
    port.addresses.push(address("10.0.0.5/24", true, Some(599)));
    port.routes
        .push(route("0.0.0.0/0", "10.0.0.1", Some("10.0.0.5"), 102, true));
    let unknown = gateway(Gateway::Unknown);
    assert_eq!(
        planned_as(&typed(), port.clone(), &elsewhere(), &[2], unknown),
        "",
        "what serves stays until there is an answer"
    );
    assert_eq!(
        planned_as(&typed(), port, &elsewhere(), &[2], gateway(Gateway::Answers)),
        "eth0: stop DHCP\n\
         eth0: remove the route 0.0.0.0/0 via 192.0.2.1 metric 100102\n\
         eth0: remove the route 0.0.0.0/0 via 10.0.0.1 from 10.0.0.5 metric 102\n\
         eth0: remove the address 10.0.0.5/24\n\
         eth0: add the route 0.0.0.0/0 via 192.0.2.1 metric 102\n"
    );
}

#[test]
fn a_server_that_grants_what_was_typed_changes_nothing_about_it() {
    let same = [(2, lease("192.0.2.7/24", "192.0.2.254", Some(NOW + 600)))];
    assert_eq!(
        planned_as(
            &typed(),
            typed_port(100_102),
            &same,
            &[2],
            gateway(Gateway::Silent)
        ),
        "eth0: add the route 0.0.0.0/0 via 192.0.2.254 from 192.0.2.7 metric 102\n"
    );
}

#[test]
fn fallback_off_asks_nobody() {
    let mut off = serde_json::to_value(typed()).unwrap();
    off["network"]["eth0"]["fallback"] = false.into();
    let off = settings(&off.to_string());
    for (port, standing) in [
        (plugged(2, "eth0"), withheld(true)),
        (typed_port(102), Standing::default()),
    ] {
        assert_eq!(planned_as(&off, port, &elsewhere(), &[], standing), "");
    }
}

#[test]
fn the_rescue_address_stands_beside_whatever_there_is() {
    let rescue = || Standing {
        rescue: Some("169.254.3.4".parse().unwrap()),
        ..Standing::default()
    };
    let leases = [(2, lease("10.0.0.5/24", "10.0.0.1", Some(NOW + 600)))];
    assert_eq!(
        planned_as(&Settings::default(), bound(), &leases, &[2], rescue()),
        "eth0: set the address 169.254.3.4/16\n"
    );
    let mut port = typed_port(102);
    port.addresses.push(address("169.254.3.4/16", true, None));
    assert_eq!(planned_as(&typed(), port.clone(), &[], &[], rescue()), "");
    // It has moved on.
    port.addresses.push(address("169.254.9.9/16", true, None));
    assert_eq!(
        planned_as(&typed(), port, &[], &[], rescue()),
        "eth0: remove the address 169.254.9.9/16\n"
    );
}

#[test]
fn a_port_that_only_carries_vlans_has_nothing_but_the_rescue_address() {
    let vlan =
        settings(r#"{"network": {"eth0": {"method": "off"}}, "vlan": {"v5": {"parent": "eth0", "id": 5}}}"#);
    let rescue = || Standing {
        rescue: Some("169.254.3.4".parse().unwrap()),
        ..Standing::default()
    };
    assert_eq!(
        planned_as(&vlan, bound(), &[], &[2], rescue()),
        "v5: make it: VLAN 5 on eth0\n\
         eth0: stop DHCP\n\
         eth0: remove the route 0.0.0.0/0 via 10.0.0.1 from 10.0.0.5 metric 102\n\
         eth0: remove the address 10.0.0.5/24\n\
         eth0: turn off IPv6\n\
         eth0: set the address 169.254.3.4/16\n"
    );
    let mut port = plugged(2, "eth0");
    port.ipv6 = port.ipv6.map(Ipv6Conf::off);
    port.addresses = vec![address("169.254.3.4/16", true, None)];
    let made = "v5: make it: VLAN 5 on eth0\n";
    assert_eq!(planned_as(&vlan, port.clone(), &[], &[], rescue()), made);
    // `fallback = off`, or another device has it.
    assert_eq!(
        planned_as(&vlan, port.clone(), &[], &[], Standing::default()),
        format!("{made}eth0: remove the address 169.254.3.4/16\n")
    );
    // The bridge has it.
    let member = settings(r#"{"bridge": {"br0": {"ports": ["eth0"]}}}"#);
    assert_eq!(
        planned_as(&member, port, &[], &[], rescue()),
        "br0: make it: bridge\neth0: remove the address 169.254.3.4/16\n"
    );
}

#[test]
fn an_ipv6_duplicate_is_set_anew_when_its_time_has_come() {
    let fixed = settings(r#"{"network": {"eth0": {"method": "static", "addresses": ["2001:db8::7/64"]}}}"#);
    let mut port = plugged(2, "eth0");
    port.addresses = vec![Address {
        duplicate: true,
        ..address("2001:db8::7/64", true, None)
    }];
    assert_eq!(planned(&fixed, &[port.clone()], &[], &[]), "");
    let retry = Standing {
        retry: ["2001:db8::7".parse().unwrap()].into(),
        ..Standing::default()
    };
    assert_eq!(
        planned_as(&fixed, port, &[], &[], retry),
        "eth0: remove the address 2001:db8::7/64\n\
         eth0: set the address 2001:db8::7/64\n"
    );
}

/// A port on which a router says this.
fn advertised(managed: bool, other: bool) -> Port {
    let mut port = plugged(2, "eth0");
    port.addresses = vec![address("fe80::2/64", false, None)];
    port.routers = RouterFlags { managed, other };
    port
}

#[test]
fn dhcpv6_asks_for_what_routers_say_there_is() {
    let plan = |port: &Port, clients6: &[(u32, Mode)]| {
        planned6(
            &Settings::default(),
            std::slice::from_ref(port),
            &[2],
            &[],
            clients6,
        )
    };
    let (both, other, none) = (
        advertised(true, true),
        advertised(false, true),
        advertised(false, false),
    );
    assert_eq!(plan(&both, &[]), "eth0: start DHCPv6\n");
    assert_eq!(plan(&both, &[(2, Mode::Address)]), "");
    assert_eq!(plan(&other, &[]), "eth0: start DHCPv6 for information\n");
    assert_eq!(
        plan(&other, &[(2, Mode::Address)]),
        "eth0: stop DHCPv6\neth0: start DHCPv6 for information\n"
    );
    assert_eq!(plan(&none, &[]), "");
    assert_eq!(plan(&none, &[(2, Mode::Information)]), "eth0: stop DHCPv6\n");

    let mut early = both.clone();
    early.addresses[0].tentative = true;
    assert_eq!(plan(&early, &[]), "");
    let mut unplugged = both;
    unplugged.carrier = false;
    assert_eq!(
        plan(&unplugged, &[(2, Mode::Address)]),
        "eth0: stop DHCP\neth0: stop DHCPv6\n"
    );
}

#[test]
fn an_address_by_dhcpv6_stands_beside_any_other_until_it_ends() {
    let lease = |expires| Lease6 {
        address: Some("2001:db8::5".parse().unwrap()),
        expires: Some(expires),
        ..Lease6::default()
    };
    let fixed = settings(r#"{"network": {"default": {"method": "static", "addresses": ["192.0.2.7/24"]}}}"#);
    let mut port = advertised(true, false);
    port.addresses.push(address("192.0.2.7/24", true, None));
    let plan = |settings: &Settings, port: &Port, expires| {
        let leases = [(2, lease(expires))];
        planned6(
            settings,
            std::slice::from_ref(port),
            &[],
            &leases,
            &[(2, Mode::Address)],
        )
    };
    assert_eq!(
        plan(&fixed, &port, NOW + 600),
        "eth0: set the address 2001:db8::5/128 for 600 s\n"
    );
    port.addresses.push(address("2001:db8::5/128", true, Some(600)));
    assert_eq!(plan(&fixed, &port, NOW + 600), "");
    assert_eq!(
        plan(&fixed, &port, NOW + 900),
        "eth0: set the address 2001:db8::5/128 for 900 s\n"
    );
    let gone = "eth0: remove the address 2001:db8::5/128\n";
    assert_eq!(plan(&fixed, &port, NOW), gone);
    let without = settings(
        r#"{"network": {"default": {"method": "static", "addresses": ["192.0.2.7/24"], "ipv6": "off"}}}"#,
    );
    assert_eq!(
        plan(&without, &port, NOW + 600),
        format!("eth0: stop DHCPv6\n{gone}eth0: turn off IPv6\n")
    );
}
