//! The parts from which `genpack` builds an appliance; the binary only reads arguments and calls them.

pub mod blueprint;
pub mod build;
pub mod cli;
pub mod command;
pub mod config;
pub mod diff;
pub mod disk;
pub mod draft;
pub mod hash;
pub mod image;
pub mod initramfs;
pub mod inspect;
pub mod install_dirs;
pub mod packages;
pub mod progress;
pub mod room;
pub mod sandbox;
pub mod sbom;
pub mod source;
pub mod squashfs;
pub mod tree;
pub mod vm;
