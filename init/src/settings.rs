//! Step 7's reading half: `system.ini` becomes settings.

use std::fs;
use std::path::Path;

use genpack_card::read_settings;
use genpack_spec::layout;
use genpack_spec::report::{Diagnostic, SettingsFile};
use genpack_spec::settings::Settings;
use genpack_spec::system_ini::{self, Context};
use genpack_spec::types::{Hostname, TimeZone};

/// What the card's `system.ini` comes to.
pub struct Read {
    /// What became of the search for it.
    pub file: SettingsFile,
    /// The effective settings.
    pub settings: Settings,
    /// What was found in it.
    pub diagnostics: Vec<Diagnostic>,
}

/// Reads `system.ini` from the card at `card`, for the system mounted at `system`. Never fails: what can't be read
/// gives the defaults.
pub fn read(card: &Path, system: &Path, default_hostname: &Hostname) -> Read {
    let found = read_settings(card);
    let zones = system.join(layout::ZONEINFO.trim_start_matches('/'));
    let timezone = |name: &str| find_timezone(&zones, name);
    let context = Context {
        default_hostname,
        time_zone: &timezone,
    };
    let parsed = system_ini::parse(&found.bytes, &context);
    Read {
        file: found.state,
        settings: parsed.settings,
        diagnostics: parsed.diagnostics,
    }
}

/// Returns the zone below `zones` that has this name in any case.
fn find_timezone(zones: &Path, name: &str) -> Option<TimeZone> {
    let wanted: TimeZone = name.parse().ok()?;
    let mut place = zones.to_path_buf();
    let mut spelling = Vec::new();
    for part in wanted.as_str().split('/') {
        let exact = place.join(part).exists().then(|| part.to_string());
        let found = exact.or_else(|| {
            let names = fs::read_dir(&place)
                .ok()?
                .flatten()
                .filter_map(|entry| entry.file_name().into_string().ok());
            names.filter(|name| name.eq_ignore_ascii_case(part)).min()
        })?;
        place.push(&found);
        spelling.push(found);
    }
    // tzfile(5): every compiled zone begins so; tables and indexes of the same folder do not.
    let is_zone = fs::read(&place).is_ok_and(|bytes| bytes.starts_with(b"TZif"));
    is_zone.then(|| spelling.join("/").parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_are_found_in_any_case_and_nothing_else_is() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("Asia")).unwrap();
        fs::write(dir.path().join("Asia/Tokyo"), "TZif2").unwrap();
        fs::write(dir.path().join("leapseconds"), "# a table").unwrap();
        let find = |name| find_timezone(dir.path(), name).map(|zone| zone.to_string());
        assert_eq!(find("Asia/Tokyo").as_deref(), Some("Asia/Tokyo"));
        assert_eq!(find("asia/TOKYO").as_deref(), Some("Asia/Tokyo"));
        for name in ["Asia", "Asia/Kyoto", "leapseconds", "../Asia/Tokyo", ""] {
            assert_eq!(find(name), None, "{name}");
        }
    }
}
