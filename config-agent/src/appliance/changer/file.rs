//! The card's file, read while the device runs.

use genpack_card::{FoundSettings, read_settings};
use genpack_spec::image::Reaction;
use genpack_spec::layout::card::SYSTEM_INI;
use genpack_spec::report::{Diagnostic, Notice, SettingsFile, Severity};
use genpack_spec::text;
use genpack_spec::text::Text;

use super::{Changer, blocking, fingerprint, pending};
use crate::appliance::Order;
use crate::appliance::adoption::{self, Adoption, InUse};
use crate::appliance::refusal::Refusal;

impl Changer {
    /// Returns the card's file.
    pub(super) async fn on_card(&self) -> Result<FoundSettings, Refusal> {
        let root = self.paths.card();
        blocking(move || read_settings(&root)).await
    }

    /// Somebody has written to the card; perhaps it was us.
    pub(super) async fn card_changed(&mut self) -> Result<(), Refusal> {
        let found = self.on_card().await?;
        // One that is gone may be about to come back; at the next start its absence counts.
        if found.state == SettingsFile::Missing || self.known == Some(fingerprint(&found.bytes)) {
            return Ok(());
        }
        self.known = Some(fingerprint(&found.bytes));
        let trial = self.trial.borrow().is_some();
        if let SettingsFile::Unusable { name, reason } = found.state {
            let text = text!(
                "{file} on the card has been changed and can't be used: {reason}. The settings stay as they are until the \
                 next start.",
                file = name,
                reason
            );
            return self.tell(Severity::Error, text);
        }
        match self.now().boot.image.settings_from.card {
            Reaction::Off => Ok(()),
            // What somebody writes during a trial is not lost with it.
            Reaction::Apply if !trial => self.reload().await.map(drop),
            Reaction::Apply | Reaction::Check => {
                let (diagnostics, file) = (self.reader.parse(&found.bytes).diagnostics, SYSTEM_INI);
                let bad = diagnostics.iter().any(|found| found.severity == Severity::Error);
                match bad {
                    true => self.tell(
                        Severity::Error,
                        text!(
                            "{file} on the card has been changed, and the device can't use every line of it; it holds \
                             after the next start.",
                            file
                        ),
                    ),
                    false => self.tell(
                        Severity::Warning,
                        text!(
                            "{file} on the card has been changed; it holds after the next start.",
                            file
                        ),
                    ),
                }
            }
        }
    }

    fn tell(&self, severity: Severity, text: Text) -> Result<(), Refusal> {
        let order = Order::Tell(vec![Notice { severity, text }]);
        self.orders.send(order).map_err(|_| Refusal::ending())
    }

    /// Reads the card's file again and makes it hold.
    pub(super) async fn reload(&mut self) -> Result<Vec<Diagnostic>, Refusal> {
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
}
