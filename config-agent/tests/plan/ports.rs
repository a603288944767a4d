//! Ports: addresses and routes of the settings and of leases.

use genpack_config_agent::net::lease::Lease;
use genpack_config_agent::net::port::Ipv6Conf;
use genpack_spec::settings::Settings;

use super::given::*;

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
