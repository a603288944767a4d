//! ARP, as far as a host needs it to find out whether an IPv4 address is somebody else's (RFC 5227, RFC 3927).

pub mod claim;
pub mod frame;
pub mod link_local;
pub mod socket;
