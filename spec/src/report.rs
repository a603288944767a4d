//! Diagnostics and outcomes as data. Their sentences for people are made in [`crate::status`].

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::cmdline::Slot;
use crate::image::ImageInfo;
use crate::text::{Language, Text};
use crate::types::{Hostname, MacAddress, TimeZone, UnitName};

/// How much a diagnostic matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing; nothing is wrong.
    Note,
    /// Used, but probably not what was meant.
    Warning,
    /// Ignored, or replaced by a default.
    Error,
}

/// What was found about one line of `system.ini`, or about the file as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnostic {
    /// Line, from 1; none when the file as a whole is meant.
    pub line: Option<u32>,
    /// Column of the first character that is meant, from 1, in characters.
    pub column: Option<u32>,
    /// Canonical section name.
    pub section: Option<String>,
    /// Canonical key name.
    pub key: Option<String>,
    /// How much it matters.
    pub severity: Severity,
    /// What is wrong, as a phrase without a full stop.
    pub problem: Text,
    /// What the device uses instead; none when the line was simply left out.
    pub used: Option<Text>,
    /// What to write instead.
    pub hint: Option<Text>,
    /// The line itself, shortened, with secrets masked; none when no single line is meant.
    pub text: Option<String>,
}

/// A [`Diagnostic`] in the words of one language, in the form that `genpack config check --json` prints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SaidDiagnostic<'a> {
    line: Option<u32>,
    column: Option<u32>,
    section: Option<&'a str>,
    key: Option<&'a str>,
    severity: Severity,
    problem: String,
    used: Option<String>,
    hint: Option<String>,
    text: Option<&'a str>,
}

impl Diagnostic {
    /// Whether it says that something else is used in place of the whole file.
    pub fn replaces_file(&self) -> bool {
        self.line.is_none() && self.used.is_some()
    }

    /// Returns it in the words that `say` finds for each text.
    pub fn said(&self, say: impl Fn(&Text) -> String) -> SaidDiagnostic<'_> {
        SaidDiagnostic {
            line: self.line,
            column: self.column,
            section: self.section.as_deref(),
            key: self.key.as_deref(),
            severity: self.severity,
            problem: say(&self.problem),
            used: self.used.as_ref().map(&say),
            hint: self.hint.as_ref().map(&say),
            text: self.text.as_deref(),
        }
    }
}

/// What became of the search for `system.ini`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "state")]
pub enum SettingsFile {
    /// It was read.
    Read {
        /// Its name on the card, as found.
        name: String,
    },
    /// There is none.
    Missing,
    /// Something of that name is there, and it can't be used.
    Unusable {
        /// Its name on the card, as found.
        name: String,
        /// Why, as a phrase.
        reason: Text,
    },
}

/// Something other than a line of `system.ini` that a person should know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// How much it matters.
    pub severity: Severity,
    /// A whole sentence.
    pub text: Text,
}

/// How long a step of the boot took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timing {
    /// Name of the step.
    pub step: String,
    /// Milliseconds.
    pub millis: u64,
}

/// What PID 1 found and did; `/run/genpack/report.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BootReport {
    /// What the running image says about itself.
    pub image: ImageInfo,
    /// The slot that was started.
    pub slot: Slot,
    /// The language in which the device speaks.
    #[serde(default)]
    pub language: Language,
    /// The host name in effect.
    pub hostname: Hostname,
    /// The host name without a line in `system.ini`; none in a report that PID 1 did not write.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_hostname: Option<Hostname>,
    /// The time zone in effect.
    pub timezone: TimeZone,
    /// What became of `system.ini`.
    pub file: SettingsFile,
    /// What was found in it, in the order of its lines.
    pub diagnostics: Vec<Diagnostic>,
    /// What PID 1 had to work around.
    pub notices: Vec<Notice>,
    /// How long each step took, in the order of the boot.
    pub timings: Vec<Timing>,
}

/// Where an address came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AddressOrigin {
    /// A DHCPv4 lease.
    Dhcp,
    /// The settings file.
    Static,
    /// IPv6 by router advertisement.
    RouterAdvertisement,
    /// IPv6 link-local: works on the same wire only.
    LinkLocal,
}

/// An address that the kernel has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressReport {
    /// The address with its prefix length.
    pub address: IpNet,
    /// Where it came from.
    pub origin: AddressOrigin,
}

