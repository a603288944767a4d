//! Wireless networks: a device whose radio is the kernel's simulation of one (`mac80211_hwsim`), and a real hostapd with a real
//! dnsmasq on a second radio in a network namespace.

use std::time::Duration;

use genpack_tests::{Guest, GuestSetup, Step, run_steps};

/// The machine's time, from power-on to power-off.
const LIFETIME: Duration = Duration::from_secs(1200);

const STEPS: &[Step<Guest>] = &[
    ("WPA2", wpa2),
    ("WPA3", wpa3),
    ("WPA2 and WPA3 by one password", transition),
    ("an open network", open),
    ("a hidden network", hidden),
    ("an enterprise network", enterprise),
    ("a wrong password", wrong_password),
    ("a network that is not there", not_there),
    ("several networks", several),
    ("addresses of its own", own_addresses),
    ("an agent that is started again", restart),
    ("wpa_supplicant that is started again", supplicant_restart),
    ("networks that others gave", foreign),
    ("no network any more", none),
];

/// The access point's radio moves into a namespace, where its addresses are those of another machine.
const SET_UP: &str = "set -e
    modprobe mac80211_hwsim radios=2
    udevadm settle
    ip netns add ap
    iw phy phy1 set netns name ap
    ip -n ap addr add 10.88.0.1/24 dev wlan1
    mkdir /run/ap
    cd /run/ap
    openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 9 -subj /CN=radius 2>/dev/null
    printf '* PEAP\n\"anna\" MSCHAPV2 \"pass word\" [2]\n' > users
    ip netns exec ap dnsmasq --conf-file=/dev/null --no-resolv --no-hosts --interface=wlan1 --bind-dynamic --no-ping \
        --user=root --log-facility=/run/ap/dnsmasq.log --dhcp-leasefile=/run/ap/leases --pid-file=/run/ap/dnsmasq.pid \
        --dhcp-range=10.88.0.100,10.88.0.150,300";

/// What the section says of the network in most steps.
const CAFE: &str = "[wifi]\nssid = Café\npassword = correct horse\ncountry = JP\n";
/// What hostapd says of it.
const WPA2: &str =
    "ssid=Café\nwpa=2\nwpa_key_mgmt=WPA-PSK\nrsn_pairwise=CCMP\nwpa_passphrase=correct horse\n";

#[test]
fn a_device_is_reached_over_any_wireless_network() {
    let guest = GuestSetup::new("access-point", LIFETIME).switch_on();
    guest.run(SET_UP);
    let before = |guest: &Guest| {
        guest.apply("");
        switch_off(guest);
    };
    run_steps(&guest, before, STEPS);
    // The first regulatory domain that was asked for stays: the kernel has one for all radios.
    guest.run("iw reg get | grep 'country JP'");
}

/// Switches the access point off.
fn switch_off(guest: &Guest) {
    guest.run(
        "if [ -e /run/ap/hostapd.pid ]; then
            pid=$(cat /run/ap/hostapd.pid)
            kill $pid && tail --pid=$pid -f /dev/null
            rm -f /run/ap/hostapd.pid
        fi",
    );
}

/// Switches the access point on, with these lines in hostapd.conf(5).
fn access_point(guest: &Guest, lines: &str) {
    switch_off(guest);
    guest.run(&format!(
        "printf %s 'interface=wlan1
driver=nl80211
country_code=JP
hw_mode=g
channel=6
{lines}' > /run/ap/hostapd.conf
        ip netns exec ap hostapd -B -P /run/ap/hostapd.pid -t -f /run/ap/hostapd.log /run/ap/hostapd.conf"
    ));
}

/// Waits for an address of the access point's network.
fn await_lease(guest: &Guest) {
    guest.await_address("wlan0", "10.88.0.1[0-5][0-9]/24$");
    guest.wait_for("ping -n -c 1 -W 1 10.88.0.1");
}

