//! Comparing with a file, and writing it anew when asked.

use std::fs;
use std::path::{Path, PathBuf};

/// Set to rewrite the expected files. Read every one before committing it.
const BLESS: &str = "GENPACK_BLESS";

/// Returns a folder of `builder/tests/golden`.
pub fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name)
}

/// Returns what is in a folder, sorted.
pub fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(!paths.is_empty(), "{} is empty", folder.display());
    paths
}

/// Returns the name of a file without its ending.
pub fn stem(path: &Path) -> String {
    path.file_stem().unwrap().to_str().unwrap().to_string()
}

/// Compares a text with a file; returns both when they differ.
pub fn compare(file: &Path, actual: &str) -> Option<String> {
    if std::env::var_os(BLESS).is_some() {
        fs::write(file, actual).unwrap();
    }
    let expected = fs::read_to_string(file).unwrap_or_default();
    let differs = expected != actual;
    differs.then(|| format!("{}:\n{actual}\n--- and not:\n{expected}", file.display()))
}

/// Compares what is said of the cases of each field with `FIELD.txt` of a folder: a case is a line that begins with a
/// bracket, and `answer` says whether it is good, and what it comes to or what is wrong. Each field has cases of both kinds.
pub fn every_field(kind: &str, fields: &[String], answer: impl Fn(&str, &str) -> (bool, String)) {
    let mut differences = Vec::new();
    for field in fields {
        let path = folder(kind).join(format!("{field}.txt"));
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let cases = text.lines().filter(|line| line.starts_with('{'));
        let answers: Vec<_> = cases.map(|line| (line, answer(line, field))).collect();
        for outcome in [true, false] {
            assert!(
                answers.iter().any(|(_, (good, _))| *good == outcome),
                "{field} lacks a case"
            );
        }
        let block = |(line, (_, said)): &(&str, (bool, String))| format!("{line}\n{said}\n");
        let actual = answers.iter().map(block).collect::<Vec<_>>().join("\n");
        differences.extend(compare(&path, &actual));
    }
    assert_none(differences);
}

/// Fails with all differences.
pub fn assert_none(differences: Vec<String>) {
    assert!(
        differences.is_empty(),
        "{} golden files differ (set {BLESS}=1 to rewrite them, and read what was written):\n\n{}",
        differences.len(),
        differences.join("\n\n")
    );
}
