//! Step 4 on a card that was not unmounted cleanly: `fsck.fat -a`, with the program that the system image brings.
//!
//! The initramfs stays small that way. The checker and its libraries are copied to memory first, because the card
//! must not be mounted while it is checked, and the system image lies on the card.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use genpack_spec::layout;
use genpack_spec::report::Severity;
use genpack_spec::text;

use crate::log::Log;

/// Copies the checker out of the mounted system. The card and the system may be unmounted afterwards.
pub fn stage() -> Result<()> {
    let from = Path::new(layout::SYSTEM_MOUNT).join(layout::FSCK_DIR.trim_start_matches('/'));
    fs::create_dir_all(layout::FSCK_STAGE)?;
    for entry in fs::read_dir(&from).with_context(|| format!("reading {}", from.display()))? {
        let entry = entry?;
        fs::copy(
            entry.path(),
            Path::new(layout::FSCK_STAGE).join(entry.file_name()),
        )?;
    }
    Ok(())
}

/// Checks and repairs the unmounted card, tells the person what came of it, and removes the staged checker.
pub fn check(device: &str, log: &mut Log) {
    match run(device) {
        Ok(true) => log.notice(
            Severity::Note,
            text!("The card was not ejected or switched off cleanly last time. It was checked and repaired."),
        ),
        Ok(false) => log.notice(
            Severity::Note,
            text!(
                "The card was not ejected or switched off cleanly last time. It was checked, and nothing is lost."
            ),
        ),
        Err(error) => log.notice(
            Severity::Warning,
            text!(
                "The card was not ejected or switched off cleanly last time, and it could not be checked: {reason}.",
                reason = format!("{error:#}")
            ),
        ),
    }
    if let Err(error) = fs::remove_dir_all(layout::FSCK_STAGE) {
        crate::log::warn(&format!("removing {}: {error}", layout::FSCK_STAGE));
    }
}

/// Returns whether anything had to be repaired (fsck.fat(8), "EXIT STATUS").
fn run(device: &str) -> Result<bool> {
    let stage = Path::new(layout::FSCK_STAGE);
    let output = Command::new(stage.join(layout::FSCK_LOADER))
        .arg("--library-path")
        .arg(stage)
        .arg(stage.join(layout::FSCK_PROGRAM))
        .args(["-a", device])
        .output()
        .context("starting fsck.fat")?;
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines()
        .for_each(|line| crate::log::info(&format!("fsck.fat: {line}")));
    match output.status.code() {
        Some(0) => Ok(false),
        Some(1) => Ok(true),
        _ => bail!("fsck.fat ended with {}", output.status),
    }
}
