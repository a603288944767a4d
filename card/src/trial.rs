//! A settings file on trial: it holds until somebody confirms it, and is taken back whole if nobody does, also by PID 1 after
//! a power cut.
//!
//! What is to be written is a list of [`Step`]s. Wherever a power cut ends the list, either nothing of the trial counts yet,
//! or the journal [`PENDING_JSON`] is there, which stands for "take it back". Taking back can be cut off and begun again as
//! often as it comes.

use std::io;

use anyhow::Result;
use genpack_spec::layout::card::{PENDING_JSON, PREVIOUS_INI};
use genpack_spec::system_ini::SIZE_LIMIT;
use genpack_spec::text;
use genpack_spec::text::Text;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{Card, Step};

/// The journal: which file is on trial. Files are known by the SHA-256 of their content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Journal {
    /// The file's name on the card.
    file: String,
    /// What it was; none when there was no such file.
    previous: Option<String>,
    /// What it is meanwhile.
    trial: String,
}

/// Longest journal in bytes: names on FAT have at most 255 characters.
const JOURNAL_LIMIT: usize = 4096;

/// What became of a trial that was not confirmed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The file is as it was before.
    TakenBack {
        /// Its name on the card.
        file: String,
        /// Its content; none when there was no such file.
        previous: Option<Vec<u8>>,
    },
    /// The file has been changed since by somebody else, and stays as it is.
    Edited,
    /// What the file was before is not known any more, and it stays as it is; why, as a phrase.
    Lost(Text),
}

/// Returns the steps that put a file on trial.
pub fn begin(file: &str, previous: Option<&[u8]>, trial: &[u8]) -> Vec<Step> {
    let journal = Journal {
        file: file.to_string(),
        previous: previous.map(hash),
        trial: hash(trial),
    };
    let keep = previous.map(|content| write(PREVIOUS_INI, content));
    // Strings have a JSON form.
    let journal = serde_json::to_vec(&journal).unwrap_or_default();
    keep.into_iter()
        .chain([write(PENDING_JSON, &journal), write(file, trial)])
        .collect()
}

/// Returns the steps that end a trial for good. The journal goes first.
pub fn confirm() -> Vec<Step> {
    vec![remove(PENDING_JSON), remove(PREVIOUS_INI)]
}

/// Reads a file of the card, up to a number of bytes; nothing when there is none.
pub type ReadFile<'a> = dyn Fn(&str, usize) -> io::Result<Option<Vec<u8>>> + 'a;

