//! Whether another program takes care of a port, told from what each of them leaves under `/run`.

use std::fs;

use super::link::Manager;
use crate::Paths;

/// Returns what takes care of the port of this number and name.
pub fn of(paths: &Paths, index: u32, name: &str) -> Option<Manager> {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let has = |text: &str, wanted: &dyn Fn(&str) -> bool| text.lines().any(|line| wanted(line.trim()));

    // systemd: src/network/networkd-state-file.c. Other states are those of ports that it only watches.
    let networkd = |line: &str| matches!(line, "ADMIN_STATE=configuring" | "ADMIN_STATE=configured");
    if has(&read(paths.networkd_link(index)), &networkd) {
        return Some(Manager::Networkd);
    }
    // NetworkManager: src/core/nm-config.c, nm_config_device_state_write.
    let active = |line: &str| {
        line.strip_prefix("connection-uuid=")
            .is_some_and(|uuid| !uuid.is_empty())
    };
    if has(&read(paths.network_manager_device(index)), &active) {
        return Some(Manager::NetworkManager);
    }
    // ifupdown: main.c; the file holds the logical name while the port is up.
    let up = |line: &str| !line.is_empty();
    has(&read(paths.ifupdown_state(name)), &up).then_some(Manager::Ifupdown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_program_is_known_by_its_files() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::below(dir.path());
        let write = |path: std::path::PathBuf, text: &str| {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        assert_eq!(of(&paths, 2, "eth0"), None);

        write(paths.ifupdown_state("eth0"), "eth0=eth0\n");
        assert_eq!(of(&paths, 2, "eth0"), Some(Manager::Ifupdown));
        write(paths.ifupdown_state("eth0"), "");
        assert_eq!(of(&paths, 2, "eth0"), None);

        let nm = paths.network_manager_device(2);
        write(nm.clone(), "[device]\nmanaged=true\nconnection-uuid=8a5c\n");
        assert_eq!(of(&paths, 2, "eth0"), Some(Manager::NetworkManager));
        assert_eq!(of(&paths, 3, "eth1"), None);
        write(nm, "[device]\nmanaged=unmanaged\n");
        assert_eq!(of(&paths, 2, "eth0"), None);

        let networkd = paths.networkd_link(2);
        write(
            networkd.clone(),
            "# private\nADMIN_STATE=configured\nOPER_STATE=routable\n",
        );
        assert_eq!(of(&paths, 2, "eth0"), Some(Manager::Networkd));
        write(networkd, "ADMIN_STATE=unmanaged\n");
        assert_eq!(of(&paths, 2, "eth0"), None);
    }
}
