//! Tunnels over netlink: asks for what the kernel has, and carries out the steps of a plan.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use anyhow::{Context, Result, anyhow, bail};
use futures_util::{StreamExt, TryStreamExt};
use genetlink::{GenetlinkError, GenetlinkHandle};
use ipnet::IpNet;
use netlink_packet_core::{NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload};
use netlink_packet_generic::GenlMessage;
use netlink_packet_wireguard::{WireguardAttribute, WireguardMessage};
use rtnetlink::packet_route::AddressFamily;
use rtnetlink::packet_route::link::{InfoKind, LinkAttribute, LinkFlags, LinkInfo, LinkMessage};
use rtnetlink::packet_route::route::{
    RouteAddress, RouteAttribute, RouteMessage, RouteProtocol, RouteScope, RouteType,
};
use rtnetlink::{Handle, IpVersion, RouteMessageBuilder};

use super::device::{Device, Observed, TunnelRoute};
use super::message;
use super::plan::{Action, Step};
use crate::net::link::ALIAS;
use crate::net::rule::{self, Rule};
use crate::net::{PROTOCOL, observe};

/// The connections to the kernel.
#[derive(Debug, Clone)]
pub struct Kernel {
    route: Handle,
    /// Made when the first tunnel is there: before that, the kernel may lack the family.
    generic: Option<GenetlinkHandle>,
}

impl Kernel {
    /// Returns one that uses a connection for routes.
    pub fn new(route: &Handle) -> Kernel {
        Kernel {
            route: route.clone(),
            generic: None,
        }
    }

    /// Returns what the kernel has of tunnels that the agent made.
    pub async fn observe(&mut self) -> Result<Observed> {
        let mut observed = Observed::default();
        // By index, every link whose addresses are no way to reach this device, with the name when it is ours.
        let mut names = BTreeMap::new();
        let mut links = self.route.link().get().execute();
        while let Some(link) = links.try_next().await.context("listing the links")? {
            if let Some(name) = tunnel(&link) {
                names.insert(link.header.index, name);
            }
        }
        for (index, name) in &names {
            if let Some(name) = name
                && let Some(device) = self.device(*index).await?
            {
                observed.devices.insert(name.clone(), device);
            }
        }
        let mut addresses = self.route.address().get().execute();
        while let Some(message) = addresses.try_next().await.context("listing the addresses")? {
            let Some(address) = observe::address(&message) else {
                continue;
            };
            match names.get(&message.header.index) {
                Some(Some(name)) => {
                    if let Some(device) = observed.devices.get_mut(name) {
                        device.addresses.insert(address.net);
                    }
                }
                Some(None) => {}
                None if is_local(address.net.addr()) => {}
                None => drop(observed.addresses.insert(address.net)),
            }
        }
        self.observe_routes(&mut observed).await?;
        for version in [IpVersion::V4, IpVersion::V6] {
            let mut rules = self.route.rule().get(version).execute();
            while let Some(rule) = rules.try_next().await.context("listing the routing rules")? {
                let ours = Rule::parse(&rule).filter(|rule| rule.priority >= rule::TUNNELS);
                observed.rules.extend(ours);
            }
        }
        Ok(observed)
    }

    async fn observe_routes(&self, observed: &mut Observed) -> Result<()> {
        let v4 = RouteMessageBuilder::<Ipv4Addr>::new().build();
        let v6 = RouteMessageBuilder::<Ipv6Addr>::new().build();
        for family in [v4, v6] {
            let mut routes = self.route.route().get(family).execute();
            while let Some(message) = routes.try_next().await.context("listing the routes")? {
                if let Some((index, route)) = route(&message)
                    && let Some(device) = observed.devices.values_mut().find(|device| device.index == index)
                {
                    device.routes.insert(route);
                }
            }
        }
        Ok(())
    }

    /// Returns none when the link has gone meanwhile.
    async fn device(&mut self, index: u32) -> Result<Option<Device>> {
        let mut device = Device {
            index,
            ..Device::default()
        };
        let answers = match self.request(message::get(index), NLM_F_DUMP).await {
            Err(error) if is_gone(&error) => return Ok(None),
            answers => answers.context("asking for the tunnel's settings")?,
        };
        for message in answers {
            message::absorb(&mut device, message);
        }
        Ok(Some(device))
    }

    async fn request(&mut self, message: WireguardMessage, flags: u16) -> Result<Vec<WireguardMessage>> {
        let generic = match &mut self.generic {
            Some(generic) => generic,
            empty => {
                let (connection, handle, _) =
                    genetlink::new_connection().context("opening generic netlink")?;
                tokio::spawn(connection);
                empty.insert(handle)
            }
        };
        let mut request = NetlinkMessage::from(GenlMessage::from_payload(message));
        request.header.flags = NLM_F_REQUEST | flags;
        let mut answers = generic.request(request).await.map_err(without_keys)?;
        let mut received = Vec::new();
        while let Some(answer) = answers.next().await {
            match answer.map_err(|error| without_keys(error.into()))?.payload {
                NetlinkPayload::InnerMessage(message) => received.push(message.payload),
                NetlinkPayload::Error(error) if error.code.is_some() => bail!(error.to_io()),
                _ => {}
            }
        }
        Ok(received)
    }

