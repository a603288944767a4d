//! What `genpack build` does with mistakes and misfortune, as a developer sees it: the message, the exit status, and
//! what is left behind afterwards, which is nothing.

// Clippy's exception for tests covers the functions marked as such, and these are called by those.
#![allow(clippy::unwrap_used)]

mod again;
mod base;
mod check;
mod config;
mod contents;
mod input;
mod interrupt;
mod mirror;
mod ordinary_user;
mod output;
mod programs;
mod room;
mod scripts;
mod site;
mod source;
mod terminal;
mod tree;
