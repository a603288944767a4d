//! systemd-resolved: what each port knows about names, told to it as long as it runs and again after each of its starts.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Result, bail};
use futures_util::StreamExt;
use genpack_spec::text;
use genpack_spec::text::Text;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::watch::Receiver;
use zbus::Connection;
use zbus::fdo::DBusProxy;
use zbus::names::BusName;
use zbus::proxy::CacheProperties;
use zbus_systemd::resolve1::ManagerProxy;

use super::{Event, plain};
use crate::resolver::{PortDns, Stub};

const NAME: &str = "org.freedesktop.resolve1";

/// resolved learns of a port from the kernel as we do, and may be behind.
const ATTEMPTS: usize = 5;
const PAUSE: Duration = Duration::from_millis(500);

/// Tells resolved what `wanted` has, whenever that changes and whenever resolved has started. Returns only with an error.
pub async fn follow(
    connection: &Connection,
    mut wanted: Receiver<Vec<PortDns>>,
    events: &UnboundedSender<Event>,
) -> Result<()> {
    let bus = DBusProxy::new(connection).await?;
    let mut owners = bus.receive_name_owner_changed_with_args(&[(0, NAME)]).await?;
    // Subscribed, then asked. It must not be activated by our question: an image that has it off has it off.
    let mut runs = bus.name_has_owner(BusName::try_from(NAME)?).await?;
    let manager = ManagerProxy::builder(connection)
        .cache_properties(CacheProperties::No)
        .build()
        .await?;
    let mut told = BTreeMap::new();
    loop {
        let known = wanted.borrow_and_update().clone();
        let (stub, problems) = match runs {
            true => (listens(&manager).await, tell(&manager, &known, &mut told).await),
            false => (Stub::None, Vec::new()),
        };
        drop(events.send(Event::Resolver { stub, problems }));
        tokio::select! {
            changed = wanted.changed() => if changed.is_err() { std::future::pending::<()>().await },
            owner = owners.next() => {
                let Some(owner) = owner else { bail!("the system bus closed the connection") };
                runs = owner.args()?.new_owner.is_some();
                // A new one knows nothing of what the old one was told.
                told.clear();
            }
        }
    }
}

/// Whether programs find resolved at its address.
async fn listens(manager: &ManagerProxy<'_>) -> Stub {
    match manager.dns_stub_listener().await {
        Ok(mode) if mode == "no" => Stub::None,
        Ok(_) => Stub::Resolved,
        Err(error) => {
            log::warn!("systemd-resolved does not say whether it listens: {error}");
            Stub::None
        }
    }
}

/// Tells what has changed, and returns what failed, as sentences. `told` is what this resolved knows from us.
async fn tell(manager: &ManagerProxy<'_>, known: &[PortDns], told: &mut BTreeMap<u32, PortDns>) -> Vec<Text> {
    let gone: Vec<u32> = told
        .keys()
        .copied()
        .filter(|index| known.iter().all(|dns| dns.index != *index))
        .collect();
    for index in gone {
        told.remove(&index);
        // Of a port that is no more it has forgotten everything by itself.
        if let Err(error) = manager.revert_link(index.cast_signed()).await {
            log::debug!("systemd-resolved keeps the servers of port {index}: {error}");
        }
    }
    let mut problems = Vec::new();
    for dns in known {
        if told.get(&dns.index) == Some(dns) {
            continue;
        }
        match tell_port(manager, dns).await {
            Ok(()) => drop(told.insert(dns.index, dns.clone())),
            Err(error) => {
                log::warn!("systemd-resolved refuses the servers of {}: {error}", dns.port);
                problems.push(text!(
                    "The device's resolver does not take the name servers of {port} ({reason}).",
                    port = &dns.port,
                    reason = plain(&error)
                ));
            }
        }
    }
    problems
}

async fn tell_port(manager: &ManagerProxy<'_>, dns: &PortDns) -> zbus::Result<()> {
    let mut attempt = 1;
    loop {
        let outcome = tell_once(manager, dns).await;
        if outcome.is_ok() || attempt == ATTEMPTS {
            return outcome;
        }
        attempt += 1;
        tokio::time::sleep(PAUSE).await;
    }
}

/// `SetLinkDNS`, `SetLinkDomains`, `SetLinkDefaultRoute` (org.freedesktop.resolve1(5)).
async fn tell_once(manager: &ManagerProxy<'_>, dns: &PortDns) -> zbus::Result<()> {
    let index = dns.index.cast_signed();
    let servers = dns.servers.iter().copied().map(address).collect();
    manager.set_link_dns(index, servers).await?;
    // False: short names are completed with it, and not only its own names asked here.
    let domains = dns.search.iter().map(|domain| (domain.clone(), false)).collect();
    manager.set_link_domains(index, domains).await?;
    manager.set_link_default_route(index, dns.default_route).await
}

/// Returns the number of the family and the bytes of an address.
fn address(address: IpAddr) -> (i32, Vec<u8>) {
    match address {
        IpAddr::V4(v4) => (libc::AF_INET, v4.octets().to_vec()),
        IpAddr::V6(v6) => (libc::AF_INET6, v6.octets().to_vec()),
    }
}
