//! A device and a router: whatever settings the device gets, the router can reach it.
//!
//! Booting takes most of the time, so one pair of machines goes through all of it. Each step sets the whole of the
//! device's settings and none depends on one before it.

use std::time::Duration;

use genpack_tests::{DEVICE, Pair, Step, run_steps};

/// The machines' time, from power-on to power-off.
const LIFETIME: Duration = Duration::from_secs(1800);

const STEPS: &[Step<Pair>] = &[
    ("an address by DHCP", dhcp),
    ("a static address", static_address),
    ("a VLAN", vlan),
    ("a bridge", bridge),
    ("a WireGuard tunnel", wireguard),
    ("an address that is taken", clash),
    ("a typo in the gateway", gateway_typo),
    ("a cable that is pulled", pulled_cable),
    ("a change that nobody confirms", unconfirmed),
];

/// Removes what a step may have done to the router.
const CLEAN_UP: &str = "{
    [ -e /run/dnsmasq-eth0.30.pid ] && kill $(cat /run/dnsmasq-eth0.30.pid)
    ip link del eth0.30
    ip link del wg0
    ip -n far addr flush dev eth1
    ip -n far link set eth1 down
    ip addr del 10.77.0.8/24 dev eth0
    ip addr del 169.254.77.1/16 dev eth0
} 2>/dev/null || true";

#[test]
fn a_device_is_reached_with_any_settings() {
    let pair = Pair::start("pair", LIFETIME);
    let before = |pair: &Pair| {
        pair.device.set_cable(0, true);
        pair.device.run("genpack-config revert || true");
        pair.router.run(CLEAN_UP);
    };
    run_steps(&pair, before, STEPS);
}

/// Waits until the router can reach the address.
fn await_ping(pair: &Pair, address: &str) {
    pair.router.wait_for(&format!("ping -n -c 1 -W 1 {address}"));
}

fn dhcp(pair: &Pair) {
    pair.device.apply("");
    let address = pair.device.await_address("eth0", "10.77.0.1[0-5][0-9]/24$");
    await_ping(pair, address.trim_end_matches("/24"));
    pair.device
        .wait_for("ip -4 route show default | grep \"via 10.77.0.1 \"");
    pair.device.run("ping -n -c 1 -W 10 10.77.0.1");
    let log = pair.router.run("cat /run/dnsmasq-eth0.log");
    assert!(log.contains(&format!("02:00:00:00:77:02 {DEVICE}")), "{log}");
}

fn static_address(pair: &Pair) {
    pair.device
        .apply("[network eth0]\naddress = 10.77.0.9/24\ngateway = 10.77.0.1\n");
    pair.device.await_address("eth0", "10.77.0.9/24$");
    await_ping(pair, "10.77.0.9");
    pair.device
        .wait_for("ip -4 route show default | grep \"via 10.77.0.1 \"");
}

fn vlan(pair: &Pair) {
    pair.router.run(
        "ip link add link eth0 name eth0.30 type vlan id 30 &&
         ip addr add 10.30.0.1/24 dev eth0.30 && ip link set eth0.30 up",
    );
    pair.serve("eth0.30", "--dhcp-range=10.30.0.100,10.30.0.150,300");
    pair.device
        .apply("[network eth0]\naddress = 10.77.0.9/24\n[vlan office]\nparent = eth0\nid = 30\n");
    let address = pair.device.await_address("office", "10.30.0.1[0-5][0-9]/24$");
    await_ping(pair, address.trim_end_matches("/24"));
    await_ping(pair, "10.77.0.9");
}

/// The device joins the two wires, so that the router's far end has a way to its near end.
fn bridge(pair: &Pair) {
    pair.router
        .run("ip -n far addr add 10.77.0.77/24 dev eth1 && ip -n far link set eth1 up");
    pair.device.apply("[bridge lan]\nports = eth0, eth1\n");
    let address = pair.device.await_address("lan", "10.77.0.1[0-5][0-9]/24$");
    await_ping(pair, address.trim_end_matches("/24"));
    pair.router
        .wait_for("ip netns exec far ping -n -c 1 -W 1 10.77.0.1");
}

