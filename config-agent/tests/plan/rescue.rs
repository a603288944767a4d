//! Addresses that are taken, gateways that are silent, and what stands in for them.

use genpack_config_agent::net::lease::Lease;
use genpack_config_agent::net::port::{Address, Ipv6Conf, Port};
use genpack_config_agent::net::rescue::{Gateway, Standing};
use genpack_spec::settings::Settings;
use std::collections::BTreeMap;

use super::given::*;

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
