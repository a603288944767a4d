//! Everything that needs QEMU or other programs of the host, in one binary because linking is what takes time.

// Clippy's setting that allows it in tests does not see the helpers around them.
#![allow(clippy::unwrap_used)]

mod card;
mod command_line;
mod common;
mod console;
mod guest;
mod usb;
