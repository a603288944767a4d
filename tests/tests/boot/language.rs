//! `STATUS.txt` in the language of the person who reads it.

use genpack_qemu::Firmware;
use genpack_spec::layout::card::STATUS_TXT;
use genpack_tests::Device;

#[test]
fn a_japanese_answer() {
    let device = Device::new("japanese", &Firmware::uefi());
    device.write_settings("hostname = kitchen\r\nlocale = ja_JP.UTF-8\r\ntimezone = Tokyo\r\n");
    let running = device.switch_on();
    assert_eq!(running.wait_for_status(), "1 problem");
    let page = running.page();
    assert!(page.contains("kitchen"), "{page}");
    let device = running.switch_off();
    let bytes = device.card().read(STATUS_TXT).unwrap();
    assert!(
        bytes.starts_with(b"\xef\xbb\xbf"),
        "Notepad needs the mark: {:?}",
        &bytes[..20]
    );
    let status = device.status();
    for part in [
        "3 行目",
        "timezone = Tokyo",
        "Asia/Tokyo",
        "ホスト名",
        "kitchen",
        "10.0.2.15",
    ] {
        assert!(status.contains(part), "{part} in {status}");
    }
    for english in ["Host name", "Wrong", "not used", "All is well", "Line "] {
        assert!(!status.contains(english), "{english} in {status}");
    }
}
