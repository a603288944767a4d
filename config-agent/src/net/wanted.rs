//! What the settings ask of every link: which are to be made, which belong together, and whose addresses are whose. Pure.

use genpack_spec::layout::card::SYSTEM_INI;
use genpack_spec::report::LinkKind;
use genpack_spec::settings::{BondMode, Ipv6, Method, Network, Settings, Wifi};
use genpack_spec::text;
use genpack_spec::text::Text;
use genpack_spec::types::{InterfaceName, MacAddress, PortId};

use super::link::{Kind, Make, named};
use super::links::Links;
use super::original::Original;
use super::plan::{Action, Step};
use super::port::Port;

/// What the settings ask of one port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Addresses and details; `off` for a port to which the settings give no addresses.
    pub network: Network,
    /// What it is there for.
    pub role: Role,
}

/// What a port is there for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Role {
    /// To have addresses.
    Addresses,
    /// To have the addresses of the settings and no others.
    Tunnel,
    /// To belong to a bridge or bond.
    Member {
        /// Its name.
        of: String,
        /// Its number, once there is one.
        index: Option<u32>,
        /// Whether it is a bond.
        bond: bool,
    },
    /// To carry VLANs, with no address but the rescue address.
    VlansOnly,
    /// Nothing any more: it is to be removed.
    Unwanted,
}

/// A link that the settings ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// Its name.
    pub name: InterfaceName,
    /// What it is.
    pub kind: LinkKind,
    /// Its addresses and details.
    pub network: Network,
    /// How far it is.
    pub state: State,
    /// The numbers of the ports that belong to it.
    pub members: Vec<u32>,
    /// Sentences about what it lacks.
    pub problems: Vec<Text>,
}

/// How far a link is that the settings ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// It is there.
    There(u32),
    /// It can be made.
    ToMake(Make),
    /// It is there and not as it has to be.
    Outdated(u32),
    /// It can't be made, or not yet.
    Blocked,
}

/// What the settings ask of all links, given those that there are.
#[derive(Debug)]
pub struct Wishes<'a> {
    settings: &'a Settings,
    ports: &'a [Port],
    links: &'a Links,
    made: Vec<Made>,
}

