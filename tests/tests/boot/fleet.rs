//! One `system.ini` for many devices.

use genpack_qemu::Firmware;
use genpack_tests::Device;

#[test]
fn each_device_takes_its_own_lines() {
    let device = Device::new("fleet", &Firmware::Bios);
    // QEMU's first hardware address.
    device.write_settings(
        "hostname = fleet\r\ntimezone = Asia/Tokyo\r\n[match mac=52-54-00-12-34-56]\r\nsystem.hostname = seventh\r\n\
         [match mac=52:54:00:99:99:99]\r\nsystem.hostname = eighth\r\nnetwork.method = off\r\n",
    );
    let running = device.switch_on();
    assert_eq!(running.wait_for_status(), "well");
    let page = running.page();
    assert!(page.contains("seventh") && page.contains("10.0.2.15"), "{page}");
    let status = running.switch_off().status();
    assert!(
        status.contains("Host name:  seventh\n") && status.contains("Asia/Tokyo"),
        "{status}"
    );
}
