//! What PID 1 left for the agent. Nothing here fails: what can't be read is a default and a notice.

use std::fs;
use std::path::Path;

use genpack_spec::cmdline::Slot;
use genpack_spec::facts::Facts;
use genpack_spec::image::{ImageInfo, SettingsFrom};
use genpack_spec::report::{BootReport, Notice, SettingsFile, Severity};
use genpack_spec::settings::Settings;
use genpack_spec::text;
use genpack_spec::text::{Language, Text};
use genpack_spec::types::{Hostname, TimeZone};
use serde::de::DeserializeOwned;

use crate::{Paths, services};

/// The settings and the report of the boot.
#[derive(Debug)]
pub struct Loaded {
    /// The settings in effect; among the services also those that other settings turn on or off.
    pub settings: Settings,
    /// What PID 1 found and did.
    pub boot: BootReport,
    /// What was missing.
    pub notices: Vec<Notice>,
}

/// Reads both.
pub fn load(paths: &Paths) -> Loaded {
    let mut notices = Vec::new();
    let mut notice = |text: Text| {
        log::warn!("{}", text.english());
        notices.push(Notice {
            severity: Severity::Error,
            text,
        });
    };
    let mut settings: Settings = read(&paths.settings()).unwrap_or_else(|problem| {
        notice(text!(
            "The settings could not be taken over from the start of the device ({problem}); defaults are used.",
            problem
        ));
        Settings::default()
    });
    // PID 1 has told already that an image does not say what it has.
    let facts: Facts = read(&paths.facts()).unwrap_or_default();
    settings.services = services::wanted(&settings, &facts);
    let boot = read(&paths.boot_report()).unwrap_or_else(|problem| {
        notice(text!(
            "The report about the start of the device is missing ({problem}).",
            problem
        ));
        without_report(paths)
    });
    Loaded {
        settings,
        boot,
        notices,
    }
}

/// Returns what a JSON file has; the error has its path.
pub(crate) fn read<T: DeserializeOwned>(path: &Path) -> Result<T, String> {
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))
}

fn without_report(paths: &Paths) -> BootReport {
    let image: ImageInfo = read(&paths.image_info()).unwrap_or_else(|_| ImageInfo {
        name: "genpack".into(),
        profile: String::new(),
        base: String::new(),
        kernel: String::new(),
        epoch: 0,
        language: Language::default(),
        settings_from: SettingsFrom::default(),
        persist: None,
    });
    let hostname = nix::unistd::gethostname()
        .ok()
        .and_then(|name| name.into_string().ok())
        .and_then(|name| name.parse().ok())
        .unwrap_or_else(|| Hostname::default_for(&image.name, None));
    BootReport {
        language: image.language,
        image,
        slot: Slot::A,
        hostname,
        default_hostname: None,
        timezone: TimeZone::utc(),
        file: SettingsFile::Missing,
        diagnostics: Vec::new(),
        notices: Vec::new(),
        timings: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_and_nonsense_are_defaults_with_notices() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::below(dir.path());
        let loaded = load(&paths);
        assert_eq!(loaded.settings, Settings::default());
        assert_eq!(loaded.notices.len(), 2);

        fs::create_dir_all(paths.run_dir()).unwrap();
        fs::write(paths.settings(), "{\"network\": 5").unwrap();
        assert!(load(&paths).notices[0].text.english().contains("settings.json"));

        fs::write(paths.settings(), r#"{"services": {"nginx.service": false}}"#).unwrap();
        let loaded = load(&paths);
        assert_eq!((loaded.settings.services.len(), loaded.notices.len()), (1, 1));
    }
}
