//! Which units count as failed, and what they said last.
//!
//! A unit that a timer starts again and again, or that systemd restarts, changes its state all the time. It stays one
//! failure with the same words until it has been well for a while, so that the card is not written at each attempt.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use genpack_spec::report::FailedUnit;
use tokio::time::Instant;

use crate::command;

/// A unit that failed counts as well again after this time without failing.
const WELL_AFTER: Duration = Duration::from_secs(60);
/// A unit that systemd restarted so often has failed, though it is about to be started once more.
pub const RESTARTS: u32 = 3;
/// How much of the journal is told of each unit.
const LINES: usize = 3;
/// Longest line, in characters.
const LINE_LIMIT: usize = 200;
/// Most bytes that are read of the journal.
const SIZE_LIMIT: u64 = 64 * 1024;
/// On a slow card the program itself is read for seconds.
const TIME_LIMIT: Duration = Duration::from_secs(20);
/// More units than these fail together only when something is wrong that they do not tell.
const SPEAKERS: usize = 8;

/// What systemd says of units that are not well.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// Failed, or restarted too often.
    pub failing: BTreeSet<String>,
    /// On their way to some other state.
    pub busy: BTreeSet<String>,
}

/// Units that count as failed.
#[derive(Debug, Default)]
pub struct Failing {
    units: BTreeMap<String, State>,
}

#[derive(Debug, Default)]
struct State {
    lines: Vec<String>,
    /// Since when it has not been failing.
    well_since: Option<Instant>,
}

impl Failing {
    /// Takes in what was seen, and returns the units that count as failed from now on and did not before.
    pub fn update(&mut self, seen: &Seen, now: Instant) -> Vec<String> {
        self.units.retain(|unit, state| {
            if seen.failing.contains(unit) || seen.busy.contains(unit) {
                state.well_since = None;
                return true;
            }
            now < *state.well_since.get_or_insert(now) + WELL_AFTER
        });
        let new = seen.failing.iter().filter(|unit| !self.units.contains_key(*unit));
        let new: Vec<String> = new.cloned().collect();
        for unit in &new {
            self.units.insert(unit.clone(), State::default());
        }
        new
    }

    /// Keeps what a unit said.
    pub fn said(&mut self, unit: &str, lines: Vec<String>) {
        if let Some(state) = self.units.get_mut(unit) {
            state.lines = lines;
        }
    }

    /// Returns when a unit may count as well again, if nothing happens until then.
    pub fn due(&self) -> Option<Instant> {
        let well = self.units.values().filter_map(|state| state.well_since);
        well.min().map(|since| since + WELL_AFTER)
    }

    /// Returns the report, in the order of the names.
    pub fn report(&self) -> Vec<FailedUnit> {
        let report = |(unit, state): (&String, &State)| FailedUnit {
            unit: unit.clone(),
            lines: state.lines.clone(),
        };
        self.units.iter().map(report).collect()
    }
}

/// Asks the journal what the units said last.
pub async fn ask(units: &[String], failing: &mut Failing) {
    for unit in units.iter().take(SPEAKERS) {
        // What the programs of the unit say tells why; what systemd says of it comes only where they are silent.
        let mut lines = journal(&[&format!("_SYSTEMD_UNIT={unit}")]).await;
        if lines.is_empty() {
            lines = journal(&["_PID=1", &format!("UNIT={unit}")]).await;
        }
        failing.said(unit, lines);
    }
}

/// Returns the last lines since the start of the device whose fields have these values (journalctl(1)).
async fn journal(matches: &[&str]) -> Vec<String> {
    let lines = format!("--lines={LINES}");
    let options = ["--boot", "--quiet", "--no-pager", "--output=cat", &lines, "--"];
    let args = [&options, matches].concat();
    match command::output("journalctl", &args, TIME_LIMIT, SIZE_LIMIT).await {
        Ok(bytes) => last_lines(&bytes),
        Err(error) => {
            log::warn!("{error:#}");
            Vec::new()
        }
    }
}

/// Returns the last lines of a text from anywhere: no control characters, none too long.
fn last_lines(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    let mut lines: Vec<String> = text.lines().map(plain).filter(|line| !line.is_empty()).collect();
    lines.split_off(lines.len().saturating_sub(LINES))
}

fn plain(line: &str) -> String {
    // Colours and the like: the rest of such a sequence must not stay as if somebody had written it.
    let mut kept = String::new();
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match c {
            '\u{1b}' => {
                // ECMA-48, 5.4: `[`, parameters, one final byte.
                if chars.as_str().starts_with('[') {
                    chars.next();
                    let _ = chars.find(|c| ('\u{40}'..='\u{7e}').contains(c));
                }
            }
            '\t' => kept.push(' '),
            c if c.is_control() || is_invisible(c) => {}
            c => kept.push(c),
        }
    }
    let kept = kept.trim();
    match kept.char_indices().nth(LINE_LIMIT) {
        Some((end, _)) => format!("{}...", &kept[..end]),
        None => kept.to_string(),
    }
}

/// Characters that turn the direction of writing, or that show nothing.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(failing: &[&str], busy: &[&str]) -> Seen {
        let names = |names: &[&str]| names.iter().map(ToString::to_string).collect();
        Seen {
            failing: names(failing),
            busy: names(busy),
        }
    }

    #[test]
    fn a_unit_that_fails_again_and_again_is_one_failure() {
        let mut now = Instant::now();
        let mut failing = Failing::default();
        assert_eq!(failing.update(&seen(&["a.service"], &[]), now), ["a.service"]);
        failing.said("a.service", vec!["12:00 no disk".into()]);
        let first = failing.report();
        // A timer starts it every ten minutes; each attempt takes two of them.
        for _ in 0..5 {
            now += Duration::from_secs(600);
            assert!(failing.update(&seen(&[], &["a.service"]), now).is_empty());
            now += Duration::from_secs(120);
            assert!(failing.update(&seen(&["a.service"], &[]), now).is_empty());
            assert_eq!(failing.report(), first);
            assert_eq!(failing.due(), None);
        }
        // systemd restarts it, and it runs for a moment each time.
        for _ in 0..5 {
            now += Duration::from_secs(30);
            assert!(failing.update(&seen(&[], &[]), now).is_empty());
            now += Duration::from_secs(5);
            assert!(failing.update(&seen(&["a.service"], &[]), now).is_empty());
        }
        assert_eq!(failing.report(), first);
        // It has been mended.
        failing.update(&seen(&[], &[]), now);
        assert_eq!(failing.due(), Some(now + WELL_AFTER));
        failing.update(&seen(&[], &[]), now + WELL_AFTER);
        assert_eq!((failing.report(), failing.due()), (Vec::new(), None));
    }

    #[test]
    fn lines_are_few_short_and_plain() {
        let text = b"one\n\ntwo\n\x1b[1;31mthree\x1b[0m \x07\xff\tx\n\x1b]0;title\x07\n";
        assert_eq!(last_lines(text), ["two", "three \u{fffd} x", "]0;title"]);
        let long = "\u{8a00}".repeat(500);
        assert_eq!(last_lines(long.as_bytes())[0].chars().count(), LINE_LIMIT + 3);
        assert_eq!(plain("a\u{202e}b\u{200b}c"), "abc");
        assert!(last_lines(b"").is_empty());
    }
}
