//! The task that changes the settings: one request after the other, and at most one trial.

mod ending;
mod file;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use genpack_card::{Card, read_settings, trial};
use genpack_spec::layout::card::SYSTEM_INI;
use genpack_spec::report::{Diagnostic, Notice, SettingsFile, Severity};
use genpack_spec::settings::Settings;
use genpack_spec::system_ini::SIZE_LIMIT;
use genpack_spec::text;
use tokio::sync::{mpsc, oneshot, watch};

use super::adoption::{self, Adoption, InUse};
use super::follower::Change;
use super::reader::{Judged, Reader};
use super::refusal::Refusal;
use super::run_state::Trial;
use super::{Order, Snapshot};
use crate::Paths;

/// Where the answer to a request goes.
pub type Answer<T> = oneshot::Sender<Result<T, Refusal>>;

/// What is asked of the task.
#[derive(Debug)]
pub enum Request {
    /// Make this text the settings, and take it back after so many seconds; after none when that is 0.
    Apply(String, u32, Answer<Applied>),
    /// Keep the settings that are on trial.
    Confirm(String, Answer<()>),
    /// Take the settings that are on trial back.
    Revert(String, Answer<()>),
    /// Read the card's file again.
    Reload(Answer<Vec<Diagnostic>>),
    /// The card's file may be another one.
    CardChanged,
}

/// Settings that were applied.
#[derive(Debug)]
pub struct Applied {
    /// By which they are confirmed; empty when they need not be.
    pub token: String,
    /// What there is to say about them.
    pub diagnostics: Vec<Diagnostic>,
}

/// Longest trial in seconds: a day.
const LONGEST_TRIAL: u32 = 86_400;

/// Why settings are taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    Asked,
    Unconfirmed,
    Interrupted,
}

/// The task.
pub struct Changer {
    paths: Paths,
    card: Card,
    reader: Arc<Reader>,
    orders: mpsc::UnboundedSender<Order>,
    snapshots: watch::Receiver<Arc<Snapshot>>,
    changes: mpsc::UnboundedSender<Change>,
    trial: watch::Sender<Option<Trial>>,
    /// What the card's file is known to be: ours, or read before.
    known: Option<u64>,
}

impl Changer {
    /// Returns the task; it does nothing before [`Changer::run`].
    pub fn new(
        paths: &Paths,
        reader: Arc<Reader>,
        orders: mpsc::UnboundedSender<Order>,
        snapshots: watch::Receiver<Arc<Snapshot>>,
        changes: mpsc::UnboundedSender<Change>,
    ) -> Changer {
        Changer {
            card: Card::at(paths.card()),
            paths: paths.clone(),
            reader,
            orders,
            snapshots,
            changes,
            trial: watch::Sender::new(None),
            known: None,
        }
    }

    /// Returns the trial that is on, as it changes.
    pub fn trial(&self) -> watch::Receiver<Option<Trial>> {
        self.trial.subscribe()
    }

    /// Serves requests until nobody can send any more.
    pub async fn run(mut self, mut requests: mpsc::Receiver<Request>) {
        self.resume().await;
        self.known = self.on_card().await.ok().map(|found| fingerprint(&found.bytes));
        loop {
            let left = self.trial.borrow().as_ref().map(Trial::left);
            tokio::select! {
                request = requests.recv() => match request {
                    Some(request) => self.serve(request).await,
                    None => return,
                },
                () = pass(left) => self.expire().await,
            }
        }
    }

    async fn serve(&mut self, request: Request) {
        // Whoever asked may be gone.
        match request {
            Request::Apply(text, revert_after, answer) => {
                drop(answer.send(self.apply(text, revert_after).await));
            }
            Request::Confirm(token, answer) => drop(answer.send(self.confirm(&token).await)),
            Request::Revert(token, answer) => {
                let outcome = match self.named(&token) {
                    Ok(trial) => self.take_back(trial, Why::Asked).await,
                    Err(refusal) => Err(refusal),
                };
                drop(answer.send(outcome));
            }
            Request::Reload(answer) => drop(answer.send(self.reload().await)),
            Request::CardChanged => {
                if let Err(refusal) = self.card_changed().await {
                    log::warn!("What changed on the card does not hold: {refusal}");
                }
            }
        }
    }

    async fn expire(&mut self) {
        let trial = self.trial.borrow().clone();
        if let Some(trial) = trial.filter(|trial| trial.left() == 0) {
            self.take_back_or_log(trial, Why::Unconfirmed).await;
        }
    }

    fn now(&self) -> Arc<Snapshot> {
        self.snapshots.borrow().clone()
    }

    async fn judge(&self, bytes: Vec<u8>) -> Result<Judged, Refusal> {
        let reader = self.reader.clone();
        blocking(move || reader.judge(bytes))
            .await?
            .map_err(Refusal::Failed)
    }