impl<'a> Wishes<'a> {
    /// Judges the settings. `ports` are those that are the agent's to set.
    pub fn new(settings: &'a Settings, ports: &'a [Port], links: &'a Links) -> Wishes<'a> {
        let mut wishes = Wishes {
            settings,
            ports,
            links,
            made: Vec::new(),
        };
        for (name, vlan) in &settings.vlan {
            let kind = LinkKind::Vlan {
                parent: vlan.parent.to_string(),
                id: vlan.id,
            };
            wishes.judge(name, kind, vlan.network.as_ref(), &[], |wishes, _| {
                let parent = wishes.usable(&vlan.parent)?;
                Ok(Make::Vlan {
                    parent: parent.index,
                    on: parent.name.clone(),
                    id: vlan.id,
                })
            });
        }
        for (name, bridge) in &settings.bridge {
            let kind = LinkKind::Bridge {
                ports: texts(&bridge.ports),
            };
            let stp = bridge.stp == Some(true);
            wishes.judge(name, kind, bridge.network.as_ref(), &bridge.ports, |_, mac| {
                Ok(Make::Bridge { stp, mac })
            });
        }
        for (name, bond) in &settings.bond {
            let kind = LinkKind::Bond {
                ports: texts(&bond.ports),
            };
            let mode = bond.mode.unwrap_or(BondMode::ActiveBackup);
            wishes.judge(name, kind, bond.network.as_ref(), &bond.ports, |_, mac| {
                Ok(Make::Bond { mode, mac })
            });
        }
        for (name, tunnel) in &settings.wireguard {
            let network = Network {
                method: Method::Static,
                addresses: tunnel.addresses.clone(),
                ..Network::default()
            };
            wishes.judge(name, LinkKind::Wireguard, Some(&network), &[], |_, _| {
                Ok(Make::Wireguard)
            });
        }
        wishes
    }

    /// Returns the links that the settings ask for, in the order in which they are made.
    pub fn made(&self) -> &[Made] {
        &self.made
    }

    /// Returns what is asked of a port.
    pub fn of(&self, port: &Port) -> Wanted {
        let bare = |role, mtu, fallback| Wanted {
            network: Network {
                method: Method::Off,
                mtu,
                fallback,
                ..Network::default()
            },
            role,
        };
        let own = match port.link.kind {
            Kind::Wired => self.settings.network_for(&port.name, self.own_mac(port)),
            Kind::Wireless { .. } => match self.wifi(port) {
                Some(wifi) => self.wireless_network(port, wifi),
                None => return bare(Role::Addresses, None, None),
            },
            _ => match self.made_as(port.index) {
                Some(made) => made.network.clone(),
                None => return bare(Role::Unwanted, None, None),
            },
        };
        if let Some(master) = self.made.iter().find(|made| made.members.contains(&port.index)) {
            let role = Role::Member {
                of: master.name.to_string(),
                index: match master.state {
                    State::There(index) => Some(index),
                    _ => None,
                },
                bond: matches!(master.kind, LinkKind::Bond { .. }),
            };
            return bare(role, master.network.mtu.or(own.mtu), None);
        }
        if own.method == Method::Off && self.carries_vlans(port) {
            return bare(Role::VlansOnly, own.mtu, own.fallback);
        }
        Wanted {
            network: without_ipv6(own),
            role: match port.link.kind {
                Kind::Wireguard => Role::Tunnel,
                _ => Role::Addresses,
            },
        }
    }

    /// Returns what the report calls a port.
    pub fn kind(&self, port: &Port) -> LinkKind {
        if let Some(manager) = port.link.manager {
            return LinkKind::Managed {
                by: manager.to_string(),
            };
        }
        match self.of(port).role {
            Role::Member { of, .. } => LinkKind::Member { of },
            Role::VlansOnly => LinkKind::VlansOnly,
            _ if matches!(port.link.kind, Kind::Wireless { .. }) => LinkKind::Wireless {
                ssid: self
                    .wifi(port)
                    .filter(|_| port.carrier)
                    .map(|wifi| wifi.ssid.clone()),
            },
            _ => self
                .made_as(port.index)
                .map_or(LinkKind::Wired, |made| made.kind.clone()),
        }
    }

    /// Returns the link that the settings ask for and that has this number.
    pub fn made_as(&self, index: u32) -> Option<&Made> {
        self.made.iter().find(|made| made.state == State::There(index))
    }

    /// Returns the largest MTU that a port can have; none when nothing is known of a limit.
    pub fn mtu_limit(&self, port: &Port) -> Option<u32> {
        let own = Some(port.max_mtu).filter(|limit| *limit > 0);
        let carrier = match port.link.kind {
            Kind::Vlan { parent, .. } => self
                .all()
                .find(|link| link.index == parent)
                .map(|parent| parent.mtu),
            _ => None,
        };
        own.into_iter().chain(carrier).min()
    }

    /// Whether the settings speak of this very port.
    pub fn names(&self, port: &Port) -> bool {
        let is = |name: &InterfaceName| name.as_str().eq_ignore_ascii_case(&port.name);
        let own_mac = self.own_mac(port);
        let sections = self.settings.network.keys().any(|id| match id {
            PortId::Default => false,
            PortId::Name(name) => is(name),
            PortId::Mac(mac) => own_mac == Some(*mac),
        });
        let bridges = self.settings.bridge.values().flat_map(|bridge| &bridge.ports);
        let bonds = self.settings.bond.values().flat_map(|bond| &bond.ports);
        let wireless = matches!(port.link.kind, Kind::Wireless { .. }) && !self.settings.wifi.is_empty();
        sections || wireless || bridges.chain(bonds).any(is)
    }

    /// Returns what a port had before the settings changed it.
    pub fn original(&self, port: &Port) -> Original {
        self.links.originals.get(&port.index).copied().unwrap_or_default()
    }

    /// Returns the section of the network that a radio is connected to, or was last.
    fn wifi(&self, port: &Port) -> Option<&'a Wifi> {
        let name = port.link.wifi.as_ref()?;
        self.settings.wifi.iter().find(|wifi| wifi.name == *name)
    }

    /// Addresses of the wireless network come first, those of the radio second; `[network]` is for cables.
    fn wireless_network(&self, port: &Port, wifi: &Wifi) -> Network {
        let own = wifi.network.as_ref();
        own.or_else(|| self.settings.network_of(&port.name, self.own_mac(port)))
            .cloned()
            .unwrap_or_default()
    }

    fn own_mac(&self, port: &Port) -> Option<MacAddress> {
        port.own_mac(Some(&self.original(port)))
    }

    fn all(&self) -> impl Iterator<Item = &'a Port> + Clone + use<'a> {
        self.ports.iter().chain(&self.links.others)
    }

    fn carries_vlans(&self, port: &Port) -> bool {
        let mut vlans = self.settings.vlan.values();
        vlans.any(|vlan| vlan.parent.as_str().eq_ignore_ascii_case(&port.name))
    }

