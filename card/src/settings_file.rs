//! Finding `system.ini` on the card and reading it in bounded memory.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use genpack_spec::layout::card::SYSTEM_INI;
use genpack_spec::report::SettingsFile;
use genpack_spec::system_ini::SIZE_LIMIT;
use genpack_spec::text;
use genpack_spec::text::Text;

/// What the search for `system.ini` brought.
#[derive(Debug)]
pub struct FoundSettings {
    /// What became of the search.
    pub state: SettingsFile,
    /// The file's bytes; empty unless it was read.
    pub bytes: Vec<u8>,
}

/// Looks for `system.ini` in the folder `root`, whatever the case of its name, and reads it.
///
/// Never fails: a missing or unusable file is an answer like any other.
pub fn read_settings(root: &Path) -> FoundSettings {
    let name = match find(root) {
        Ok(Some(name)) => name,
        Ok(None) => {
            return FoundSettings {
                state: SettingsFile::Missing,
                bytes: Vec::new(),
            };
        }
        Err(error) => {
            return unusable(
                SYSTEM_INI.into(),
                text!("the card can't be read ({reason})", reason = error),
            );
        }
    };
    let path = root.join(&name);
    match read_bounded(&path) {
        Ok(bytes) => FoundSettings {
            state: SettingsFile::Read { name },
            bytes,
        },
        Err(reason) => unusable(name, reason),
    }
}

fn unusable(name: String, reason: Text) -> FoundSettings {
    FoundSettings {
        state: SettingsFile::Unusable { name, reason },
        bytes: Vec::new(),
    }
}

/// Returns the name to use: the exact one first, then any other spelling, in a fixed order.
fn find(root: &Path) -> io::Result<Option<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(root)? {
        if let Ok(name) = entry?.file_name().into_string()
            && name.eq_ignore_ascii_case(SYSTEM_INI)
        {
            names.push(name);
        }
    }
    names.sort_by_key(|name| (name != SYSTEM_INI, name.clone()));
    Ok(names.into_iter().next())
}

fn read_bounded(path: &Path) -> Result<Vec<u8>, Text> {
    let unreadable = |error: io::Error| text!("it can't be read ({reason})", reason = error);
    let metadata = fs::metadata(path).map_err(unreadable)?;
    if metadata.is_dir() {
        return Err(text!("it is a folder, not a file"));
    }
    if !metadata.is_file() {
        return Err(text!("it is not an ordinary file"));
    }
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(SIZE_LIMIT as u64 + 1).read_to_end(&mut bytes))
        .map_err(unreadable)?;
    if bytes.len() > SIZE_LIMIT {
        let megabytes = metadata.len() as f64 / 1_048_576.0;
        return Err(text!(
            "it is {size} MB long, and a settings file may have 1 MB at most",
            size = format!("{megabytes:.1}")
        ));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(root: &Path) -> SettingsFile {
        read_settings(root).state
    }

    #[test]
    fn any_case_is_found_and_the_exact_one_preferred() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(state(dir.path()), SettingsFile::Missing);
        fs::write(dir.path().join("SYSTEM.INI"), "upper").unwrap();
        assert_eq!(
            state(dir.path()),
            SettingsFile::Read {
                name: "SYSTEM.INI".into()
            }
        );
        fs::write(dir.path().join("system.ini"), "exact").unwrap();
        let found = read_settings(dir.path());
        assert_eq!(
            found.state,
            SettingsFile::Read {
                name: "system.ini".into()
            }
        );
        assert_eq!(found.bytes, b"exact");
    }

    #[test]
    fn folders_and_giants_are_named_as_such() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("system.ini");
        fs::create_dir(&path).unwrap();
        let SettingsFile::Unusable { reason, .. } = state(dir.path()) else {
            panic!("a folder was used")
        };
        assert_eq!(reason.english(), "it is a folder, not a file");

        fs::remove_dir(&path).unwrap();
        fs::write(&path, vec![b'#'; SIZE_LIMIT]).unwrap();
        assert!(matches!(state(dir.path()), SettingsFile::Read { .. }));
        fs::write(&path, vec![b'#'; 5 * 1024 * 1024]).unwrap();
        let SettingsFile::Unusable { reason, .. } = state(dir.path()) else {
            panic!("5 MB were used")
        };
        assert_eq!(
            reason.english(),
            "it is 5.0 MB long, and a settings file may have 1 MB at most"
        );
    }

    #[test]
    fn a_folder_that_is_not_there_is_an_answer() {
        let state = state(Path::new("/nonexistent"));
        assert!(matches!(state, SettingsFile::Unusable { .. }), "{state:?}");
    }
}