/// What a link is when it is not just a wired port.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LinkKind {
    /// A wired port.
    #[default]
    Wired,
    /// A radio.
    Wireless {
        /// The name of the network (SSID) that it is connected to.
        ssid: Option<String>,
    },
    /// A VLAN.
    Vlan {
        /// The port that carries it.
        parent: String,
        /// Its ID.
        id: u16,
    },
    /// A bridge.
    Bridge {
        /// The ports that it joins.
        ports: Vec<String>,
    },
    /// A bond.
    Bond {
        /// The ports that it joins.
        ports: Vec<String>,
    },
    /// A WireGuard tunnel.
    Wireguard,
    /// A port that belongs to a bridge or bond and has no address of its own.
    Member {
        /// The bridge or bond.
        of: String,
    },
    /// A port that is off but for the VLANs that it carries.
    VlansOnly,
    /// A port that another program takes care of.
    Managed {
        /// The program.
        by: String,
    },
}

impl LinkKind {
    /// Whether it is just a wired port.
    pub fn is_wired(&self) -> bool {
        *self == LinkKind::Wired
    }

    /// Whether a cable says something about it.
    pub fn has_cable(&self) -> bool {
        !matches!(self, LinkKind::Wireguard | LinkKind::Wireless { .. })
    }
}

/// The state of one port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkReport {
    /// The kernel's name for it.
    pub name: String,
    /// Its hardware address.
    pub mac: Option<MacAddress>,
    /// Whether a cable with something alive at its other end is plugged in.
    pub carrier: bool,
    /// What it is.
    #[serde(default, skip_serializing_if = "LinkKind::is_wired")]
    pub kind: LinkKind,
    /// What the settings ask of it.
    pub method: crate::settings::Method,
    /// Addresses in use.
    pub addresses: Vec<AddressReport>,
    /// Default gateways in use.
    pub gateways: Vec<IpAddr>,
    /// What went wrong, as whole sentences.
    pub problems: Vec<Text>,
}

/// What came of one line of `[services]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceReport {
    /// The unit.
    pub unit: UnitName,
    /// What the settings ask.
    pub wanted: bool,
    /// What went wrong, as a whole sentence; none when it is as wanted.
    pub problem: Option<Text>,
}

/// A unit that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "FailedUnitForm")]
pub struct FailedUnit {
    /// Its name.
    pub unit: String,
    /// The last lines that it left in the journal since the start of the device, the oldest first: plain characters only.
    pub lines: Vec<String>,
}

/// Reports of earlier versions have the name alone.
#[derive(Deserialize)]
#[serde(untagged)]
enum FailedUnitForm {
    Name(String),
    Whole {
        unit: String,
        #[serde(default)]
        lines: Vec<String>,
    },
}

impl From<FailedUnitForm> for FailedUnit {
    fn from(form: FailedUnitForm) -> FailedUnit {
        match form {
            FailedUnitForm::Name(unit) => FailedUnit {
                unit,
                lines: Vec::new(),
            },
            FailedUnitForm::Whole { unit, lines } => FailedUnit { unit, lines },
        }
    }
}

/// [`crate::layout::card::LAST_GOOD_INI`] on the card.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastGood {
    /// When it was written, in seconds since 1970 (UTC); none when the clock was not set then.
    pub written: Option<u64>,
}

/// The name by which other devices on the same wire find this one without any server (Multicast DNS).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocalName {
    /// The name; `kitchen.local`.
    pub name: String,
    /// The name that was wanted; none when it is the one in use. Another device has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken: Option<String>,
}

/// What the config agent found and did; `/run/genpack/run-report.json`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunReport {
    /// Every port.
    pub links: Vec<LinkReport>,
    /// Name servers in use.
    pub dns: Vec<IpAddr>,
    /// Every line of `[services]`.
    pub services: Vec<ServiceReport>,
    /// Units that failed, whoever started them.
    pub failed_units: Vec<FailedUnit>,
    /// Whether the machine has finished starting.
    pub started: bool,
    /// The settings that a person can go back to; none when there are none, or when they are the ones in use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_good: Option<LastGood>,
    /// The name by which the device is found on its own wire; none when there is none, or it is not certain yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local_name: Option<LocalName>,
    /// What else a person should know.
    pub notices: Vec<Notice>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_unit_may_be_its_name_alone() {
        let json = r#"["a.service", {"unit": "b.service", "lines": ["no such file"]}]"#;
        let units: Vec<FailedUnit> = serde_json::from_str(json).unwrap();
        assert_eq!((units[0].unit.as_str(), units[0].lines.len()), ("a.service", 0));
        assert_eq!(units[1].lines, ["no such file"]);
        let json = serde_json::to_string(&units).unwrap();
        assert_eq!(serde_json::from_str::<Vec<FailedUnit>>(&json).unwrap(), units);
    }
}
