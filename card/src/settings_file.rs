//! Finding `system.ini` on the card, whatever a person's computer made of its name, and reading it in bounded memory.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use genpack_spec::layout::card::SYSTEM_INI;
use genpack_spec::report::{Diagnostic, SettingsFile};
use genpack_spec::system_ini::SIZE_LIMIT;
use genpack_spec::system_ini::candidates::{self, Choice, Content};
use genpack_spec::text;
use genpack_spec::text::Text;
use nix::errno::Errno;
use nix::fcntl::OFlag;

/// What the search for `system.ini` brought.
#[derive(Debug)]
pub struct FoundSettings {
    /// What became of the search.
    pub state: SettingsFile,
    /// The file's bytes; empty unless it was read.
    pub bytes: Vec<u8>,
    /// What to say about the choice of the file: it has another name, or others are there too. They belong in front of
    /// what its lines give.
    pub remarks: Vec<Diagnostic>,
}

/// Looks in the folder `root` for `system.ini` and for what may be meant as it ([`candidates`]), and reads it.
///
/// Never fails: a missing or unusable file is an answer like any other.
pub fn read_settings(root: &Path) -> FoundSettings {
    let Choice { name, remarks } = match find(root) {
        Ok(choice) => choice,
        Err(error) => {
            let reason = text!("the card can't be read ({reason})", reason = error);
            return found(unusable(SYSTEM_INI.into(), reason), Vec::new());
        }
    };
    let outcome = match name {
        None => (SettingsFile::Missing, Vec::new()),
        Some(name) => match read_bounded(&root.join(&name)) {
            Ok(bytes) => (SettingsFile::Read { name }, bytes),
            Err(reason) => unusable(name, reason),
        },
    };
    found(outcome, remarks)
}

fn found((state, bytes): (SettingsFile, Vec<u8>), remarks: Vec<Diagnostic>) -> FoundSettings {
    FoundSettings {
        state,
        bytes,
        remarks,
    }
}

fn unusable(name: String, reason: Text) -> (SettingsFile, Vec<u8>) {
    (SettingsFile::Unusable { name, reason }, Vec::new())
}

fn find(root: &Path) -> io::Result<Choice> {
    let mut names = Vec::new();
    for entry in fs::read_dir(root)? {
        names.extend(entry?.file_name().into_string());
    }
    let look = |name: &str| match read_bounded(&root.join(name)) {
        Err(_) => Content::Unusable,
        Ok(bytes) if candidates::says_nothing(&bytes) => Content::Nothing,
        Ok(_) => Content::Settings,
    };
    Ok(candidates::choose(names, look))
}

fn read_bounded(path: &Path) -> Result<Vec<u8>, Text> {
    let unreadable = |error: io::Error| text!("it can't be read ({reason})", reason = error);
    // Nothing is followed, and nothing waited for: a card or a stick may be anybody's.
    let file = File::options()
        .read(true)
        .custom_flags((OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits())
        .open(path);
    let file = match file {
        Err(error) if error.raw_os_error() == Some(Errno::ELOOP as i32) => {
            return Err(text!("it is not an ordinary file"));
        }
        file => file.map_err(unreadable)?,
    };
    let metadata = file.metadata().map_err(unreadable)?;
    if metadata.is_dir() {
        return Err(text!("it is a folder, not a file"));
    }
    if !metadata.is_file() {
        return Err(text!("it is not an ordinary file"));
    }
    let mut bytes = Vec::new();
    file.take(SIZE_LIMIT as u64 + 1)
        .read_to_end(&mut bytes)
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
    fn what_is_no_file_is_neither_followed_nor_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("system.ini");
        let reason = || match state(dir.path()) {
            SettingsFile::Unusable { reason, .. } => reason.english(),
            other => panic!("{other:?}"),
        };
        std::os::unix::fs::symlink("/etc/hostname", &path).unwrap();
        assert_eq!(reason(), "it is not an ordinary file");
        fs::remove_file(&path).unwrap();
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert_eq!(reason(), "it is not an ordinary file");
    }

    #[test]
    fn a_folder_that_is_not_there_is_an_answer() {
        let state = state(Path::new("/nonexistent"));
        assert!(matches!(state, SettingsFile::Unusable { .. }), "{state:?}");
    }

    #[test]
    fn a_file_of_another_name_is_found_and_named() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
        for name in [
            "._system.ini",
            ".DS_Store",
            "Thumbs.db",
            "~$system.ini",
            "desktop.ini",
            "STATUS.txt",
        ] {
            write(name, "hostname = wrong");
        }
        assert_eq!(state(dir.path()), SettingsFile::Missing);
        write("system - Copy.ini", "hostname = copy");
        write("system.ini.txt", "hostname = meant");
        write(
            "system.ini",
            "# as on a new card\r\n[system]\r\n;hostname = kitchen\r\n",
        );
        let found = read_settings(dir.path());
        assert_eq!(found.bytes, b"hostname = meant");
        let said: Vec<_> = found
            .remarks
            .iter()
            .map(|remark| remark.problem.english())
            .collect();
        assert_eq!(
            said,
            [
                "no setting is written in system.ini; system.ini.txt was used",
                "system - Copy.ini is on the card too, and was not used"
            ]
        );
        write("system.ini", "hostname = kitchen");
        assert_eq!(read_settings(dir.path()).bytes, b"hostname = kitchen");
    }

    #[test]
    fn a_folder_does_not_hide_a_file() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("system.ini")).unwrap();
        fs::write(dir.path().join("system (1).ini"), "hostname = kitchen").unwrap();
        let found = read_settings(dir.path());
        assert_eq!(
            found.state,
            SettingsFile::Read {
                name: "system (1).ini".into()
            }
        );
        assert_eq!(
            found.remarks[0].problem.english(),
            "system.ini cannot be used; system (1).ini was used"
        );
    }
}
