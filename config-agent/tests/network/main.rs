//! The agent in network namespaces of its own, against a real dnsmasq, judged by `ip -j`. Needs root.

mod addresses;
mod reports;
mod world;
