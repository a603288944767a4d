//! wpa_supplicant's D-Bus interface, as far as it is used here
//! (<https://w1.fi/wpa_supplicant/devel/dbus.html>).

use std::collections::HashMap;

use zbus::{OwnedObjectPath, OwnedVariant, Variant};

/// The daemon.
#[zbus::proxy(
    interface = "fi.w1.wpa_supplicant1",
    default_service = "fi.w1.wpa_supplicant1",
    default_path = "/fi/w1/wpa_supplicant1"
)]
pub trait Supplicant {
    /// Takes charge of a radio.
    fn create_interface(&self, args: HashMap<&str, Variant<'_>>) -> zbus::Result<OwnedObjectPath>;
    /// Returns the radio of this name.
    fn get_interface(&self, name: &str) -> zbus::Result<OwnedObjectPath>;
    /// Lets go of a radio.
    fn remove_interface(&self, path: &zbus::ObjectPath<'_>) -> zbus::Result<()>;
}

/// A radio.
#[zbus::proxy(
    interface = "fi.w1.wpa_supplicant1.Interface",
    default_service = "fi.w1.wpa_supplicant1"
)]
pub trait Radio {
    /// Adds a network, switched off.
    fn add_network(&self, args: &HashMap<String, OwnedVariant>) -> zbus::Result<OwnedObjectPath>;
    /// Removes a network.
    fn remove_network(&self, path: &zbus::ObjectPath<'_>) -> zbus::Result<()>;
    /// Looks around and connects to the best network, even when it is connected.
    fn reassociate(&self) -> zbus::Result<()>;
    /// Known networks.
    #[zbus(property)]
    fn networks(&self) -> zbus::Result<Vec<OwnedObjectPath>>;
    /// The network in use; `/` when there is none.
    #[zbus(property)]
    fn current_network(&self) -> zbus::Result<OwnedObjectPath>;
    /// What it is doing.
    #[zbus(property)]
    fn state(&self) -> zbus::Result<String>;
    /// Networks in reach.
    #[zbus(property, name = "BSSs")]
    fn bsss(&self) -> zbus::Result<Vec<OwnedObjectPath>>;
    /// The country whose radio rules hold.
    #[zbus(property)]
    fn country(&self) -> zbus::Result<String>;
    /// Sets it.
    #[zbus(property)]
    fn set_country(&self, country: &str) -> zbus::Result<()>;
    /// A look around has ended.
    #[zbus(signal)]
    fn scan_done(&self, success: bool) -> zbus::Result<()>;
}

/// A known network.
#[zbus::proxy(
    interface = "fi.w1.wpa_supplicant1.Network",
    default_service = "fi.w1.wpa_supplicant1"
)]
pub trait Network {
    /// Whether it may be used.
    #[zbus(property)]
    fn enabled(&self) -> zbus::Result<bool>;
    /// Sets it.
    #[zbus(property)]
    fn set_enabled(&self, enabled: bool) -> zbus::Result<()>;
}
