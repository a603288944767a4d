//! Carries out the steps of a plan over rtnetlink. Errors are collected: one that fails keeps no other from being done.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use anyhow::{Context, Result};
use rtnetlink::packet_route::AddressFamily;
use rtnetlink::packet_route::address::{
    AddressAttribute, AddressFlags, AddressMessage, AddressProtocol, CacheInfo,
};
use rtnetlink::packet_route::route::{RouteMessage, RouteProtocol, RouteScope};
use rtnetlink::{Handle, LinkUnspec, RouteMessageBuilder};

use ipnet::IpNet;

use super::PROTOCOL;
use super::observe::ipv6_conf_dir;
use super::plan::{Action, Step};
use super::port::{Ipv6Conf, Route};

/// Does what a step says, except for the DHCP steps, which belong to whoever holds the clients.
pub async fn apply(handle: &Handle, step: &Step) -> Result<()> {
    let index = step.index;
    let link = || LinkUnspec::new_with_index(index);
    match &step.action {
        Action::StopDhcp | Action::StartDhcp => {}
        Action::SetUp => handle.link().change(link().up().build()).execute().await?,
        Action::SetDown => handle.link().change(link().down().build()).execute().await?,
        Action::SetMtu(mtu) => handle.link().change(link().mtu(*mtu).build()).execute().await?,
        Action::Autoconf(conf) => autoconf(&step.port, *conf)?,
        Action::SetAddress(net, valid) => {
            let mut request = handle
                .address()
                .add(index, net.addr(), net.prefix_len())
                .replace();
            complete(request.message_mut(), *valid);
            request.execute().await?;
        }
        Action::RemoveAddress(net) => handle.address().del(bare_address(index, *net)).execute().await?,
        Action::AddRoute(route) => handle.route().add(route_message(index, route)).execute().await?,
        Action::RemoveRoute(route) => handle.route().del(route_message(index, route)).execute().await?,
    }
    Ok(())
}

fn autoconf(port: &str, conf: Ipv6Conf) -> Result<()> {
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
