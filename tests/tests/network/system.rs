//! A change of settings that reaches systemd: hostnamed, timedated, localed, units, resolved and logind, all real.

use std::time::Duration;

use genpack_qemu::Cable;
use genpack_tests::{Guest, GuestSetup, Step, run_steps};

/// The machine's time, from power-on to power-off.
const LIFETIME: Duration = Duration::from_secs(900);

const STEPS: &[Step<Guest>] = &[
    ("the host name", host_name),
    ("zone and language", zone_and_language),
    ("time servers", time_servers),
    ("units on and off", units),
    ("name servers", name_servers),
    ("a name that resolved serves", name_of_resolved),
    ("a restart", restart),
];

#[test]
fn the_rest_of_the_system_follows() {
    let cable = Cable::new().expect("a folder for a cable");
    let guest = GuestSetup::new("system", LIFETIME)
        .nic(cable.a(), "02:00:00:00:79:01")
        .switch_on();
    guest.run("systemctl is-system-running --wait || true");
    let before = |guest: &Guest| {
        guest.run("systemctl stop systemd-resolved");
        guest.apply("");
    };
    run_steps(&guest, before, STEPS);
}

fn host_name(guest: &Guest) {
    let before = guest.run("hostnamectl hostname");
    assert!(before.ends_with("-007901"), "{before}");
    guest.apply("hostname = kitchen\n");
    guest.wait_for("[ \"$(hostnamectl hostname)\" = kitchen ] && [ \"$(cat /etc/hostname)\" = kitchen ]");
    guest.wait_for("getent hosts kitchen");
    guest.await_status("Host name: kitchen");
    guest.wait_for("genpack-config status | grep -F kitchen.local");
    guest.apply("");
    guest.wait_for(&format!("[ \"$(hostnamectl hostname)\" = {before} ]"));
}

fn zone_and_language(guest: &Guest) {
    guest.apply("timezone = asia/tokyo\nlocale = C.UTF-8\n");
    guest.wait_for("timedatectl show --property=Timezone --value | grep -x Asia/Tokyo");
    guest.wait_for("date +%z | grep -x +0900");
    // Debian lets nobody set it through localed, so the agent writes the file that localed reads. The name is the image's.
    guest.wait_for("localectl status | grep -F LANG=C.utf8");
    guest.apply("");
    guest.wait_for("date +%z | grep -x +0000");
}

fn time_servers(guest: &Guest) {
    let servers = "timedatectl show-timesync --property=SystemNTPServers --value";
    guest.apply("[time]\nntp = 10.77.0.1, 10.77.0.2\n");
    guest.wait_for(&format!("{servers} | grep -x '10.77.0.1 10.77.0.2'"));
    guest.apply("[time]\nntp = off\n");
    guest.wait_for("! systemctl is-active systemd-timesyncd");
    guest.apply("");
    guest.wait_for("systemctl is-active systemd-timesyncd");
    guest.run(&format!("! {servers} | grep -F 10.77"));
}

fn units(guest: &Guest) {
    guest.run("systemctl is-active wpa_supplicant");
    guest.apply("[services]\nwpa_supplicant = off\ngetty@tty3 = on\n");
    guest.wait_for("! systemctl is-active wpa_supplicant");
    guest.wait_for("systemctl is-enabled wpa_supplicant | grep -x masked-runtime");
    guest.wait_for("systemctl is-active getty@tty3");
    guest.await_status("wpa_supplicant.service: off, as system.ini says");
    guest.apply("");
    guest.wait_for("systemctl is-active wpa_supplicant");
    guest.wait_for("! systemctl is-active getty@tty3");
    // The image knows its units, so the answer comes at once; a wrong line is an error, and the rest holds.
    let said = guest.apply_mistaken("[services]\nno-such-thing = on\n");
    assert!(
        said.contains("there is no service no-such-thing on this device"),
        "{said}"
    );
    guest.await_status("no-such-thing");
    guest.run("[ -z \"$(systemctl --failed --no-legend --plain)\" ]");
}

fn name_servers(guest: &Guest) {
    guest.apply("[network]\naddress = 10.77.0.9/24\ndns = 10.77.0.53\nsearch = example.test\n");
    guest.wait_for(
        "grep -x 'nameserver 10.77.0.53' /etc/resolv.conf && grep -x 'search example.test' /etc/resolv.conf",
    );
    guest.run("systemctl start systemd-resolved");
    guest.wait_for(
        "resolvectl dns eth0 | grep -F 10.77.0.53 && resolvectl domain eth0 | grep -F example.test",
    );
    guest.wait_for("grep -x 'nameserver 127.0.0.53' /etc/resolv.conf");
    // A new one knows nothing of what the old one was told.
    guest.run("systemctl restart systemd-resolved");
    guest.wait_for("resolvectl dns eth0 | grep -F 10.77.0.53");
    guest.apply("[network]\naddress = 10.77.0.9/24\ndns = 10.77.0.54\n");
    guest.wait_for(
        "resolvectl dns eth0 | grep -F 10.77.0.54 && ! resolvectl domain eth0 | grep -F example.test",
    );
    guest.run("systemctl stop systemd-resolved");
    guest.wait_for("grep -x 'nameserver 10.77.0.54' /etc/resolv.conf");
}

/// Where resolved answers to `NAME.local` itself, the agent is silent and the name is found all the same.
fn name_of_resolved(guest: &Guest) {
    guest.run(
        "mkdir -p /run/systemd/resolved.conf.d &&
        printf '[Resolve]\\nMulticastDNS=yes\\n' > /run/systemd/resolved.conf.d/mdns.conf &&
        systemctl start systemd-resolved && resolvectl mdns eth0 yes",
    );
    guest.apply("hostname = cellar\n[network]\naddress = 10.77.0.9/24\n");
    guest.await_address("eth0", "10.77.0.9/24$");
    guest.await_status("cellar.local");
    guest.wait_for(
        "resolvectl query --protocol=mdns --cache=no cellar.local | grep -F 10.77.0.9 ||
        drill -p 5353 cellar.local A @224.0.0.251 | grep -F 10.77.0.9",
    );
    guest.run("! genpack-config status | grep -F cellar-2");
    guest.run("rm /run/systemd/resolved.conf.d/mdns.conf");
}

fn restart(guest: &Guest) {
    guest.apply("hostname = kitchen\n");
    guest.restart_by(
        "busctl call org.genpack.Appliance1 /org/genpack/Appliance1 org.genpack.Appliance1 Reboot",
    );
    // Other than a trial, what was applied for good outlives it.
    guest.wait_for("[ \"$(hostnamectl hostname)\" = kitchen ]");
}
