//! What is different at every look at the device, and therefore no reason to write to the card again: clock and room.

use crate::text;
use crate::text::{Language, Text};

/// The state of the device at the moment of writing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Moment {
    /// The time in the form in which it shall stand there; none when the clock can't be right.
    pub time: Option<String>,
    /// Whether the clock was set by the network (NTP) and still follows it.
    pub synchronised: bool,
    /// Room on the card.
    pub card: Option<Room>,
    /// Room in the memory that takes what is written at run time.
    pub memory: Option<Room>,
}

/// Room of a file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Bytes that are free.
    pub free: u64,
    /// Bytes in all.
    pub total: u64,
}

fn clock() -> Text {
    text!("Clock:")
}

fn card() -> Text {
    text!("Card:")
}

fn memory() -> Text {
    text!("Memory:")
}

fn written() -> Text {
    text!("Written:")
}

fn not_synchronised() -> Text {
    text!("not set by the network so far")
}

/// Returns the labels that [`facts`] may use.
pub(super) fn labels() -> Vec<Text> {
    vec![clock(), card(), memory()]
}

/// Returns labels and what stands behind them.
pub(super) fn facts(moment: &Moment) -> Vec<(Text, Text)> {
    let source = match moment.synchronised {
        true => text!("set by the network"),
        false => not_synchronised(),
    };
    let time = match &moment.time {
        Some(time) => text!("{time}, {source}", time, source),
        None => text!("the device does not know the time: {source}", source),
    };
    let mut facts = vec![(clock(), time)];
    if let Some(room) = moment.card {
        facts.push((card(), room.text()));
    }
    if let Some(room) = moment.memory {
        facts.push((memory(), room.text()));
    }
    facts
}

/// Returns the label of the last line and what stands behind it; none when the time is not known.
pub(super) fn last_line(moment: &Moment) -> Option<(Text, Text)> {
    moment.time.as_ref().map(|time| (written(), Text::verbatim(time)))
}

impl Room {
    fn text(self) -> Text {
        text!(
            "{free} free of {total}",
            free = amount(self.free),
            total = amount(self.total)
        )
    }
}

/// Whole megabytes or, from one gigabyte on, tenths of gigabytes: finer than that nobody reads it.
fn amount(bytes: u64) -> Text {
    match bytes / 100_000_000 {
        tenths @ 100.. => text!("{number} GB", number = tenths / 10),
        tenths @ 10.. => text!("{whole}.{tenths} GB", whole = tenths / 10, tenths = tenths % 10),
        _ => text!("{number} MB", number = bytes / 1_000_000),
    }
}

/// Returns the lines of a `STATUS.txt`, in whatever language, that do not change from moment to moment.
fn lasting(text: &str) -> impl Iterator<Item = &str> {
    let mut passing = labels();
    passing.push(written());
    let passing: Vec<String> = Language::ALL
        .iter()
        .flat_map(|language| passing.iter().map(|label| language.say(label) + " "))
        .collect();
    let mut in_passing = false;
    text.lines().filter(move |line| {
        // A long line goes on below its first word.
        in_passing = match line.starts_with(' ') {
            true => in_passing,
            false => passing.iter().any(|label| line.starts_with(label)),
        };
        !in_passing && !line.is_empty()
    })
}

/// Whether the `STATUS.txt` that is on a card still tells what `new` tells. Clock and room move all the time and don't
/// count, but that the clock came to be right does.
pub fn same_content(on_card: &str, new: &str) -> bool {
    // Without blanks and line ends: a line may end anywhere in a phrase.
    let squeeze = |text: &str| text.split_whitespace().collect::<String>();
    let unset = |text: &str| {
        let text = squeeze(text);
        Language::ALL
            .iter()
            .any(|language| text.contains(&squeeze(&language.say(&not_synchronised()))))
    };
    lasting(on_card).eq(lasting(new)) && (!unset(on_card) || unset(new))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_rounded_down() {
        for (bytes, want) in [
            (0, "0 MB"),
            (999_999_999, "999 MB"),
            (1_000_000_000, "1.0 GB"),
            (3_980_000_000, "3.9 GB"),
            (31_914_983_424, "31 GB"),
        ] {
            assert_eq!(amount(bytes).english(), want);
        }
    }
}
