//! Which of wpa_supplicant's networks are ours, so that a restart of the agent drops no connection.

use std::collections::BTreeMap;

use genpack_spec::settings::Wifi;

use crate::{Paths, files};

/// For each radio, by name: wpa_supplicant's path of a network, and what it was told about it. Holds passwords.
#[derive(Default)]
pub(super) struct Record(BTreeMap<String, BTreeMap<String, Wifi>>);

impl Record {
    /// Reads what an earlier life of the agent left.
    pub fn load(paths: &Paths) -> Record {
        let text = std::fs::read_to_string(paths.wifi_record()).unwrap_or_default();
        Record(serde_json::from_str(&text).unwrap_or_default())
    }

    /// Whether there are none of ours.
    pub fn is_empty(&self) -> bool {
        self.0.values().all(BTreeMap::is_empty)
    }

    /// Returns our networks of a radio, by path.
    pub fn of(&self, radio: &str) -> BTreeMap<String, Wifi> {
        self.0.get(radio).cloned().unwrap_or_default()
    }

    /// Keeps our networks of a radio.
    pub fn store(paths: &Paths, radio: &str, networks: &BTreeMap<String, Wifi>) {
        // Read anew: other radios have written theirs meanwhile.
        let mut record = Record::load(paths);
        record.0.insert(radio.to_string(), networks.clone());
        let written = serde_json::to_string(&record.0)
            .map_err(std::io::Error::from)
            .and_then(|text| files::write_private(&paths.wifi_record(), text.as_bytes()));
        if let Err(error) = written {
            log::warn!("{radio}: what it was told can't be kept for a restart: {error}");
        }
    }
}
