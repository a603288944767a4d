//! Carries out the steps of a plan over rtnetlink. Errors are collected: one that fails keeps no other from being done.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use anyhow::{Context, Result};
use rtnetlink::packet_route::AddressFamily;
use rtnetlink::packet_route::address::{
    AddressAttribute, AddressFlags, AddressMessage, AddressProtocol, AddressScope, CacheInfo,
};
use rtnetlink::packet_route::link::{BridgeStpState, LinkAttribute};
use rtnetlink::packet_route::route::{RouteMessage, RouteProtocol, RouteScope};
use rtnetlink::{
    Handle, LinkBond, LinkBridge, LinkMessageBuilder, LinkUnspec, LinkVlan, LinkWireguard,
    RouteMessageBuilder,
};

use genpack_spec::types::MacAddress;
use ipnet::IpNet;

use super::PROTOCOL;
use super::link::{ALIAS, Make};
use super::observe::{BOND_MODES, ipv6_conf_dir};
use super::plan::{Action, Step};
use super::port::{Ipv6Conf, Route};

/// How often a bond looks whether its ports have a cable, in milliseconds (kernel: Documentation/networking/bonding.rst,
/// `miimon`, gives this as a good start).
const MII_INTERVAL: u32 = 100;

/// Does what a step says, except for the DHCP steps, which belong to whoever holds the clients.
pub async fn apply(handle: &Handle, step: &Step) -> Result<()> {
    let index = step.index;
    let link = || LinkUnspec::new_with_index(index);
    match &step.action {
        Action::StopDhcp | Action::StartDhcp | Action::StopDhcp6 | Action::StartDhcp6(_) => {}
        Action::SetUp => handle.link().change(link().up().build()).execute().await?,
        Action::SetDown => handle.link().change(link().down().build()).execute().await?,
        Action::SetMtu(mtu) | Action::RestoreMtu(mtu) => {
            handle.link().change(link().mtu(*mtu).build()).execute().await?;
        }
        Action::SetMac(mac) | Action::RestoreMac(mac) => {
            let change = link().address(mac.bytes().to_vec()).build();
            handle.link().change(change).execute().await?;
        }
        Action::SetIpv6(conf) => set_ipv6(&step.port, *conf)?,
        Action::Make(make) => make_link(handle, &step.port, make).await?,
        Action::Remove => handle.link().del(index).execute().await?,
        Action::Join { index, .. } => {
            let change = link().controller(*index).build();
            handle.link().change(change).execute().await?;
        }
        Action::Leave => {
            handle
                .link()
                .change(link().nocontroller().build())
                .execute()
                .await?
        }
        Action::SetAddress(net, valid) => {
            let mut request = handle
                .address()
                .add(index, net.addr(), net.prefix_len())
                .replace();
            complete(request.message_mut(), *valid);
            request.execute().await?;
        }
        Action::RemoveAddress(net) => handle.address().del(bare_address(index, *net)).execute().await?,
        Action::AddRule(rule) => {
            let mut request = handle.rule().add();
            *request.message_mut() = rule.message();
            request.execute().await?;
        }
        Action::RemoveRule(rule) => handle.rule().del(rule.message()).execute().await?,
        Action::AddRoute(route) => handle.route().add(route_message(index, route)).execute().await?,
        Action::RemoveRoute(route) => handle.route().del(route_message(index, route)).execute().await?,
    }
    Ok(())
}

