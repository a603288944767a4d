//! The device as its own bus offers it.

use anyhow::{Context, Result, anyhow};

use crate::appliance::GROUP;

#[zbus::proxy(
    interface = "org.genpack.Appliance1",
    default_service = "org.genpack.Appliance1",
    default_path = "/org/genpack/Appliance1"
)]
trait Appliance {
    #[zbus(property)]
    fn status(&self) -> zbus::Result<String>;
    #[zbus(property)]
    fn settings(&self) -> zbus::Result<String>;
    #[zbus(property)]
    fn pending(&self) -> zbus::Result<(String, u32)>;
    fn check(&self, text: &str) -> zbus::Result<String>;
    fn apply(&self, text: &str, revert_after: u32) -> zbus::Result<(String, String)>;
    fn confirm(&self, token: &str) -> zbus::Result<()>;
    fn revert(&self, token: &str) -> zbus::Result<()>;
    fn reload(&self) -> zbus::Result<String>;
    fn text(&self) -> zbus::Result<String>;
}

/// The agent, and its refusals in plain words.
pub struct Device(ApplianceProxy<'static>);

impl Device {
    /// Connects to the system bus.
    pub async fn connect() -> Result<Device> {
        let bus = zbus::Connection::system()
            .await
            .context("the system bus can't be reached")?;
        let proxy = ApplianceProxy::builder(&bus)
            // Asked once each.
            .cache_properties(zbus::proxy::CacheProperties::No)
            .build()
            .await?;
        Ok(Device(proxy))
    }

    /// Returns what the device found and did, as JSON.
    pub async fn status(&self) -> Result<String> {
        self.0.status().await.map_err(plain)
    }

    /// Returns the settings in effect, as JSON.
    pub async fn settings(&self) -> Result<String> {
        self.0.settings().await.map_err(plain)
    }

    /// Returns the seconds that are left to confirm a change; none when there is none.
    pub async fn pending(&self) -> Result<Option<u32>> {
        let (token, left) = self.0.pending().await.map_err(plain)?;
        Ok((!token.is_empty()).then_some(left))
    }

    /// Returns what there is to say about a text, as JSON.
    pub async fn check(&self, text: &str) -> Result<String> {
        self.0.check(text).await.map_err(plain)
    }

    /// Applies a text; returns a token and what there is to say, as JSON.
    pub async fn apply(&self, text: &str, revert_after: u32) -> Result<(String, String)> {
        self.0.apply(text, revert_after).await.map_err(plain)
    }

    /// Keeps what was applied.
    pub async fn confirm(&self, token: &str) -> Result<()> {
        self.0.confirm(token).await.map_err(plain)
    }

    /// Takes it back.
    pub async fn revert(&self, token: &str) -> Result<()> {
        self.0.revert(token).await.map_err(plain)
    }

    /// Reads the card again; returns what there is to say, as JSON.
    pub async fn reload(&self) -> Result<String> {
        self.0.reload().await.map_err(plain)
    }

    /// Returns the text of the file in use.
    pub async fn text(&self) -> Result<String> {
        self.0.text().await.map_err(plain)
    }
}

/// What went wrong, without the names that D-Bus has for it.
fn plain(error: zbus::Error) -> anyhow::Error {
    let (name, text) = match &error {
        zbus::Error::MethodError(name, text, _) => (name.to_string(), text.clone()),
        zbus::Error::FDO(inner) => match inner.as_ref() {
            zbus::fdo::Error::AccessDenied(text) => (
                "org.freedesktop.DBus.Error.AccessDenied".to_string(),
                Some(text.clone()),
            ),
            zbus::fdo::Error::ServiceUnknown(text) => (
                "org.freedesktop.DBus.Error.ServiceUnknown".to_string(),
                Some(text.clone()),
            ),
            _ => return anyhow!(error),
        },
        _ => return anyhow!(error),
    };
    match (name.rsplit('.').next(), text) {
        (Some("AccessDenied"), _) => anyhow!("only root and members of the group {GROUP} may do that"),
        (Some("ServiceUnknown" | "NameHasNoOwner"), _) => {
            anyhow!("the config agent does not run (systemctl status genpack-config-agent)")
        }
        (_, Some(text)) => anyhow!("{text}"),
        (_, None) => anyhow!(error),
    }
}