    /// Adds a link to those that are asked for. `make` says how it is made, with the hardware address that it takes over.
    fn judge(
        &mut self,
        name: &InterfaceName,
        kind: LinkKind,
        network: Option<&Network>,
        ports: &[InterfaceName],
        make: impl FnOnce(&Self, Option<MacAddress>) -> Result<Make, Option<Text>>,
    ) {
        let mut problems = Vec::new();
        let (mut members, mut mac) = (Vec::new(), None);
        for port in ports {
            match self.member(name, port) {
                Ok(member) => {
                    members.push(member.index);
                    mac = mac.or(self.own_mac(member));
                }
                Err(problem) => problems.extend(problem),
            }
        }
        let existing = named(self.all(), name.as_str());
        let twice = self
            .made
            .iter()
            .any(|made| made.name.as_str().eq_ignore_ascii_case(name.as_str()));
        let state = if twice {
            problems = vec![text!(
                "{file} has another section for the name {name}, which counts instead; give one of them another name.",
                file = SYSTEM_INI,
                name
            )];
            State::Blocked
        } else {
            match (make(self, mac), existing) {
                (_, Some(link)) if !link.link.made_here => {
                    problems = vec![text!(
                        "Something else has made a link of the name {name}, so it is left alone; choose another name.",
                        name
                    )];
                    State::Blocked
                }
                (Ok(make), Some(link)) if make.kind() == link.link.kind => State::There(link.index),
                // Its parent only has no final name yet.
                (Err(None), Some(link)) => State::There(link.index),
                (_, Some(link)) => State::Outdated(link.index),
                (Err(problem), None) => {
                    problems.extend(problem);
                    State::Blocked
                }
                (Ok(_), None) if !ports.is_empty() && members.is_empty() => State::Blocked,
                (Ok(make), None) => self.unless_refused(name, make, &mut problems),
            }
        };
        if state == State::Blocked {
            // A port without the link that it belongs to needs its own addresses.
            members.clear();
        }
        self.made.push(Made {
            name: name.clone(),
            kind,
            network: network
                .cloned()
                .or_else(|| self.named_section(name))
                .unwrap_or_default(),
            state,
            members,
            problems,
        });
    }

    fn unless_refused(&self, name: &InterfaceName, make: Make, problems: &mut Vec<Text>) -> State {
        let step = Step::make(name, make.clone());
        match self.links.refused.contains(&step) {
            true => {
                problems.push(step.action.failure());
                State::Blocked
            }
            false => State::ToMake(make),
        }
    }

    /// `[network NAME]` for a link whose own section says nothing of addresses.
    fn named_section(&self, name: &InterfaceName) -> Option<Network> {
        let mut sections = self.settings.network.iter();
        let is =
            |id: &PortId| matches!(id, PortId::Name(n) if n.as_str().eq_ignore_ascii_case(name.as_str()));
        sections
            .find(|(id, _)| is(id))
            .map(|(_, network)| network.clone())
    }

    /// Finds a link by its name. The error is what to say, if anything.
    fn usable(&self, name: &InterfaceName) -> Result<&'a Port, Option<Text>> {
        match named(self.all(), name.as_str()) {
            Some(port) if port.link.settling => Err(None),
            Some(port) => Ok(port),
            None => Err(Some(text!(
                "It waits for the port {port}, which is not there.",
                port = name
            ))),
        }
    }

    /// Finds a port that is to belong to the bridge or bond `of`.
    fn member(&self, of: &InterfaceName, name: &InterfaceName) -> Result<&'a Port, Option<Text>> {
        let port = self.usable(name)?;
        if let Some(manager) = port.link.manager {
            return Err(Some(text!(
                "{program} manages the port {port}, so it is left alone.",
                program = manager,
                port = name
            )));
        }
        let other = self.made.iter().find(|made| made.members.contains(&port.index));
        if let Some(other) = other {
            return Err(Some(text!(
                "The port {port} already belongs to {other}.",
                port = name,
                other = &other.name
            )));
        }
        let ours = self.ports.iter().any(|one| one.index == port.index);
        if !ours || of.as_str().eq_ignore_ascii_case(&port.name) {
            return Err(Some(text!(
                "The port {port} can't belong to it, because something else uses it.",
                port = name
            )));
        }
        let refused = |step: &Step| step.index == port.index && matches!(step.action, Action::Join { .. });
        if let Some(step) = self.links.refused.iter().find(|step| refused(step)) {
            return Err(Some(step.action.failure()));
        }
        Ok(port)
    }
}

fn texts(names: &[InterfaceName]) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}

fn without_ipv6(mut network: Network) -> Network {
    if network.ipv6 == Some(Ipv6::Off) {
        network.addresses.retain(|net| net.addr().is_ipv4());
        network.gateways.retain(|gateway| gateway.is_ipv4());
        if network.method == Method::Static && network.addresses.is_empty() {
            network.method = Method::Auto;
        }
    }
    network
}
