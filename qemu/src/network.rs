//! The network cards of a machine and what they are plugged into.

use crate::error::{Error, Result};
use std::fmt::Write;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;

/// A network card.
#[derive(Debug, Clone)]
pub struct Nic {
    pub(crate) backend: Backend,
    mac: Option<String>,
    model: String,
}

#[derive(Debug, Clone)]
pub(crate) enum Backend {
    User(UserNetwork),
    Cable(CableEnd),
    Netdev(String),
}

impl Nic {
    /// A virtio card in a network of QEMU's own, behind address translation.
    pub fn user(network: UserNetwork) -> Nic {
        Nic::on(Backend::User(network))
    }

    /// A virtio card with one end of a cable plugged in.
    pub fn cable(end: &CableEnd) -> Nic {
        Nic::on(Backend::Cable(end.clone()))
    }

    /// A virtio card on any other back end: `netdev` is what follows `-netdev`, without `id=`.
    pub fn netdev(netdev: impl Into<String>) -> Nic {
        Nic::on(Backend::Netdev(netdev.into()))
    }

    fn on(backend: Backend) -> Nic {
        Nic {
            backend,
            mac: None,
            model: "virtio-net-pci".into(),
        }
    }

    /// Sets the MAC address; QEMU gives 52:54:00:12:34:56 and following otherwise.
    pub fn mac(mut self, mac: impl Into<String>) -> Nic {
        self.mac = Some(mac.into());
        self
    }

    /// Sets the device model, such as `e1000e`.
    pub fn model(mut self, model: impl Into<String>) -> Nic {
        self.model = model.into();
        self
    }

    /// The QEMU arguments of card number `index`; its ids are `net<index>` and `nic<index>`.
    pub(crate) fn args(&self, index: usize) -> [String; 4] {
        let netdev = match &self.backend {
            Backend::User(network) => network.arg(index),
            Backend::Cable(end) => end.arg(index),
            Backend::Netdev(netdev) => format!("{netdev},id={}", netdev_id(index)),
        };
        // Without its boot ROM a card cannot hold up the boot with an attempt at the network.
        let mut device = format!(
            "{},netdev={},id=nic{index},romfile=",
            self.model,
            netdev_id(index)
        );
        if let Some(mac) = &self.mac {
            let _ = write!(device, ",mac={mac}");
        }
        ["-netdev".into(), netdev, "-device".into(), device]
    }
}

pub(crate) fn netdev_id(index: usize) -> String {
    format!("net{index}")
}

/// QEMU's own network: DHCP on 10.0.2.0/24, the host at 10.0.2.2, address translation to the outside.
#[derive(Debug, Clone, Default)]
pub struct UserNetwork {
    restricted: bool,
    pub(crate) forwards: Vec<Forward>,
    options: Vec<String>,
}

impl UserNetwork {
    /// A network that reaches what the host reaches, with no forwarded port.
    pub fn new() -> UserNetwork {
        UserNetwork::default()
    }

    /// Lets the guest reach neither host nor outside; DHCP and forwarded ports still work.
    pub fn restricted(mut self) -> UserNetwork {
        self.restricted = true;
        self
    }

    /// Adds a port on the host's loopback address that leads to the guest.
    pub fn forward(mut self, forward: Forward) -> UserNetwork {
        self.forwards.push(forward);
        self
    }

    /// Adds an option of `-netdev user`, such as `net=192.168.7.0/24`.
    pub fn option(mut self, option: impl Into<String>) -> UserNetwork {
        self.options.push(option.into());
        self
    }

    fn arg(&self, index: usize) -> String {
        let mut arg = format!("user,id={}", netdev_id(index));
        if self.restricted {
            arg.push_str(",restrict=on");
        }
        for option in &self.options {
            let _ = write!(arg, ",{option}");
        }
        for forward in &self.forwards {
            let _ = write!(arg, ",hostfwd={}", forward.rule());
        }
        arg
    }
}

/// Transport protocols that can be forwarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

/// A port on the host's 127.0.0.1 that leads to a port of the guest.
#[derive(Debug, Clone)]
pub struct Forward {
    pub(crate) protocol: Protocol,
    host_port: u16,
    guest_address: Option<Ipv4Addr>,
    pub(crate) guest_port: u16,
}

impl Forward {
    /// Forwards a free TCP port, which [`Vm::forwarded_port`](crate::Vm::forwarded_port) tells, to the guest's port.
    pub fn tcp(guest_port: u16) -> Forward {
        Forward {
            protocol: Protocol::Tcp,
            host_port: 0,
            guest_address: None,
            guest_port,
        }
    }

    /// Forwards a free UDP port to the guest's port.
    pub fn udp(guest_port: u16) -> Forward {
        Forward {
            protocol: Protocol::Udp,
            ..Forward::tcp(guest_port)
        }
    }

    /// Uses this port on the host; starting the machine fails when it is taken.
    pub fn from_host_port(mut self, port: u16) -> Forward {
        self.host_port = port;
        self
    }

    /// Leads to this address rather than to the first one that DHCP gives (10.0.2.15).
    pub fn to_address(mut self, address: Ipv4Addr) -> Forward {
        self.guest_address = Some(address);
        self
    }

    /// Port 0 lets QEMU bind a free port, so that no one can take it between choice and use.
    fn rule(&self) -> String {
        let protocol = match self.protocol {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
        };
        let address = self
            .guest_address
            .map(|address| address.to_string())
            .unwrap_or_default();
        format!(
            "{protocol}:127.0.0.1:{}-{address}:{}",
            self.host_port, self.guest_port
        )
    }
}

/// A network cable between two machines, or between a machine and a socket of this process.
///
/// It is a pair of Unix datagram sockets carrying Ethernet frames, so the two ends may start in any order and come back
/// after a restart.
#[derive(Debug)]
pub struct Cable {
    a: CableEnd,
    b: CableEnd,
}

/// One end of a [`Cable`].
#[derive(Debug, Clone)]
pub struct CableEnd {
    folder: Arc<TempDir>,
    local: &'static str,
    remote: &'static str,
}

impl Cable {
    /// A new cable with nothing plugged in; it vanishes with its last end.
    ///
    /// # Errors
    /// When no temporary folder can be made.
    pub fn new() -> Result<Cable> {
        let folder =
            tempfile::tempdir().map_err(Error::io("making a folder for a network cable's sockets"))?;
        let folder = Arc::new(folder);
        let a = CableEnd {
            folder: Arc::clone(&folder),
            local: "a",
            remote: "b",
        };
        let b = CableEnd {
            folder,
            local: "b",
            remote: "a",
        };
        Ok(Cable { a, b })
    }

    /// The first end.
    pub fn a(&self) -> &CableEnd {
        &self.a
    }

    /// The second end.
    pub fn b(&self) -> &CableEnd {
        &self.b
    }
}

impl CableEnd {
    /// The path of this end's socket; a test that binds it receives what the other end sends, frame by frame.
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join(self.local)
    }

    fn arg(&self, index: usize) -> String {
        let local = escape(&self.socket());
        let remote = escape(&self.folder.path().join(self.remote));
        let id = netdev_id(index);
        format!("dgram,id={id},local.type=unix,local.path={local},remote.type=unix,remote.path={remote}")
    }
}

/// A path inside one of QEMU's comma-separated options, where a comma is written twice.
pub(crate) fn escape(path: &Path) -> String {
    path.to_string_lossy().replace(',', ",,")
}
