//! Settings that take the place of others, and the files under `/run` from which a later life of the agent knows them.

use std::fs;
use std::io;

use genpack_spec::report::{BootReport, Diagnostic, Notice, SettingsFile, Severity};
use genpack_spec::settings::Settings;
use genpack_spec::text;
use serde::Serialize;

use crate::system::{self, Outcome, needs_restart};
use crate::{Paths, files};

/// Settings that hold from now on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adoption {
    /// All of them.
    pub settings: Settings,
    /// The report of the boot, with what is true of the file now.
    pub boot: BootReport,
    /// What else there is to say about the change.
    pub notices: Vec<Notice>,
}

/// What the file under `/run` says that the network worked with.
pub enum InUse<'a> {
    /// This file.
    File(&'a [u8]),
    /// This file, but only on trial.
    Trial(&'a [u8]),
    /// The file from before the trial.
    Before,
    /// None that could be kept.
    Nothing,
}

/// Returns the report after a change of the file.
pub fn report(
    boot: &BootReport,
    file: SettingsFile,
    settings: &Settings,
    diagnostics: Vec<Diagnostic>,
) -> BootReport {
    BootReport {
        file,
        diagnostics,
        ..system::report(boot, settings, &Outcome::default())
    }
}

impl Adoption {
    /// Leaves it under `/run`. `before` are the settings whose place it takes.
    pub fn leave(&self, paths: &Paths, before: &Settings, file: InUse<'_>) -> io::Result<()> {
        if !paths.boot_settings().exists() {
            write(paths.boot_settings().as_path(), before)?;
        }
        write(&paths.settings(), &self.settings)?;
        write(&paths.boot_report(), &self.boot)?;
        let (used, kept) = (paths.settings_file(), paths.before_file());
        match file {
            InUse::Trial(bytes) => {
                files::write_private(&paths.trial_file(), bytes)?;
                match fs::rename(&used, &kept) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
                    renamed => renamed,
                }
            }
            InUse::Before => {
                files::remove(&paths.trial_file())?;
                match fs::rename(&kept, &used) {
                    // It is back already, or there was none.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
                    renamed => renamed,
                }
            }
            InUse::File(_) | InUse::Nothing => {
                match file {
                    InUse::File(bytes) => files::write_private(&used, bytes)?,
                    _ => files::remove(&used)?,
                }
                files::remove(&paths.trial_file())?;
                files::remove(&kept)
            }
        }
    }

    /// Adds what holds only after a restart, in comparison with what PID 1 made.
    pub fn with_restart(mut self, paths: &Paths, before: &Settings) -> Adoption {
        let started_with = fs::read(paths.boot_settings())
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let needed = needs_restart(started_with.as_ref().unwrap_or(before), &self.settings);
        if !needed.is_empty() {
            let settings = needed.join(", ");
            self.notices.push(Notice {
                severity: Severity::Warning,
                text: text!("These settings hold after the next start: {settings}.", settings),
            });
        }
        self
    }
}

fn write(path: &std::path::Path, value: &impl Serialize) -> io::Result<()> {
    files::write_private(path, &serde_json::to_vec_pretty(value)?)
}
