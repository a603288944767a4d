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

use anyhow::{Context, Result};
use genpack_card::{Card, read_settings};
use genpack_spec::image::Reaction;
use genpack_spec::layout::RESULT_TXT;
use genpack_spec::report::{BootReport, SettingsFile};
use genpack_spec::status;
use genpack_spec::system_ini;
use genpack_spec::text;
use genpack_spec::text::Text;
use tokio::time::timeout;

use super::adoption;
use super::bus::Door;
use super::changer::Request;
use super::refusal::Refusal;
use crate::{Paths, last_good};

/// How long the network may take to come up with the settings of a stick.
const PATIENCE: Duration = Duration::from_secs(60);
/// After this time the settings are taken back even if nobody here is left to ask for it.
const REVERT_AFTER: u32 = 90;

/// Serves one stick after the other, until the agent ends.
pub async fn run(paths: Paths, door: Door) {
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
                if let Err(error) = plugged(&paths, &door, device).await {
                    log::warn!("A stick could not be read: {error:#}");
                }
            }
            Ok(None) => {}
            Err(error) => return log::error!("Sticks can't be seen any more: {error}"),
        }
    }
}

/// Looks at a disk or partition that has appeared.
async fn plugged(paths: &Paths, door: &Door, device: uevents::Device) -> Result<()> {
    let target = paths.stick();
    let card = paths.card();
    let mounted = tokio::task::spawn_blocking(move || medium::mount(&device, &target, &card)).await??;
    let Some(medium) = mounted else {
        return Ok(());
    };
    let outcome = serve(door, medium.folder(), PATIENCE).await;
    // Unmounting may wait for a slow stick.
    tokio::task::spawn_blocking(move || drop(medium)).await?;
    outcome
}

/// Serves a stick that is mounted at `folder`; `patience` is how long the network may take to come up.
async fn serve(door: &Door, folder: &Path, patience: Duration) -> Result<()> {
    let root = folder.to_path_buf();
    let found = tokio::task::spawn_blocking(move || read_settings(&root)).await?;
    if found.state == SettingsFile::Missing {
        return Ok(());
    }
    let now = door.snapshots.borrow().clone();
    let parsed = door.reader.parse(&found.bytes);
    let diagnostics: Vec<_> = found.remarks.into_iter().chain(parsed.diagnostics).collect();
    let mut boot = BootReport {
        file: found.state.clone(),
        diagnostics,
        ..now.boot.clone()
    };
    let verdict = match (&found.state, now.boot.image.settings_from.stick) {
        (SettingsFile::Unusable { .. }, _) => {
            text!("The settings on this stick can't be used, so nothing was changed.")
        }
        (_, Reaction::Apply) => {
            let text = system_ini::text_of(&found.bytes);
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
    answer(folder, status::result_txt(&verdict, &boot, &run)).await
}

async fn answer(folder: &Path, page: String) -> Result<()> {
    let stick = Card::at(folder);
    tokio::task::spawn_blocking(move || stick.write(RESULT_TXT, page.as_bytes()))
        .await?
        .with_context(|| format!("{RESULT_TXT} can't be written to the stick"))
}

/// Applies a text and waits for the network; returns what became of it.
async fn apply(door: &Door, text: String, patience: Duration) -> Text {
    let worked = last_good::reaches(&door.snapshots.borrow().run);
    let seconds = if worked { REVERT_AFTER } else { 0 };
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
        (Err(refusal), _) => refused(&refusal),
    }
}

fn refused(refusal: &Refusal) -> Text {
    text!(
        "The settings on this stick could not be applied, so nothing was changed: {reason}.",
        reason = refusal.reason()
    )
}
