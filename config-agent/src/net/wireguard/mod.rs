//! WireGuard tunnels: keys and peers, where peers are found, and the routes into the tunnels. The links themselves, with
//! their addresses, are made and removed with the other links; here is what makes tunnels of them.
//!
//! A tunnel that takes everything, or what this device is reached by, would cut the device off. Therefore:
//!
//! - Routes to such wide networks stand in a table of their own, [`TABLE`]. Rules look there last: first what has the address
//!   of a port as its source (an answer goes out where the question came in), then every route of the main table
//!   but the default ones, then the tunnels.
//! - The tunnels' own packets and the questions for the names of their endpoints carry [`MARK`] and never go into a tunnel.
//! - Such routes are there once the other end has proved to be who it is: a wrong key, an endpoint that doesn't exist or a
//!   clock that is behind leaves the device with the network that it has.

mod device;
mod kernel;
mod key;
mod lookup;
mod message;
mod plan;
mod problems;
mod routing;
mod tunnels;
mod watch;

pub use super::rule::Rule;
pub use device::{Device, Observed, Peer, TunnelRoute};
pub use key::Key;
pub use message::PeerChange;
pub use plan::{Action, Inputs, Step, Target, Targets, plan};
pub use tunnels::Tunnels;

/// The table of routes to wide networks. As free as [`super::PROTOCOL`] is among the origins.
pub const TABLE: u32 = 98;

/// What the tunnels' own packets carry (`SO_MARK`): the letters "gp".
pub const MARK: u32 = 0x6770;

/// The metric of the first tunnel's routes: behind every port's and behind what the kernel gives to the networks of its
/// addresses (256 for IPv6), so that the same network on a wire wins.
pub const METRIC: u32 = 512;
