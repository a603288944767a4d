//! Where the agent reads and writes. Tests give another directory for `/`.

use std::fmt;
use std::path::{Path, PathBuf};

use genpack_spec::layout;
use genpack_spec::types::UnitName;

/// Every path of the agent, below one root directory. `/proc` and `/sys` are the kernel's and always its own.
#[derive(Debug, Clone)]
pub struct Paths {
    root: PathBuf,
}

impl Paths {
    /// Returns the paths below `root`.
    pub fn below(root: impl Into<PathBuf>) -> Paths {
        Paths { root: root.into() }
    }

    fn at(&self, absolute: &str) -> PathBuf {
        self.root.join(absolute.trim_start_matches('/'))
    }

    /// Returns where `/run/genpack` is.
    pub fn run_dir(&self) -> PathBuf {
        self.at(layout::RUN_DIR)
    }

    /// Returns where the settings are read.
    pub fn settings(&self) -> PathBuf {
        self.at(layout::SETTINGS_JSON)
    }

    /// Returns where PID 1 left the `system.ini` of this start.
    pub fn settings_file(&self) -> PathBuf {
        self.at(layout::SETTINGS_INI)
    }

    /// Returns where the settings are kept with which PID 1 made this start.
    pub fn boot_settings(&self) -> PathBuf {
        self.at(layout::BOOT_SETTINGS_JSON)
    }

    /// Returns where PID 1 left what tells this device from another.
    pub fn machine(&self) -> PathBuf {
        self.at(layout::MACHINE_JSON)
    }

    /// Returns where a stick is mounted.
    pub fn stick(&self) -> PathBuf {
        self.at(layout::STICK_MOUNT)
    }

    /// Returns where the trial is kept that is on.
    pub fn trial(&self) -> PathBuf {
        self.at(layout::TRIAL_JSON)
    }

    /// Returns where the file is that is on trial.
    pub fn trial_file(&self) -> PathBuf {
        self.at(layout::TRIAL_INI)
    }

    /// Returns where [`Paths::settings_file`] is kept meanwhile.
    pub fn before_file(&self) -> PathBuf {
        self.at(layout::BEFORE_INI)
    }

    /// Returns where it is told what the image has.
    pub fn facts(&self) -> PathBuf {
        self.at(layout::FACTS)
    }

    /// Returns where PID 1's report is read.
    pub fn boot_report(&self) -> PathBuf {
        self.at(layout::BOOT_REPORT_JSON)
    }

    /// Returns where the agent's report is written.
    pub fn run_report(&self) -> PathBuf {
        self.at(layout::RUN_REPORT_JSON)
    }

    /// Returns where the facts about the image are read.
    pub fn image_info(&self) -> PathBuf {
        self.at(layout::IMAGE_INFO)
    }

    /// Returns the mount point of the image, where everything is as it was built.
    pub fn system(&self) -> PathBuf {
        self.at(layout::SYSTEM_MOUNT)
    }

    /// Returns the card's mount point.
    pub fn card(&self) -> PathBuf {
        self.at(layout::BOOT_MOUNT)
    }

    /// Returns the mount point of the memory that takes what is written at run time.
    pub fn overlay(&self) -> PathBuf {
        self.at(layout::OVERLAY_MOUNT)
    }

    /// Returns where the resolver's data is written.
    pub fn resolv_conf(&self) -> PathBuf {
        self.at(layout::RESOLV_CONF)
    }

    /// Returns where getty reads what to show above the login prompt.
    pub fn issue(&self) -> PathBuf {
        self.at(layout::ISSUE)
    }

    /// Returns the file at whose change a waiting getty draws its prompt anew (agetty(8), `--reload`).
    pub fn agetty_reload(&self) -> PathBuf {
        self.at("/run/agetty.reload")
    }

    /// Returns where the lease of the port with this identity is kept, so that a restart loses nothing.
    pub fn lease(&self, identity: impl fmt::Display) -> PathBuf {
        self.run_dir().join(format!("leases/{identity}.json"))
    }

    /// Returns where it is kept what the port of this number had before the settings changed it.
    pub fn original(&self, index: u32) -> PathBuf {
        self.run_dir().join(format!("originals/{index}.json"))
    }

    /// Returns where systemd-networkd tells what it does with the port of this number.
    pub fn networkd_link(&self, index: u32) -> PathBuf {
        self.at("/run/systemd/netif/links").join(index.to_string())
    }

    /// Returns where NetworkManager tells what it does with the port of this number.
    pub fn network_manager_device(&self, index: u32) -> PathBuf {
        self.at("/run/NetworkManager/devices").join(index.to_string())
    }

    /// Returns where ifupdown tells what it does with the port of this name.
    pub fn ifupdown_state(&self, name: &str) -> PathBuf {
        self.at("/run/network").join(format!("ifstate.{name}"))
    }

    /// Returns where the DHCPv6 lease of the port with this identity is kept.
    pub fn lease6(&self, identity: impl fmt::Display) -> PathBuf {
        self.run_dir().join(format!("leases/{identity}.v6.json"))
    }

    /// Returns where it is kept which wireless networks the radios were given. Holds passwords.
    pub fn wifi_record(&self) -> PathBuf {
        self.run_dir().join("wifi.json")
    }

    /// Returns the mask of a unit; PID 1 makes the same.
    pub fn unit_mask(&self, unit: &UnitName) -> PathBuf {
        self.at(layout::UNIT_MASK_DIR).join(unit.as_str())
    }

    /// Returns the directory of masks, as systemd names it in its `UnitPath`.
    pub fn unit_mask_dir(&self) -> &'static str {
        layout::UNIT_MASK_DIR
    }

    /// Returns hosts(5).
    pub fn hosts(&self) -> PathBuf {
        self.at("/etc/hosts")
    }

    /// Returns the kernel's log device.
    pub fn kmsg(&self) -> PathBuf {
        self.at("/dev/kmsg")
    }

    /// Returns the system bus's socket (D-Bus specification, "Well-known Message Bus Instances").
    pub fn bus_socket(&self) -> PathBuf {
        self.at("/run/dbus/system_bus_socket")
    }

    /// Returns the socket that exists while udev runs, and the directory of its database.
    pub fn udev(&self) -> (PathBuf, PathBuf) {
        (self.at("/run/udev/control"), self.at("/run/udev/data"))
    }

    /// Returns the root itself.
    pub fn root(&self) -> &Path {
        &self.root
    }
}
