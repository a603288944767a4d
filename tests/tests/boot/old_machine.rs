//! Machines that lack what today's have.

use genpack_qemu::Firmware;
use genpack_spec::layout::DEVICE_KEY_BYTES;
use genpack_spec::layout::card::DEVICE_KEY;
use genpack_tests::Device;

/// The identity of a new device needs random numbers, and this processor has no instruction that makes them.
#[test]
fn a_processor_without_random_numbers_will_do() {
    let device = Device::new("no-random-numbers", &Firmware::Bios).with_processor("qemu64");
    let running = device.switch_on();
    assert_eq!(running.wait_for_status(), "well");
    let device = running.switch_off();
    let key = device.card().read(DEVICE_KEY).unwrap();
    assert_eq!(key.len(), DEVICE_KEY_BYTES);
    assert!(key.iter().any(|&byte| byte != 0));
}
