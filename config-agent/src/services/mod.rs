//! systemd over D-Bus: units on and off as the settings say, units that failed, the end of starting.
//!
//! All of it happens in a task of its own after the agent has told systemd that it is ready, so a job that is ordered
//! after the network never waits for itself.

mod failing;
mod implied;
mod resolved;
pub(crate) mod units;
mod watch;

pub use implied::wanted;

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;
use genpack_spec::report::{FailedUnit, ServiceReport};
use genpack_spec::text;
use genpack_spec::text::Text;
use genpack_spec::types::UnitName;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::watch::Receiver;
use tokio::time::Instant;
use zbus::Connection;
use zbus::proxy::CacheProperties;
use zbus_systemd::systemd1::ManagerProxy;

use crate::resolver::{PortDns, Stub};
use crate::{Paths, files};

/// Returns the report about units while systemd is out of reach.
pub fn unreachable_services(wanted: &BTreeMap<UnitName, bool>) -> Vec<ServiceReport> {
    let report = |(unit, wanted): (&UnitName, &bool)| ServiceReport {
        unit: unit.clone(),
        wanted: *wanted,
        problem: Some(units::unreachable(unit, *wanted)),
    };
    wanted.iter().map(report).collect()
}

/// What the bus brings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// What came of every line of `[services]`.
    Services(Vec<ServiceReport>),
    /// The units that have failed, in the order of their names.
    FailedUnits(Vec<FailedUnit>),
    /// The machine has finished starting.
    Started,
    /// Who answers when programs ask for names, and what of their servers it does not take: sentences.
    Resolver {
        /// Who answers.
        stub: Stub,
        /// Sentences.
        problems: Vec<Text>,
    },
    /// systemd can't be reached so far: a phrase.
    Unavailable(Text),
}

/// Pauses between attempts to reach systemd grow from the first of these to the second.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(60)];

/// Longest time for one answer: systemd is busy for seconds while it reloads on a slow card.
const ANSWER_LIMIT: Duration = Duration::from_secs(60);

/// Serves until the agent ends. `patience` is how long systemd may be out of reach before that is reported.
pub async fn run(
    paths: Paths,
    wanted: BTreeMap<UnitName, bool>,
    dns: Receiver<Vec<PortDns>>,
    patience: Duration,
    events: UnboundedSender<Event>,
) {
    let mut wanted = Some(wanted);
    let mut told = false;
    let mut pause = PAUSES[0];
    let mut reason = text!("the system bus has not started");
    let deadline = Instant::now() + patience;
    loop {
        let attempt = connect(&paths);
        let outcome = if told {
            attempt.await
        } else {
            match tokio::time::timeout_at(deadline, attempt).await {
                Ok(outcome) => outcome,
                Err(_) => {
                    // The attempts go on; what is reported now is replaced when one succeeds.
                    told = true;
                    drop(events.send(Event::Unavailable(reason.clone())));
                    continue;
                }
            }
        };
        match outcome {
            Ok(manager) => {
                (told, pause) = (true, PAUSES[0]);
                if let Err(error) = serve(&paths, &manager, &mut wanted, &dns, &events).await {
                    log::warn!("The connection to systemd was lost: {error:#}");
                }
            }
            Err(error) => {
                if error != reason {
                    log::warn!("systemd can't be reached: {}", error.english());
                    reason = error;
                }
            }
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSES[1]);
    }
}

/// Waits for the system bus and returns systemd's manager on it, once that answers. The error is a phrase.
async fn connect(paths: &Paths) -> Result<ManagerProxy<'static>, Text> {
    let socket = paths.bus_socket();
    files::wait_for(&socket)
        .await
        .map_err(|error| text!("waiting for {file}: {error}", file = socket.display(), error))?;
    let no_bus = |error: zbus::Error| {
        text!(
            "the system bus does not answer ({reason})",
            reason = plain(&error)
        )
    };
    let no_systemd = |error: zbus::Error| {
        text!(
            "systemd does not answer on the system bus ({reason})",
            reason = plain(&error)
        )
    };
    let address = format!("unix:path={}", socket.display());
    let connection: Connection = zbus::connection::Builder::address(address.as_str())
        .method_timeout(ANSWER_LIMIT)
        .build()
        .await
        .map_err(no_bus)?;
    let manager = ManagerProxy::builder(&connection)
        // Several of its properties change although systemd calls them constant.
        .cache_properties(CacheProperties::No)
        .build()
        .await
        .map_err(no_systemd)?;
    // Without a subscriber systemd sends no signals.
    manager.subscribe().await.map_err(no_systemd)?;
    Ok(manager)
}

/// What went wrong in the other side's own words, without the name of the D-Bus error.
pub(crate) fn plain(error: &zbus::Error) -> String {
    match error {
        zbus::Error::MethodError(_, Some(text), _) => text.trim_end_matches('.').to_string(),
        other => other.to_string(),
    }
}

/// Sets the services, once in the agent's life, and watches; returns when the connection ends.
async fn serve(
    paths: &Paths,
    manager: &ManagerProxy<'static>,
    wanted: &mut Option<BTreeMap<UnitName, bool>>,
    dns: &Receiver<Vec<PortDns>>,
    events: &UnboundedSender<Event>,
) -> Result<()> {
    let services = async {
        if let Some(units) = wanted.as_ref() {
            let reports = units::set(paths, manager, units).await?;
            drop(events.send(Event::Services(reports)));
            *wanted = None;
        }
        Ok(())
    };
    tokio::try_join!(
        services,
        watch::started(manager, events),
        watch::failed_units(manager, events),
        resolved::follow(manager.inner().connection(), dns.clone(), events)
    )?;
    Ok(())
}
