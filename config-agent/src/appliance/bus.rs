//! `org.genpack.Appliance1` on the system bus. Who may call what is said in the bus's own policy file
//! (`rootfs-overlay/usr/share/dbus-1/system.d/org.genpack.Appliance1.conf`): everybody may look; only root and the group
//! `genpack` may ask for more.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use futures_util::StreamExt;
use genpack_spec::report::Diagnostic;
use genpack_spec::status;
use genpack_spec::system_ini::{self, SIZE_LIMIT};
use genpack_spec::text::Language;
use serde_json::json;
use tokio::sync::{Mutex, mpsc, oneshot, watch};
use zbus::fdo::DBusProxy;
use zbus::object_server::{InterfaceRef, SignalEmitter};

use super::changer::{Answer, Applied, Request};
use super::refusal::Refusal;
use super::run_state::Trial;
use super::{NAME, PATH, Reader, Snapshot};
use crate::{Paths, files, system};

/// Pauses between attempts to reach the bus grow from the first of these to the second.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(60)];
/// Changes within this time are told together.
const GAP: Duration = Duration::from_secs(1);

/// What the interface is made of.
#[derive(Clone)]
pub struct Door {
    /// What a text means.
    pub reader: Arc<Reader>,
    /// The task that changes settings.
    pub requests: mpsc::Sender<Request>,
    /// What is true.
    pub snapshots: watch::Receiver<Arc<Snapshot>>,
    /// The trial that is on.
    pub trial: watch::Receiver<Option<Trial>>,
}

/// Serves until the agent ends, over every restart of the bus.
pub async fn run(paths: Paths, door: Door) {
    let mut pause = PAUSES[0];
    let checks = Arc::new(Mutex::new(()));
    loop {
        let interface = Interface {
            paths: paths.clone(),
            door: door.clone(),
            checks: checks.clone(),
        };
        match connect(&paths, interface).await {
            Ok(connection) => {
                pause = PAUSES[0];
                log::info!("{NAME} is on the bus.");
                if let Err(error) = tell(&connection, door.clone()).await {
                    log::warn!("{NAME} is off the bus: {error:#}");
                }
            }
            Err(error) => log::warn!("{NAME} can't be offered on the bus: {error:#}"),
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSES[1]);
    }
}

async fn connect(paths: &Paths, interface: Interface) -> Result<zbus::Connection> {
    let socket = paths.bus_socket();
    files::wait_for(&socket).await.context("waiting for the bus")?;
    let address = format!("unix:path={}", socket.display());
    let connection = zbus::connection::Builder::address(address.as_str())
        .serve_at(PATH, interface)
        .name(NAME)
        .build()
        .await?;
    Ok(connection)
}

/// Tells the bus of changes; returns when the connection ends.
async fn tell(connection: &zbus::Connection, mut door: Door) -> Result<()> {
    let bus = DBusProxy::new(connection).await?;
    // The stream ends with the connection.
    let mut lost = bus.receive_name_lost().await?;
    let interface: InterfaceRef<Interface> = connection.object_server().interface(PATH).await?;
    loop {
        tokio::select! {
            gone = lost.next() => match gone {
                Some(_) => bail!("the name was taken away"),
                None => bail!("the connection was closed"),
            },
            changed = door.snapshots.changed() => {
                changed?;
                let before = interface.get().await;
                let emitter = interface.signal_emitter();
                before.status_invalidate(emitter).await?;
                before.settings_invalidate(emitter).await?;
                before.diagnostics_invalidate(emitter).await?;
                drop(before);
                tokio::time::sleep(GAP).await;
            }
            changed = door.trial.changed() => {
                changed?;
                let emitter = interface.signal_emitter();
                interface.get().await.pending_changed(emitter).await?;
                let (token, left) = pending(&door.trial.borrow_and_update().clone());
                Interface::trial_changed(emitter, &token, left).await?;
            }
        }
    }
}

fn pending(trial: &Option<Trial>) -> (String, u32) {
    let left = |trial: &Trial| u32::try_from(trial.left()).unwrap_or(u32::MAX);
    trial
        .as_ref()
        .map_or((String::new(), 0), |trial| (trial.token.clone(), left(trial)))
}

struct Interface {
    paths: Paths,
    door: Door,
    /// One check at a time: each may take a while of a slow processor.
    checks: Arc<Mutex<()>>,
}

