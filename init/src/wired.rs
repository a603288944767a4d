//! The device's first wired port, whose hardware address is part of the default host name.

use std::fs;
use std::path::{Path, PathBuf};

use genpack_spec::types::MacAddress;

/// `ARPHRD_ETHER` of the kernel's `include/uapi/linux/if_arp.h`.
const ETHERNET: &str = "1";

/// Returns the hardware address of the first wired port: one that is part of the machine before one on USB, and
/// then by its place in the machine, so that the answer is the same at every boot. `net` is `/sys/class/net`.
pub fn first_mac(net: &Path) -> Option<MacAddress> {
    let mut ports: Vec<(bool, PathBuf, MacAddress)> = fs::read_dir(net)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let port = entry.path();
            let text = |file: &str| {
                fs::read_to_string(port.join(file))
                    .ok()
                    .map(|t| t.trim().to_string())
            };
            let wireless = port.join("wireless").exists() || port.join("phy80211").exists();
            if text("type")? != ETHERNET || wireless {
                return None;
            }
            // Bridges, bonds and the like have no device behind them.
            let place = port.join("device").canonicalize().ok()?;
            let on_usb = place
                .components()
                .any(|part| part.as_os_str().to_string_lossy().starts_with("usb"));
            Some((on_usb, place, text("address")?.parse().ok()?))
        })
        .collect();
    ports.sort();
    ports.first().map(|(_, _, mac)| *mac)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn port(root: &Path, name: &str, place: Option<&str>, kind: &str, mac: &str) {
        let net = root.join("net").join(name);
        fs::create_dir_all(&net).unwrap();
        fs::write(net.join("type"), format!("{kind}\n")).unwrap();
        fs::write(net.join("address"), format!("{mac}\n")).unwrap();
        if let Some(place) = place {
            fs::create_dir_all(root.join(place)).unwrap();
            symlink(root.join(place), net.join("device")).unwrap();
        }
    }

    #[test]
    fn built_in_ports_come_before_usb_and_virtual_ones_do_not_count() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        assert_eq!(first_mac(&root.join("net")), None);
        port(
            root,
            "eth0",
            Some("devices/a/usb1/1-1"),
            ETHERNET,
            "02:00:00:00:00:01",
        );
        assert_eq!(first_mac(&root.join("net")), "02:00:00:00:00:01".parse().ok());
        port(
            root,
            "eth1",
            Some("devices/pci/0000:00:03.0"),
            ETHERNET,
            "02:00:00:00:00:03",
        );
        port(
            root,
            "eth2",
            Some("devices/pci/0000:00:02.0"),
            ETHERNET,
            "02:00:00:00:00:02",
        );
        port(root, "br0", None, ETHERNET, "02:00:00:00:00:00");
        port(root, "lo", None, "772", "00:00:00:00:00:00");
        port(
            root,
            "wlan0",
            Some("devices/pci/0000:00:01.0"),
            ETHERNET,
            "02:00:00:00:00:09",
        );
        fs::create_dir(root.join("net/wlan0/phy80211")).unwrap();
        assert_eq!(first_mac(&root.join("net")), "02:00:00:00:00:02".parse().ok());
    }
}
