//! Debian's packages in a finished tree: which of them the device needs, what leaves, and what is said about those that stay.

pub mod contents;
pub mod control;
mod copyright;
mod database;
mod libraries;
mod listing;
mod needed;
mod removal;
#[cfg(test)]
mod tests;
mod unneeded;
mod uses;

pub use contents::{Contents, Entry};
pub use copyright::is_spdx;
pub use libraries::check_libraries;
pub use needed::Reason;
pub use removal::{Wanted, remove_unneeded};
