//! PID 1 of every genpack image: from the kernel's hand-over to systemd's.
//!
//! [`boot`] reads as the numbered steps of the boot; each step is a module. It is synchronous, and small enough
//! to be read in one sitting, because nobody can log in to find out what it did.

pub mod boot;
pub mod shutdown;

mod boot_partition;
mod configure;
mod devices;
mod failure;
mod fat;
mod fsck;
mod identity;
mod log;
mod loop_device;
mod machine;
mod mounts;
mod random;
mod settings;
mod storage;
mod switch_root;
mod system;
mod trial;
mod wired;
