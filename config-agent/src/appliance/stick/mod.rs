//! A stick with a `system.ini`, plugged in while the device runs: judged, applied if the blueprint allows it, and answered in
//! `RESULT.txt`.
//!
//! Nobody can confirm what a stick brought. So it holds for good as soon as the network works with it, and is taken back if
//! that does not come; where the network did not work before, there is nothing to lose.

mod medium;
#[cfg(test)]
mod tests;
mod uevents;

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use genpack_card::{Card, FoundSettings, read_settings};
use genpack_spec::image::Reaction;
use genpack_spec::layout::RESULT_TXT;
use genpack_spec::report::{BootReport, Diagnostic, SettingsFile};
use genpack_spec::status;
use genpack_spec::system_ini;
use genpack_spec::text;
use genpack_spec::text::Text;
use tokio::time::timeout;

use super::Reader;
use super::adoption;
use super::bus::Door;
use super::changer::Request;
use super::refusal::Refusal;
use crate::{Paths, last_good};

/// So much longer than the network may take, settings are taken back even if nobody here is left to ask for it.
const GRACE: Duration = Duration::from_secs(30);

/// Serves one stick after the other, until the agent ends. `patience` is how long the network may take to come up with the
/// settings of a stick.
pub async fn run(paths: Paths, door: Door, patience: Duration) {
    medium::let_go(&paths.stick());
    if door.snapshots.borrow().boot.image.settings_from.stick == Reaction::Off {
        return;
    }
    let events = match uevents::Events::open() {
        Ok(events) => events,
        Err(error) => return log::error!("Sticks can't be seen: {error}"),
    };
    loop {
        match events.next().await {
            Ok(Some(device)) => {
                let name = device.name.clone();
                tell(&name, plugged(&paths, &door, device, patience).await);
            }
            Ok(None) => {}
            Err(error) => return log::error!("Sticks can't be seen any more: {error}"),
        }
    }
}

/// What was done about a stick. It is not mounted any more.
#[derive(Debug)]
enum Served {
    /// Nothing: there is no settings file on it.
    NoSettings,
    /// What became of its settings stands on it.
    Answered,
    /// What became of its settings could not be written on it: it is write-protected, full, or gone.
    Unanswered(anyhow::Error),
}

/// Tells the journal.
fn tell(name: &str, outcome: Result<Option<Served>>) {
    match outcome {
        Ok(None) => {}
        Ok(Some(Served::NoSettings)) => log::info!("{name}: there are no settings on this stick."),
        Ok(Some(Served::Answered)) => {
            log::info!("{name}: the answer is on the stick; it can be pulled out.");
        }
        Ok(Some(Served::Unanswered(error))) => {
            log::warn!("{name}: {RESULT_TXT} can't be written to the stick: {error:#}");
        }
        Err(error) => log::warn!("{name}: a stick could not be read: {error:#}"),
    }
}

/// Looks at a disk or partition that has appeared; returns what was done when it is a stick.
async fn plugged(
    paths: &Paths,
    door: &Door,
    device: uevents::Device,
    patience: Duration,
) -> Result<Option<Served>> {
    let target = paths.stick();
    let card = paths.card();
    let mounted = tokio::task::spawn_blocking(move || medium::mount(&device, &target, &card)).await??;
    let Some(medium) = mounted else {
        return Ok(None);
    };
    let served = serve(door, medium.folder(), patience).await;
    // Unmounting may wait for a slow stick.
    tokio::task::spawn_blocking(move || drop(medium)).await?;
    served.map(Some)
}

