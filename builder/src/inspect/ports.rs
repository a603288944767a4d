//! Ports that an image opens, as far as its files say so.

use std::path::Path;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::units::Unit;
use crate::image::system::System;

/// A port at which somebody listens.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Port {
    /// `tcp` or `udp`.
    pub protocol: String,
    /// Its number.
    pub port: u16,
    /// The address; `*` for all of the device's.
    pub address: String,
    /// The unit that it belongs to; empty when that is not known.
    pub unit: String,
    /// The program; empty when that is not known.
    #[serde(default)]
    pub process: String,
}

/// Ports of sshd when its configuration names none (sshd_config(5)).
const SSH: u16 = 22;
/// Where sshd's configuration is; the files of the folder come first.
const SSHD_CONFIG: &str = "etc/ssh/sshd_config";
const SSHD_FOLDER: &str = "etc/ssh/sshd_config.d";

/// Returns the ports of socket units and of sshd. Other services choose theirs in ways of their own.
pub fn declared(system: &System, units: &[Unit]) -> Result<Vec<Port>> {
    let mut ports = Vec::new();
    for unit in units.iter().filter(|unit| unit.name.ends_with(".socket")) {
        for (key, protocol) in [("ListenStream", "tcp"), ("ListenDatagram", "udp")] {
            let listened = unit.list(key).into_iter().filter_map(address_and_port);
            ports.extend(listened.map(|(address, port)| Port {
                protocol: protocol.into(),
                port,
                address,
                unit: unit.name.clone(),
                process: String::new(),
            }));
        }
    }
    if let Some(unit) = units
        .iter()
        .find(|unit| ["ssh.service", "sshd.service"].contains(&unit.name.as_str()))
    {
        ports.extend(sshd_ports(system)?.into_iter().map(|port| Port {
            protocol: "tcp".into(),
            port,
            address: "*".into(),
            unit: unit.name.clone(),
            process: "sshd".into(),
        }));
    }
    ports.sort();
    ports.dedup();
    Ok(ports)
}

/// Reads what systemd.socket(5) allows for the Internet: `80`, `127.0.0.1:80`, `[::1]:80`. Paths and other kinds are nothing.
fn address_and_port(value: &str) -> Option<(String, u16)> {
    if let Ok(port) = value.parse() {
        return Some(("*".into(), port));
    }
    let (address, port) = value.rsplit_once(':')?;
    let address = address.trim_matches(['[', ']']);
    let port = port.parse().ok()?;
    let _: std::net::IpAddr = address.parse().ok()?;
    Some((address.into(), port))
}

fn sshd_ports(system: &System) -> Result<Vec<u16>> {
    let mut files: Vec<_> = system
        .nodes()
        .keys()
        .filter(|path| path.starts_with(SSHD_FOLDER))
        .collect();
    let main = Path::new(SSHD_CONFIG).to_path_buf();
    files.push(&main);
    let mut ports = Vec::new();
    for file in files {
        for line in system.text(file)?.lines() {
            let mut words = line.split([' ', '\t', '=']).filter(|word| !word.is_empty());
            if words.next().is_some_and(|word| word.eq_ignore_ascii_case("port")) {
                ports.extend(words.next().and_then(|word| word.parse::<u16>().ok()));
            }
        }
    }
    Ok(if ports.is_empty() { vec![SSH] } else { ports })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_internets_ports_are_ports() {
        assert_eq!(address_and_port("22"), Some(("*".into(), 22)));
        assert_eq!(address_and_port("127.0.0.1:80"), Some(("127.0.0.1".into(), 80)));
        assert_eq!(address_and_port("[::1]:443"), Some(("::1".into(), 443)));
        for other in [
            "/run/dbus/system_bus_socket",
            "@abstract",
            "vsock::22",
            "kobject-uevent 1",
            "",
        ] {
            assert_eq!(address_and_port(other), None, "{other}");
        }
    }
}
