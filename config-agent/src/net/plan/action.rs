//! What can be done to a port, in the words of the journal and of the report.

use std::fmt;

use genpack_spec::text;
use genpack_spec::text::Text;
use ipnet::IpNet;

use crate::net::port::{Ipv6Conf, Route};

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
    /// Let the kernel make IPv6 addresses from router advertisements.
    Autoconf(Ipv6Conf),
    /// Set the largest packet in bytes.
    SetMtu(u32),
    /// Switch the port on.
    SetUp,
    /// Add an address, or change how long the kernel keeps it: seconds, or for ever.
    SetAddress(IpNet, Option<u32>),
    /// Add a route.
    AddRoute(Route),
    /// Start asking DHCP servers.
    StartDhcp,
}

impl Action {
    /// Returns what to tell a person when it fails, as a sentence.
    pub fn failure(&self) -> Text {
        match self {
            Action::StopDhcp | Action::StartDhcp => text!("The device could not ask for an address (DHCP)."),
            Action::RemoveRoute(route) => text!("The device could not remove the route {route}.", route),
            Action::RemoveAddress(net) => {
                text!(
                    "The device could not remove the address {address}.",
                    address = net
                )
            }
            Action::SetDown => text!("The device could not switch the port off."),
            Action::Autoconf(_) => text!("The device could not turn on IPv6 autoconfiguration."),
            Action::SetMtu(mtu) => text!("The device could not set the MTU to {mtu}.", mtu),
            Action::SetUp => text!("The device could not switch the port on."),
            Action::SetAddress(net, _) => {
                text!("The device could not set the address {address}.", address = net)
            }
            Action::AddRoute(route) => text!("The device could not add the route {route}.", route),
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
            Action::Autoconf(_) => write!(f, "turn on IPv6 autoconfiguration"),
            Action::SetMtu(mtu) => write!(f, "set the MTU to {mtu}"),
            Action::SetUp => write!(f, "switch on"),
            Action::SetAddress(net, None) => write!(f, "set the address {net}"),
            Action::SetAddress(net, Some(valid)) => write!(f, "set the address {net} for {valid} s"),
            Action::AddRoute(route) => write!(f, "add the route {route}"),
            Action::StartDhcp => write!(f, "start DHCP"),
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
        Ok(())
    }
}
