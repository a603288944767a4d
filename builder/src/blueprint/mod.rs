//! What a developer writes: blueprints and profiles, from JSON5 to values without an invalid state.
//!
//! `syntax` makes a tree with places of a text. `judge` compares it with the tables of `fields`, `accounts`,
//! `settings` and `profile`, which have everything that may be said, and finds every mistake. `merge` joins the parts
//! that hold for one architecture and one variant. What comes out is read into the types of `value`.

mod accounts;
mod base;
mod fields;
mod file;
mod json_schema;
mod judge;
mod merge;
mod node;
mod packages;
mod persist;
mod problems;
mod profile;
mod settings;
mod shape;
mod sound;
mod syntax;
mod template;
mod text;
mod types;
mod value;

pub use accounts::{Group, User};
pub use base::Base;
pub use fields::ARCHITECTURES;
pub use file::{BLUEPRINT_FILE, BlueprintFile, PLAIN_JSON_FILE, name_of};
pub use json_schema::{blueprint_schema, profile_schema};
pub use judge::nearest;
pub use packages::join_packages;
pub use persist::DataSize;
pub use problems::{InputError, Problem, Record};
pub use profile::{Kernel, Profile, check_profile, is_part, load_profile, names_in};
pub use settings::OwnSections;
pub use template::template;
pub use types::{ArtifactName, CompressionSetting, Mirror, OutFile, Output, PackageName};
pub use value::{Blueprint, dedupe};

/// The folder beside the blueprint whose content is copied to `/`.
pub const FILES_DIR: &str = "files";
/// The folder beside the blueprint with profiles of its own.
pub const PROFILES_DIR: &str = "profiles";
/// The folder of [`FILES_DIR`] with scripts that run while the image is built, and are not in it.
pub const BUILD_SCRIPTS_DIR: &str = "build.d";
