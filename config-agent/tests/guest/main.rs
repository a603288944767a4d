//! The agent with links whose kinds not every kernel has, in network namespaces. Needs root, and a kernel with VLANs and
//! bonds; the environment's `GENPACK_CONFIG_AGENT` says where the agent is.

#![allow(clippy::unwrap_used)]

mod bond;
#[path = "../network/links.rs"]
mod links;
mod vlan;
mod wireguard;
#[allow(dead_code)]
#[path = "../network/world.rs"]
mod world;
