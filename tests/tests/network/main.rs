//! The network on real kernels: the agent's own tests in a guest, a device with a router at its
//! other end, and one with a radio.
//!
//! The consoles of all machines are kept under `target/boot-tests/logs`.

#![allow(clippy::unwrap_used)]

mod guest;
mod router;
mod system;
mod wifi;
