//! What is written at run time is gone after a restart; what makes the device itself stays.

use genpack_qemu::Firmware;
use genpack_tests::{Device, SshKey};

crate::under_both_firmwares!(only_the_identity_survives_a_restart);

fn only_the_identity_survives_a_restart(firmware: &Firmware) {
    let key = SshKey::generate();
    let device = Device::new("volatile", firmware);
    device.write_settings(format!("[ssh]\r\nkey = {}\r\n", key.public()));
    let identity = "cat /etc/machine-id; ssh-keygen -l -f /run/genpack/ssh/ssh_host_ed25519_key";

    let running = device.switch_on();
    assert_eq!(running.wait_for_status(), "well");
    running.run(
        &key,
        "echo kept > /etc/kept; echo kept > /srv/web/kept; rm /srv/web/index.html; sync",
    );
    assert_eq!(running.run(&key, "cat /etc/kept /srv/web/kept"), "kept\nkept");
    let before = running.run(&key, identity);

    // Checks the card on the way.
    let running = running.switch_off().switch_on();
    assert_eq!(running.wait_for_status(), "well");
    let left = running.run(
        &key,
        "ls /etc/kept /srv/web/kept /srv/web/index.html 2>/dev/null || true",
    );
    assert_eq!(left, "/srv/web/index.html");
    assert_eq!(running.run(&key, identity), before);
    assert_eq!(
        running.run(&key, "findmnt -n -o OPTIONS /run/genpack/boot | cut -d, -f1"),
        "ro"
    );

    // A pulled plug costs nothing either: the card was not being written.
    let running = running.pull_the_plug().switch_on();
    assert_eq!(running.wait_for_status(), "well");
    running.switch_off();
}
