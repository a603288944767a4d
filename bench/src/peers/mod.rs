//! What one would use without genpack.

mod mkosi;
mod mmdebstrap;

pub use mkosi::Mkosi;
pub use mmdebstrap::{Mmdebstrap, Variation};