impl Door {
    /// Asks the task that changes settings, and waits for its answer.
    pub async fn ask<T>(&self, request: impl FnOnce(Answer<T>) -> Request) -> Result<T, Refusal> {
        let (answer, answered) = oneshot::channel();
        self.requests
            .send(request(answer))
            .await
            .map_err(|_| Refusal::ending())?;
        answered.await.map_err(|_| Refusal::ending())?
    }
}

impl Interface {
    fn now(&self) -> Arc<Snapshot> {
        self.door.snapshots.borrow().clone()
    }
}

fn said(diagnostics: &[Diagnostic], language: Language) -> String {
    let said: Vec<_> = diagnostics
        .iter()
        .map(|found| found.said(|text| language.say(text)))
        .collect();
    serde_json::to_string(&said).unwrap_or_default()
}

#[zbus::interface(name = "org.genpack.Appliance1")]
impl Interface {
    /// What the device found and did, as JSON: `boot`, `run`, the number of `problems`, and the page `text` that stands in
    /// STATUS.txt.
    #[zbus(property(emits_changed_signal = "invalidates"))]
    fn status(&self) -> String {
        let now = self.now();
        json!({
            "boot": now.boot,
            "run": now.run,
            "problems": status::problem_count(&now.boot, &now.run),
            "text": status::status_txt(&now.boot, Some(&now.run), None),
        })
        .to_string()
    }

    /// The settings in effect, as JSON, with secrets masked.
    #[zbus(property(emits_changed_signal = "invalidates"))]
    fn settings(&self) -> String {
        self.now().settings.shown().to_string()
    }

    /// What there is to say about the lines of the file in use, as JSON, in the language of the device.
    #[zbus(property(emits_changed_signal = "invalidates"))]
    fn diagnostics(&self) -> String {
        let now = self.now();
        said(&now.boot.diagnostics, now.boot.language)
    }

    /// The change that waits to be confirmed: its token and the seconds that are left; an empty token when there is none.
    #[zbus(property)]
    fn pending(&self) -> (String, u32) {
        pending(&self.door.trial.borrow())
    }

    /// Returns what the device would make of a text, as JSON; changes nothing.
    async fn check(&self, text: String) -> Result<String, Refusal> {
        if text.len() > SIZE_LIMIT {
            return Err(Refusal::too_long(text.len()));
        }
        let _alone = self.checks.lock().await;
        let (reader, language) = (self.door.reader.clone(), self.now().boot.language);
        tokio::task::spawn_blocking(move || said(&reader.parse(text.as_bytes()).diagnostics, language))
            .await
            .map_err(|error| Refusal::Failed(error.to_string()))
    }

    /// Makes a text the settings, on the card too, and takes it back after so many seconds unless it is confirmed; 0: it
    /// holds for good at once. Returns the token to confirm it with, and what there is to say about its lines, as JSON.
    async fn apply(&self, text: String, revert_after: u32) -> Result<(String, String), Refusal> {
        let applied: Applied = self
            .door
            .ask(|answer| Request::Apply(text, revert_after, answer))
            .await?;
        let language = self.now().boot.language;
        Ok((applied.token, said(&applied.diagnostics, language)))
    }

    /// Keeps the settings that are on trial; an empty token means whichever.
    async fn confirm(&self, token: String) -> Result<(), Refusal> {
        self.door.ask(|answer| Request::Confirm(token, answer)).await
    }

    /// Takes back the settings that are on trial; an empty token means whichever.
    async fn revert(&self, token: String) -> Result<(), Refusal> {
        self.door.ask(|answer| Request::Revert(token, answer)).await
    }

    /// Reads the card's file again and makes it hold; returns what there is to say about its lines, as JSON.
    async fn reload(&self) -> Result<String, Refusal> {
        let diagnostics = self.door.ask(Request::Reload).await?;
        Ok(said(&diagnostics, self.now().boot.language))
    }

    /// Returns the text of the card's file, to be changed and applied. It may hold secrets.
    async fn text(&self) -> Result<String, Refusal> {
        let root = self.paths.card();
        tokio::task::spawn_blocking(move || system_ini::text_of(&genpack_card::read_settings(&root).bytes))
            .await
            .map_err(|error| Refusal::Failed(error.to_string()))
    }

    /// Restarts the machine.
    async fn reboot(&self, #[zbus(connection)] connection: &zbus::Connection) -> Result<(), Refusal> {
        Ok(system::reboot(connection).await?)
    }

    /// A trial has begun, or has ended: then the token is empty.
    #[zbus(signal)]
    async fn trial_changed(emitter: &SignalEmitter<'_>, token: &str, seconds_left: u32) -> zbus::Result<()>;
}
