//! What must be seen to work on a device that really boots, under SeaBIOS and under OVMF.
//!
//! Each test waits for words that the device itself says; a crash can't look like success. The consoles of all
//! machines are kept under `target/boot-tests/logs`.

// Clippy's exception for tests covers the functions marked as such, and these are called by those.
#![allow(clippy::unwrap_used)]

mod container;
mod damage;
mod files;
mod fleet;
mod language;
mod login;
mod monitor;
mod old_machine;
mod persistence;
mod services;
mod settings;
mod trial;
mod users;
mod volatile;

/// Makes a test of each function under each firmware. A test takes the firmware that its device starts with.
macro_rules! under_both_firmwares {
    ($($test:ident),+ $(,)?) => {
        mod bios {
            $(#[test] fn $test() { super::$test(&genpack_qemu::Firmware::Bios); })+
        }
        mod uefi {
            $(#[test] fn $test() { super::$test(&genpack_qemu::Firmware::uefi()); })+
        }
    };
}
use under_both_firmwares;
