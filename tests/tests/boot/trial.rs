//! Settings that are tried while the device runs, and a power cut before anybody confirmed them.

use genpack_qemu::Firmware;
use genpack_spec::layout::card::{PENDING_JSON, SYSTEM_INI};
use genpack_tests::{Device, Running, SshKey};

#[test]
fn what_nobody_confirms_comes_back_also_after_a_power_cut() {
    let key = SshKey::generate();
    let settings = |hostname: &str| format!("hostname = {hostname}\r\n[ssh]\r\nkey = {}\r\n", key.public());
    let device = Device::new("trial", &Firmware::Bios);
    device.write_settings(settings("kitchen"));
    let running = device.switch_on();
    assert_eq!(running.wait_for_status(), "well");
    who_may_do_what(&running, &key);

    // In time, and not in time.
    let apply = |hostname: &str, seconds: u32| {
        let text = settings(hostname).replace('\r', "\\r").replace('\n', "\\n");
        running.run(
            &key,
            &format!("printf '{text}' | genpack-config apply - --revert-after {seconds}"),
        )
    };
    let said = apply("cellar", 600);
    assert!(said.contains("To keep them: genpack-config confirm"), "{said}");
    assert_eq!(
        running.run(&key, "genpack-config confirm"),
        "The settings are kept."
    );
    assert_eq!(await_hostname(&running, &key, "cellar"), "cellar");
    apply("roof", 20);
    assert_eq!(await_hostname(&running, &key, "roof"), "roof");
    assert_eq!(await_hostname(&running, &key, "cellar"), "cellar");
    assert_eq!(
        running.run(&key, "cat /run/genpack/boot/system.ini"),
        settings("cellar").trim_end()
    );
    assert_eq!(running.run(&key, "systemctl --failed --no-legend --plain"), "");

    apply("attic", 3600);
    assert_eq!(await_hostname(&running, &key, "attic"), "attic");
    let device = running.pull_the_plug();
    assert_eq!(on_card(&device, SYSTEM_INI), settings("attic"));
    assert!(device.card().read(PENDING_JSON).is_ok());

    let running = device.switch_on();
    assert_eq!(running.wait_for_status(), "well");
    running.wait_for_login("cellar");
    let device = running.switch_off();
    assert_eq!(on_card(&device, SYSTEM_INI), settings("cellar"));
    assert!(device.card().read(PENDING_JSON).is_err());
    let status = device.status();
    // Sentences wrap where they must.
    let flat = status.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        flat.contains("The last change of system.ini was taken back, because the device was restarted before anybody confirmed it."),
        "{status}"
    );
}

/// On the real bus, with the group that the image has.
fn who_may_do_what(running: &Running, key: &SshKey) {
    let as_nobody = |groups: &str, command: &str| {
        let user = "setpriv --reuid=65534 --regid=65534";
        running.run(
            key,
            &format!("{user} {groups} genpack-config {command} 2>&1; true"),
        )
    };
    let status = as_nobody("--clear-groups", "status");
    assert!(status.starts_with("All is well."), "{status}");
    let refused = as_nobody("--clear-groups", "confirm");
    assert_eq!(
        refused,
        "genpack-config: only root and members of the group genpack may do that"
    );
    let allowed = as_nobody("--groups=genpack", "confirm");
    assert_eq!(allowed, "genpack-config: no change waits to be confirmed");
}

/// Waits, on the device, until it has this name.
fn await_hostname(running: &Running, key: &SshKey, name: &str) -> String {
    let wait =
        format!("for i in $(seq 600); do [ $(hostname) = {name} ] && break; sleep 0.1; done; hostname");
    running.run(key, &wait)
}

fn on_card(device: &Device, path: &str) -> String {
    String::from_utf8(device.card().read(path).unwrap()).unwrap()
}
