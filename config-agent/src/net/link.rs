//! What a link is, and how it hangs together with others.

use std::fmt;

use genpack_spec::settings::BondMode;
use genpack_spec::types::MacAddress;

use super::port::Port;

/// What a link of this agent's making says about itself (`IFLA_IFALIAS`): an agent that is started anew knows it by that,
/// and a person who looks at it sees where it comes from.
pub const ALIAS: &str = "genpack";

/// What is known of a link beside what every port has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Link {
    /// What it is.
    pub kind: Kind,
    /// Made by this agent, in this life or an earlier one.
    pub made_here: bool,
    /// The number of the bridge or bond that it belongs to.
    pub master: Option<u32>,
    /// The hardware address that its maker gave to it; none when the kernel knows of none.
    pub permanent_mac: Option<MacAddress>,
    /// Udev hasn't finished with it: its name may still change.
    pub settling: bool,
    /// What else on this device takes care of it.
    pub manager: Option<Manager>,
    /// For a radio, the name of the `[wifi]` section whose network it is connected to, or was last.
    pub wifi: Option<String>,
}

/// What a link is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Kind {
    /// A wired port; see [`super::port::is_wired`].
    #[default]
    Wired,
    /// A radio.
    Wireless {
        /// The kernel's number for the hardware, which may have several links.
        phy: u32,
    },
    /// A VLAN.
    Vlan {
        /// The number of the link that carries it.
        parent: u32,
        /// Its ID.
        id: u16,
    },
    /// A bridge.
    Bridge {
        /// Whether it takes part in the spanning tree protocol.
        stp: bool,
    },
    /// A bond; none is a mode that this agent never sets.
    Bond(Option<BondMode>),
    /// A WireGuard tunnel.
    Wireguard,
    /// Something else.
    Other,
}

/// A program that takes care of ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manager {
    /// systemd-networkd
    Networkd,
    /// NetworkManager
    NetworkManager,
    /// ifupdown
    Ifupdown,
}

impl fmt::Display for Manager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Manager::Networkd => "systemd-networkd",
            Manager::NetworkManager => "NetworkManager",
            Manager::Ifupdown => "ifupdown",
        })
    }
}

/// A link that the agent is to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Make {
    /// A VLAN.
    Vlan {
        /// The number of the link that carries it.
        parent: u32,
        /// The name of that link.
        on: String,
        /// Its ID.
        id: u16,
    },
    /// A bridge.
    Bridge {
        /// Whether it takes part in the spanning tree protocol.
        stp: bool,
        /// Its hardware address.
        mac: Option<MacAddress>,
    },
    /// A bond.
    Bond {
        /// How it uses its ports.
        mode: BondMode,
        /// Its hardware address.
        mac: Option<MacAddress>,
    },
    /// A WireGuard tunnel.
    Wireguard,
}

impl Make {
    /// Returns what the kernel will have once it is made.
    pub fn kind(&self) -> Kind {
        match *self {
            Make::Vlan { parent, id, .. } => Kind::Vlan { parent, id },
            Make::Bridge { stp, .. } => Kind::Bridge { stp },
            Make::Bond { mode, .. } => Kind::Bond(Some(mode)),
            Make::Wireguard => Kind::Wireguard,
        }
    }
}

impl fmt::Display for Make {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Make::Vlan { on, id, .. } => write!(f, "VLAN {id} on {on}"),
            Make::Bridge { stp: false, .. } => write!(f, "bridge"),
            Make::Bridge { stp: true, .. } => write!(f, "bridge with STP"),
            Make::Bond { mode, .. } => write!(f, "bond, {}", mode_name(*mode)),
            Make::Wireguard => write!(f, "WireGuard tunnel"),
        }
    }
}

/// The name of a mode in the kernel's documentation and in `system.ini`.
fn mode_name(mode: BondMode) -> &'static str {
    match mode {
        BondMode::ActiveBackup => "active-backup",
        BondMode::Lacp => "802.3ad",
        BondMode::BalanceRr => "balance-rr",
        BondMode::BalanceXor => "balance-xor",
        BondMode::BalanceTlb => "balance-tlb",
        BondMode::BalanceAlb => "balance-alb",
        BondMode::Broadcast => "broadcast",
    }
}

/// Finds the link of a name: kernel names differ by case, names in `system.ini` don't, so the exact one comes first.
pub fn named<'a>(links: impl Iterator<Item = &'a Port> + Clone, name: &str) -> Option<&'a Port> {
    let exact = links.clone().find(|port| port.name == name);
    exact.or_else(|| {
        let mut links = links;
        links.find(|port| port.name.eq_ignore_ascii_case(name))
    })
}
