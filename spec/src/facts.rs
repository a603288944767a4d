//! What an image has that the meaning of a `system.ini` depends on.
//!
//! The builder collects it from the finished tree and writes it to [`crate::layout::FACTS`] inside `system.img`, where PID 1
//! reads it, and beside `system.img` on the card, where `genpack config` reads it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::declared::DeclaredSection;
use crate::types::{Keyboard, Locale, MacAddress, TimeZone, UnitName, UserName};

/// What an image has. None: not known, so that everything that could be right is taken as right.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Facts {
    /// The blueprint's name, with which the default host name begins.
    pub name: Option<String>,
    /// Time zones.
    pub time_zones: Option<Vec<TimeZone>>,
    /// Locales, beside `C` and `POSIX`.
    pub locales: Option<Vec<Locale>>,
    /// Keyboard layouts of the console.
    pub keyboards: Option<Vec<Keyboard>>,
    /// Users that a person may log in as or change.
    pub users: Option<Vec<UserName>>,
    /// Groups.
    pub groups: Option<Vec<UserName>>,
    /// Units, those included that it forbids to start.
    pub units: Option<Vec<UnitName>>,
    /// Whether it may get more units while it runs.
    pub generated_units: bool,
    /// Other names of units, with the names that they stand for: systemd treats a mask of the one and of the other
    /// differently.
    pub unit_aliases: BTreeMap<UnitName, UnitName>,
    /// Absolute paths of login shells.
    pub shells: Option<Vec<String>>,
    /// What it can do.
    pub features: Option<BTreeSet<Feature>>,
    /// Sections of `system.ini` that its blueprint declares.
    pub settings: Vec<DeclaredSection>,
}

/// Something that not every image can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Feature {
    /// It has sshd.
    Ssh,
    /// It has an NTP client (systemd-timesyncd).
    Ntp,
    /// Its console has keyboard layouts.
    Keyboard,
    /// Search domains, MTU, MAC address, IPv6 switch, rescue address of a port.
    NetworkDetails,
    /// Wireless networks.
    Wifi,
    /// VLANs.
    Vlan,
    /// Bridges.
    Bridge,
    /// Bonds.
    Bond,
    /// WireGuard tunnels.
    Wireguard,
    /// Swap files.
    Swap,
    /// Something that outlives a restart.
    Storage,
    /// Updates from the network.
    Update,
}

impl Feature {
    /// What genpack itself can do in this version, whatever the image has.
    pub const IMPLEMENTED: &[Feature] = &[
        Feature::Ssh,
        Feature::Ntp,
        Feature::Keyboard,
        Feature::NetworkDetails,
        Feature::Wifi,
        Feature::Vlan,
        Feature::Bridge,
        Feature::Bond,
        Feature::Wireguard,
        Feature::Storage,
    ];
}

impl Facts {
    /// Returns what holds for an image that does not say what it has: a name that it lacks must not become a link to nowhere.
    pub fn of_silent_image() -> Facts {
        Facts {
            time_zones: Some(vec![TimeZone::utc()]),
            locales: Some(Vec::new()),
            keyboards: Some(Vec::new()),
            ..Facts::default()
        }
    }

    /// Whether a device with this image does what a setting of this feature asks.
    pub fn has(&self, feature: Feature) -> bool {
        self.features
            .as_ref()
            .is_none_or(|features| features.contains(&feature))
    }

    /// Returns the locale of this name in the image's spelling, ignoring case and how the code set is written
    /// (`UTF-8`, `utf8`); `de_DE` alone means `de_DE.UTF-8`.
    pub fn locale(&self, name: &str) -> Option<Locale> {
        let wanted: Locale = name.parse().ok()?;
        let Some(locales) = &self.locales else {
            return Some(wanted);
        };
        let fold = |name: &str| name.to_ascii_lowercase().replace('-', "");
        let (bare, utf8) = (fold(name), fold(name) + ".utf8");
        let always = ["C", "POSIX"].iter().filter_map(|name| name.parse().ok());
        let mut known = locales.iter().cloned().chain(always);
        known.find(|locale| [&bare, &utf8].contains(&&fold(locale.as_str())))
    }

    /// Returns the zone of this name in the image's spelling, ignoring case.
    pub fn time_zone(&self, name: &str) -> Option<TimeZone> {
        let wanted: TimeZone = name.parse().ok()?;
        match &self.time_zones {
            None => Some(wanted),
            Some(zones) => zones
                .iter()
                .find(|zone| zone.as_str().eq_ignore_ascii_case(name))
                .cloned(),
        }
    }
}

/// What tells one machine from another, for `[match ...]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Machine {
    /// Serial number, as SMBIOS or the device tree has it.
    pub serial: Option<String>,
    /// Hardware addresses of its ports.
    pub macs: Vec<MacAddress>,
    /// Model, as SMBIOS or the device tree has it.
    pub model: Option<String>,
}
