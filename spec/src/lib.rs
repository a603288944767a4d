//! What a built image and a running image must agree on.
//!
//! The builder, PID 1 and the config agent never call each other; they meet in the names, file formats and
//! data of this crate. It does no I/O: parsers take text or bytes, renderers return text.

pub mod cmdline;
pub mod declared;
pub mod facts;
pub mod image;
pub mod layout;
pub mod modules;
pub mod report;
pub mod settings;
pub mod status;
pub mod storage;
pub mod system_ini;
pub mod text;
pub mod types;
