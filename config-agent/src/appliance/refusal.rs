//! Why a request is refused, as D-Bus errors. Nothing has been changed then.

use genpack_spec::system_ini::SIZE_LIMIT;
use genpack_spec::text::Text;
use zbus::DBusError;

/// A refusal; its words are for people.
#[derive(Debug, DBusError)]
#[zbus(prefix = "org.genpack.Appliance1.Error")]
pub enum Refusal {
    /// What the bus itself has to say.
    #[zbus(error)]
    ZBus(zbus::Error),
    /// The text is longer than a settings file may be.
    TooLong(String),
    /// An argument makes no sense.
    Invalid(String),
    /// A change waits to be confirmed already.
    Pending(String),
    /// No change waits to be confirmed.
    NotPending(String),
    /// The card does not let itself be read or written.
    Card(String),
    /// The device can't do it.
    Failed(String),
}

impl Refusal {
    pub(super) fn too_long(length: usize) -> Refusal {
        Refusal::TooLong(format!(
            "the text is {length} bytes long, and a settings file may have {SIZE_LIMIT} at most"
        ))
    }

    pub(super) fn card(error: &anyhow::Error) -> Refusal {
        Refusal::Card(format!("the card can't be written: {error:#}"))
    }

    pub(super) fn unconcealed(reason: &Text) -> Refusal {
        Refusal::Invalid(format!(
            "it holds a plain password that can't be replaced by its hash: {}; send plain text, or write password_hash",
            reason.english()
        ))
    }

    /// Returns its words for people.
    pub(super) fn reason(&self) -> String {
        match self {
            Refusal::ZBus(error) => error.to_string(),
            Refusal::TooLong(text)
            | Refusal::Invalid(text)
            | Refusal::Pending(text)
            | Refusal::NotPending(text)
            | Refusal::Card(text)
            | Refusal::Failed(text) => text.clone(),
        }
    }

    /// The agent is about to end.
    pub(super) fn ending() -> Refusal {
        Refusal::Failed("the agent is ending".into())
    }
}
