//! Which links to make and to remove, and what becomes of the ports that belong to them.

use genpack_spec::types::InterfaceName;

use super::addresses::rescue_address;
use super::{Action, Inputs, Step};
use crate::net::link::Make;
use crate::net::port::{Ipv6Conf, Port};
use crate::net::wanted::{Role, State, Wanted, Wishes};

impl Step {
    /// Returns the step that makes a link. It has no number yet.
    pub fn make(name: &InterfaceName, make: Make) -> Step {
        Step {
            index: 0,
            port: name.to_string(),
            action: Action::Make(make),
        }
    }
}

/// Returns the steps that come before those of single ports: what is no longer wanted goes, then what is missing comes.
pub(super) fn made_links(wishes: &Wishes<'_>, inputs: Inputs<'_>) -> Vec<Step> {
    let all = inputs.ports.iter().chain(&inputs.links.others);
    let stale = all.filter(|port| port.link.made_here && wishes.made_as(port.index).is_none());
    let mut steps: Vec<Step> = stale.map(|port| step(port, Action::Remove)).collect();
    for made in wishes.made() {
        if let State::ToMake(make) = &made.state {
            steps.push(Step::make(&made.name, make.clone()));
        }
    }
    // What another program has taken over keeps nothing of ours.
    for port in inputs
        .links
        .others
        .iter()
        .filter(|port| port.link.manager.is_some())
    {
        let actions = without_ours(port);
        steps.extend(actions.into_iter().map(|action| step(port, action)));
    }
    steps
}

fn step(port: &Port, action: Action) -> Step {
    Step {
        index: port.index,
        port: port.name.clone(),
        action,
    }
}

/// Returns what takes every address and route of ours from a port.
pub(super) fn without_ours(port: &Port) -> Vec<Action> {
    let routes = port.routes.iter().filter(|route| route.ours);
    let addresses = port.addresses.iter().filter(|address| address.ours);
    routes
        .map(|route| Action::RemoveRoute(route.clone()))
        .chain(addresses.map(|address| Action::RemoveAddress(address.net)))
        .collect()
}

/// Returns the actions for a port to which the settings give no addresses: one that belongs to a bridge or bond, or carries
/// VLANs and then has its rescue address.
pub(super) fn bare_port(
    port: &Port,
    wanted: &Wanted,
    wishes: &Wishes<'_>,
    inputs: Inputs<'_>,
) -> Vec<Action> {
    let (master, bond) = match &wanted.role {
        Role::Member { index, bond, .. } => (*index, *bond),
        _ => (None, false),
    };
    let mut actions = Vec::new();
    if inputs.clients.contains(&port.index) {
        actions.push(Action::StopDhcp);
    }
    if inputs.clients6.contains_key(&port.index) {
        actions.push(Action::StopDhcp6);
    }
    let rescue = match wanted.role {
        Role::VlansOnly => rescue_address(inputs.standing.get(&port.index)),
        _ => None,
    };
    let stays = |action: &Action| matches!((action, rescue), (Action::RemoveAddress(net), Some(rescue)) if *net == rescue);
    actions.extend(without_ours(port).into_iter().filter(|action| !stays(action)));
    actions.extend(set_ipv6(port, Ipv6Conf::off));
    // A bond sees to the MTU of its ports itself.
    if !bond {
        actions.extend(set_mtu(port, wanted.network.mtu, wishes));
    }
    match (&wanted.role, master) {
        (Role::Member { .. }, None) => return actions,
        (Role::Member { of, .. }, Some(index)) if port.link.master != Some(index) => {
            // A bond takes only ports that are off (kernel: drivers/net/bonding/bond_main.c, bond_enslave) and switches
            // them on itself.
            if bond && port.up {
                actions.push(Action::SetDown);
            }
            actions.push(Action::Join {
                index,
                name: of.clone(),
            });
            if bond {
                return actions;
            }
        }
        (_, None) if port.link.master.is_some() => {
            actions.push(Action::Leave);
            return actions;
        }
        _ => {}
    }
    if !port.up {
        actions.push(Action::SetUp);
    }
    let missing = rescue.filter(|net| port.addresses.iter().all(|have| have.net != *net));
    actions.extend(missing.map(|net| Action::SetAddress(net, None)));
    actions
}

/// Returns what sets the switches of IPv6, where the kernel has them.
pub(super) fn set_ipv6(port: &Port, wanted: fn(Ipv6Conf) -> Ipv6Conf) -> Option<Action> {
    let conf = port.ipv6?;
    let wanted = wanted(conf);
    (conf != wanted).then_some(Action::SetIpv6(wanted))
}

/// Returns what sets the MTU, or puts back the one that was replaced.
pub(super) fn set_mtu(port: &Port, wanted: Option<u32>, wishes: &Wishes<'_>) -> Option<Action> {
    let limit = wishes.mtu_limit(port).unwrap_or(u32::MAX);
    match wanted.filter(|mtu| *mtu <= limit) {
        Some(mtu) => (mtu != port.mtu).then_some(Action::SetMtu(mtu)),
        None => wishes.original(port).mtu.map(Action::RestoreMtu),
    }
}

/// Returns what sets the hardware address, or puts back the one that was replaced. Empty when it is right, and when the
/// port has refused it.
pub(super) fn set_mac(port: &Port, wanted: &Wanted, wishes: &Wishes<'_>, inputs: Inputs<'_>) -> Vec<Action> {
    let action = match (wanted.network.mac, wishes.original(port).mac) {
        (Some(mac), _) if port.mac != Some(mac) => Action::SetMac(mac),
        (None, Some(mac)) => Action::RestoreMac(mac),
        _ => return Vec::new(),
    };
    let step = step(port, action);
    if port.mac.is_none() || inputs.links.refused.contains(&step) {
        return Vec::new();
    }
    let mut actions = Vec::new();
    // The DHCP client tells its server this address.
    if inputs.clients.contains(&port.index) {
        actions.push(Action::StopDhcp);
    }
    // Few drivers take another address while they are on.
    if port.up {
        actions.push(Action::SetDown);
    }
    actions.extend([step.action, Action::SetUp]);
    actions
}
