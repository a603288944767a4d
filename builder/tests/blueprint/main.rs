//! Blueprints as files: what they come to, and what is said of those that are wrong.

mod fields;
mod golden;
mod merge;
mod schema;