/// Makes a link and marks it as ours. The kernel takes no alias for a link that is new.
async fn make_link(handle: &Handle, name: &str, make: &Make) -> Result<()> {
    let address = |mac: &Option<MacAddress>| mac.map(|mac| LinkAttribute::Address(mac.bytes().to_vec()));
    let mut message = match make {
        Make::Vlan { parent, id, .. } => LinkVlan::new(name, *parent, *id).build(),
        Make::Bridge { stp, .. } => {
            let bridge = LinkMessageBuilder::<LinkBridge>::new(name);
            match stp {
                true => bridge.stp_state(BridgeStpState::KernelStp),
                // Without STP there is nothing to wait for before the first packet.
                false => bridge.forward_delay(0),
            }
            .build()
        }
        Make::Bond { mode, .. } => {
            let bond = LinkBond::new(name).miimon(MII_INTERVAL);
            match BOND_MODES.iter().find(|(ours, _)| ours == mode) {
                Some((_, theirs)) => bond.mode(*theirs).build(),
                None => bond.build(),
            }
        }
        Make::Wireguard => LinkWireguard::new(name).build(),
    };
    if let Make::Bridge { mac, .. } | Make::Bond { mac, .. } = make {
        message.attributes.extend(address(mac));
    }
    handle.link().add(message).execute().await?;
    let alias = LinkUnspec::new_with_name(name).alias(ALIAS).build();
    if let Err(error) = handle.link().change(alias).execute().await {
        log::warn!("{name}: can't be marked as made here: {error}");
    }
    Ok(())
}

fn set_ipv6(port: &str, conf: Ipv6Conf) -> Result<()> {
    let folder = ipv6_conf_dir(port);
    let switches = [
        ("disable_ipv6", conf.disabled),
        ("autoconf", conf.autoconf),
        ("accept_ra", conf.accept_ra),
    ];
    for (name, value) in switches {
        let path = folder.join(name);
        fs::write(&path, value.to_string()).with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}

/// Marks an address as ours, and gives it a lifetime.
fn complete(message: &mut AddressMessage, valid: Option<u32>) {
    // A link-local address must not become the source of what goes to others. With the scope "link" the kernel would put it
    // first in the list, and take it for limited broadcast, local multicast and routes onto the wire that name no source.
    let is_link_local = |attribute: &AddressAttribute| matches!(attribute, AddressAttribute::Local(IpAddr::V4(ip)) if ip.is_link_local());
    if message.attributes.iter().any(is_link_local) {
        message.header.scope = AddressScope::Host;
    }
    message
        .attributes
        .push(AddressAttribute::Protocol(AddressProtocol::Other(PROTOCOL)));
    match valid {
        Some(seconds) => {
            let mut lifetime = CacheInfo::default();
            lifetime.ifa_valid = seconds;
            lifetime.ifa_preferred = seconds;
            message.attributes.push(AddressAttribute::CacheInfo(lifetime));
        }
        None => message
            .attributes
            .push(AddressAttribute::Flags(AddressFlags::Permanent)),
    }
}

fn bare_address(index: u32, net: IpNet) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.index = index;
    message.header.prefix_len = net.prefix_len();
    message.header.family = match net {
        IpNet::V4(_) => AddressFamily::Inet,
        IpNet::V6(_) => AddressFamily::Inet6,
    };
    message.attributes.push(AddressAttribute::Local(net.addr()));
    message.attributes.push(AddressAttribute::Address(net.addr()));
    message
}

fn route_message(index: u32, route: &Route) -> RouteMessage {
    let protocol = RouteProtocol::Other(PROTOCOL);
    let scope = match route.gateway {
        Some(_) => RouteScope::Universe,
        None => RouteScope::Link,
    };
    let mut message = match route.destination {
        IpNet::V4(net) => {
            let mut builder = RouteMessageBuilder::<Ipv4Addr>::new()
                .destination_prefix(net.addr(), net.prefix_len())
                .scope(scope);
            if let Some(IpAddr::V4(gateway)) = route.gateway {
                builder = builder.gateway(gateway);
            }
            if let Some(IpAddr::V4(source)) = route.source {
                builder = builder.pref_source(source);
            }
            builder
                .output_interface(index)
                .table_id(route.table)
                .priority(route.metric)
                .protocol(protocol)
                .build()
        }
        IpNet::V6(net) => {
            let mut builder =
                RouteMessageBuilder::<Ipv6Addr>::new().destination_prefix(net.addr(), net.prefix_len());
            if let Some(IpAddr::V6(gateway)) = route.gateway {
                builder = builder.gateway(gateway);
            }
            builder
                .output_interface(index)
                .table_id(route.table)
                .priority(route.metric)
                .protocol(protocol)
                .build()
        }
    };
    if route.onlink {
        message
            .header
            .flags
            .insert(rtnetlink::packet_route::route::RouteFlags::Onlink);
    }
    message
}