fn wireguard(pair: &Pair) {
    let key = |name: &str| {
        let private = pair.router.run("wg genkey 2>/dev/null");
        let public = pair
            .router
            .run(&format!("echo {private} | tee /run/{name}.key | wg pubkey"));
        (private, public)
    };
    let ((_, router), (private, device)) = (key("router"), key("device"));
    pair.router.run(&format!(
        "set -e
        ip link add wg0 type wireguard
        wg set wg0 private-key /run/router.key listen-port 51820 peer {device} allowed-ips 10.99.0.2/32
        ip addr add 10.99.0.1/24 dev wg0
        ip link set wg0 up"
    ));
    pair.device.apply(&format!(
        "[network eth0]\naddress = 10.77.0.9/24\ngateway = 10.77.0.1\n\
             [wireguard home]\nprivate_key = {private}\naddress = 10.99.0.2/24\npeer_public_key = {router}\n\
             peer_endpoint = 10.77.0.1:51820\npeer_allowed_ips = 10.99.0.0/24\nkeepalive = 5\n"
    ));
    pair.device.await_address("home", "10.99.0.2/24$");
    // The device calls; until then the router does not know where it is.
    await_ping(pair, "10.99.0.2");
    let seen = pair.router.run("wg show wg0 endpoints");
    assert!(seen.contains("10.77.0.9:"), "{seen}");
}

/// The router's own link-local address, for reaching the device's.
const LINK_LOCAL: &str = "ip addr add 169.254.77.1/16 dev eth0 scope link";

fn clash(pair: &Pair) {
    pair.router
        .run(&format!("{LINK_LOCAL}; ip addr add 10.77.0.8/24 dev eth0"));
    // Not one that the device has had: that one it would defend.
    pair.device.apply("[network eth0]\naddress = 10.77.0.8/24\n");
    pair.device
        .await_status("10.77.0.8 is already used by another device on this network");
    let rescue = pair.device.await_address("eth0", "169.254.");
    let addresses = pair.device.run("ip -4 -o addr show dev eth0");
    assert!(!addresses.contains("10.77.0.8"), "{addresses}");
    await_ping(pair, rescue.trim_end_matches("/16"));
}

fn gateway_typo(pair: &Pair) {
    pair.router.run(LINK_LOCAL);
    // 10.7 instead of 10.77.
    pair.device
        .apply("[network eth0]\naddress = 10.7.0.9/24\ngateway = 10.7.0.1\n");
    pair.device.await_status("The gateway 10.7.0.1 does not answer");
    let rescue = pair.device.await_address("eth0", "169.254.");
    await_ping(pair, rescue.trim_end_matches("/16"));
    let offered = pair.device.await_address("eth0", "10.77.0.1[0-5][0-9]/24$");
    await_ping(pair, offered.trim_end_matches("/24"));

    // Everything that the name stands for; a program tries one after the other.
    let ask = format!("timeout 2 drill -p 5353 {DEVICE}.local A @224.0.0.251");
    let found = pair.router.wait_for(&format!(
        "{ask} | awk '$4 == \"A\" {{ print $5 }}' | grep '^10.77.0.1'"
    ));
    await_ping(pair, &found);
}

/// Both gateways lead to the same place.
fn pulled_cable(pair: &Pair) {
    pair.router.run(
        "ip -n far addr add 10.78.0.1/24 dev eth1 && ip -n far link set eth1 up &&
         ip addr replace 10.99.9.9/32 dev lo && ip -n far addr replace 10.99.9.9/32 dev lo && ip -n far link set lo up",
    );
    pair.device.apply(
        "[network eth0]\naddress = 10.77.0.9/24\ngateway = 10.77.0.1\n\
         [network eth1]\naddress = 10.78.0.9/24\ngateway = 10.78.0.1\n",
    );
    pair.device
        .wait_for("ip -4 route show default | grep 'via 10.77.0.1 '");
    pair.device
        .wait_for("ip -4 route show default | grep 'via 10.78.0.1 '");
    pair.device.run("ip -4 route get 10.99.9.9 | grep 'dev eth0'");
    pair.device.wait_for("ping -n -c 1 -W 1 10.99.9.9");
    pair.device.set_cable(0, false);
    pair.device.wait_for("ping -n -c 1 -W 1 10.99.9.9");
    pair.device.run("ip -4 route get 10.99.9.9 | grep 'dev eth1'");
}

fn unconfirmed(pair: &Pair) {
    pair.device
        .apply("[network eth0]\naddress = 10.77.0.9/24\ngateway = 10.77.0.1\n");
    pair.device.await_address("eth0", "10.77.0.9/24$");
    let before = pair.device.run("sha256sum /run/genpack/boot/system.ini");
    pair.device
        .apply_on_trial("[network eth0]\naddress = 10.77.0.10/24\n", 5);
    pair.device.await_address("eth0", "10.77.0.10/24$");
    await_ping(pair, "10.77.0.10");
    pair.device.await_address("eth0", "10.77.0.9/24$");
    await_ping(pair, "10.77.0.9");
    assert_eq!(pair.device.run("sha256sum /run/genpack/boot/system.ini"), before);
}
