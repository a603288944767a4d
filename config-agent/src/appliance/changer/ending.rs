//! How a trial ends, in this life of the agent or a later one.

use anyhow::Result;
use genpack_card::trial::{self, Outcome};
use genpack_spec::layout::card::SYSTEM_INI;
use genpack_spec::report::{Notice, SettingsFile, Severity};
use genpack_spec::text;
use genpack_spec::text::Text;

use super::{Changer, Why, blocking, fingerprint};
use crate::appliance::adoption::{Adoption, InUse};
use crate::appliance::refusal::Refusal;
use crate::appliance::run_state::Trial;

impl Changer {
    /// Takes up what an earlier life of the agent left.
    pub(super) async fn resume(&mut self) {
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

    /// Keeps the settings that are on trial.
    pub(super) async fn confirm(&mut self, token: &str) -> Result<(), Refusal> {
        let trial = self.named(token)?;
        let card = self.card.clone();
        blocking(move || card.carry_out(&trial::confirm()))
            .await?
            .map_err(|error| Refusal::card(&error))?;
        let content = std::fs::read(self.paths.trial_file()).unwrap_or_default();
        self.settle(&trial, &content).await?;
        log::info!("The settings that were on trial hold for good.");
        if self.known != Some(fingerprint(&content)) {
            // Somebody has written another file meanwhile.
            self.known = None;
            return self.card_changed().await;
        }
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

    pub(super) async fn take_back_or_log(&mut self, trial: Trial, why: Why) {
        if let Err(refusal) = self.take_back(trial, why).await {
            log::error!("Settings could not be taken back: {refusal}");
        }
    }

    /// Makes the settings of before hold again: at once, and then on the card.
    pub(super) async fn take_back(&mut self, trial: Trial, why: Why) -> Result<(), Refusal> {
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
