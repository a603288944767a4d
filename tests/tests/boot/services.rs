//! `[services]`: what is switched off does not run, and runs again when the line goes.

use genpack_qemu::{Firmware, http_get};
use genpack_tests::{Device, SshKey};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

crate::under_both_firmwares!(a_service_is_off_while_the_file_says_so);

fn a_service_is_off_while_the_file_says_so(firmware: &Firmware) {
    let key = SshKey::generate();
    let device = Device::new("services", firmware);
    let ssh = format!("[ssh]\r\nkey = {}\r\n", key.public());
    device.write_settings(format!("{ssh}[services]\r\nnginx = off\r\ngetty@tty3 = on\r\n"));
    let running = device.switch_on();
    assert_eq!(running.wait_for_status(), "well");
    let state = running.run(&key, "systemctl show --property=ActiveState,MainPID nginx");
    assert_eq!(state, "MainPID=0\nActiveState=inactive");
    // Nothing starts this one by itself.
    assert_eq!(running.run(&key, "systemctl is-active getty@tty3"), "active");
    // nginx was never started, not even for a moment.
    assert_eq!(
        running.run(&key, "journalctl --unit=nginx --quiet --output=cat"),
        ""
    );
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, running.vm.forwarded_port(80).unwrap()));
    assert!(
        http_get(address, "/", Duration::from_secs(10)).is_err(),
        "a page answers"
    );

    let device = running.switch_off();
    device.write_settings(ssh);
    let running = device.switch_on();
    assert_eq!(running.wait_for_status(), "well");
    running.page();
    assert_eq!(running.run(&key, "systemctl is-active nginx"), "active");
    assert_eq!(
        running.run(&key, "systemctl is-active getty@tty3 || true"),
        "inactive"
    );
}

/// Which firmware starts it makes no difference to a service.
#[test]
fn a_program_that_fails_is_quoted() {
    let key = SshKey::generate();
    let device = Device::new("quoted", &Firmware::Bios);
    device.write_settings(format!("[ssh]\r\nkey = {}\r\n", key.public()));
    let running = device.switch_on();
    assert_eq!(running.wait_for_status(), "well");
    running.run(
        &key,
        r#"systemd-run --quiet --unit=pump sh -c 'echo the pump starts; printf "\033[31mno water\033[0m"; exit 3'"#,
    );
    assert_eq!(running.wait_for_status(), "1 problem");
    let status = running.switch_off().status();
    assert!(
        status.starts_with("The program pump.service has failed.\n"),
        "{status}"
    );
    assert!(
        status.contains("\npump.service:\n  the pump starts\n  no water\n"),
        "{status}"
    );
}
