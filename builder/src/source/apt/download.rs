//! Files of packages, by APT's own downloader.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context, Result, anyhow};

use super::{Apt, silence};
use crate::blueprint::InputError;
use crate::lock::Pin;
use crate::{command, hash};

/// APT's own downloader (package apt). It knows every kind of address, proxies, and hashes.
const HELPER: &str = "/usr/lib/apt/apt-helper";
/// How APT says that a mirror is there and a file is not: over HTTP, `file:` and `copy:`.
const NO_SUCH_FILE: [&str; 3] = ["404 ", "File not found", "Failed to stat"];
/// How many packages, and how many of APT's reasons, an error names.
const MOST_NAMED: usize = 3;

/// A package, and where its file is to be.
type Place<'a> = (&'a Pin, PathBuf);

impl Apt {
    /// Downloads a package's file to each of these places. After an error, those that are there are whole.
    ///
    /// # Errors
    /// [`InputError`] when the archives are there and have such a version no more, which `genpack update` mends.
    pub fn download(&self, wanted: &[Place]) -> Result<()> {
        let mut uris: Vec<_> = self.archives.iter().map(|archive| archive.uri.as_str()).collect();
        uris.dedup();
        let mut missing: Vec<_> = wanted.iter().collect();
        let mut reasons = Vec::new();
        // A package moves from the security archive to the main one with a release, and keeps its path.
        for uri in uris {
            let Some(said) = self.download_from(uri, &missing)? else {
                return Ok(());
            };
            let whole = missing.iter().map(|(pin, place)| is_whole(pin, place));
            let whole = whole.collect::<Result<Vec<_>>>()?;
            let mut whole = whole.iter();
            missing.retain(|_| whole.next() == Some(&false));
            if missing.is_empty() {
                return Ok(());
            }
            reasons.extend(said);
        }
        let missing: Vec<_> = missing.iter().map(|(pin, _)| *pin).collect();
        let came = wanted.len() - missing.len();
        Err(failure(&missing, came, reasons, &self.describe()))
    }

    /// Returns why some files did not come from the archives at `uri`; nothing when all have.
    fn download_from(&self, uri: &str, wanted: &[&Place]) -> Result<Option<Vec<String>>> {
        // "file:" would leave the file where it is.
        let uri = uri
            .strip_prefix("file:")
            .map_or(uri.to_string(), |path| format!("copy:{path}"));
        let mut helper = Command::new(HELPER);
        helper
            .env("APT_CONFIG", self.folder.join("apt.conf"))
            .env("LC_ALL", "C.UTF-8");
        helper.arg("download-file");
        for (pin, place) in wanted {
            helper
                .arg(format!("{uri}/{}", pin.path))
                .arg(place)
                .arg(format!("SHA256:{}", pin.sha256));
        }
        let length = |place: &Path| fs::metadata(place).map_or(0, |file| file.len());
        // For a silent mirror APT waits once for each file.
        let watched = command::watch(&mut helper, self.patience, || {
            wanted.iter().map(|(_, place)| length(place)).sum::<u64>()
        })?;
        if watched.given_up {
            return Ok(Some(vec![format!("{uri}: {}", silence(self.patience))]));
        }
        if watched.output.status.success() {
            return Ok(None);
        }
        Ok(Some(reasons(&watched.output)))
    }
}

/// Returns the error for packages that are missing when `came` others have come.
fn failure(missing: &[&Pin], came: usize, mut reasons: Vec<String>, archives: &str) -> anyhow::Error {
    let names = missing.iter().map(|pin| format!("{} {}", pin.name, pin.version));
    let names = listed(names.collect(), ", ");
    let is_gone = |reason: &String| NO_SUCH_FILE.iter().any(|words| reason.contains(words));
    if reasons.iter().all(is_gone) {
        return InputError::plain(format!(
            "{names} can't be had any more from {archives}: archives keep the newest versions only; \"genpack update\" \
             chooses versions that there are"
        ))
        .into();
    }
    // What one archive does not have another one may, if only it answered.
    reasons.retain(|reason| !is_gone(reason));
    anyhow!("{}", listed(reasons, "\n  ")).context(format!(
        "{} of {} packages could not be fetched: {names}; {came} have come and are kept. Build again when the mirror \
         answers, or name another one with GENPACK_MIRROR or with mirror: in the blueprint",
        missing.len(),
        missing.len() + came,
    ))
}

/// Returns APT's reasons, each with the address that it is about.
fn reasons(output: &Output) -> Vec<String> {
    let said = String::from_utf8_lossy(&output.stderr);
    let errors = said.lines().filter_map(|line| line.strip_prefix("E: "));
    let reasons: Vec<_> = errors
        .filter_map(|error| error.strip_prefix("Failed to fetch "))
        .map(|reason| reason.replacen("  ", ": ", 1))
        .collect();
    if reasons.is_empty() {
        return vec![format!(
            "{HELPER} failed ({}):{}",
            output.status,
            command::tail(output)
        )];
    }
    reasons
}

/// Returns the first few of `things` as text, and how many others there are.
fn listed(mut things: Vec<String>, between: &str) -> String {
    let others = things.len().saturating_sub(MOST_NAMED);
    things.truncate(MOST_NAMED);
    if others > 0 {
        things.push(format!("and {others} more"));
    }
    things.join(between)
}

/// Whether a package's file is there as it must be. APT leaves what has come of a file under the file's own name: that is
/// removed.
fn is_whole(pin: &Pin, place: &Path) -> Result<bool> {
    let Ok(file) = fs::metadata(place) else {
        return Ok(false);
    };
    let is_whole = file.len() == pin.size && hash::file(place)? == pin.sha256;
    if !is_whole {
        fs::remove_file(place).with_context(|| format!("removing {}", place.display()))?;
    }
    Ok(is_whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pin(text: &str) -> Pin {
        format!("{text} all 3 {} pool/x.deb", hash::text("abc"))
            .parse()
            .unwrap()
    }

    #[test]
    fn only_what_no_archive_has_is_gone() {
        let (one, two) = (pin("one 1"), pin("two 2"));
        let missing = [&one, &two];
        let not_here = "http://main/x.deb: 404  Not Found [IP: ::1 80]".to_string();
        let silent = "http://security: the mirror is silent".to_string();

        let error = failure(&missing, 5, vec![not_here.clone(), not_here.clone()], "all");
        assert!(error.downcast_ref::<InputError>().is_some());
        assert!(
            error
                .to_string()
                .starts_with("one 1, two 2 can't be had any more from all:")
        );

        let error = failure(&missing, 5, vec![not_here, silent.clone()], "all");
        assert!(error.downcast_ref::<InputError>().is_none());
        assert!(
            error
                .to_string()
                .starts_with("2 of 7 packages could not be fetched: one 1, two 2; 5 have")
        );
        assert_eq!(error.root_cause().to_string(), silent);
    }

    #[test]
    fn long_lists_are_cut() {
        let words = |text: &str| text.split(' ').map(String::from).collect();
        assert_eq!(listed(words("a b c"), ", "), "a, b, c");
        assert_eq!(listed(words("a b c d e"), ", "), "a, b, c, and 2 more");
    }

    #[test]
    fn what_is_not_whole_goes() {
        let dir = tempfile::tempdir().unwrap();
        let (pin, place) = (pin("one 1"), dir.path().join("one.deb"));
        assert!(!is_whole(&pin, &place).unwrap());
        for (content, whole) in [("abc", true), ("ab", false), ("abd", false)] {
            fs::write(&place, content).unwrap();
            assert_eq!((is_whole(&pin, &place).unwrap(), place.exists()), (whole, whole));
        }
    }
}
