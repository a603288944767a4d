//! What is to be kept, as data: from the blueprint, `system.ini`, the kernel command line, and what the disk offers.

use genpack_spec::report::Severity;
use genpack_spec::settings::{Persistence, Storage};
use genpack_spec::storage::{Persist, PersistPath};
use genpack_spec::text;
use genpack_spec::text::Text;

/// What blueprint and settings ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Whether everything that is written is kept.
    pub everything: bool,
    /// Folders that are kept by themselves, also beside everything else: so a change of the setting leaves their content
    /// where it is.
    pub folders: Vec<PersistPath>,
    /// The word of `factory_reset`.
    pub reset: Option<String>,
    /// What the person should know about it.
    pub remark: Option<(Severity, Text)>,
}

/// Where the layers of the running system lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layers {
    /// Where what is written at run time goes.
    pub upper: Upper,
    /// Folders of the data partition that are mounted over those of the system.
    pub folders: Vec<PersistPath>,
}

/// Where the overlay's upper layer lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Upper {
    /// In memory: it is new at every start.
    Memory,
    /// On the data partition.
    Data,
}

impl Wanted {
    /// Returns what an image with this `persist` keeps under these settings. `transient`: the kernel command line asks for
    /// a start that leaves no trace.
    pub fn new(persist: Option<&Persist>, settings: &Storage, transient: bool) -> Wanted {
        let mut wanted = Wanted {
            everything: false,
            folders: Vec::new(),
            reset: None,
            remark: None,
        };
        // What the settings say about storage that the image lacks was answered when they were read.
        let Some(persist) = persist else {
            return wanted;
        };
        if transient {
            let text = text!(
                "The device was started with genpack.transient: nothing that was kept is there, and nothing is kept."
            );
            wanted.remark = Some((Severity::Note, text));
            return wanted;
        }
        wanted.reset = settings.factory_reset.clone();
        wanted.everything = match settings.persistence {
            None => *persist == Persist::All,
            Some(persistence) => persistence == Persistence::All,
        };
        if settings.persistence != Some(Persistence::None) {
            wanted.folders = persist.folders().to_vec();
        }
        if settings.persistence == Some(Persistence::Paths) && wanted.folders.is_empty() {
            let text = text!(
                "With persistence = paths this device keeps nothing, because its maker has chosen no folders."
            );
            wanted.remark = Some((Severity::Warning, text));
        }
        wanted
    }

    /// Whether the running system uses the data partition.
    pub fn keeps(&self) -> bool {
        self.everything || !self.folders.is_empty()
    }

    /// Whether the data partition is needed at all.
    pub fn needs_partition(&self) -> bool {
        self.keeps() || self.reset.is_some()
    }

    /// Returns the layers of the running system, with or without a data partition that can be used.
    pub fn layers(self, partition: bool) -> Layers {
        Layers {
            upper: match partition && self.everything {
                true => Upper::Data,
                false => Upper::Memory,
            },
            folders: match partition {
                true => self.folders,
                false => Vec::new(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(persist: Option<&str>, settings: &str, transient: bool) -> Wanted {
        let persist: Option<Persist> = persist.map(|json| serde_json::from_str(json).unwrap());
        Wanted::new(
            persist.as_ref(),
            &serde_json::from_str(settings).unwrap(),
            transient,
        )
    }

    #[test]
    fn blueprint_settings_and_disk_decide_together() {
        use Upper::{Data, Memory};
        const FOLDERS: &str = r#"["/srv", "/home"]"#;
        const ALL: &str = r#""all""#;
        let table: [(Option<&str>, &str, Upper, usize); 12] = [
            (None, "{}", Memory, 0),
            (None, r#"{"persistence": "all"}"#, Memory, 0),
            (Some("[]"), "{}", Memory, 0),
            (Some("[]"), r#"{"persistence": "all"}"#, Data, 0),
            (Some(FOLDERS), "{}", Memory, 2),
            (Some(FOLDERS), r#"{"persistence": "paths"}"#, Memory, 2),
            (Some(FOLDERS), r#"{"persistence": "none"}"#, Memory, 0),
            (Some(FOLDERS), r#"{"persistence": "all"}"#, Data, 2),
            (Some(ALL), "{}", Data, 0),
            (Some(ALL), r#"{"persistence": "all"}"#, Data, 0),
            (Some(ALL), r#"{"persistence": "paths"}"#, Memory, 0),
            (Some(ALL), r#"{"persistence": "none"}"#, Memory, 0),
        ];
        for (persist, settings, upper, folders) in table {
            let case = format!("{persist:?} {settings}");
            let wants = wanted(persist, settings, false);
            assert_eq!(wants.keeps(), upper == Data || folders > 0, "{case}");
            let layers = wants.layers(true);
            assert_eq!((layers.upper, layers.folders.len()), (upper, folders), "{case}");
            // Whatever is wanted, a device without a usable data partition starts with its memory.
            let layers = wanted(persist, settings, false).layers(false);
            assert_eq!((layers.upper, layers.folders.len()), (Memory, 0), "{case}");
            // So does one that shall leave no trace, without a look at the partition.
            let transient = wanted(persist, settings, true);
            assert!(
                !transient.needs_partition() && transient.remark.is_some() == persist.is_some(),
                "{case}"
            );
        }
    }

    #[test]
    fn a_reset_needs_the_partition_even_when_nothing_is_kept() {
        let settings = r#"{"persistence": "none", "factory_reset": "now"}"#;
        let wants = wanted(Some(r#""all""#), settings, false);
        assert!(!wants.keeps() && wants.needs_partition());
        assert!(!wanted(Some(r#""all""#), r#"{"persistence": "none"}"#, false).needs_partition());
        assert!(!wanted(None, settings, false).needs_partition());
        assert!(!wanted(Some(r#""all""#), settings, true).needs_partition());
    }

    #[test]
    fn paths_without_any_is_told() {
        assert!(
            wanted(Some(r#""all""#), r#"{"persistence": "paths"}"#, false)
                .remark
                .is_some()
        );
        assert!(
            wanted(Some(r#"["/srv"]"#), r#"{"persistence": "paths"}"#, false)
                .remark
                .is_none()
        );
    }
}
