//! Who gets in, and who does not.

use genpack_qemu::Firmware;
use genpack_tests::{Device, SshKey};

crate::under_both_firmwares!(only_the_key_in_the_file_opens);

fn only_the_key_in_the_file_opens(firmware: &Firmware) {
    let (key, stranger) = (SshKey::generate(), SshKey::generate());
    let device = Device::new("login", firmware);
    device.write_settings(format!("[ssh]\r\nkey = {}\r\n", key.public()));
    let running = device.switch_on();
    assert_eq!(running.wait_for_status(), "well");
    assert_eq!(running.run(&key, "id -un"), "root");

    // sshd lists the ways in that it offers: keys, and nothing that could be guessed.
    for refused in [
        running.refused_login(None),
        running.refused_login(Some(&stranger)),
    ] {
        assert!(refused.contains("Permission denied (publickey)"), "{refused}");
    }
    let offered = running.run(
        &key,
        "sshd -T | grep -E '^(passwordauthentication|kbdinteractiveauthentication|permitrootlogin) '",
    );
    assert_eq!(
        offered,
        "permitrootlogin without-password\npasswordauthentication no\nkbdinteractiveauthentication no"
    );
    // Nor does the console let anybody in: no account has a password that could be typed.
    assert_eq!(
        running.run(
            &key,
            "getent shadow | cut -d: -f2 | grep -vxE '!|[*]|!\\*|!!' || true"
        ),
        ""
    );
}
