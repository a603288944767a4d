//! The parts from which `genpack` builds an appliance; the binary only reads arguments and calls them.

pub mod squashfs;
