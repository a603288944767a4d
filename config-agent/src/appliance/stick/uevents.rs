//! The kernel's word that a disk or partition has appeared.

use std::io;

use netlink_sys::protocols::NETLINK_KOBJECT_UEVENT;
use netlink_sys::{AsyncSocket, AsyncSocketExt, SocketAddr, TokioSocket};
use nix::errno::Errno;

/// The kernel's own multicast group on the uevent socket; 2 would be udev's.
const KERNEL_EVENTS: u32 = 1;
/// A disk or partition that has appeared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Its name below `/dev`.
    pub name: String,
    /// Its place below `/sys`.
    pub place: String,
}

/// Events about devices.
pub struct Events {
    socket: TokioSocket,
}

impl Events {
    /// Listens from now on. Call within the runtime.
    pub fn open() -> io::Result<Events> {
        let mut socket = TokioSocket::new(NETLINK_KOBJECT_UEVENT)?;
        socket.socket_mut().bind(&SocketAddr::new(0, KERNEL_EVENTS))?;
        Ok(Events { socket })
    }

    /// Waits for the next event; none when it is of no disk. Safe to cancel.
    pub async fn next(&self) -> io::Result<Option<Device>> {
        match self.socket.recv_from_full().await {
            // Programs can send here, too; the kernel's number is 0 (netlink(7)).
            Ok((event, sender)) => Ok(appeared(&event).filter(|_| sender.port_number() == 0)),
            // There were more events than the socket holds: those are lost.
            Err(error) if error.raw_os_error() == Some(Errno::ENOBUFS as i32) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Returns the disk or partition that an event tells of: `ACTION@DEVPATH`, then `KEY=VALUE`, each ended by a zero byte.
fn appeared(event: &[u8]) -> Option<Device> {
    let fields: Vec<&str> = event
        .split(|&byte| byte == 0)
        .filter_map(|field| std::str::from_utf8(field).ok())
        .collect();
    let value = |key: &str| {
        let mut values = fields
            .iter()
            .filter_map(|field| field.strip_prefix(key)?.strip_prefix('='));
        values.next().map(str::to_string)
    };
    if value("ACTION")? != "add" || value("SUBSYSTEM")? != "block" {
        return None;
    }
    let name = value("DEVNAME")?;
    let plain = !name.is_empty() && !name.contains("..") && !name.starts_with('/');
    let virtual_ones = ["loop", "ram", "zram", "dm-", "md"];
    let real = !virtual_ones.iter().any(|prefix| name.starts_with(prefix));
    (plain && real).then_some(Device {
        name,
        place: value("DEVPATH")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(action: &str, subsystem: &str, name: &str) -> Vec<u8> {
        let place = "/devices/pci0000:00/usb1/1-1/host6/block/sdb/sdb1";
        format!("{action}@{place}\0ACTION={action}\0DEVPATH={place}\0SUBSYSTEM={subsystem}\0DEVNAME={name}\0SEQNUM=7\0")
            .into_bytes()
    }

    #[test]
    fn only_disks_and_partitions_that_appear_count() {
        let found = appeared(&event("add", "block", "sdb1")).unwrap();
        assert_eq!(found.name, "sdb1");
        assert!(found.place.ends_with("/sdb/sdb1"));
        for (action, subsystem, name) in [
            ("remove", "block", "sdb1"),
            ("add", "usb", "sdb1"),
            ("add", "block", "loop0"),
            ("add", "block", "../etc/passwd"),
            ("add", "block", ""),
        ] {
            assert_eq!(
                appeared(&event(action, subsystem, name)),
                None,
                "{action} {subsystem} {name}"
            );
        }
        for rubbish in [
            &b""[..],
            b"\0\0\0",
            b"add@/x\0ACTION=add\0SUBSYSTEM=block\0",
            &[0xff; 100],
        ] {
            assert_eq!(appeared(rubbish), None);
        }
    }
}
