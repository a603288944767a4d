//! `[user NAME]`: a password is used once as it was typed, and then only its hash is left on the card.

use std::time::Duration;

use genpack_qemu::Firmware;
use genpack_spec::layout::card::SYSTEM_INI;
use genpack_tests::{BOOT_DEADLINE, Device, Running};

const PASSWORD: &str = "correct; horse # 100% battery";

#[test]
fn a_password_opens_the_door_and_leaves_the_card() {
    let device = Device::new("password", &Firmware::Bios);
    let before = "# my device\r\n[user anna]   ; she\r\n  password = ";
    let after = "\r\n\r\n[system]\r\nhostname = kitchen\r\n";
    device.write_settings(format!("\u{feff}{before}{PASSWORD}{after}"));

    let running = device.switch_on();
    assert_eq!(running.wait_for_status(), "well");
    log_in(&running);
    let device = running.switch_off();
    let text = settings(&device);
    assert!(!text.contains("horse"), "the password is still there: {text}");
    let start = format!("\u{feff}{}", before.replace("password = ", "password_hash = $"));
    assert!(text.starts_with(&start) && text.ends_with(after), "{text:?}");
    assert_eq!(
        text.lines().count(),
        format!("{before}{after}").lines().count(),
        "{text:?}"
    );
    assert!(!device.status().contains("horse"), "{}", device.status());

    // The hash opens the same door, and nothing is left to be changed.
    let running = device.switch_on();
    assert_eq!(running.wait_for_status(), "well");
    log_in(&running);
    let device = running.switch_off();
    assert_eq!(settings(&device), text);
}

fn settings(device: &Device) -> String {
    String::from_utf8(device.card().read(SYSTEM_INI).unwrap()).unwrap()
}

/// Logs in on the serial console as a person does.
fn log_in(running: &Running) {
    let expect = |words: &str| {
        running.vm.expect(words, BOOT_DEADLINE).unwrap();
    };
    running.wait_for_login("kitchen");
    running.vm.send("anna\r").unwrap();
    expect("Password:");
    running.vm.send(format!("{PASSWORD}\r")).unwrap();
    expect("anna@kitchen");
    running.vm.send("echo $((1234 * 7)); exit\r").unwrap();
    running.vm.expect("8638", Duration::from_secs(60)).unwrap();
}