fn wpa2(guest: &Guest) {
    access_point(guest, WPA2);
    // As a radio is found that somebody has switched off.
    guest.run("echo 1 > $(echo /sys/class/net/wlan0/phy80211/rfkill*/soft)");
    guest.apply(&format!("{CAFE}security = wpa2\n"));
    await_lease(guest);
    guest.await_status("Wireless network Café");
    guest.wait_for("ip -4 route show default | grep 'via 10.88.0.1 dev wlan0 .*metric 6'");
    let status = guest.run("genpack-config status");
    assert!(!status.contains("Cable:"), "{status}");
    // No secret is to be seen by others than root.
    guest.run("[ $(stat -c %a /run/genpack/wifi.json) = 600 ]");
    guest.run("! journalctl --boot | grep -F 'correct horse'");
}

fn wpa3(guest: &Guest) {
    access_point(
        guest,
        "ssid=Café\nwpa=2\nwpa_key_mgmt=SAE\nrsn_pairwise=CCMP\nieee80211w=2\nsae_password=tea\n",
    );
    // WPA3 has no rule about the length.
    guest.apply("[wifi]\nssid = Café\npassword = tea\nsecurity = wpa3\n");
    await_lease(guest);
    guest.run("wpa_cli -i wlan0 status | grep key_mgmt=SAE || iw dev wlan0 link");
}

fn transition(guest: &Guest) {
    for (mode, protection) in [("SAE", 2), ("WPA-PSK SAE", 1), ("WPA-PSK", 0)] {
        access_point(
            guest,
            &format!(
                "ssid=Café\nwpa=2\nwpa_key_mgmt={mode}\nrsn_pairwise=CCMP\nieee80211w={protection}\n\
                 wpa_passphrase=correct horse\n"
            ),
        );
        guest.apply(CAFE);
        await_lease(guest);
        guest.apply("");
    }
}

fn open(guest: &Guest) {
    access_point(guest, "ssid=Café\n");
    guest.apply("[wifi]\nssid = Café\n");
    await_lease(guest);
}

fn hidden(guest: &Guest) {
    access_point(guest, &format!("{WPA2}ignore_broadcast_ssid=1\n"));
    guest.apply(&format!("{CAFE}hidden = yes\n"));
    await_lease(guest);
}

fn enterprise(guest: &Guest) {
    access_point(
        guest,
        "ssid=Office\nwpa=2\nwpa_key_mgmt=WPA-EAP\nrsn_pairwise=CCMP\nieee8021x=1\neap_server=1\n\
         eap_user_file=/run/ap/users\nserver_cert=/run/ap/cert.pem\nprivate_key=/run/ap/key.pem\n",
    );
    guest.apply("[wifi]\nssid = Office\nsecurity = enterprise\nidentity = anna\npassword = pass word\n");
    await_lease(guest);
}

fn wrong_password(guest: &Guest) {
    access_point(guest, WPA2);
    guest.apply("[wifi]\nssid = Café\npassword = battery staple\n");
    guest.await_status("The wireless network Café does not let the device in");
    guest.apply(CAFE);
    await_lease(guest);
    guest.wait_for("! genpack-config status | grep -F 'let the device in'");
}

fn not_there(guest: &Guest) {
    guest.apply(CAFE);
    guest.await_status("The device does not find the wireless network Café");
    guest.await_status("Wireless, not connected");
    access_point(guest, WPA2);
    await_lease(guest);
}

fn several(guest: &Guest) {
    let second = "bss=wlan1_1\nssid=Guests\n";
    access_point(guest, &format!("{WPA2}{second}"));
    guest.run("ip -n ap addr add 10.88.1.1/24 dev wlan1_1");
    // wpa_supplicant chooses among what it has seen within the last seconds, and then stays.
    guest.wait_for("ip link set wlan0 up && iw dev wlan0 scan | grep -F 'SSID: Guests'");
    // Nothing hands out addresses there.
    let guests = "[wifi guests]\nssid = Guests\npriority = 10\naddress = 10.88.1.2/24\n";
    guest.apply(&format!("{CAFE}{guests}"));
    guest.await_address("wlan0", "10.88.1.2/24$");
    guest.await_status("Wireless network Guests");
    // Also when it becomes known later.
    guest.apply(CAFE);
    await_lease(guest);
    guest.apply(&format!("{CAFE}{guests}"));
    guest.await_address("wlan0", "10.88.1.2/24$");
    access_point(guest, WPA2);
    await_lease(guest);
    guest.run("! ip -4 addr show dev wlan0 | grep -F 10.88.1.2");
}

