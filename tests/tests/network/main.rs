//! The network on real kernels: the agent's own tests in a guest, and a device with a router at its other end.
//!
//! The consoles of all machines are kept under `target/boot-tests/logs`.

#![allow(clippy::unwrap_used)]

mod guest;
mod router;
