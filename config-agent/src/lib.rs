//! The config agent: makes the network and the services what the settings say, keeps them so, and reports.
//!
//! It reads what PID 1 left under `/run/genpack`, and never talks to PID 1 otherwise. Every pass over the network is
//! observe, plan, apply, verify: [`net::observe`] asks the kernel, [`net::plan`] is a pure function, [`net::apply`]
//! carries its steps out. Nothing is polled; the kernel, the DHCP clients and systemd send events.

pub mod agent;
mod appliance;
pub mod args;
pub mod client;
mod command;
mod console;
mod files;
mod last_good;
mod load;
mod log;
pub mod mdns;
pub mod net;
mod notify;
mod paths;
pub mod report;
mod resolver;
mod schedule;
mod services;
mod status_file;
pub mod system;
pub mod tell_ports;
mod time;
pub mod wait_online;
mod wifi;

pub use paths::Paths;
