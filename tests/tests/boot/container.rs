//! `examples/container`: what a container image runs is a service of the device.

use genpack_qemu::Firmware;
use genpack_tests::{Device, SshKey, container_image};

/// Which firmware starts it makes no difference to a service.
#[test]
fn a_container_image_serves_its_page() {
    let key = SshKey::generate();
    let device = Device::with_image("container", &Firmware::Bios, container_image());
    device.write_settings(format!("[ssh]\r\nkey = {}\r\n", key.public()));
    let running = device.switch_on();
    assert_eq!(running.wait_for_status(), "well");
    assert!(
        running
            .page()
            .contains("served by a program of a container image")
    );
    // It runs as the image's user, on a port of root's, with the image's own files around it.
    let about = running.page_at("/cgi-bin/about");
    for line in [
        "user 4321, group 4321\n",
        "greeting 100% of a \"container\"\n",
        "home /srv/www, user nobody said\n",
        // The file that the agent writes, and not one of the image's.
        "resolver # Written by genpack-config-agent ",
        "hosts 127.0.0.1",
        // Its own, and not the device's.
        "run /run/web\n",
        "files bin dev etc proc root run srv sys tmp ",
    ] {
        assert!(about.contains(line), "no {line:?} in {about}");
    }
    let words = "tr '\\0' ' ' < /proc/$(systemctl show --value --property=MainPID container)/cmdline";
    assert_eq!(running.run(&key, words), "busybox httpd -f -p 80 -h /srv/www");
    assert_eq!(
        running.run(&key, "id --user --name 4321; systemctl is-system-running --wait"),
        "container-4321\nrunning"
    );
    // What is stopped goes at once, as a container does.
    running.run(&key, "systemctl stop container");
    running.switch_off();
}
