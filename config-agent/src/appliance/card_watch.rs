//! The card's own file, changed while the device runs: by somebody who is logged in, or by a program.

use std::time::Duration;

use tokio::sync::mpsc::Sender;

use super::changer::Request;
use crate::{Paths, files};

/// Writes within this time belong together: editors write a copy, rename, and write again.
const QUIET: Duration = Duration::from_secs(1);

/// Tells of every time when the card's folder may have another file, until nobody listens. Our own writes are among them; who
/// listens knows those by their content.
pub async fn run(paths: Paths, requests: Sender<Request>) {
    let watch = match files::Watch::writes(&paths.card()) {
        Ok(watch) => watch,
        // Without a card there is nothing to see.
        Err(error) => return log::warn!("The card can't be watched: {error}"),
    };
    while watch.changed().await.is_ok() {
        while let Ok(changed) = tokio::time::timeout(QUIET, watch.changed()).await {
            if changed.is_err() {
                return;
            }
        }
        if requests.send(Request::CardChanged).await.is_err() {
            return;
        }
    }
}
