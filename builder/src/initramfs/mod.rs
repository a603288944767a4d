//! The initramfs: PID 1, the kernel modules that it may need, and nothing else.

mod archive;
mod modinfo;
mod modules;

pub use archive::write;
pub use modules::{KernelModule, Wanted, collect};
