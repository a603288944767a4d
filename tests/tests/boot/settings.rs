//! `system.ini`, from the card to the running system and back as `STATUS.txt`.

use std::net::Ipv4Addr;

use genpack_qemu::Firmware;
use genpack_spec::layout::card::{STATUS_TXT, SYSTEM_INI};
use genpack_tests::{Device, SshKey};

crate::under_both_firmwares!(
    a_fresh_image_is_well,
    what_notepad_saves_holds,
    bad_lines_cost_nothing_but_themselves,
    a_missing_file_means_defaults,
    an_empty_file_means_defaults,
    rubbish_means_defaults,
    a_folder_means_defaults,
);

/// Default name with QEMU's first hardware address, 52:54:00:12:34:56.
const DEFAULT_NAME: &str = "web-123456";

fn a_fresh_image_is_well(firmware: &Firmware) {
    let device = Device::new("fresh", firmware);
    assert!(
        device.card().read(STATUS_TXT).is_err(),
        "a new card has no answer yet"
    );
    let running = device.switch_on();
    assert_eq!(running.wait_for_status(), "well");
    let page = running.page();
    assert!(
        page.contains(DEFAULT_NAME) && page.contains("10.0.2.15") && page.contains(">It works.</h1>"),
        "{page}"
    );
    running.wait_for_login(DEFAULT_NAME);

    let status = running.switch_off().status();
    assert!(status.starts_with("All is well."), "{status}");
    assert!(
        status.contains(&format!("Host name:  {DEFAULT_NAME}\n")),
        "{status}"
    );
    assert!(status.contains("10.0.2.15"), "{status}");
    assert!(!status.contains("failed"), "{status}");
}

/// Byte order mark and CR LF, as Notepad's "UTF-8 with BOM" has them.
fn as_notepad_saves(text: &str) -> Vec<u8> {
    [b"\xef\xbb\xbf".as_slice(), text.replace('\n', "\r\n").as_bytes()].concat()
}

fn what_notepad_saves_holds(firmware: &Firmware) {
    let key = SshKey::generate();
    let device = Device::new("notepad", firmware);
    device.write_settings(as_notepad_saves(&format!(
        "hostname = Kitchen\ntimezone = asia/tokyo\n\n[network]\naddress = 10.0.2.77/24\ngateway = 10.0.2.2\n\
         dns = 10.0.2.3\n\n[ssh]\nkey = {}\n",
        key.public()
    )));
    let running = device.switch_on_at(Ipv4Addr::new(10, 0, 2, 77));
    assert_eq!(running.wait_for_status(), "well");
    let page = running.page();
    assert!(page.contains("kitchen") && page.contains("10.0.2.77"), "{page}");
    assert_eq!(running.run(&key, "hostname"), "kitchen");
    assert_eq!(running.run(&key, "date +%Z"), "JST");
    assert_eq!(running.run(&key, "systemctl --failed --no-legend --plain"), "");
    assert_eq!(running.run(&key, "systemctl is-system-running"), "running");
    assert_eq!(
        running.run(&key, "grep -v '^#' /etc/resolv.conf"),
        "nameserver 10.0.2.3"
    );
    let addresses = running.run(&key, "cat /proc/net/fib_trie");
    assert!(
        addresses.contains("10.0.2.77") && !addresses.contains("10.0.2.15"),
        "{addresses}"
    );

    let status = running.switch_off().status();
    assert!(status.starts_with("All is well."), "{status}");
    for part in ["Host name:  kitchen\n", "Time zone:  Asia/Tokyo\n", "10.0.2.77"] {
        assert!(status.contains(part), "{part} in {status}");
    }
}

/// Which firmware starts it makes no difference to a service.
#[test]
fn a_setting_of_the_blueprint_reaches_its_service() {
    let device = Device::new("own-setting", &Firmware::Bios);
    device.write_settings("[Web]\r\nGreeting = \"Gr\u{fc}\u{df}e ; <aus> $HOME & 'Co'\"\r\n");
    let running = device.switch_on();
    assert_eq!(running.wait_for_status(), "well");
    let page = running.page();
    assert!(
        page.contains("<h1 id=\"greeting\">Gr\u{fc}\u{df}e ; &lt;aus> $HOME &amp; 'Co'</h1>"),
        "{page}"
    );
    running.switch_off();
}

fn bad_lines_cost_nothing_but_themselves(firmware: &Firmware) {
    let device = Device::new("bad-lines", firmware);
    device.write_settings(
        "hostname = kitchen\r\ntimezone = Asia/Tokyo\r\nthis line means nothing\r\ncolour = blue\r\n[network]\r\n\
         address = 10.0.2.300/24\r\n",
    );
    let running = device.switch_on();
    assert_eq!(running.wait_for_status(), "3 problems");
    let page = running.page();
    assert!(page.contains("kitchen") && page.contains("10.0.2.15"), "{page}");

    let status = running.switch_off().status();
    assert!(
        status.starts_with("3 lines of system.ini were not used as written."),
        "{status}"
    );
    for part in [
        "Line 3:  this line means nothing\n",
        "Line 4:  colour = blue\n",
        "Line 6:  address = 10.0.2.300/24\n",
        "10.0.2.300 is not an IP address: 300 is larger than 255",
        "Used:    automatic address (DHCP)\n",
        "Host name:  kitchen\n",
        "Time zone:  Asia/Tokyo\n",
    ] {
        assert!(status.contains(part), "{part} in {status}");
    }
}

fn a_missing_file_means_defaults(firmware: &Firmware) {
    let device = Device::new("missing", firmware);
    device.card().remove(SYSTEM_INI).unwrap();
    defaults_hold(device, "system.ini");
}

fn an_empty_file_means_defaults(firmware: &Firmware) {
    let device = Device::new("empty", firmware);
    device.write_settings("");
    defaults_hold(device, "the file is empty");
}

fn rubbish_means_defaults(firmware: &Firmware) {
    let device = Device::new("rubbish", firmware);
    // A fixed generator (Knuth's MMIX constants), so that a failure can be repeated.
    let mut state = 1_u64;
    let mut random = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    device.write_settings((0..5 * 1024 * 1024).map(|_| random()).collect::<Vec<_>>());
    defaults_hold(device, "it is 5.0 MB long");
}

fn a_folder_means_defaults(firmware: &Firmware) {
    let device = Device::new("folder", firmware);
    let card = device.card();
    card.remove(SYSTEM_INI).unwrap();
    card.mkdir(SYSTEM_INI).unwrap();
    card.close().unwrap();
    defaults_hold(device, "it is a folder, not a file");
}

/// The device boots as if it were new, and says what it found.
fn defaults_hold(device: Device, said: &str) {
    let running = device.switch_on();
    running.wait_for_status();
    let page = running.page();
    assert!(
        page.contains(DEFAULT_NAME) && page.contains("10.0.2.15"),
        "{page}"
    );
    let status = running.switch_off().status();
    // Sentences wrap where they must.
    let flat = status.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(flat.contains(said), "{said} in {status}");
    assert!(
        status.contains(&format!("Host name:  {DEFAULT_NAME}\n")) && status.contains("10.0.2.15"),
        "{status}"
    );
}
