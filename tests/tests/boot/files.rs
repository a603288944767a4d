//! Files as other programs leave them on the card. The firmware makes no difference to them.

use genpack_qemu::Firmware;
use genpack_spec::layout::card::SYSTEM_INI;
use genpack_tests::Device;

const SETTINGS: &str = "[system]\r\nhostname = Kitchen\r\ntimezone = asia/tokyo\r\n";

/// Starts a device and returns its `STATUS.txt`, after its settings have been seen to hold.
fn settings_hold(device: Device) -> String {
    let running = device.switch_on();
    assert_eq!(running.wait_for_status(), "well");
    let page = running.page();
    assert!(page.contains("kitchen") && page.contains("10.0.2.15"), "{page}");
    let status = running.switch_off().status();
    for part in ["Host name:  kitchen\n", "Asia/Tokyo"] {
        assert!(status.contains(part), "{part} in {status}");
    }
    status
}

/// Notepad's "UTF-16 LE", and what `>` of PowerShell 5 writes.
#[test]
fn utf16_is_read() {
    let device = Device::new("utf16", &Firmware::Bios);
    let text = format!("\u{feff}# 台所の機械\r\n{SETTINGS}");
    device.write_settings(text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>());
    let status = settings_hold(device);
    assert!(status.starts_with("All is well."), "{status}");
}

/// What TextEdit writes unless it is told to make plain text.
#[test]
fn rich_text_is_read_and_its_writer_told() {
    let device = Device::new("rich-text", &Firmware::uefi());
    device.write_settings(
        "{\\rtf1\\ansi\\ansicpg1252\\cocoartf2761\n\\cocoatextscaling0\\cocoaplatform0{\\fonttbl\\f0\\fswiss\\fcharset0 \
         Helvetica;}\n{\\colortbl;\\red255\\green255\\blue255;}\n\\pard\\tx566\\pardirnatural\\partightenfactor0\n\n\
         \\f0\\fs24 \\cf0 # K\\'fcche\\\nhostname = kitchen\\\ntimezone = Asia/Tokyo\\\n}",
    );
    let status = settings_hold(device);
    assert!(status.contains("rich text"), "{status}");
}

/// Windows hides the ending `.txt`, and Notepad adds it.
#[test]
fn a_file_with_a_hidden_ending_is_found() {
    let device = Device::new("hidden-ending", &Firmware::Bios);
    let card = device.card();
    card.remove(SYSTEM_INI).unwrap();
    card.write("system.ini.txt", SETTINGS.as_bytes()).unwrap();
    // What a Mac leaves beside each file that it writes.
    card.write("._system.ini", b"\0\x05\x16\x07").unwrap();
    card.close().unwrap();
    let status = settings_hold(device);
    assert!(status.contains("system.ini.txt"), "{status}");
}
