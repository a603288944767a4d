//! The task that changes the settings: one request after the other, and at most one trial.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use genpack_card::trial::{self, Outcome};
use genpack_card::{Card, FoundSettings, read_settings};
use genpack_spec::image::Reaction;
use genpack_spec::layout::card::SYSTEM_INI;
use genpack_spec::report::{Diagnostic, Notice, SettingsFile, Severity};
use genpack_spec::settings::Settings;
use genpack_spec::system_ini::SIZE_LIMIT;
use genpack_spec::text;
use genpack_spec::text::Text;
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

    /// Takes up what an earlier life of the agent left.
    async fn resume(&mut self) {
        let card = self.card.clone();
        let on_card = blocking(move || trial::is_on(&card)).await.unwrap_or(false);
        match (Trial::load(&self.paths), on_card) {
            (Some(trial), true) if trial.applied => {
                log::info!("The settings are on trial for {} more seconds.", trial.left());
                self.trial.send_replace(Some(trial));
            }
            (Some(trial), true) => self.take_back_or_log(trial, Why::Interrupted).await,
            (Some(trial), false) => {
                // It was ended on the card, one way or the other, and only this had not been told yet.
                if let Ok(bytes) = std::fs::read(self.paths.trial_file()) {
                    let _ = self.settle(&trial, &bytes).await;
                }
                Trial::forget(&self.paths);
            }
            (None, true) => {
                // PID 1 has used the settings of before; it could not write them to the card.
                if let Err(error) = self.restore_card().await {
                    log::error!("Settings that nobody confirmed are still on the card: {error:#}");
                }
            }
            (None, false) => {}
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
        self.known = Some(fingerprint(&judged.content));
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

    async fn confirm(&mut self, token: &str) -> Result<(), Refusal> {
        let trial = self.named(token)?;
        let card = self.card.clone();
        blocking(move || card.carry_out(&trial::confirm()))
            .await?
            .map_err(|error| Refusal::card(&error))?;
        let content = std::fs::read(self.paths.trial_file()).unwrap_or_default();
        self.settle(&trial, &content).await?;
        log::info!("The settings that were on trial hold for good.");
        Ok(())
    }

    /// Makes what is on trial hold for good, once the card says so.
    async fn settle(&mut self, trial: &Trial, content: &[u8]) -> Result<(), Refusal> {
        let now = self.now();
        let adoption = Adoption {
            settings: now.settings.clone(),
            boot: now.boot.clone(),
            notices: Vec::new(),
        };
        self.trial.send_replace(None);
        let adopted = self
            .adopt_after(adoption, &trial.settings_before, InUse::File(content))
            .await;
        Trial::forget(&self.paths);
        adopted
    }

    async fn take_back_or_log(&mut self, trial: Trial, why: Why) {
        if let Err(refusal) = self.take_back(trial, why).await {
            log::error!("Settings could not be taken back: {refusal}");
        }
    }

    /// Makes the settings of before hold again: at once, and then on the card.
    async fn take_back(&mut self, trial: Trial, why: Why) -> Result<(), Refusal> {
        let file = match &self.now().boot.file {
            SettingsFile::Read { name } => name.clone(),
            _ => SYSTEM_INI.to_string(),
        };
        let mut adoption = Adoption {
            settings: trial.settings_before.clone(),
            boot: trial.boot_before.clone(),
            notices: vec![Notice {
                severity: Severity::Warning,
                text: taken_back(&file, why, trial.revert_after),
            }],
        };
        self.trial.send_replace(None);
        self.adopt(adoption.clone(), InUse::Before).await?;
        match self.restore_card().await {
            Ok(None) => {}
            Ok(Some(notice)) => {
                adoption.notices.push(notice);
                self.adopt(adoption, InUse::Before).await?;
            }
            Err(error) => {
                adoption.notices.push(Notice {
                    severity: Severity::Error,
                    text: text!(
                        "The card can't be written ({reason}), so the settings there are still those that were taken back.",
                        reason = format!("{error:#}")
                    ),
                });
                self.adopt(adoption, InUse::Before).await?;
                Trial::forget(&self.paths);
                return Err(Refusal::card(&error));
            }
        }
        Trial::forget(&self.paths);
        log::info!("The settings that were on trial were taken back.");
        Ok(())
    }

    /// Takes the change on the card back; returns what there is to say besides.
    async fn restore_card(&mut self) -> Result<Option<Notice>> {
        let card = self.card.clone();
        let outcome = blocking(move || trial::take_back_on(&card)).await;
        let Some((outcome, written)) = outcome.map_err(|refusal| anyhow::anyhow!("{refusal}"))? else {
            return Ok(None);
        };
        written?;
        Ok(match outcome {
            Outcome::TakenBack { previous, .. } => {
                self.known = Some(fingerprint(&previous.unwrap_or_default()));
                None
            }
            Outcome::Edited => Some(Notice {
                severity: Severity::Warning,
                text: text!(
                    "The file on the card has been changed meanwhile, and stays as it is; it holds after the next start."
                ),
            }),
            Outcome::Lost(reason) => Some(Notice {
                severity: Severity::Error,
                text: text!(
                    "A change of the settings that nobody confirmed could not be taken back: {reason}.",
                    reason
                ),
            }),
        })
    }

    async fn on_card(&self) -> Result<FoundSettings, Refusal> {
        let root = self.paths.card();
        blocking(move || read_settings(&root)).await
    }

    /// Somebody has written to the card; perhaps it was us.
    async fn card_changed(&mut self) -> Result<(), Refusal> {
        let found = self.on_card().await?;
        // One that is gone may be about to come back; at the next start its absence counts.
        if found.state == SettingsFile::Missing || self.known == Some(fingerprint(&found.bytes)) {
            return Ok(());
        }
        self.known = Some(fingerprint(&found.bytes));
        let trial = self.trial.borrow().is_some();
        match self.now().boot.image.settings_from.card {
            Reaction::Off => Ok(()),
            // What somebody writes during a trial is not lost with it.
            Reaction::Apply if !trial => self.reload().await.map(drop),
            Reaction::Apply | Reaction::Check => {
                let (diagnostics, file) = (self.reader.parse(&found.bytes).diagnostics, SYSTEM_INI);
                let bad = diagnostics.iter().any(|found| found.severity == Severity::Error);
                let notice = Notice {
                    severity: if bad { Severity::Error } else { Severity::Warning },
                    text: match bad {
                        true => text!(
                            "{file} on the card has been changed, and the device can't use every line of it; it holds \
                             after the next start.",
                            file
                        ),
                        false => text!(
                            "{file} on the card has been changed; it holds after the next start.",
                            file
                        ),
                    },
                };
                self.orders
                    .send(Order::Tell(vec![notice]))
                    .map_err(|_| Refusal::ending())
            }
        }
    }

    async fn reload(&mut self) -> Result<Vec<Diagnostic>, Refusal> {
        if let Some(trial) = self.trial.borrow().as_ref() {
            return Err(Refusal::Pending(pending(trial)));
        }
        let FoundSettings {
            state,
            bytes,
            remarks,
        } = self.on_card().await?;
        let mut judged = self.judge(bytes.clone()).await?;
        self.known = Some(fingerprint(&bytes));
        let mut notices = Vec::new();
        if let SettingsFile::Read { name } = &state {
            if judged.content != bytes {
                let (card, name, content) = (self.card.clone(), name.clone(), judged.content.clone());
                let written = blocking(move || card.write(&name, &content)).await?;
                if written.is_ok() {
                    self.known = Some(fingerprint(&judged.content));
                }
                judged.unconcealed = written.err().map(|error| Text::verbatim(format!("{error:#}")));
            }
            if let Some(reason) = &judged.unconcealed {
                notices.push(Notice {
                    severity: Severity::Warning,
                    text: text!(
                        "A password stays readable in {file}, because the device can't replace it there by its hash: \
                         {reason}. It holds all the same. Save the file as plain text, or write password_hash instead.",
                        file = name,
                        reason = reason.clone()
                    ),
                });
            }
        }
        let diagnostics: Vec<_> = remarks.into_iter().chain(judged.diagnostics).collect();
        let file = match (&state, &judged.unconcealed) {
            (SettingsFile::Read { .. }, None) => InUse::File(&judged.content),
            _ => InUse::Nothing,
        };
        let boot = adoption::report(&self.now().boot, state, &judged.settings, diagnostics.clone());
        let adoption = Adoption {
            settings: judged.settings,
            boot,
            notices,
        };
        self.adopt(adoption, file).await?;
        log::info!("The settings were read again.");
        Ok(diagnostics)
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

fn taken_back(file: &str, why: Why, seconds: u32) -> Text {
    match why {
        Why::Unconfirmed => text!(
            "The last change of {file} was taken back, because nobody confirmed it within {seconds} seconds.",
            file,
            seconds
        ),
        Why::Asked => text!(
            "The last change of {file} was taken back, as somebody asked.",
            file
        ),
        Why::Interrupted => text!(
            "The last change of {file} was taken back, because it was interrupted.",
            file
        ),
    }
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