    /// Does what a step says.
    pub async fn apply(&mut self, step: &Step) -> Result<()> {
        let index = step.index;
        let messages = match &step.action {
            Action::SetPrivateKey(key) => {
                vec![message::set(index, WireguardAttribute::PrivateKey(key.reveal()))]
            }
            Action::SetListenPort(port) => vec![message::set(index, WireguardAttribute::ListenPort(*port))],
            Action::SetMark(mark) => vec![message::set(index, WireguardAttribute::Fwmark(*mark))],
            Action::RemovePeer(key) => vec![message::remove_peer(index, key)],
            Action::SetPeer { key, change, .. } => message::set_peer(index, key, change),
            Action::AddRoute(route) => {
                let message = route_message(index, route);
                self.route.route().add(message).execute().await?;
                Vec::new()
            }
            Action::RemoveRoute(route) => {
                let message = route_message(index, route);
                self.route.route().del(message).execute().await?;
                Vec::new()
            }
            Action::AddRule(rule) => {
                let mut request = self.route.rule().add();
                *request.message_mut() = rule.message();
                request.execute().await?;
                Vec::new()
            }
            Action::RemoveRule(rule) => {
                self.route.rule().del(rule.message()).execute().await?;
                Vec::new()
            }
        };
        for message in messages {
            self.request(message, NLM_F_ACK).await?;
        }
        Ok(())
    }
}

/// Returns what may be shown: an error can carry what was sent or received, and keys are in that.
fn without_keys(error: GenetlinkError) -> anyhow::Error {
    match error {
        GenetlinkError::NetlinkError(error) => error.into(),
        _ => anyhow!("the kernel's answer can't be understood"),
    }
}

fn is_gone(error: &anyhow::Error) -> bool {
    let error = error
        .downcast_ref::<io::Error>()
        .and_then(io::Error::raw_os_error);
    error == Some(libc::ENODEV)
}

/// Returns something for a tunnel or the loopback link, and for a tunnel of ours its name.
fn tunnel(link: &LinkMessage) -> Option<Option<String>> {
    if link.header.flags.contains(LinkFlags::Loopback) {
        return Some(None);
    }
    let (mut name, mut wireguard, mut ours) = (None, false, false);
    for attribute in &link.attributes {
        match attribute {
            LinkAttribute::IfName(text) => name = Some(text.clone()),
            LinkAttribute::IfAlias(alias) => ours = alias == ALIAS,
            LinkAttribute::LinkInfo(infos) => {
                wireguard = infos.contains(&LinkInfo::Kind(InfoKind::Wireguard));
            }
            _ => {}
        }
    }
    wireguard.then_some(name.filter(|_| ours))
}

/// Whether an address is good on its own wire only, where no rule matters.
fn is_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    }
}

fn route(message: &RouteMessage) -> Option<(u32, TunnelRoute)> {
    let header = &message.header;
    if header.protocol != RouteProtocol::Other(PROTOCOL) || header.kind != RouteType::Unicast {
        return None;
    }
    let (mut index, mut destination, mut metric) = (None, None, 0);
    let mut table = u32::from(header.table);
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Oif(number) => index = Some(*number),
            RouteAttribute::Destination(RouteAddress::Inet(ip)) => destination = Some(IpAddr::V4(*ip)),
            RouteAttribute::Destination(RouteAddress::Inet6(ip)) => destination = Some(IpAddr::V6(*ip)),
            RouteAttribute::Priority(number) => metric = *number,
            RouteAttribute::Table(number) => table = *number,
            _ => {}
        }
    }
    let whole = match header.address_family {
        AddressFamily::Inet => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        _ => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    let destination = IpNet::new(destination.unwrap_or(whole), header.destination_prefix_length).ok()?;
    let route = TunnelRoute {
        table,
        destination,
        metric,
    };
    Some((index?, route))
}

fn route_message(index: u32, route: &TunnelRoute) -> RouteMessage {
    match route.destination {
        IpNet::V4(net) => RouteMessageBuilder::<Ipv4Addr>::new()
            .destination_prefix(net.network(), net.prefix_len())
            .scope(RouteScope::Link)
            .output_interface(index)
            .table_id(route.table)
            .priority(route.metric)
            .protocol(RouteProtocol::Other(PROTOCOL))
            .build(),
        IpNet::V6(net) => RouteMessageBuilder::<Ipv6Addr>::new()
            .destination_prefix(net.network(), net.prefix_len())
            .output_interface(index)
            .table_id(route.table)
            .priority(route.metric)
            .protocol(RouteProtocol::Other(PROTOCOL))
            .build(),
    }
}
