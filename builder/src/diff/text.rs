//! The differences for people: `+` in front of what came, `-` of what went, `*` of what changed.

use std::fmt::Write;

use super::compare::{Change, Changes, Difference};
use crate::inspect::table::{change, lines, size};

/// How many files of one package are named.
const MOST_FILES: usize = 12;
/// Values that are longer than this together stand in lines of their own.
const LONG: usize = 50;

/// Returns the differences as text; empty when there are none.
pub fn text(difference: &Difference) -> String {
    if difference.same {
        return String::new();
    }
    if difference.says_nothing() {
        // Equal files on the cards are equal systems, down to the last byte.
        return match difference.disks {
            true => {
                "The contents are the same. What differs is how the card is written: times and order of its files, or unused space.\n"
            }
            false => {
                "The contents are the same. What differs is how they are packed, times of files, or extended attributes.\n"
            }
        }
        .into();
    }
    let mut text = String::new();
    let mut section = |title: &str, body: String| {
        if !body.is_empty() {
            let gap = if text.is_empty() { "" } else { "\n" };
            let _ = write!(text, "{gap}{title}\n{body}");
        }
    };
    section("Image", difference.image.iter().map(changed).collect());
    let sizes = difference.sizes.iter().map(|of| {
        let [before, after] = [of.before, of.after].map(size);
        [
            of.name.clone(),
            before,
            "->".into(),
            after,
            change(of.before, of.after),
        ]
    });
    section("Size", lines(&sizes.collect::<Vec<_>>(), &[1, 3, 4]));
    let lacking = difference.without_packages.iter();
    let lacking = lacking.map(|image| format!("  not compared: {image} has no list of its packages\n"));
    section(
        "Packages",
        lacking.collect::<String>() + &all(&difference.packages),
    );
    section("Started at boot", all(&difference.units));
    section("Ports that socket units and sshd open", all(&difference.ports));
    section("Declared settings", all(&difference.settings));
    section("Card", all(&difference.card));
    section("Disk, beside the card", all(&difference.disk));
    let files = difference
        .files
        .iter()
        .map(|(package, changes)| format!("  {package}\n{}", files(changes)));
    section("Files of the system, by package", files.collect());
    text
}

fn all(changes: &Changes) -> String {
    entries(changes).collect()
}

fn entries(changes: &Changes) -> impl Iterator<Item = String> {
    let removed = changes.removed.iter().map(|name| format!("  - {name}\n"));
    let added = changes.added.iter().map(|name| format!("  + {name}\n"));
    removed.chain(added).chain(changes.changed.iter().map(changed))
}

fn changed(change: &Change) -> String {
    let Change { name, before, after } = change;
    let [before, after] = [before, after].map(|value| if value.is_empty() { "(nothing)" } else { value });
    match before.len() + after.len() > LONG {
        true => format!("  * {name}\n      {before}\n   -> {after}\n"),
        false => format!("  * {name}: {before} -> {after}\n"),
    }
}

fn files(changes: &Changes) -> String {
    let entries: Vec<_> = entries(changes).collect();
    let mut text = String::new();
    for entry in entries.iter().take(MOST_FILES) {
        for line in entry.lines() {
            let _ = writeln!(text, "  {line}");
        }
    }
    if entries.len() > MOST_FILES {
        let _ = writeln!(
            text,
            "    and {} more (--json lists them)",
            entries.len() - MOST_FILES
        );
    }
    text
}
