//! What the kernel has: links with their addresses and routes, over rtnetlink.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

use anyhow::{Context, Result};
use futures_util::TryStreamExt;
use genpack_spec::settings;
use genpack_spec::types::MacAddress;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use rtnetlink::packet_route::AddressFamily;
use rtnetlink::packet_route::address::{AddressAttribute, AddressFlags, AddressMessage, AddressProtocol};
use rtnetlink::packet_route::link::{
    AfSpecInet6, AfSpecUnspec, BondMode, BridgeStpState, Inet6IfaceFlags, InfoBond, InfoBridge, InfoData,
    InfoKind, InfoVlan, LinkAttribute, LinkFlags, LinkInfo, LinkLayerType, LinkMessage,
};
use rtnetlink::packet_route::route::{
    RouteAddress, RouteAttribute, RouteFlags, RouteMessage, RouteProtocol, RouteType,
};
use rtnetlink::{Handle, IpVersion, RouteMessageBuilder};

use super::PROTOCOL;
use super::link::{ALIAS, Kind, Link};
use super::plan::own_table;
use super::port::{Address, Ipv6Conf, LinkTraits, Port, Route, RouterFlags, is_wired};
use super::rule::{MAIN, Rule, TUNNELS};

/// Returns every link but the loopback, by index.
pub async fn observe(handle: &Handle) -> Result<Vec<Port>> {
    let mut ports = BTreeMap::new();
    let mut links = handle.link().get().execute();
    while let Some(message) = links.try_next().await.context("listing the network ports")? {
        if let Some(port) = port(&message) {
            ports.insert(port.index, port);
        }
    }
    let mut addresses = handle.address().get().execute();
    while let Some(message) = addresses.try_next().await.context("listing the addresses")? {
        if let Some(port) = ports.get_mut(&message.header.index)
            && let Some(address) = address(&message)
        {
            port.addresses.push(address);
        }
    }
    let v4 = RouteMessageBuilder::<Ipv4Addr>::new().build();
    let v6 = RouteMessageBuilder::<Ipv6Addr>::new().build();
    for family in [v4, v6] {
        let mut routes = handle.route().get(family).execute();
        while let Some(message) = routes.try_next().await.context("listing the routes")? {
            if let Some((index, route)) = route(&message)
                && let Some(port) = ports.get_mut(&index)
            {
                match route.table {
                    MAIN => port.routes.push(route),
                    _ => port.ways.push(route),
                }
            }
        }
    }
    Ok(ports.into_values().collect())
}

/// Returns the rules of ours about the ways of answers; none when the kernel can't tell, as one that is built without rules
/// (`CONFIG_IP_MULTIPLE_TABLES`).
pub async fn rules(handle: &Handle) -> Option<BTreeSet<Rule>> {
    let mut rules = BTreeSet::new();
    let mut messages = handle.rule().get(IpVersion::V4).execute();
    loop {
        match messages.try_next().await {
            Ok(Some(message)) => {
                rules.extend(Rule::parse(&message).filter(|rule| rule.priority < TUNNELS));
            }
            Ok(None) => return Some(rules),
            Err(error) => {
                log::debug!("The routing rules can't be listed: {error}");
                return None;
            }
        }
    }
}

