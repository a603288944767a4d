//! Settings that change while the device runs: the real agent and its command on a private bus with the policy of the image,
//! with a card that outlives the agent.

#![allow(clippy::unwrap_used)]

// The other users of the world need more of it.
#[allow(dead_code)]
#[path = "../network/world.rs"]
mod world;

mod card;
mod device;
mod policy;
mod trials;
