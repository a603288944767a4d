//! `genpack build`: from a blueprint to a disk image, as numbered stages.

mod card;
mod manifest;
mod request;
mod stages;

pub use request::{Request, Sources, temporary_folder};
pub use stages::{Outputs, plan, run};

/// What one architecture is called by everyone who has to know.
#[derive(Debug, Clone, Copy)]
pub struct Arch {
    /// genpack, Rust and `uname -m`.
    pub genpack: &'static str,
    /// Debian.
    pub debian: &'static str,
}

/// The architecture that images are built for.
pub const ARCH: Arch = Arch {
    genpack: "x86_64",
    debian: "amd64",
};
