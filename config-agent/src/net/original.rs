//! What a port had before the settings changed it, so that it gets it back when they no longer ask for the change.

use std::fs;

use genpack_spec::types::MacAddress;
use serde::{Deserialize, Serialize};

use super::plan::Action;
use super::port::Port;
use crate::Paths;
use crate::files;

/// What a port had; empty when nothing was changed. Kept under `/run` for a restart of the agent, by the kernel's number
/// for the port, which is never used twice in one boot.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Original {
    /// Largest packet in bytes.
    pub mtu: Option<u32>,
    /// Hardware address.
    pub mac: Option<MacAddress>,
}

impl Original {
    /// Reads what was kept for a port.
    pub fn load(paths: &Paths, index: u32) -> Original {
        let text = fs::read_to_string(paths.original(index)).unwrap_or_default();
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// Returns it as it has to be kept before an action is taken.
    pub fn before(mut self, action: &Action, port: &Port) -> Original {
        match action {
            Action::SetMtu(_) => self.mtu = self.mtu.or(Some(port.mtu)),
            Action::SetMac(_) => self.mac = self.mac.or(port.mac),
            _ => {}
        }
        self
    }

    /// Returns it as it is once an action has been taken.
    pub fn after(mut self, action: &Action) -> Original {
        match action {
            Action::RestoreMtu(_) => self.mtu = None,
            Action::RestoreMac(_) => self.mac = None,
            _ => {}
        }
        self
    }

    /// Keeps it, or forgets the port when there is nothing to keep.
    pub fn store(self, paths: &Paths, index: u32) {
        let path = paths.original(index);
        let outcome = match self == Original::default() {
            true => fs::remove_file(&path).or_else(|error| match error.kind() {
                std::io::ErrorKind::NotFound => Ok(()),
                _ => Err(error),
            }),
            false => serde_json::to_string(&self)
                .map_err(std::io::Error::from)
                .and_then(|text| files::write_atomic(&path, &text)),
        };
        if let Err(error) = outcome {
            log::warn!("{} can't be kept: {error}", path.display());
        }
    }
}
