//! The network: observe, plan, apply, verify.

mod advertised;
pub mod apply;
pub mod arp;
pub mod dhcp;
pub mod dhcp6;
pub mod ipv6;
pub mod lease;
pub mod link;
pub mod links;
mod manager;
mod names;
pub mod network;
pub mod observe;
pub mod offered;
pub mod original;
pub mod plan;
pub mod port;
pub mod probe;
mod refusal;
pub mod remembered;
pub mod rescue;
pub mod rule;
mod solicit;
mod udev;
pub mod wanted;
pub mod wireguard;

/// Our number among the origins of routes (`rtm_protocol`) and addresses (`IFA_PROTO`, Linux 5.18): what carries it
/// is ours to change and remove, everything else belongs to others. Free in `include/uapi/linux/rtnetlink.h`
/// and in iproute2's `rt_protos`.
pub const PROTOCOL: u8 = 98;

/// Metric of the default routes of the port with index 0; each port adds its index, so that the routes of
/// several ports never collide and the first port wins. Below what the kernel gives to routes by router advertisement (1024).
pub const WIRED_METRIC: u32 = 100;

/// The same for radios: a cable is the better way.
pub const WIRELESS_METRIC: u32 = 600;