fn own_addresses(guest: &Guest) {
    access_point(guest, WPA2);
    guest.apply(&format!("{CAFE}address = 10.88.0.9/24\ngateway = 10.88.0.1\n"));
    guest.await_address("wlan0", "10.88.0.9/24$");
    guest.wait_for("ping -n -c 1 -W 1 10.88.0.1");
    let connected = guest.run("grep -c 'AP-STA-CONNECTED' /run/ap/hostapd.log");
    // Other addresses are no reason to connect anew.
    guest.apply(&format!("{CAFE}address = 10.88.0.10/24\n"));
    guest.await_address("wlan0", "10.88.0.10/24$");
    guest.wait_for("ping -n -c 1 -W 1 10.88.0.1");
    assert_eq!(
        guest.run("grep -c 'AP-STA-CONNECTED' /run/ap/hostapd.log"),
        connected
    );
}

fn restart(guest: &Guest) {
    access_point(guest, WPA2);
    guest.apply(CAFE);
    await_lease(guest);
    let connected = guest.run("grep -c 'AP-STA-CONNECTED' /run/ap/hostapd.log");
    guest.run("ip -o monitor address > /run/ap/addresses & echo $! > /run/ap/monitor");
    guest.run("systemctl kill --signal=KILL genpack-config-agent");
    guest.wait_for(
        "journalctl --boot --unit=genpack-config-agent --since=-60s | grep -F 'wlan0: keeps 10.88.0.1'",
    );
    guest.await_status("Wireless network Café");
    guest.wait_for("ping -n -c 1 -W 1 10.88.0.1");
    guest.run("kill $(cat /run/ap/monitor); ! grep -F 'Deleted' /run/ap/addresses");
    assert_eq!(
        guest.run("grep -c 'AP-STA-CONNECTED' /run/ap/hostapd.log"),
        connected
    );
}

fn supplicant_restart(guest: &Guest) {
    access_point(guest, WPA2);
    guest.apply(CAFE);
    await_lease(guest);
    guest.run("systemctl restart wpa_supplicant");
    guest.wait_for("[ $(grep -c AP-STA-CONNECTED /run/ap/hostapd.log) -ge 2 ]");
    await_lease(guest);
}

fn foreign(guest: &Guest) {
    access_point(guest, "ssid=Café\n");
    guest.run(
        "busctl call fi.w1.wpa_supplicant1 /fi/w1/wpa_supplicant1 fi.w1.wpa_supplicant1 GetInterface s wlan0 |
             grep -o '/[^\"]*' > /run/ap/radio
         busctl call fi.w1.wpa_supplicant1 $(cat /run/ap/radio) fi.w1.wpa_supplicant1.Interface AddNetwork \
             'a{sv}' 1 ssid s Theirs",
    );
    guest.apply("[wifi]\nssid = Café\n");
    guest.await_status("Another program has given networks to the radio wlan0");
    let call = "busctl call fi.w1.wpa_supplicant1 $(cat /run/ap/radio) fi.w1.wpa_supplicant1.Interface";
    guest.run(&format!("{call} RemoveAllNetworks"));
    guest.apply("");
    guest.apply("[wifi]\nssid = Café\n");
    await_lease(guest);
}

fn none(guest: &Guest) {
    access_point(guest, WPA2);
    guest.apply(CAFE);
    await_lease(guest);
    guest.apply("");
    guest.wait_for("! ip -4 -o addr show dev wlan0 | grep -F inet");
    guest.wait_for("iw dev wlan0 link | grep -F 'Not connected'");
    guest.run("! genpack-config status | grep -F wlan0");
}
