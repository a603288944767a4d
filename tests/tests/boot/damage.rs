//! A system that can't start says so.

use std::time::Duration;

use genpack_qemu::Firmware;
use genpack_spec::layout::card::{STATUS_TXT, SYSTEM_IMG};
use genpack_tests::{BOOT_DEADLINE, Device};

crate::under_both_firmwares!(half_a_system_explains_itself, a_card_that_was_torn_out_is_checked);

fn half_a_system_explains_itself(firmware: &Firmware) {
    let device = Device::new("half", firmware);
    let path = format!("boot/a/{SYSTEM_IMG}");
    let card = device.card();
    let system = card.read(&path).unwrap();
    card.write(&path, &system[..system.len() / 2]).unwrap();
    card.close().unwrap();

    let running = device.switch_on();
    running
        .vm
        .expect("This device could not start.", BOOT_DEADLINE)
        .unwrap();
    running
        .vm
        .expect(
            "Write the image of this device to the card again.",
            Duration::from_secs(30),
        )
        .unwrap();
    running
        .vm
        .expect("The device starts again in", Duration::from_secs(30))
        .unwrap();
    // The screen says it as well as the serial line: some 400 characters, each of a dozen pixels and more.
    let lit = running.lit_pixels();
    assert!(lit > 4000, "only {lit} pixels of the screen are lit");
    if *firmware == Firmware::Bios {
        let screen = text_screen(&running);
        assert!(screen.contains("This device could not start."), "{screen}");
    }
    let log = running.vm.serial_log();
    assert!(!log.contains("Kernel panic") && !log.contains("login:"), "{log}");
    // No shell takes what is typed: it would answer with the product.
    running.vm.send("\r\necho $((1234 * 7))\r\n").unwrap();

    // It starts again by itself, and comes to the same end.
    running
        .vm
        .expect("The device starts again in 1 s.", Duration::from_secs(120))
        .unwrap();
    assert!(
        !running.vm.serial_log().contains("8638"),
        "{}",
        running.vm.serial_log()
    );
    running
        .vm
        .expect("This device could not start.", BOOT_DEADLINE)
        .unwrap();

    let device = running.pull_the_plug();
    let status = String::from_utf8(device.card().read(STATUS_TXT).unwrap()).unwrap();
    assert!(status.starts_with("This device could not start.\r\n"), "{status}");
    assert!(status.contains("cut off"), "{status}");
}

fn a_card_that_was_torn_out_is_checked(firmware: &Firmware) {
    let device = Device::new("torn-out", firmware);
    device.mark_dirty();
    let running = device.switch_on();
    assert_eq!(running.wait_for_status(), "well");
    // fsck.fat finds nothing to say on the card afterwards, the mark included.
    let status = running.switch_off().status();
    let flat = status.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        flat.contains("was not ejected or switched off cleanly last time. It was checked"),
        "{status}"
    );
}

/// Returns what a VGA text screen shows: at 0xb8000, a byte for the character and a byte for its colours, 80 to a line.
fn text_screen(running: &genpack_tests::Running) -> String {
    let dump = tempfile::NamedTempFile::new().unwrap();
    let path = dump.path().to_str().unwrap();
    let arguments = format!(r#"{{"val": {}, "size": 4000, "filename": "{path}"}}"#, 0xb8000);
    running.vm.qmp("pmemsave", arguments.parse().unwrap()).unwrap();
    let bytes = std::fs::read(path).unwrap();
    let characters: Vec<char> = bytes.iter().step_by(2).map(|&byte| char::from(byte)).collect();
    characters
        .chunks(80)
        .map(|line| line.iter().collect::<String>().trim_end().to_string() + "\n")
        .collect()
}
