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

/// Fails with all differences.
pub fn assert_none(differences: Vec<String>) {
    assert!(
        differences.is_empty(),
        "{} golden files differ (set {BLESS}=1 to rewrite them, and read what was written):\n\n{}",
        differences.len(),
        differences.join("\n\n")
    );
}
