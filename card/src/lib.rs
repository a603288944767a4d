//! The boot partition as a running device sees it: a FAT file system that a person may have edited on any
//! computer, mounted read-only except for the moment of a write.
//!
//! PID 1 and the config agent both write to the card, so that code lives here and not in either of them.

mod settings_file;
mod write;

pub use settings_file::{FoundSettings, read_settings};
pub use write::Card;
