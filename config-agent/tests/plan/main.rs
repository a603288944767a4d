//! Plans as text: settings, leases and what the kernel has, against the steps that follow.

#![allow(clippy::unwrap_used)]

mod given;
mod ipv6;
mod links;
mod ports;
mod rescue;
mod ways;
mod wireguard;
mod wireless;
