//! From typed values to settings: what holds, and what is said about the rest.

mod access;
mod device;
mod network;
mod overrides;
mod own;
mod ports;
mod protected;
mod services;
mod values;
mod wireguard;

use super::Context;
use super::document::Document;
use super::findings::Findings;
use super::header;
use super::schema::{Keys, Section};
use super::subject::Subject;
use crate::settings::{Settings, User};
use crate::types::PortId;
use values::Values;

/// Makes the settings of a document.
pub(super) fn settings(
    mut document: Document<'_>,
    schema: &[Section<'_>],
    context: &Context<'_>,
    findings: &mut Findings,
) -> Settings {
    overrides::apply(&mut document, schema, context, findings);
    let mut settings = Settings::default();
    let mut peers = Vec::new();
    for (identity, body) in &document.sections {
        let section = &schema[identity.section];
        let label = header::label(identity, schema);
        let mut values = Values::new(section, body, &label, context, findings);
        match (section.name, &identity.subject) {
            ("network", Subject::Port(port)) => {
                // An empty [network] says nothing; an empty [network eth1] says that [network] is not for eth1.
                if !body.is_empty() || *port != PortId::Default {
                    let network = network::build(Some(port), &mut values);
                    settings.network.insert(port.clone(), network);
                }
            }
            ("wifi", Subject::Label(name)) if !body.is_empty() => {
                settings.wifi.extend(ports::wifi(name, &mut values));
            }
            ("vlan", Subject::Interface(name)) => {
                settings
                    .vlan
                    .extend(ports::vlan(&mut values).map(|vlan| (name.clone(), vlan)));
            }
            ("bridge", Subject::Interface(name)) => {
                settings
                    .bridge
                    .extend(ports::bridge(&mut values).map(|bridge| (name.clone(), bridge)));
            }
            ("bond", Subject::Interface(name)) => {
                settings
                    .bond
                    .extend(ports::bond(&mut values).map(|bond| (name.clone(), bond)));
            }
            ("wireguard", Subject::Interface(name)) => {
                let tunnel = wireguard::tunnel(&mut values);
                settings
                    .wireguard
                    .extend(tunnel.map(|tunnel| (name.clone(), tunnel)));
            }
            ("wireguard", Subject::Peer(tunnel, name)) => peers.push((tunnel, name, body, label)),
            ("user", Subject::User(name)) if !body.is_empty() => {
                let user = access::user(&mut values);
                if user != User::default() {
                    settings.user.insert(name.clone(), user);
                }
            }
            ("system", _) => settings.system = device::system(&mut values),
            ("ssh", _) => settings.ssh = access::ssh(&mut values),
            ("services", _) => settings.services = services::services(&mut values),
            ("time", _) => settings.time = device::time(&mut values),
            ("proxy", _) => settings.proxy = device::proxy(&mut values),
            ("storage", _) => settings.storage = device::storage(&mut values),
            ("update", _) => settings.update = device::update(&mut values),
            (name, _) => {
                if let Keys::Declared(keys) = &section.keys {
                    let own = own::section(keys, &mut values);
                    if !own.is_empty() {
                        settings.own.insert(name.to_string(), own);
                    }
                }
            }
        }
    }
    // After every tunnel, because a peer's section may stand in front of its tunnel's.
    for (tunnel, name, body, label) in peers {
        let section = &schema[schema
            .iter()
            .position(|section| section.name == "wireguard")
            .unwrap_or(0)];
        let mut values = Values::new(section, body, &label, context, findings);
        wireguard::further_peer(tunnel, name, &mut settings.wireguard, &mut values);
    }
    settings
}
