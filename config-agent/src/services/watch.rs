//! What systemd tells: the end of starting, and units that fail.

use std::time::Duration;

use anyhow::{Result, bail};
use futures_util::StreamExt;
use tokio::sync::mpsc::UnboundedSender;
use zbus::{MatchRule, MessageStream};
use zbus_systemd::systemd1::ManagerProxy;

use super::Event;

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
    let mut last = None;
    loop {
        let failed = manager.list_units_filtered(vec!["failed".into()]).await?;
        let mut names: Vec<String> = failed.into_iter().map(|unit| unit.0).collect();
        names.sort();
        if last.as_ref() != Some(&names) {
            drop(events.send(Event::FailedUnits(names.clone())));
            last = Some(names);
        }
        if changes.next().await.is_none() {
            bail!("the system bus closed the connection");
        }
        // The rest of the same burst is read, and not only left to wait: a full queue would hold up every answer too.
        let quiet = tokio::time::sleep(QUIET);
        tokio::pin!(quiet);
        loop {
            tokio::select! {
                () = &mut quiet => break,
                change = changes.next() => if change.is_none() { break },
            }
        }
    }
}
