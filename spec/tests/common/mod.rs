//! What golden tests share: comparing with a file, and writing it anew when asked.

use std::fs;
use std::path::Path;

/// Set to rewrite the expected files. Read every one before committing it.
const BLESS: &str = "GENPACK_BLESS";

/// Compares a text with a file; returns the difference, none when they are equal.
pub fn compare(file: &Path, actual: &str) -> Option<String> {
    if std::env::var_os(BLESS).is_some() {
        fs::write(file, actual).expect("the golden folder can be written");
    }
    let expected = fs::read_to_string(file).unwrap_or_default();
    (expected != actual).then(|| format!("{}\n{}", file.display(), difference(&expected, actual)))
}

/// Fails with all differences.
pub fn assert_none(differences: Vec<String>) {
    assert!(
        differences.is_empty(),
        "{} of the golden files differ (set {BLESS}=1 to rewrite them, and read what was written):\n\n{}",
        differences.len(),
        differences.join("\n")
    );
}

fn difference(expected: &str, actual: &str) -> String {
    let (old, new): (Vec<_>, Vec<_>) = (expected.lines().collect(), actual.lines().collect());
    let same_start = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let rest = old.len().min(new.len()) - same_start;
    let same_end = (old.iter().rev().zip(new.iter().rev()))
        .take(rest)
        .take_while(|(a, b)| a == b)
        .count();
    let show = |sign: &str, lines: &[&str]| -> String {
        let inner = &lines[same_start..lines.len() - same_end];
        inner.iter().map(|line| format!("{sign} {line:?}\n")).collect()
    };
    format!(
        "from line {}:\n{}{}",
        same_start + 1,
        show("-", &old),
        show("+", &new)
    )
}
