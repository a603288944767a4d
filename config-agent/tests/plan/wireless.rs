//! Radios.

use genpack_config_agent::net::link::{Kind, Manager};
use genpack_config_agent::net::port::Port;
use genpack_config_agent::net::wanted::Wishes;
use genpack_spec::report::LinkKind;

use super::given::settings;
use super::links::{address, none, others, planned, port};

/// A radio that was connected to the network of this section.
fn radio(section: Option<&str>) -> Port {
    let mut radio = port(3, "wlan0");
    radio.link.kind = Kind::Wireless { phy: 0 };
    radio.link.wifi = section.map(Into::into);
    radio
}

#[test]
fn a_radio_has_the_addresses_of_its_network() {
    let two = settings(
        r#"{"network": {"default": {"method": "off"}},
            "wifi": [{"name": "home", "ssid": "Home"},
                     {"name": "office", "ssid": "Office", "method": "static", "addresses": ["10.5.0.2/24"],
                      "gateways": ["10.5.0.1"]}]}"#,
    );
    // [network] is for cables.
    assert_eq!(
        planned(&two, &[radio(Some("home"))], &none(), &[]),
        "wlan0: start DHCP\n"
    );
    assert_eq!(
        planned(&two, &[radio(Some("office"))], &none(), &[3]),
        "wlan0: stop DHCP\nwlan0: set the address 10.5.0.2/24\nwlan0: add the route 0.0.0.0/0 via 10.5.0.1 metric 603\n"
    );
    let named = settings(
        r#"{"network": {"wlan0": {"method": "static", "addresses": ["10.6.0.2/24"]}},
            "wifi": [{"name": "home", "ssid": "Home"}]}"#,
    );
    assert_eq!(
        planned(&named, &[radio(Some("home"))], &none(), &[]),
        "wlan0: set the address 10.6.0.2/24\n"
    );
}

#[test]
fn a_radio_without_a_network_is_cleared_and_not_switched_off() {
    let none_known = settings("{}");
    let mut cleared = radio(None);
    cleared.carrier = false;
    assert_eq!(
        planned(&none_known, std::slice::from_ref(&cleared), &none(), &[]),
        ""
    );
    cleared.addresses = vec![address("10.5.0.2/24")];
    assert_eq!(
        planned(&none_known, &[cleared], &none(), &[3]),
        "wlan0: stop DHCP\nwlan0: remove the address 10.5.0.2/24\n"
    );
}

#[test]
fn one_link_of_a_radio_is_connected() {
    let mut access_point = radio(None);
    access_point.index = 9;
    let mut second = radio(None);
    (second.index, second.link.kind) = (4, Kind::Wireless { phy: 1 });
    let mut managed = radio(None);
    managed.link.manager = Some(Manager::NetworkManager);
    managed.link.kind = Kind::Wireless { phy: 2 };
    let links = others(vec![access_point, managed, port(2, "eth0")]);
    let ports = [second, radio(None)];
    let radios: Vec<u32> = links.radios(&ports).into_keys().collect();
    assert_eq!(radios, [3, 4]);
}

#[test]
fn a_radio_is_named_by_its_network_while_it_is_connected() {
    let home = settings(r#"{"wifi": [{"name": "wifi", "ssid": "Home"}]}"#);
    let mut wlan0 = radio(Some("wifi"));
    let kind = |port: &Port| Wishes::new(&home, std::slice::from_ref(port), &none()).kind(port);
    let ssid = |ssid: Option<&str>| LinkKind::Wireless {
        ssid: ssid.map(Into::into),
    };
    assert_eq!(kind(&wlan0), ssid(Some("Home")));
    wlan0.carrier = false;
    assert_eq!(kind(&wlan0), ssid(None));
}