fn port(message: &LinkMessage) -> Option<Port> {
    let (mut name, mut mac, mut alias) = (String::new(), None, "");
    let (mut mtu, mut max_mtu, mut parent) = (0, 0, 0);
    let mut routers = RouterFlags::default();
    let mut link = Link::default();
    let mut infos: &[LinkInfo] = &[];
    let as_mac = |bytes: &[u8]| <[u8; 6]>::try_from(bytes).ok().map(MacAddress::new);
    for attribute in &message.attributes {
        match attribute {
            LinkAttribute::IfName(text) => name.clone_from(text),
            LinkAttribute::IfAlias(text) => alias = text,
            LinkAttribute::Address(bytes) => mac = as_mac(bytes),
            LinkAttribute::PermAddress(bytes) => link.permanent_mac = as_mac(bytes),
            LinkAttribute::Mtu(bytes) => mtu = *bytes,
            LinkAttribute::MaxMtu(bytes) => max_mtu = *bytes,
            LinkAttribute::Link(index) => parent = *index,
            LinkAttribute::AfSpecUnspec(families) => routers = router_flags(families),
            LinkAttribute::Controller(index) => link.master = Some(*index).filter(|index| *index != 0),
            LinkAttribute::LinkInfo(list) => infos = list,
            _ => {}
        }
    }
    if message.header.link_layer_type == LinkLayerType::Loopback {
        return None;
    }
    link.kind = kind(message, &name, infos, parent);
    link.made_here =
        alias == ALIAS && !matches!(link.kind, Kind::Wired | Kind::Wireless { .. } | Kind::Other);
    let flags = message.header.flags;
    Some(Port {
        index: message.header.index,
        mac,
        up: flags.contains(LinkFlags::Up),
        carrier: flags.contains(LinkFlags::Up | LinkFlags::LowerUp),
        mtu,
        max_mtu,
        ipv6: (link.kind != Kind::Other).then(|| ipv6_conf(&name)).flatten(),
        routers,
        name,
        addresses: Vec::new(),
        routes: Vec::new(),
        ways: Vec::new(),
        link,
    })
}

fn kind(message: &LinkMessage, name: &str, infos: &[LinkInfo], parent: u32) -> Kind {
    let driver = infos.iter().find_map(|info| match info {
        LinkInfo::Kind(kind) => Some(kind),
        _ => None,
    });
    let data = infos.iter().find_map(|info| match info {
        LinkInfo::Data(data) => Some(data),
        _ => None,
    });
    // Every cfg80211 radio has this link (kernel: net/wireless/core.c).
    let phy = Path::new("/sys/class/net").join(name).join("phy80211/index");
    let phy: Option<u32> = fs::read_to_string(phy)
        .ok()
        .and_then(|text| text.trim().parse().ok());
    let traits = LinkTraits {
        ethernet: message.header.link_layer_type == LinkLayerType::Ether,
        kind: driver.map(ToString::to_string),
        wireless: phy.is_some(),
        name,
    };
    if is_wired(&traits) {
        return Kind::Wired;
    }
    if let Some(phy) = phy {
        return Kind::Wireless { phy };
    }
    match (driver, data) {
        (Some(InfoKind::Vlan), Some(InfoData::Vlan(infos))) => {
            let id = infos.iter().find_map(|info| match info {
                InfoVlan::Id(id) => Some(*id),
                _ => None,
            });
            id.map_or(Kind::Other, |id| Kind::Vlan { parent, id })
        }
        (Some(InfoKind::Bridge), Some(InfoData::Bridge(infos))) => {
            let off = InfoBridge::StpState(BridgeStpState::Disabled);
            Kind::Bridge {
                stp: !infos.contains(&off),
            }
        }
        (Some(InfoKind::Bond), Some(InfoData::Bond(infos))) => {
            let mode = infos.iter().find_map(|info| match info {
                InfoBond::Mode(mode) => BOND_MODES.iter().find(|(_, theirs)| theirs == mode),
                _ => None,
            });
            Kind::Bond(mode.map(|(ours, _)| *ours))
        }
        (Some(InfoKind::Wireguard), _) => Kind::Wireguard,
        _ => Kind::Other,
    }
}

/// The modes of a bond, in our words and in the kernel's.
pub(super) const BOND_MODES: [(settings::BondMode, BondMode); 7] = [
    (settings::BondMode::BalanceRr, BondMode::BalanceRr),
    (settings::BondMode::ActiveBackup, BondMode::ActiveBackup),
    (settings::BondMode::BalanceXor, BondMode::BalanceXor),
    (settings::BondMode::Broadcast, BondMode::Broadcast),
    (settings::BondMode::Lacp, BondMode::Ieee8023Ad),
    (settings::BondMode::BalanceTlb, BondMode::BalanceTlb),
    (settings::BondMode::BalanceAlb, BondMode::BalanceAlb),
];

