//! Virtual machines for tests and for an interactive console, on top of the QEMU that the host has.
//!
//! A [`Machine`] describes; [`Machine::command_line`] prints what it would run; [`Machine::start`] runs it and gives
//! a [`Vm`]. Waiting is on events (serial output, QMP, the end of the process), each wait has a deadline, and whatever
//! is started here ends when its value is dropped or this process dies.
//!
//! ```no_run
//! use genpack_qemu::{Card, Forward, Machine, Nic, Overlay, UserNetwork};
//! use std::time::Duration;
//!
//! # fn main() -> genpack_qemu::Result<()> {
//! let overlay = Overlay::create("appliance.img")?;
//! let card = Card::open(&overlay)?;
//! card.write("system.ini", b"hostname = kitchen\r\n")?;
//! card.close()?;
//! let vm = Machine::new("kitchen")
//!     .disk(overlay.disk())
//!     .nic(Nic::user(UserNetwork::new().restricted().forward(Forward::tcp(80))))
//!     .log_dir("out/logs")
//!     .deadline(Duration::from_secs(180))
//!     .start()?;
//! vm.expect("kitchen login: ", Duration::from_secs(120))?;
//! assert_eq!(vm.wait_http(80, "/", Duration::from_secs(30))?.status, 200);
//! vm.powerdown()?;
//! vm.wait_exit(Duration::from_secs(60))?;
//! # Ok(())
//! # }
//! ```
//!
//! Two properties to know when writing a test: the memory of what the guest wrote to its serial port is plain text
//! (escape sequences and carriage returns are taken out, so `Reached target` matches a coloured line), while the log
//! file keeps every byte; and a guest's disk writes that were not flushed are lost when a [`Vm`] is killed, just as
//! when a plug is pulled.

mod accel;
mod card;
mod command;
mod console;
mod error;
mod fat;
mod firmware;
mod http;
mod machine;
mod nbd;
mod network;
mod overlay;
mod partition;
mod pattern;
mod process;
mod qmp;
mod serial;
mod shared;
mod supervisor;
mod usb;
mod vm;

pub use accel::Acceleration;
pub use card::{Card, Entry, check_fat};
pub use command::{CommandLine, Host};
pub use console::Ended;
pub use error::{Error, Result, Tail};
pub use firmware::{Firmware, Ovmf};
pub use http::{Response, http_get};
pub use machine::{Chipset, DiskInterface, Machine};
pub use network::{Cable, CableEnd, Forward, Nic, Protocol, UserNetwork};
pub use overlay::{Disk, Format, Overlay};
pub use pattern::{Match, Pattern};
pub use usb::{PluggedDisk, PluggedNic, RemovableDisk};
pub use vm::Vm;
