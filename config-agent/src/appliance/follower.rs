//! The rest of the system follows the settings: names, accounts, files, services, one change after the other.
//!
//! A task of its own, because a service may take minutes to start, and nobody who changes the network waits for that.

use std::time::Duration;

use anyhow::Result;
use genpack_spec::report::BootReport;
use genpack_spec::settings::Settings;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};

use super::Order;
use crate::{Paths, files, system};

/// Settings that took the place of others.
#[derive(Debug)]
pub struct Change {
    /// The report under the new ones.
    pub boot: BootReport,
    /// The old ones.
    pub before: Settings,
    /// The new ones.
    pub settings: Settings,
}

/// Longest time for one answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(60);
/// Between attempts to reach the bus.
const PAUSE: Duration = Duration::from_secs(10);

/// Serves until nobody changes anything any more.
pub async fn run(paths: Paths, mut changes: UnboundedReceiver<Change>, orders: UnboundedSender<Order>) {
    while let Some(change) = changes.recv().await {
        if change.before == change.settings {
            continue;
        }
        // Changes are rare: no connection is kept for them.
        let bus = connect(&paths).await;
        let outcome = system::apply(&bus, &paths, &change.boot, &change.before, &change.settings).await;
        if orders.send(Order::Followed(outcome)).is_err() {
            return;
        }
    }
}

/// Connects to the system bus, as soon as there is one.
async fn connect(paths: &Paths) -> zbus::Connection {
    loop {
        match attempt(paths).await {
            Ok(connection) => return connection,
            Err(error) => log::warn!("The system bus can't be reached: {error:#}"),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn attempt(paths: &Paths) -> Result<zbus::Connection> {
    let socket = paths.bus_socket();
    files::wait_for(&socket).await?;
    let address = format!("unix:path={}", socket.display());
    let builder = zbus::connection::Builder::address(address.as_str());
    Ok(builder.method_timeout(ANSWER_LIMIT).build().await?)
}
