//! The boot partition as a running device sees it: a FAT file system that a person may have edited on any
//! computer, mounted read-only except for the moment of a write.
//!
//! PID 1 and the config agent both write to the card, so that code lives here and not in either of them.

pub mod conceal;
pub mod password;
mod settings_file;
pub mod trial;
mod write;

pub use settings_file::{FoundSettings, read_settings};
pub use write::{Card, Step};

/// Fills a buffer with random bytes that nobody can guess. PID 1 and the agent have different ways to get them.
pub type Random<'a> = &'a dyn Fn(&mut [u8]);
