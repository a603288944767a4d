//! What systemd wants to hear from a service of type `notify` (sd_notify(3)).

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// The way to the service manager; says nothing when there is none.
#[derive(Debug)]
pub struct Notifier {
    socket: Option<UnixDatagram>,
}

impl Notifier {
    /// Opens the way that `NOTIFY_SOCKET` names: a path, or `@` and an abstract name.
    pub fn from_env() -> Notifier {
        let socket = std::env::var("NOTIFY_SOCKET").ok().and_then(|name| {
            connect(&name)
                .inspect_err(|error| log::warn!("systemd can't be notified at {name}: {error}"))
                .ok()
        });
        Notifier { socket }
    }

    /// Sends one message, for example `READY=1`.
    pub fn say(&self, message: &str) {
        if let Some(socket) = &self.socket
            && let Err(error) = socket.send(message.as_bytes())
        {
            log::warn!("systemd can't be told {message:?}: {error}");
        }
    }
}

fn connect(name: &str) -> std::io::Result<UnixDatagram> {
    let address = match name.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(name)?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.connect_addr(&address)?;
    Ok(socket)
}

/// Returns how often to send `WATCHDOG=1`: half of what systemd allows; none when it doesn't watch.
pub fn watchdog_interval() -> Option<Duration> {
    let micros: u64 = std::env::var("WATCHDOG_USEC").ok()?.parse().ok()?;
    Some(Duration::from_micros(micros / 2)).filter(|interval| !interval.is_zero())
}
