//! The files that settings come to.
//!
//! PID 1 makes them before anything starts, the config agent makes them follow when settings change in a running system.
//! Both go by the same `plan`, a pure function of settings and of what the image has.

pub mod change;
pub mod files;
pub mod image_files;
pub mod plan;
