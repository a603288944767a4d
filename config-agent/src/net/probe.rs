//! Whether gateways answer: the kernel's neighbour table says so once it has heard from them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6, UdpSocket};
use std::time::Duration;

use anyhow::{Context, Result};
use futures_util::TryStreamExt;
use futures_util::future::join_all;
use nix::sys::socket::{setsockopt, sockopt::BindToDevice};
use rtnetlink::Handle;
use rtnetlink::packet_route::AddressFamily;
use rtnetlink::packet_route::neighbour::{NeighbourAddress, NeighbourAttribute, NeighbourState};

/// A gateway, as seen from a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The kernel's number of the port.
    pub index: u32,
    /// The port's name.
    pub port: String,
    /// The gateway.
    pub gateway: IpAddr,
}

/// Pause between two looks at the neighbour table.
const PAUSE: Duration = Duration::from_secs(1);
/// How often to look. An entry of before is doubted for 5 s before the kernel asks again, and then three times, a second
/// apart (arp(7), `delay_first_probe_time` and `ucast_solicit`).
const LOOKS: usize = 12;
/// A gateway that the kernel has given up is asked again this often: the first question may come before a switch forwards.
const PATIENCE: usize = 5;

/// The discard service (RFC 863): nobody is bothered by what comes there.
const DISCARD: u16 = 9;

/// Whether every gateway answers. Takes up to twelve seconds.
pub async fn all_answer(handle: Handle, targets: Vec<Target>) -> bool {
    for target in targets {
        match answers(&handle, &target).await {
            Ok(true) => log::info!("{}: the gateway {} answers", target.port, target.gateway),
            Ok(false) => {
                log::info!("{}: the gateway {} does not answer", target.port, target.gateway);
                return false;
            }
            Err(error) => {
                log::warn!("{}: {error:#}", target.port);
                return false;
            }
        }
    }
    true
}

/// Whether at least one gateway answers. Takes up to twelve seconds.
pub async fn any_answers(handle: Handle, targets: Vec<Target>) -> bool {
    let checks = targets.into_iter().map(|target| {
        let handle = handle.clone();
        async move { all_answer(handle, vec![target]).await }
    });
    join_all(checks).await.contains(&true)
}

async fn answers(handle: &Handle, target: &Target) -> Result<bool> {
    let mut given_up = 0;
    for look in 0..LOOKS {
        if look == 0 || given_up > 0 {
            knock(target);
        }
        tokio::time::sleep(PAUSE).await;
        match state(handle, target).await? {
            // Fixed entries and wires without addresses leave nothing to ask.
            Some(NeighbourState::Reachable | NeighbourState::Permanent | NeighbourState::Noarp) => {
                return Ok(true);
            }
            Some(NeighbourState::Failed) | None => given_up += 1,
            Some(_) => {}
        }
        if given_up > PATIENCE {
            break;
        }
    }
    Ok(false)
}

/// Sends something to the gateway, so that the kernel has to find it. That it can't be sent shows in the table.
fn knock(target: &Target) {
    let (here, there): (IpAddr, SocketAddr) = match target.gateway {
        IpAddr::V4(gateway) => (
            Ipv4Addr::UNSPECIFIED.into(),
            SocketAddrV4::new(gateway, DISCARD).into(),
        ),
        IpAddr::V6(gateway) => (
            Ipv6Addr::UNSPECIFIED.into(),
            SocketAddrV6::new(gateway, DISCARD, 0, target.index).into(),
        ),
    };
    let sent = UdpSocket::bind((here, 0)).and_then(|socket| {
        setsockopt(&socket, BindToDevice, &target.port.clone().into())?;
        socket.send_to(b"?", there)
    });
    if let Err(error) = sent {
        log::debug!("{}: {}: {error}", target.port, target.gateway);
    }
}

async fn state(handle: &Handle, target: &Target) -> Result<Option<NeighbourState>> {
    let (family, address) = match target.gateway {
        IpAddr::V4(gateway) => (AddressFamily::Inet, NeighbourAddress::Inet(gateway)),
        IpAddr::V6(gateway) => (AddressFamily::Inet6, NeighbourAddress::Inet6(gateway)),
    };
    let request = handle.neighbours().get().set_address_family(family);
    let neighbours: Vec<_> = request
        .execute()
        .try_collect()
        .await
        .context("listing the neighbours on the network")?;
    let wanted = NeighbourAttribute::Destination(address);
    let found = neighbours
        .into_iter()
        .find(|entry| entry.header.ifindex == target.index && entry.attributes.contains(&wanted));
    Ok(found.map(|entry| entry.header.state))
}
