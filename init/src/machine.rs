//! Which machine this is, for `[match ...]`: what SMBIOS or the device tree and the network ports say.

use std::fs;
use std::path::Path;

use genpack_spec::facts::Machine;
use genpack_spec::types::MacAddress;

/// Where a serial number may stand, the first that has one wins: SMBIOS's system, its board, its case; the device tree.
const SERIALS: [&str; 5] = [
    "sys/class/dmi/id/product_serial",
    "sys/class/dmi/id/board_serial",
    "sys/class/dmi/id/chassis_serial",
    "sys/firmware/devicetree/base/serial-number",
    "proc/device-tree/serial-number",
];

/// The same for the model.
const MODELS: [&str; 4] = [
    "sys/class/dmi/id/product_name",
    "sys/class/dmi/id/board_name",
    "sys/firmware/devicetree/base/model",
    "proc/device-tree/model",
];

/// What makers leave in a field that they don't fill in; in lower case.
const FILLERS: [&str; 10] = [
    "none",
    "default string",
    "not specified",
    "not applicable",
    "not available",
    "n/a",
    "o.e.m.",
    "to be filled by o.e.m.",
    "system serial number",
    "system product name",
];

/// Returns what the kernel below `root` knows of the machine.
pub fn read(root: &Path) -> Machine {
    Machine {
        serial: first(root, &SERIALS),
        macs: macs(&root.join("sys/class/net")),
        model: first(root, &MODELS),
    }
}

fn first(root: &Path, places: &[&str]) -> Option<String> {
    places.iter().find_map(|place| {
        let bytes = fs::read(root.join(place)).ok()?;
        let text = String::from_utf8_lossy(&bytes);
        // Strings of the device tree end with a zero byte.
        let text = text.trim_matches(|c: char| c == '\0' || c.is_whitespace());
        let lower = text.to_lowercase();
        let says_something = text
            .chars()
            .any(|c| !matches!(c, '0' | '.' | '-' | ' ' | 'x' | 'X'));
        (says_something && !FILLERS.contains(&lower.as_str())).then(|| text.to_string())
    })
}

/// Returns the hardware addresses of all ports, wired and wireless, in order.
fn macs(net: &Path) -> Vec<MacAddress> {
    let address = |port: &Path| -> Option<MacAddress> {
        let text = fs::read_to_string(port.join("address")).ok()?;
        text.trim().parse().ok()
    };
    let ports = fs::read_dir(net).into_iter().flatten().flatten();
    let mut macs: Vec<_> = ports
        .filter(|port| port.path().join("device").exists())
        .filter_map(|port| address(&port.path()))
        .collect();
    macs.sort();
    macs.dedup();
    macs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(root: &Path, path: &str, content: &str) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    #[test]
    fn a_computer_is_known_by_smbios() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        assert_eq!(read(root), Machine::default());
        write(
            root,
            "sys/class/dmi/id/product_serial",
            "To be filled by O.E.M.\n",
        );
        write(root, "sys/class/dmi/id/board_serial", "00000000\n");
        write(root, "sys/class/dmi/id/chassis_serial", "ABC 123 \n");
        write(
            root,
            "sys/class/dmi/id/product_name",
            "Standard PC (Q35 + ICH9, 2009)\n",
        );
        let machine = read(root);
        assert_eq!(machine.serial.as_deref(), Some("ABC 123"));
        assert_eq!(machine.model.as_deref(), Some("Standard PC (Q35 + ICH9, 2009)"));
    }

    #[test]
    fn a_board_is_known_by_its_device_tree_and_its_ports() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        write(root, "proc/device-tree/serial-number", "10000000abcdef12\0");
        write(root, "proc/device-tree/model", "Raspberry Pi 4 Model B Rev 1.4\0");
        for (port, mac) in [("wlan0", "DC:A6:32:00:00:02"), ("eth0", "dc:a6:32:00:00:01")] {
            write(
                root,
                &format!("sys/class/net/{port}/address"),
                &format!("{mac}\n"),
            );
            fs::create_dir(root.join(format!("sys/class/net/{port}/device"))).unwrap();
        }
        write(root, "sys/class/net/lo/address", "00:00:00:00:00:00\n");
        write(root, "sys/class/net/br0/address", "02:00:00:00:00:09\n");
        let machine = read(root);
        assert_eq!(machine.serial.as_deref(), Some("10000000abcdef12"));
        assert_eq!(machine.model.as_deref(), Some("Raspberry Pi 4 Model B Rev 1.4"));
        let macs: Vec<_> = machine.macs.iter().map(ToString::to_string).collect();
        assert_eq!(macs, ["dc:a6:32:00:00:01", "dc:a6:32:00:00:02"]);
    }
}
