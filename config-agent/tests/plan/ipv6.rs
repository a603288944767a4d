//! DHCPv6.

use genpack_config_agent::net::dhcp6::{Lease6, Mode};
use genpack_config_agent::net::port::{Port, RouterFlags};
use genpack_spec::settings::Settings;

use super::given::*;

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
