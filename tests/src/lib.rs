//! What boot tests share: the image, built once; devices that start from copies of it; what a person does with one.

mod data;
mod device;
mod guest;
mod guest_tests;
mod image;
mod pair;
mod shell;
mod ssh;
mod steps;
mod stick;

pub use data::DataPartition;
pub use device::{Device, Running};
pub use guest::{Guest, GuestSetup, Moment};
pub use guest_tests::guest_tests;
pub use image::{
    container_image, database_firmware, database_image, example_image, genpack, lab_image, monitor_firmware,
    monitor_image,
};
pub use pair::{DEVICE, Pair};
pub use ssh::SshKey;
pub use steps::{Step, run_steps};
pub use stick::{Division, Stick};

use std::time::Duration;

/// How long a device may take from power-on until it has written `STATUS.txt`. Under emulation on two busy processors
/// it is a minute; this is for a machine that is busier still.
pub const BOOT_DEADLINE: Duration = Duration::from_secs(240);
