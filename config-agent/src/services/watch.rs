//! What systemd tells: the end of starting, and units that fail.

use std::time::Duration;

use anyhow::{Result, bail};
use futures_util::StreamExt;
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::Instant;
use zbus::proxy::CacheProperties;
use zbus::{MatchRule, MessageStream, OwnedObjectPath};
use zbus_systemd::systemd1::{ManagerProxy, ServiceProxy};

use super::Event;
use super::failing::{self, Failing, RESTARTS, Seen};

/// Says once that the machine has finished starting.
pub async fn started(manager: &ManagerProxy<'static>, events: &UnboundedSender<Event>) -> Result<()> {
    // Subscribe, then ask: the end can't slip through between the two.
    let mut signals = manager.receive_startup_finished().await?;
    let finished = manager.finish_timestamp_monotonic().await? != 0;
    if finished || signals.next().await.is_some() {
        drop(events.send(Event::Started));
    }
    Ok(())
}

/// Unit changes within this time lead to one question.
const QUIET: Duration = Duration::from_secs(1);

/// States and sub-states that matter here.
const UNWELL: [&str; 6] = [
    "failed",
    "auto-restart",
    "auto-restart-queued",
    "activating",
    "deactivating",
    "reloading",
];

/// Tells which units have failed: now and whenever that changes. Returns only with an error.
pub async fn failed_units(manager: &ManagerProxy<'static>, events: &UnboundedSender<Event>) -> Result<()> {
    let rule = MatchRule::builder()
        .msg_type(zbus::message::Type::Signal)
        .sender("org.freedesktop.systemd1")
        .interface("org.freedesktop.DBus.Properties")
        .member("PropertiesChanged")
        .path_namespace("/org/freedesktop/systemd1/unit")
        .add_arg("org.freedesktop.systemd1.Unit")
        .build()?;
    let mut changes = MessageStream::for_match_rule(rule, manager.inner().connection(), None).await?;
    let mut failing = Failing::default();
    let mut last = None;
    loop {
        let seen = look(manager).await?;
        let new = failing.update(&seen, Instant::now());
        if !new.is_empty() {
            read_beside(&mut changes, failing::ask(&new, &mut failing)).await?;
        }
        let report = failing.report();
        if last.as_ref() != Some(&report) {
            drop(events.send(Event::FailedUnits(report.clone())));
            last = Some(report);
        }
        let due = failing.due();
        tokio::select! {
            change = changes.next() => if change.is_none() { bail!(CLOSED) },
            () = at(due) => continue,
        }
        read_beside(&mut changes, tokio::time::sleep(QUIET)).await?;
    }
}

const CLOSED: &str = "the system bus closed the connection";

async fn at(instant: Option<Instant>) {
    match instant {
        Some(instant) => tokio::time::sleep_until(instant).await,
        None => std::future::pending().await,
    }
}

/// Waits for something. Meanwhile changes are read, and not only left to wait: a full queue would hold up every answer too.
async fn read_beside(changes: &mut MessageStream, what: impl Future<Output = ()>) -> Result<()> {
    tokio::pin!(what);
    loop {
        tokio::select! {
            () = &mut what => return Ok(()),
            change = changes.next() => if change.is_none() { bail!(CLOSED) },
        }
    }
}

async fn look(manager: &ManagerProxy<'static>) -> Result<Seen> {
    let states = UNWELL.map(String::from).to_vec();
    let mut seen = Seen::default();
    for unit in manager.list_units_filtered(states).await? {
        let (name, active, sub, path) = (unit.0, unit.3, unit.4, unit.6);
        let fails = match sub.as_str() {
            // Between two attempts of a service that does not stay alive.
            "auto-restart" | "auto-restart-queued" => restarts(manager, path).await >= RESTARTS,
            _ => active == "failed",
        };
        match fails {
            true => seen.failing.insert(name),
            false => seen.busy.insert(name),
        };
    }
    Ok(seen)
}

/// Returns how often systemd has restarted a service by itself; 0 when it is gone meanwhile.
async fn restarts(manager: &ManagerProxy<'static>, path: OwnedObjectPath) -> u32 {
    let ask = async {
        let service = ServiceProxy::builder(manager.inner().connection())
            .path(path)
            .cache_properties(CacheProperties::No)
            .build()
            .await?;
        service.n_restarts().await
    };
    ask.await.unwrap_or(0)
}
