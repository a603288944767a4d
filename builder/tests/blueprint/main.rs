//! Blueprints as files: what they come to, and what is said of those that are wrong.

// Clippy's exception for tests covers the functions marked as such, and these are called by those.
#![allow(clippy::unwrap_used)]

mod fields;
mod golden;
mod merge;
mod profile;
mod schema;
