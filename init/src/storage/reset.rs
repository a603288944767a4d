//! `factory_reset`: each new word deletes once what was kept.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use genpack_spec::layout::data::{DISCARDED_DIR, FACTORY_RESET, FOLDERS_DIR, OVERLAY_DIR};

/// What came of a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// What was kept is no longer in use.
    Reset,
    /// The word is new, but nothing had been kept yet.
    NothingWasKept,
    /// The word has acted before.
    Known,
}

/// Takes what is kept below `data` out of use if `word` is new. The word is written down when that is done, so that a power cut
/// at any moment leads to one whole reset.
pub fn reset_once(data: &Path, word: &str) -> io::Result<Outcome> {
    let place = data.join(FACTORY_RESET);
    if fs::read(&place).is_ok_and(|known| known == word.as_bytes()) {
        return Ok(Outcome::Known);
    }
    // A power cut may have come between the renames and the word.
    let mut outcome = match fs::symlink_metadata(data.join(DISCARDED_DIR)) {
        Ok(_) => Outcome::Reset,
        Err(_) => Outcome::NothingWasKept,
    };
    for folder in [OVERLAY_DIR, FOLDERS_DIR] {
        let kept = data.join(folder);
        if fs::symlink_metadata(&kept).is_ok() {
            discard(data, &kept)?;
            outcome = Outcome::Reset;
        }
    }
    match write_down(data, word) {
        // There is room once what is out of use is gone, and the kernel gives it away once that is on the medium.
        Err(error) if error.kind() == io::ErrorKind::StorageFull => {
            delete_discarded(data)?;
            nix::unistd::syncfs(File::open(data)?)?;
            write_down(data, word)?;
        }
        written => written?,
    }
    Ok(outcome)
}

fn write_down(data: &Path, word: &str) -> io::Result<()> {
    let temporary = data.join(format!("{FACTORY_RESET}.new"));
    let mut file = File::create(&temporary)?;
    file.write_all(word.as_bytes())?;
    file.sync_all()?;
    fs::rename(&temporary, data.join(FACTORY_RESET))?;
    File::open(data)?.sync_all()
}

/// Renames a folder, which takes a moment, so that it can be deleted, which may take long, at leisure. On a full partition,
/// where there is no room even for a name, it is deleted at once.
fn discard(data: &Path, kept: &Path) -> io::Result<()> {
    let discarded = data.join(DISCARDED_DIR);
    match fs::create_dir_all(&discarded) {
        Err(error) if error.kind() == io::ErrorKind::StorageFull => return fs::remove_dir_all(kept),
        made => made?,
    }
    let mut names = (0_u32..).map(|number| discarded.join(number.to_string()));
    let free = names.find(|name| fs::symlink_metadata(name).is_err());
    fs::rename(kept, free.ok_or(io::ErrorKind::AlreadyExists)?)
}

/// Deletes what resets, this one or an interrupted one before, have taken out of use.
pub fn delete_discarded(data: &Path) -> io::Result<()> {
    match fs::remove_dir_all(data.join(DISCARDED_DIR)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(data: &Path) {
        fs::create_dir_all(data.join("folders/srv")).unwrap();
        fs::create_dir_all(data.join("overlay/upper/etc")).unwrap();
        fs::write(data.join("overlay/upper/etc/x"), "").unwrap();
    }

    #[test]
    fn each_new_word_acts_once() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path();
        assert_eq!(reset_once(data, "a").unwrap(), Outcome::NothingWasKept);
        kept(data);
        assert_eq!(reset_once(data, "a").unwrap(), Outcome::Known);
        assert!(data.join("overlay/upper/etc/x").exists());
        assert_eq!(reset_once(data, "b").unwrap(), Outcome::Reset);
        assert!(!data.join("overlay").exists() && !data.join("folders").exists());
        kept(data);
        assert_eq!(reset_once(data, "b").unwrap(), Outcome::Known);
        assert_eq!(reset_once(data, "a").unwrap(), Outcome::Reset);
        delete_discarded(data).unwrap();
        delete_discarded(data).unwrap();
        let left: Vec<_> = fs::read_dir(data)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(left, [FACTORY_RESET]);
    }

    #[test]
    fn a_power_cut_at_any_moment_leads_to_one_reset() {
        // After the first rename, after the second, and after half of the deletion.
        for moment in 0..3 {
            let dir = tempfile::tempdir().unwrap();
            let data = dir.path();
            kept(data);
            fs::create_dir(data.join(DISCARDED_DIR)).unwrap();
            fs::rename(data.join("overlay"), data.join("discarded/0")).unwrap();
            if moment > 0 {
                fs::rename(data.join("folders"), data.join("discarded/1")).unwrap();
            }
            if moment > 1 {
                fs::write(data.join(FACTORY_RESET), "word").unwrap();
                fs::remove_dir_all(data.join("discarded/0")).unwrap();
            }
            let outcome = reset_once(data, "word").unwrap();
            let want = [Outcome::Reset, Outcome::Reset, Outcome::Known][moment];
            assert_eq!(outcome, want);
            delete_discarded(data).unwrap();
            let left: Vec<_> = fs::read_dir(data)
                .unwrap()
                .map(|entry| entry.unwrap().file_name())
                .collect();
            assert_eq!(left, [FACTORY_RESET]);
        }
    }
}
