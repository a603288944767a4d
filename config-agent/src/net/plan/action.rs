//! What can be done to a port, in the words of the journal and of the report.

use std::fmt;

use genpack_spec::text;
use genpack_spec::text::Text;
use genpack_spec::types::MacAddress;
use ipnet::IpNet;

use crate::net::dhcp6::Mode;
use crate::net::link::Make;
use crate::net::port::{Ipv6Conf, Route};
use crate::net::rule::{MAIN, Rule};

/// What to do to a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Stop asking DHCP servers.
    StopDhcp,
    /// Remove a route of ours.
    RemoveRoute(Route),
    /// Remove an address of ours.
    RemoveAddress(IpNet),
    /// Switch the port off.
    SetDown,
    /// Set the switches of IPv6.
    SetIpv6(Ipv6Conf),
    /// Set the largest packet in bytes, and remember the one before.
    SetMtu(u32),
    /// Set the largest packet in bytes as it was before.
    RestoreMtu(u32),
    /// Set the hardware address, and remember the one before.
    SetMac(MacAddress),
    /// Set the hardware address as it was before.
    RestoreMac(MacAddress),
    /// Switch the port on.
    SetUp,
    /// Add an address, or change how long the kernel keeps it: seconds, or for ever.
    SetAddress(IpNet, Option<u32>),
    /// Add a route.
    AddRoute(Route),
    /// Start asking DHCP servers.
    StartDhcp,
    /// Make a link.
    Make(Make),
    /// Remove a link that this agent has made.
    Remove,
    /// Let the port belong to a bridge or bond.
    Join {
        /// Its number.
        index: u32,
        /// Its name.
        name: String,
    },
    /// Take the port out of its bridge or bond.
    Leave,
    /// Remove a rule of ours.
    RemoveRule(Rule),
    /// Add a rule.
    AddRule(Rule),
    /// Stop asking DHCPv6 servers.
    StopDhcp6,
    /// Start asking DHCPv6 servers.
    StartDhcp6(Mode),
}

impl Action {
    /// Whether its failing changes something that calls for the next try: trying again and again would never end.
    pub fn fails_for_good(&self) -> bool {
        matches!(
            self,
            Action::Make(_) | Action::Join { .. } | Action::SetMac(_) | Action::RestoreMac(_)
        )
    }

    /// Returns what to tell a person when it fails, as a sentence.
    pub fn failure(&self) -> Text {
        match self {
            Action::StopDhcp | Action::StartDhcp | Action::StopDhcp6 | Action::StartDhcp6(_) => {
                text!("The device could not ask for an address (DHCP).")
            }
            Action::RemoveRoute(route) => text!("The device could not remove the route {route}.", route),
            Action::RemoveAddress(net) => {
                text!(
                    "The device could not remove the address {address}.",
                    address = net
                )
            }
            Action::SetDown => text!("The device could not switch the port off."),
            Action::SetIpv6(conf) if conf.disabled > 0 => text!("The device could not turn off IPv6."),
            Action::SetIpv6(_) => text!("The device could not turn on IPv6 autoconfiguration."),
            Action::SetMac(mac) | Action::RestoreMac(mac) => {
                text!("The device could not set the hardware address to {mac}.", mac)
            }
            Action::Make(Make::Vlan { .. }) => text!("The device could not make this VLAN."),
            Action::Make(Make::Bridge { .. }) => text!("The device could not make this bridge."),
            Action::Make(Make::Bond { .. }) => text!("The device could not make this bond."),
            Action::Make(Make::Wireguard) => text!("The device could not make this WireGuard tunnel."),
            Action::Remove => {
                text!("The device could not remove this link, which the settings no longer have.")
            }
            Action::Join { name, .. } => text!("The device could not add this port to {name}.", name),
            Action::Leave => text!("The device could not take this port out of its bridge or bond."),
            Action::SetMtu(mtu) | Action::RestoreMtu(mtu) => {
                text!("The device could not set the MTU to {mtu}.", mtu)
            }
            Action::SetUp => text!("The device could not switch the port on."),
            Action::SetAddress(net, _) => {
                text!("The device could not set the address {address}.", address = net)
            }
            Action::AddRoute(route) => text!("The device could not add the route {route}.", route),
            Action::AddRule(_) | Action::RemoveRule(_) => {
                text!(
                    "The device could not see to it that answers leave by the port where the question came in."
                )
            }
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Action::StopDhcp => write!(f, "stop DHCP"),
            Action::RemoveRoute(route) => write!(f, "remove the route {route}"),
            Action::RemoveAddress(net) => write!(f, "remove the address {net}"),
            Action::SetDown => write!(f, "switch off"),
            Action::SetIpv6(conf) if conf.disabled > 0 => write!(f, "turn off IPv6"),
            Action::SetIpv6(conf) if conf.autoconf == 0 => write!(f, "turn off IPv6 autoconfiguration"),
            Action::SetIpv6(_) => write!(f, "turn on IPv6 autoconfiguration"),
            Action::SetMtu(mtu) => write!(f, "set the MTU to {mtu}"),
            Action::RestoreMtu(mtu) => write!(f, "set the MTU back to {mtu}"),
            Action::SetMac(mac) => write!(f, "set the MAC address to {mac}"),
            Action::RestoreMac(mac) => write!(f, "set the MAC address back to {mac}"),
            Action::Make(make) => write!(f, "make it: {make}"),
            Action::Remove => write!(f, "remove it"),
            Action::Join { name, .. } => write!(f, "join {name}"),
            Action::Leave => write!(f, "leave its bridge or bond"),
            Action::SetUp => write!(f, "switch on"),
            Action::SetAddress(net, None) => write!(f, "set the address {net}"),
            Action::SetAddress(net, Some(valid)) => write!(f, "set the address {net} for {valid} s"),
            Action::AddRoute(route) => write!(f, "add the route {route}"),
            Action::StartDhcp => write!(f, "start DHCP"),
            Action::RemoveRule(rule) => write!(f, "remove the rule {rule}"),
            Action::AddRule(rule) => write!(f, "add the rule {rule}"),
            Action::StopDhcp6 => write!(f, "stop DHCPv6"),
            Action::StartDhcp6(Mode::Address) => write!(f, "start DHCPv6"),
            Action::StartDhcp6(Mode::Information) => write!(f, "start DHCPv6 for information"),
        }
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.destination)?;
        if let Some(gateway) = self.gateway {
            write!(f, " via {gateway}")?;
        }
        if let Some(source) = self.source {
            write!(f, " from {source}")?;
        }
        write!(f, " metric {}", self.metric)?;
        if self.onlink {
            write!(f, " onlink")?;
        }
        if self.table != MAIN {
            write!(f, " table {}", self.table)?;
        }
        Ok(())
    }
}
