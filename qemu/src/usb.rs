//! USB devices that are plugged into a running machine and pulled out of it: sticks and network adapters.

use crate::error::Result;
use crate::overlay::Disk;
use crate::vm::Vm;
use serde_json::{Value, json};
use std::time::Duration;

/// The controller that [`Machine::usb`](crate::Machine::usb) adds.
pub(crate) const CONTROLLER: &str = "usb";

/// QEMU takes a device away without asking the guest; this is for a loaded host.
const PATIENCE: Duration = Duration::from_secs(30);

/// A disk for [`Vm::plug`]. The guest is told that its medium can be removed.
#[derive(Debug, Clone)]
pub struct RemovableDisk {
    disk: Disk,
    read_only: bool,
    bytes_per_second: Option<u64>,
}

impl RemovableDisk {
    /// A disk that is as fast as the host, and can be written.
    pub fn new(disk: Disk) -> RemovableDisk {
        RemovableDisk {
            disk,
            read_only: false,
            bytes_per_second: None,
        }
    }

    /// Protects it against writing, as the switch on a card does; the image file is opened for reading only.
    pub fn read_only(mut self) -> RemovableDisk {
        self.read_only = true;
        self
    }

    /// Makes it slow: so many bytes come and go in a second, from the first one on.
    pub fn bytes_per_second(mut self, limit: u64) -> RemovableDisk {
        self.bytes_per_second = Some(limit);
        self
    }

    /// The arguments of `blockdev-add`; the disk is called `id`, and its limit as [`limit_of`] says.
    fn node(&self, id: &str) -> Value {
        let image = json!({
            "driver": self.disk.format.name(),
            "read-only": self.read_only,
            "discard": "unmap",
            "file": { "driver": "file", "filename": self.disk.path, "discard": "unmap" },
        });
        let mut node = match self.bytes_per_second {
            None => image,
            Some(_) => json!({
                "driver": "throttle",
                "throttle-group": limit_of(id),
                "read-only": self.read_only,
                "file": image,
            }),
        };
        node["node-name"] = json!(id);
        node
    }
}

fn limit_of(id: &str) -> String {
    format!("{id}-limit")
}

/// A disk that is in a running machine. It stays there when this is dropped; [`Vm::unplug`] takes it out.
#[derive(Debug)]
#[must_use = "a disk can be pulled out only by this"]
pub struct PluggedDisk {
    id: String,
    limited: bool,
}

/// A network adapter that is in a running machine. It stays there when this is dropped; [`Vm::unplug_nic`] takes it out.
#[derive(Debug)]
#[must_use = "an adapter can be pulled out only by this"]
pub struct PluggedNic {
    id: String,
}

impl Vm {
    /// Plugs a disk in, as `/dev/sd?`; the guest finds it a moment later. The machine needs
    /// [`Machine::usb`](crate::Machine::usb).
    ///
    /// # Errors
    /// When the image file cannot be opened or is in use, the machine has no controller for it, or QEMU has ended.
    pub fn plug(&self, disk: &RemovableDisk) -> Result<PluggedDisk> {
        let plugged = PluggedDisk {
            id: self.new_id(),
            limited: disk.bytes_per_second.is_some(),
        };
        let id = &plugged.id;
        if let Some(limit) = disk.bytes_per_second {
            self.qmp(
                "object-add",
                json!({ "qom-type": "throttle-group", "id": limit_of(id), "limits": { "bps-total": limit } }),
            )?;
        }
        let device = json!({
            "driver": "usb-storage",
            "bus": format!("{CONTROLLER}.0"),
            "id": id,
            "drive": id,
            "removable": true,
        });
        let opened = self.qmp("blockdev-add", disk.node(id));
        if let Err(error) = opened.and_then(|_| self.qmp("device_add", device)) {
            // The file is free again for whoever tries next; the error to tell is the first one.
            let _ = self.close(&plugged);
            return Err(error);
        }
        Ok(plugged)
    }

    /// Pulls a disk out, whatever the guest is doing with it. What the guest has written is in the image file when this
    /// returns, and the file is nobody's.
    ///
    /// # Errors
    /// When QEMU does not let go of it, or has ended.
    pub fn unplug(&self, disk: PluggedDisk) -> Result<()> {
        self.pull_out(&disk.id)?;
        self.close(&disk)
    }

    /// Plugs a network adapter in, whose other end is a network of its own with a DHCP server and nobody else. The machine
    /// needs [`Machine::usb`](crate::Machine::usb).
    ///
    /// # Errors
    /// When the machine has no controller for it, or QEMU has ended.
    pub fn plug_nic(&self) -> Result<PluggedNic> {
        let id = self.new_id();
        let device = json!({
            "driver": "usb-net",
            "bus": format!("{CONTROLLER}.0"),
            "id": id,
            "netdev": id,
        });
        self.qmp(
            "netdev_add",
            json!({ "type": "user", "id": id, "restrict": true }),
        )?;
        if let Err(error) = self.qmp("device_add", device) {
            // The error to tell is the first one.
            let _ = self.qmp("netdev_del", json!({ "id": id }));
            return Err(error);
        }
        Ok(PluggedNic { id })
    }

    /// Pulls a network adapter out.
    ///
    /// # Errors
    /// When QEMU does not let go of it, or has ended.
    pub fn unplug_nic(&self, nic: PluggedNic) -> Result<()> {
        self.pull_out(&nic.id)?;
        self.qmp("netdev_del", json!({ "id": nic.id })).map(drop)
    }

    fn new_id(&self) -> String {
        format!("{CONTROLLER}{}", self.next_number())
    }

    fn pull_out(&self, id: &str) -> Result<()> {
        self.qmp("device_del", json!({ "id": id }))?;
        let of_it = |event: &Value| event["event"] == "DEVICE_DELETED" && event["data"]["device"] == id;
        self.take_event(&format!("the end of device {id}"), PATIENCE, of_it)
            .map(drop)
    }

    /// Takes away what stands behind a device.
    fn close(&self, disk: &PluggedDisk) -> Result<()> {
        let closed = self.qmp("blockdev-del", json!({ "node-name": disk.id }));
        let unlimited = match disk.limited {
            true => self.qmp("object-del", json!({ "id": limit_of(&disk.id) })),
            false => Ok(Value::Null),
        };
        closed.and(unlimited).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::overlay::Format;

    #[test]
    fn a_slow_disk_goes_through_its_limit() {
        let disk = RemovableDisk::new(Disk::new("/images/a,b.img", Format::Raw));
        assert_eq!(
            disk.node("usb1"),
            json!({
                "node-name": "usb1",
                "driver": "raw",
                "read-only": false,
                "discard": "unmap",
                "file": { "driver": "file", "filename": "/images/a,b.img", "discard": "unmap" },
            })
        );
        let slow = disk.read_only().bytes_per_second(1000).node("usb2");
        assert_eq!(
            (&slow["driver"], &slow["throttle-group"], &slow["read-only"]),
            (&json!("throttle"), &json!("usb2-limit"), &json!(true))
        );
        assert_eq!(slow["file"]["read-only"], json!(true));
        assert_eq!(slow["file"]["node-name"], Value::Null);
    }
}
