//! The parts from which `genpack` builds an appliance; the binary only reads arguments and calls them.

pub mod blueprint;
pub mod build;
pub mod cache;
pub mod check;
pub mod cli;
pub mod command;
pub mod config;
pub mod disk;
pub mod draft;
pub mod hash;
pub mod initramfs;
pub mod install_dirs;
pub mod lock;
pub mod progress;
pub mod room;
pub mod sandbox;
pub mod scaffold;
pub mod source;
pub mod sparse;
pub mod squashfs;
pub mod tools;
pub mod tree;
pub mod vm;
