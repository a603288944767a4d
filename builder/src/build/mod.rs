//! `genpack build`: from a blueprint to a disk image, as numbered stages.

mod arch;
mod card;
pub mod command;
mod customise;
mod disk;
mod folder;
mod keys;
mod manifest;
mod modules;
mod parts;
mod request;
mod stages;
mod targets;
mod too_large;
pub mod update;
mod workplace;

pub use arch::Arch;
pub use request::{Request, Target, temporary_folder};
pub use stages::{plan, run};
pub use workplace::Workplace;

/// The files that a build makes, in a folder of their own. The caller gives them their final names.
pub mod product {
    /// The disk image.
    pub const IMAGE: &str = "image";
    /// What went in and what came out.
    pub const MANIFEST: &str = "manifest.json";
    /// The software bill of materials in CycloneDX's form.
    pub const CYCLONEDX: &str = "cdx.json";
    /// The software bill of materials in SPDX's form.
    pub const SPDX: &str = "spdx.json";
    /// The disk image in QEMU's own format.
    pub const QCOW2: &str = "qcow2";
    /// The system image by itself.
    pub const SYSTEM: &str = "system.img";
    /// All of them.
    pub const ALL: [&str; 6] = [IMAGE, MANIFEST, CYCLONEDX, SPDX, QCOW2, SYSTEM];
}
