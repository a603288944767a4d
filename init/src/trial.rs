//! Settings that were on trial when the machine went off: nobody has confirmed them, so those before them hold again.

use genpack_card::trial::{Outcome, take_back_on};
use genpack_card::{Card, FoundSettings, read_settings};
use genpack_spec::report::{SettingsFile, Severity};
use genpack_spec::text;
use genpack_spec::text::Text;

use crate::log::Log;

/// Takes a trial back, if one is on, and returns the settings file to use.
pub fn take_back(card: &Card, log: &mut Log) -> FoundSettings {
    let Some((outcome, written)) = take_back_on(card) else {
        return read_settings(card.root());
    };
    log.notice(severity(&outcome), sentence(&outcome));
    let Err(error) = written else {
        return read_settings(card.root());
    };
    log.notice(
        Severity::Error,
        text!(
            "The card can't be written ({reason}), so the settings there are still those that were taken back.",
            reason = format!("{error:#}")
        ),
    );
    match outcome {
        Outcome::TakenBack { file, previous } => before(file, previous),
        _ => read_settings(card.root()),
    }
}

/// The settings of before, although the card shows others.
fn before(file: String, previous: Option<Vec<u8>>) -> FoundSettings {
    FoundSettings {
        state: match previous {
            Some(_) => SettingsFile::Read { name: file },
            None => SettingsFile::Missing,
        },
        bytes: previous.unwrap_or_default(),
        remarks: Vec::new(),
    }
}

fn severity(outcome: &Outcome) -> Severity {
    match outcome {
        Outcome::TakenBack { .. } | Outcome::Edited => Severity::Warning,
        Outcome::Lost(_) => Severity::Error,
    }
}

fn sentence(outcome: &Outcome) -> Text {
    match outcome {
        Outcome::TakenBack { file, .. } => text!(
            "The last change of {file} was taken back, because the device was restarted before anybody confirmed it.",
            file
        ),
        Outcome::Edited => text!(
            "A change of the settings was waiting to be confirmed; the file has been changed again since, so it holds as \
             it is now."
        ),
        Outcome::Lost(reason) => text!(
            "A change of the settings that nobody confirmed could not be taken back: {reason}.",
            reason = reason.clone()
        ),
    }
}

#[cfg(test)]
mod tests {
    use genpack_card::trial;

    use super::*;

    /// A folder that is no mount point is a card that can't be made writable.
    #[test]
    fn a_card_that_cannot_be_written_starts_with_the_settings_before() {
        let dir = tempfile::tempdir().unwrap();
        for (previous, state) in [
            (
                Some(&b"hostname = old"[..]),
                SettingsFile::Read {
                    name: "system.ini".into(),
                },
            ),
            (None, SettingsFile::Missing),
        ] {
            for step in trial::begin("system.ini", previous, b"hostname = new") {
                if let genpack_card::Step::Write { path, content } = step {
                    let path = dir.path().join(path);
                    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                    std::fs::write(path, content).unwrap();
                }
            }
            let mut log = Log::start();
            let found = take_back(&Card::at(dir.path()), &mut log);
            assert_eq!(found.bytes, previous.unwrap_or_default());
            assert_eq!(found.state, state);
            let said: Vec<_> = log.notices.iter().map(|notice| notice.text.english()).collect();
            assert!(
                said[0].starts_with("The last change of system.ini was taken back"),
                "{said:?}"
            );
            assert!(said[1].starts_with("The card can't be written"), "{said:?}");
        }
    }

    #[test]
    fn without_a_trial_nothing_is_said() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("system.ini"), "hostname = kitchen").unwrap();
        let mut log = Log::start();
        assert_eq!(
            take_back(&Card::at(dir.path()), &mut log).bytes,
            b"hostname = kitchen"
        );
        assert!(log.notices.is_empty());
    }
}