/// The kernel keeps the flags of the last advertisement, also while the cable is pulled.
fn router_flags(families: &[AfSpecUnspec]) -> RouterFlags {
    let ipv6 = families.iter().filter_map(|family| match family {
        AfSpecUnspec::Inet6(attributes) => Some(attributes),
        _ => None,
    });
    let flags = ipv6.flatten().find_map(|attribute| match attribute {
        AfSpecInet6::Flags(flags) => Some(*flags),
        _ => None,
    });
    flags.map_or(RouterFlags::default(), |flags| RouterFlags {
        managed: flags.contains(Inet6IfaceFlags::RaManaged),
        other: flags.contains(Inet6IfaceFlags::Otherconf),
    })
}

/// Returns the directory of a port's IPv6 switches.
pub(super) fn ipv6_conf_dir(port: &str) -> std::path::PathBuf {
    Path::new("/proc/sys/net/ipv6/conf").join(port)
}

fn ipv6_conf(port: &str) -> Option<Ipv6Conf> {
    let folder = ipv6_conf_dir(port);
    let read = |name: &str| fs::read_to_string(folder.join(name)).ok()?.trim().parse().ok();
    Some(Ipv6Conf {
        accept_ra: read("accept_ra")?,
        autoconf: read("autoconf")?,
        disabled: read("disable_ipv6")?,
        forwarding: read("forwarding")?,
    })
}

pub(super) fn address(message: &AddressMessage) -> Option<Address> {
    let (mut local, mut peer, mut valid, mut protocol) = (None, None, None, None);
    let mut flags = AddressFlags::from_bits_retain(u32::from(message.header.flags.bits()));
    for attribute in &message.attributes {
        match attribute {
            AddressAttribute::Local(ip) => local = Some(*ip),
            AddressAttribute::Address(ip) => peer = Some(*ip),
            AddressAttribute::CacheInfo(info) => {
                valid = Some(info.ifa_valid).filter(|left| *left != u32::MAX)
            }
            AddressAttribute::Flags(all) => flags = *all,
            AddressAttribute::Protocol(number) => protocol = Some(*number),
            _ => {}
        }
    }
    // IFA_ADDRESS is the peer's address where IFA_LOCAL is ours (include/uapi/linux/if_addr.h).
    let net = IpNet::new(local.or(peer)?, message.header.prefix_len).ok()?;
    let ours = protocol == Some(AddressProtocol::Other(PROTOCOL));
    Some(Address {
        net,
        ours,
        valid,
        // Kernels before 5.18 don't name the origin: there, what has a lifetime comes from an advertisement.
        autoconf: protocol == Some(AddressProtocol::RouterAnnouncement)
            || (protocol.is_none() && net.addr().is_ipv6() && !flags.contains(AddressFlags::Permanent)),
        tentative: flags.contains(AddressFlags::Tentative) && !flags.contains(AddressFlags::Optimistic),
        duplicate: flags.contains(AddressFlags::Dadfailed),
    })
}

fn route(message: &RouteMessage) -> Option<(u32, Route)> {
    let header = &message.header;
    if header.kind != RouteType::Unicast {
        return None;
    }
    let mut table = u32::from(header.table);
    let (mut index, mut destination, mut gateway, mut source, mut metric) = (None, None, None, None, 0);
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Oif(number) => index = Some(*number),
            RouteAttribute::Destination(address) => destination = ip(address),
            RouteAttribute::Gateway(address) => gateway = ip(address),
            RouteAttribute::PrefSource(address) => source = ip(address),
            RouteAttribute::Priority(number) => metric = *number,
            RouteAttribute::Table(number) => table = *number,
            _ => {}
        }
    }
    let destination = match destination {
        Some(ip) => IpNet::new(ip, header.destination_prefix_length).ok()?,
        None if header.address_family == AddressFamily::Inet => IpNet::V4(Ipv4Net::default()),
        None => IpNet::V6(Ipv6Net::default()),
    };
    let route = Route {
        destination,
        gateway,
        source,
        metric,
        onlink: header.flags.contains(RouteFlags::Onlink),
        ours: header.protocol == RouteProtocol::Other(PROTOCOL),
        table,
    };
    let index = index?;
    let known = table == MAIN || (route.ours && table == own_table(index));
    known.then_some((index, route))
}

fn ip(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(ip) => Some(IpAddr::V4(*ip)),
        RouteAddress::Inet6(ip) => Some(IpAddr::V6(*ip)),
        _ => None,
    }
}