/// Returns what becomes of a trial that is on, and the steps to it; none when there is no trial. `read` returns a file of
/// the card, none when there is none.
pub fn take_back(read: &ReadFile<'_>) -> Option<(Outcome, Vec<Step>)> {
    let journal = match read(PENDING_JSON, JOURNAL_LIMIT) {
        Ok(None) => return None,
        Ok(Some(bytes)) => serde_json::from_slice::<Journal>(&bytes).map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    let journal = match journal {
        Ok(journal) if is_plain_name(&journal.file) => journal,
        Ok(journal) => return Some((Outcome::Lost(unusable(&journal.file)), confirm())),
        Err(reason) => return Some((Outcome::Lost(unusable(&reason)), confirm())),
    };
    // What can't be read is not what the trial wrote.
    let now = read(&journal.file, SIZE_LIMIT).map(|bytes| bytes.as_deref().map(hash));
    let ours = match &now {
        Ok(None) => true,
        Ok(Some(now)) => *now == journal.trial || Some(now) == journal.previous.as_ref(),
        Err(_) => false,
    };
    if !ours {
        return Some((Outcome::Edited, confirm()));
    }
    let (restore, previous) = match &journal.previous {
        None => (remove(&journal.file), None),
        Some(wanted) => match read(PREVIOUS_INI, SIZE_LIMIT) {
            Ok(Some(bytes)) if hash(&bytes) == *wanted => (write(&journal.file, &bytes), Some(bytes)),
            // It has not been changed yet, or is changed back already.
            _ if now.ok().flatten().as_ref() == Some(wanted) => {
                let previous = read(&journal.file, SIZE_LIMIT).ok().flatten();
                let file = journal.file;
                return Some((Outcome::TakenBack { file, previous }, confirm()));
            }
            _ => return Some((Outcome::Lost(unusable(PREVIOUS_INI)), confirm())),
        },
    };
    let mut steps = vec![restore];
    steps.extend(confirm());
    let outcome = Outcome::TakenBack {
        file: journal.file,
        previous,
    };
    Some((outcome, steps))
}

/// Takes back what is on trial on a card. The error is that of writing; the outcome holds all the same for whoever reads the
/// settings now.
pub fn take_back_on(card: &Card) -> Option<(Outcome, Result<()>)> {
    let read = |path: &str, limit| card.read_bounded(path, limit);
    let (outcome, steps) = take_back(&read)?;
    Some((outcome, card.carry_out(&steps)))
}

/// Whether a trial is on.
pub fn is_on(card: &Card) -> bool {
    !matches!(card.read_bounded(PENDING_JSON, JOURNAL_LIMIT), Ok(None))
}

fn unusable(what: &str) -> Text {
    text!("what the device kept of it is damaged ({what})", what)
}

/// Whoever has the card in hand could have written the journal.
fn is_plain_name(name: &str) -> bool {
    !name.is_empty() && name != "." && name != ".." && !name.contains(['/', '\0'])
}

fn write(path: &str, content: &[u8]) -> Step {
    Step::Write {
        path: path.into(),
        content: content.into(),
    }
}

fn remove(path: &str) -> Step {
    Step::Remove { path: path.into() }
}

fn hash(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    const FILE: &str = "System.ini.txt";
    const OLD: &[u8] = b"hostname = old\r\n";
    const NEW: &[u8] = b"hostname = new\r\n";

    /// The moments at which a power cut can end a step, as the medium shows them afterwards. FAT's rename is the delicate one:
    /// both names may be there, or the name of the new file is lost with the old one.
    const CUTS: usize = 5;

    fn cut_off(step: &Step, root: &Path, cut: usize) {
        let Step::Write { path, content } = step else {
            if cut > 2 {
                step.carry_out(root).unwrap();
            }
            return;
        };
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let temporary = path.with_file_name(format!("{}.new", path.file_name().unwrap().display()));
        match cut {
            0 => {}
            1 => fs::write(&temporary, &content[..content.len() / 2]).unwrap(),
            2 => fs::write(&temporary, content).unwrap(),
            3 => {
                fs::write(&temporary, content).unwrap();
                fs::write(&path, content).unwrap();
            }
            _ => fs::write(&path, content).unwrap(),
        }
    }

    fn settle(root: &Path) -> Option<Outcome> {
        let card = Card::at(root);
        let read = |path: &str, limit| card.read_bounded(path, limit);
        let (outcome, steps) = take_back(&read)?;
        steps.iter().for_each(|step| step.carry_out(root).unwrap());
        Some(outcome)
    }

    fn fresh(previous: Option<&[u8]>) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        if let Some(bytes) = previous {
            fs::write(dir.path().join(FILE), bytes).unwrap();
        }
        dir
    }

    fn now(root: &Path) -> Option<Vec<u8>> {
        fs::read(root.join(FILE)).ok()
    }

    fn leftovers(root: &Path) -> bool {
        root.join(PENDING_JSON).exists() || root.join(PREVIOUS_INI).exists()
    }

    /// Carries out whole steps, and of the next one what a power cut leaves.
    fn until(steps: &[Step], whole: usize, cut: usize, root: &Path) {
        steps[..whole]
            .iter()
            .for_each(|step| step.carry_out(root).unwrap());
        if let Some(step) = steps.get(whole) {
            cut_off(step, root, cut);
        }
    }

    #[test]
    fn a_cut_while_it_begins_leaves_what_was_there() {
        for previous in [Some(OLD), Some(&b""[..]), None] {
            let steps = begin(FILE, previous, NEW);
            for whole in 0..=steps.len() {
                for cut in 0..CUTS {
                    let dir = fresh(previous);
                    until(&steps, whole, cut, dir.path());
                    settle(dir.path());
                    assert_eq!(now(dir.path()).as_deref(), previous, "{whole} {cut}");
                    assert!(!dir.path().join(PENDING_JSON).exists());
                    // The next trial is not troubled by what this one left.
                    until(&steps, steps.len(), 0, dir.path());
                    assert_eq!(now(dir.path()).as_deref(), Some(NEW));
                    settle(dir.path()).unwrap();
                    assert_eq!(now(dir.path()).as_deref(), previous, "{whole} {cut}, then again");
                    assert!(!leftovers(dir.path()));
                }
            }
        }
    }

    #[test]
    fn a_cut_while_it_is_confirmed_leaves_either_whole() {
        let steps = confirm();
        for whole in 0..=steps.len() {
            for cut in 0..CUTS {
                let dir = fresh(Some(OLD));
                until(&begin(FILE, Some(OLD), NEW), 3, 0, dir.path());
                until(&steps, whole, cut, dir.path());
                let confirmed = !dir.path().join(PENDING_JSON).exists();
                settle(dir.path());
                let want = if confirmed { NEW } else { OLD };
                assert_eq!(now(dir.path()).as_deref(), Some(want), "{whole} {cut}");
                assert!(!dir.path().join(PENDING_JSON).exists());
            }
        }
    }

    #[test]
    fn a_cut_while_it_is_taken_back_takes_it_back_again() {
        for previous in [Some(OLD), None] {
            for whole in 0..=3 {
                for cut in 0..CUTS {
                    let dir = fresh(previous);
                    let begun = begin(FILE, previous, NEW);
                    until(&begun, begun.len(), 0, dir.path());
                    let card = Card::at(dir.path());
                    let read = |path: &str, limit| card.read_bounded(path, limit);
                    let (_, steps) = take_back(&read).unwrap();
                    until(&steps, whole.min(steps.len()), cut, dir.path());
                    settle(dir.path());
                    assert_eq!(now(dir.path()).as_deref(), previous, "{whole} {cut}");
                }
            }
        }
    }

    #[test]
    fn a_file_that_the_rename_lost_comes_back() {
        let dir = fresh(Some(OLD));
        until(&begin(FILE, Some(OLD), NEW), 3, 0, dir.path());
        fs::remove_file(dir.path().join(FILE)).unwrap();
        let previous = Some(OLD.to_vec());
        let file = FILE.to_string();
        assert_eq!(settle(dir.path()), Some(Outcome::TakenBack { file, previous }));
        assert_eq!(now(dir.path()).as_deref(), Some(OLD));
    }

    #[test]
    fn what_a_person_wrote_meanwhile_stays() {
        let dir = fresh(Some(OLD));
        until(&begin(FILE, Some(OLD), NEW), 3, 0, dir.path());
        fs::write(dir.path().join(FILE), "hostname = mine").unwrap();
        assert_eq!(settle(dir.path()), Some(Outcome::Edited));
        assert_eq!(now(dir.path()).as_deref(), Some(&b"hostname = mine"[..]));
        assert!(!leftovers(dir.path()));
        assert_eq!(settle(dir.path()), None);
    }

    #[test]
    fn rubbish_in_the_state_harms_nothing() {
        for journal in [
            "",
            "{",
            r#"{"file": "../x", "previous": null, "trial": "00"}"#,
            r#"{"file": "", "previous": null, "trial": "00"}"#,
            &"x".repeat(10_000),
        ] {
            let dir = fresh(Some(OLD));
            fs::create_dir_all(dir.path().join("boot/state")).unwrap();
            fs::write(dir.path().join("x"), "").unwrap();
            fs::write(dir.path().join(PENDING_JSON), journal).unwrap();
            assert!(matches!(settle(dir.path()), Some(Outcome::Lost(_))), "{journal}");
            assert_eq!(now(dir.path()).as_deref(), Some(OLD));
            assert!(!leftovers(dir.path()) && dir.path().join("x").exists());
        }
        // The copy is damaged: what is there stays.
        let dir = fresh(Some(OLD));
        until(&begin(FILE, Some(OLD), NEW), 3, 0, dir.path());
        fs::write(dir.path().join(PREVIOUS_INI), "hostn").unwrap();
        assert!(matches!(settle(dir.path()), Some(Outcome::Lost(_))));
        assert_eq!(now(dir.path()).as_deref(), Some(NEW));
    }
}
