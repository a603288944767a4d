//! USB devices that come and go while a machine runs.

use crate::common::{Guest, SOON};
use genpack_qemu::{Disk, Error, Format, RemovableDisk, Vm};
use serde_json::{Value, json};
use std::fs;

/// Starts a machine with its processor stopped: QEMU 7.2 may wait for ever before it adds a device to one whose guest never
/// rests, as the guest of one sector. Linux rests.
fn at_rest(guest: &Guest, name: &str) -> Vm {
    let vm = guest.machine(name).usb().start().unwrap();
    vm.expect("> ", SOON).unwrap();
    vm.qmp("stop", json!({})).unwrap();
    vm
}

#[test]
fn disks_are_plugged_in_and_pulled_out() {
    let guest = Guest::new();
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("a,b.img");
    fs::write(&image, vec![7; 1 << 20]).unwrap();
    let disk = RemovableDisk::new(Disk::new(&image, Format::Raw));
    let vm = at_rest(&guest, "usb");

    let nodes = || {
        let nodes = vm.qmp("query-named-block-nodes", json!({})).unwrap();
        let of_ours = |node: &&Value| node["node-name"].as_str().unwrap().starts_with("usb");
        let state = |node: &Value| {
            (
                node["drv"].as_str().unwrap().to_owned(),
                node["ro"].as_bool().unwrap(),
            )
        };
        nodes
            .as_array()
            .unwrap()
            .iter()
            .filter(of_ours)
            .map(state)
            .collect::<Vec<_>>()
    };
    let plugged = vm.plug(&disk).unwrap();
    assert_eq!(nodes(), [("raw".to_owned(), false)]);
    // One that is in use: nothing of the attempt stays.
    assert!(matches!(vm.plug(&disk), Err(Error::Qmp { .. })));
    assert_eq!(nodes().len(), 1);
    vm.unplug(plugged).unwrap();
    assert_eq!(nodes(), []);

    for disk in [disk.clone().read_only(), disk.clone().bytes_per_second(1 << 20)] {
        let plugged = vm.plug(&disk).unwrap();
        assert_eq!(nodes().len(), 1);
        vm.unplug(plugged).unwrap();
        assert_eq!(nodes(), []);
    }
    assert_eq!(fs::read(&image).unwrap(), vec![7; 1 << 20]);
}

#[test]
fn network_adapters_are_plugged_in_and_pulled_out() {
    let guest = Guest::new();
    let vm = at_rest(&guest, "usb-nic");
    for _ in 0..2 {
        let nic = vm.plug_nic().unwrap();
        let devices = vm
            .qmp("qom-list", json!({ "path": "/machine/peripheral" }))
            .unwrap();
        assert!(devices.to_string().contains("usb-net"), "{devices}");
        vm.unplug_nic(nic).unwrap();
    }
    let devices = vm
        .qmp("qom-list", json!({ "path": "/machine/peripheral" }))
        .unwrap();
    assert!(!devices.to_string().contains("usb-net"), "{devices}");
}

#[test]
fn without_a_controller_nothing_is_plugged_in() {
    let guest = Guest::new();
    let vm = guest.machine("no-controller").start().unwrap();
    vm.expect("> ", SOON).unwrap();
    vm.qmp("stop", json!({})).unwrap();
    let disk = RemovableDisk::new(Disk::new("/nonexistent.img", Format::Raw));
    assert!(matches!(vm.plug(&disk), Err(Error::Qmp { .. })));
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("stick.img");
    fs::write(&image, [0; 512]).unwrap();
    let disk = RemovableDisk::new(Disk::new(&image, Format::Raw));
    for _ in 0..2 {
        let error = vm.plug(&disk).unwrap_err().to_string();
        assert!(error.contains("usb.0"), "{error}");
    }
}
