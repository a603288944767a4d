//! The trial that is on, as a later life of the agent within the same start of the machine finds it.

use std::fs;
use std::io;

use serde::{Deserialize, Serialize};

use genpack_spec::report::BootReport;
use genpack_spec::settings::Settings;

use super::reader::random;
use crate::time::uptime;
use crate::{Paths, files};

/// A trial of settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trial {
    /// By which whoever began it names it.
    pub token: String,
    /// Seconds from its begin to its end.
    pub revert_after: u32,
    /// When it is taken back, in seconds since the machine was started.
    pub deadline: u64,
    /// Whether the settings hold; before, the one who began it was told nothing.
    pub applied: bool,
    /// The settings that held before.
    pub settings_before: Settings,
    /// The report that was true before.
    pub boot_before: BootReport,
}

impl Trial {
    /// Returns a trial that begins now, of settings that take the place of these.
    pub fn begin(revert_after: u32, settings_before: Settings, boot_before: BootReport) -> io::Result<Trial> {
        let mut bytes = [0; 8];
        random(&mut bytes)?;
        Ok(Trial {
            token: bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
            revert_after,
            deadline: uptime() + u64::from(revert_after),
            applied: false,
            settings_before,
            boot_before,
        })
    }

    /// Returns the seconds that are left.
    pub fn left(&self) -> u64 {
        self.deadline.saturating_sub(uptime())
    }

    /// Keeps it under `/run`.
    pub fn store(&self, paths: &Paths) -> io::Result<()> {
        files::write_private(&paths.trial(), &serde_json::to_vec(self)?)
    }

    /// Returns the one that is kept; none when there is none.
    pub fn load(paths: &Paths) -> Option<Trial> {
        let bytes = fs::read(paths.trial()).ok()?;
        serde_json::from_slice(&bytes)
            .inspect_err(|error| log::warn!("{}: {error}", paths.trial().display()))
            .ok()
    }

    /// Forgets what is kept.
    pub fn forget(paths: &Paths) {
        if let Err(error) = files::remove(&paths.trial()) {
            log::warn!("{}: {error}", paths.trial().display());
        }
    }
}
