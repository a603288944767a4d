//! The agent on real kernels: its own tests in a guest, a device with a router at its other end, one with a radio, one into which
//! sticks are plugged, and one whose systemd follows the settings.
//!
//! Tests begin in the order of their names, two at a time: the longest, that of the access point, comes first.
//!
//! The consoles of all machines are kept under `target/boot-tests/logs`.

#![allow(clippy::unwrap_used)]

mod access_point;
mod guest;
mod router;
mod stick;
mod system;