    async fn apply(&mut self, text: String, revert_after: u32) -> Result<Applied, Refusal> {
        if text.len() > SIZE_LIMIT {
            return Err(Refusal::too_long(text.len()));
        }
        if revert_after > LONGEST_TRIAL {
            return Err(Refusal::Invalid(format!(
                "a trial may last {LONGEST_TRIAL} seconds at most, not {revert_after}"
            )));
        }
        if let Some(trial) = self.trial.borrow().as_ref() {
            return Err(Refusal::Pending(pending(trial)));
        }
        let judged = self.judge(text.into_bytes()).await?;
        if let Some(reason) = &judged.unconcealed {
            return Err(Refusal::unconcealed(reason));
        }
        let card = self.card.clone();
        let found = blocking(move || {
            // What could not be taken back before must not become what is gone back to.
            match trial::take_back_on(&card) {
                Some((_, Err(error))) => Err(Refusal::card(&error)),
                _ => Ok(read_settings(card.root())),
            }
        })
        .await??;
        let (name, previous) = match found.state {
            SettingsFile::Read { name } => (name, Some(found.bytes)),
            SettingsFile::Missing => (SYSTEM_INI.to_string(), None),
            SettingsFile::Unusable { name, reason } => {
                return Err(Refusal::Card(format!(
                    "{name} on the card can't be replaced: {}; take it away first",
                    reason.english()
                )));
            }
        };
        let before = self.now();
        let boot = adoption::report(
            &before.boot,
            SettingsFile::Read { name: name.clone() },
            &judged.settings,
            judged.diagnostics.clone(),
        );
        let adoption = Adoption {
            settings: judged.settings,
            boot,
            notices: Vec::new(),
        };
        let token = match revert_after {
            0 => {
                let (card, content) = (self.card.clone(), judged.content.clone());
                blocking(move || card.write(&name, &content))
                    .await?
                    .map_err(|error| Refusal::card(&error))?;
                self.adopt(adoption, InUse::File(&judged.content)).await?;
                log::info!("Settings were applied for good.");
                String::new()
            }
            seconds => {
                self.try_out(adoption, seconds, &name, previous, &judged.content)
                    .await?
            }
        };
        self.known = Some(fingerprint(&judged.content));
        Ok(Applied {
            token,
            diagnostics: judged.diagnostics,
        })
    }

    /// Puts settings on trial; returns the trial's token.
    async fn try_out(
        &mut self,
        mut adoption: Adoption,
        seconds: u32,
        name: &str,
        previous: Option<Vec<u8>>,
        content: &[u8],
    ) -> Result<String, Refusal> {
        let failed = |error: std::io::Error| Refusal::Failed(format!("the trial can't be kept: {error}"));
        let before = self.now();
        // Under /run first, on the card next, in force last: the end of the agent at any point leads to the way back.
        let mut trial =
            Trial::begin(seconds, before.settings.clone(), before.boot.clone()).map_err(failed)?;
        trial.store(&self.paths).map_err(failed)?;
        let steps = trial::begin(name, previous.as_deref(), content);
        let card = self.card.clone();
        let written = blocking(move || {
            card.carry_out(&steps).inspect_err(|_| {
                // What was written of it goes; if not even that works, the next start sees to it.
                let _ = trial::take_back_on(&card);
            })
        })
        .await?;
        if let Err(error) = written {
            Trial::forget(&self.paths);
            return Err(Refusal::card(&error));
        }
        adoption.notices.push(Notice {
            severity: Severity::Warning,
            text: text!(
                "The settings in {file} are on trial: unless somebody confirms them within {seconds} seconds, they are \
                 taken back.",
                file = name,
                seconds
            ),
        });
        self.adopt(adoption, InUse::Trial(content)).await?;
        trial.applied = true;
        trial.deadline = crate::time::uptime() + u64::from(seconds);
        trial.store(&self.paths).map_err(failed)?;
        log::info!("Settings are on trial for {seconds} seconds.");
        let token = trial.token.clone();
        self.trial.send_replace(Some(trial));
        Ok(token)
    }

    fn named(&self, token: &str) -> Result<Trial, Refusal> {
        let trial = self.trial.borrow().clone();
        match trial {
            None => Err(Refusal::NotPending("no change waits to be confirmed".into())),
            Some(trial) if token.is_empty() || trial.token == token => Ok(trial),
            Some(_) => Err(Refusal::NotPending(
                "another change than this one waits to be confirmed; this one was taken back or confirmed before".into(),
            )),
        }
    }

    async fn adopt(&self, adoption: Adoption, file: InUse<'_>) -> Result<(), Refusal> {
        self.adopt_after(adoption, &self.now().settings, file).await
    }

    async fn adopt_after(
        &self,
        adoption: Adoption,
        before: &Settings,
        file: InUse<'_>,
    ) -> Result<(), Refusal> {
        if let Err(error) = adoption.leave(&self.paths, before, file) {
            // They hold all the same; only a later life of the agent would not know.
            log::error!("The settings can't be kept under /run: {error}");
        }
        let (done, finished) = oneshot::channel();
        let adoption = adoption.with_restart(&self.paths, before);
        let change = Change {
            boot: adoption.boot.clone(),
            before: self.now().settings.clone(),
            settings: adoption.settings.clone(),
        };
        let order = Order::Adopt(Box::new(adoption), done);
        self.orders.send(order).map_err(|_| Refusal::ending())?;
        finished.await.map_err(|_| Refusal::ending())?;
        self.changes.send(change).map_err(|_| Refusal::ending())
    }
}

fn pending(trial: &Trial) -> String {
    format!(
        "another change waits to be confirmed for {} more seconds; confirm it or take it back first",
        trial.left()
    )
}

fn fingerprint(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}

/// Does what may take long on a thread of its own.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Refusal> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Refusal::Failed(format!("an internal error: {error}")))
}

async fn pass(seconds: Option<u64>) {
    match seconds {
        Some(seconds) => tokio::time::sleep(Duration::from_secs(seconds)).await,
        None => std::future::pending().await,
    }
}