/// Serves a stick that is mounted at `folder`; `patience` is how long the network may take to come up.
async fn serve(door: &Door, folder: &Path, patience: Duration) -> Result<Served> {
    let root = folder.to_path_buf();
    let found = tokio::task::spawn_blocking(move || read_settings(&root)).await?;
    if found.state == SettingsFile::Missing {
        return Ok(Served::NoSettings);
    }
    let text = system_ini::text_of(&found.bytes);
    let now = door.snapshots.borrow().clone();
    let (file, diagnostics) = judged(found, &door.reader);
    let mut boot = BootReport {
        file,
        diagnostics,
        ..now.boot.clone()
    };
    let verdict = match (&boot.file, now.boot.image.settings_from.stick) {
        (SettingsFile::Unusable { .. }, _) => {
            text!("The settings on this stick can't be used, so nothing was changed.")
        }
        (_, Reaction::Apply) => {
            let verdict = apply(door, text, patience).await;
            let now = door.snapshots.borrow().clone();
            boot = adoption::report(&now.boot, boot.file, &now.settings, boot.diagnostics);
            verdict
        }
        _ => text!(
            "The settings on this stick were checked and not applied; this device takes none from a stick."
        ),
    };
    log::info!("{}", verdict.english());
    let run = door.snapshots.borrow().run.clone();
    let page = status::result_txt(&verdict, &boot, &run);
    let stick = Card::at(folder);
    let written = tokio::task::spawn_blocking(move || stick.write(RESULT_TXT, page.as_bytes())).await?;
    Ok(match written {
        Ok(()) => Served::Answered,
        Err(error) => Served::Unanswered(error),
    })
}

/// Returns what became of the search for the settings, and what there is to say about them.
///
/// At a start, a file that is empty, damaged or no text means the default of every setting. On a stick it means that somebody
/// pulled the stick too early, or took the wrong file: the device must not lose its settings by that.
fn judged(found: FoundSettings, reader: &Reader) -> (SettingsFile, Vec<Diagnostic>) {
    let mut diagnostics = found.remarks;
    let SettingsFile::Read { name } = found.state else {
        return (found.state, diagnostics);
    };
    let of_lines = reader.parse(&found.bytes).diagnostics;
    match of_lines.iter().find(|diagnostic| diagnostic.replaces_file()) {
        Some(diagnostic) => {
            let reason = diagnostic.problem.clone();
            (SettingsFile::Unusable { name, reason }, diagnostics)
        }
        None => {
            diagnostics.extend(of_lines);
            (SettingsFile::Read { name }, diagnostics)
        }
    }
}

/// Applies a text and waits for the network; returns what became of it.
async fn apply(door: &Door, text: String, patience: Duration) -> Text {
    let worked = last_good::reaches(&door.snapshots.borrow().run);
    let limit = patience.saturating_add(GRACE).as_secs();
    let seconds = if worked {
        u32::try_from(limit).unwrap_or(u32::MAX)
    } else {
        0
    };
    let applied = door.ask(|answer| Request::Apply(text, seconds, answer)).await;
    let token = match applied {
        Ok(applied) => applied.token,
        Err(refusal) => return refused(&refusal),
    };
    if !worked {
        return text!("The settings on this stick hold now.");
    }
    let mut snapshots = door.snapshots.clone();
    let up = snapshots.wait_for(|now| last_good::reaches(&now.run));
    let up = timeout(patience, up).await.is_ok_and(|up| up.is_ok());
    let ended = match up {
        true => door.ask(|answer| Request::Confirm(token, answer)).await,
        false => door.ask(|answer| Request::Revert(token, answer)).await,
    };
    match (ended, up) {
        (Ok(()), true) => text!("The settings on this stick hold now."),
        (Ok(()), false) => text!(
            "The settings on this stick were taken back, because the network did not work with them within {seconds} \
             seconds. Those of before hold again.",
            seconds = patience.as_secs()
        ),
        (Err(Refusal::NotPending(_)), _) => text!(
            "Somebody confirmed the settings on this stick, or took them back, before the device could decide."
        ),
        (Err(refusal), _) => refused(&refusal),
    }
}

fn refused(refusal: &Refusal) -> Text {
    text!(
        "The settings on this stick could not be applied, so nothing was changed: {reason}.",
        reason = refusal.reason()
    )
}
