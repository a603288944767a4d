//! The agent in network namespaces of its own, against a real dnsmasq, judged by `ip -j`. Needs root.

#![allow(clippy::unwrap_used)]

mod addresses;
mod computer;
mod details;
mod dhcp;
mod ipv6;
mod last_good;
mod links;
mod many;
mod mdns;
mod reports;
mod rescue;
mod scripted;
mod ways;
mod world;
