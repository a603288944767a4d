//! Step 2: the modules that this machine's devices and our file systems need, and the kernel's word on devices
//! that come.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::{Context, Result};
use genpack_spec::layout;
use genpack_spec::modules::Index;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, socket,
};

use crate::log;

/// File systems and what they need beside their dependencies; no device asks for these. The initramfs has that of the data
/// partition only where there is one.
const FILE_SYSTEMS: [&str; 7] = [
    "vfat",
    "nls_cp437",
    "nls_ascii",
    "loop",
    "squashfs",
    "overlay",
    layout::DATA_FILE_SYSTEM,
];
/// The kernel's own multicast group on the uevent socket; 2 would be udev's.
const KERNEL_EVENTS: u32 = 1;

/// Loads modules and hears of devices.
pub struct Devices {
    index: Index,
    /// One cell a module: whoever comes first loads it, the others wait until it is there.
    loaded: BTreeMap<String, OnceLock<()>>,
    events: OwnedFd,
}

impl Devices {
    /// Begins to listen. Devices that are there already are for [`Devices::load_all`].
    pub fn open() -> Result<Devices> {
        let index = fs::read_to_string(layout::INITRAMFS_MODULE_INDEX)
            .with_context(|| format!("reading {}", layout::INITRAMFS_MODULE_INDEX))?;
        let index = Index::parse(&index);
        let events = socket(
            AddressFamily::Netlink,
            SockType::Datagram,
            SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK,
            SockProtocol::NetlinkKObjectUEvent,
        )
        .context("opening the kernel's event socket")?;
        bind(events.as_raw_fd(), &NetlinkAddr::new(0, KERNEL_EVENTS))
            .context("listening to the kernel's events")?;
        let loaded = index
            .modules
            .iter()
            .map(|module| (module.name.clone(), OnceLock::new()))
            .collect();
        Ok(Devices {
            index,
            loaded,
            events,
        })
    }

    /// Loads the file systems' modules and those of every device that is there, while more devices come of it.
    pub fn load_all(&self) {
        let devices = wanted(&self.index, present_devices(Path::new("/sys/bus")).iter());
        let file_systems = FILE_SYSTEMS.map(String::from);
        self.load_in_parallel(devices.into_iter().chain(file_systems).collect());
        self.handle_events();
    }

    /// Waits until a device comes or goes, at most `timeout`, and loads what it needs.
    pub fn wait(&self, timeout: Duration) {
        let timeout = PollTimeout::try_from(timeout).unwrap_or(PollTimeout::MAX);
        match poll(
            &mut [PollFd::new(self.events.as_fd(), PollFlags::POLLIN)],
            timeout,
        ) {
            Ok(_) | Err(Errno::EINTR) => self.handle_events(),
            Err(error) => {
                log::warn(&format!("waiting for devices: {error}"));
                std::thread::sleep(Duration::from_millis(200));
            }
        }
    }

    /// Takes every event that has arrived, and those that loading modules brings about.
    fn handle_events(&self) {
        loop {
            let mut modaliases = BTreeSet::new();
            let mut buffer = [0; 8192];
            loop {
                match recv(self.events.as_raw_fd(), &mut buffer, MsgFlags::empty()) {
                    Ok(length) => modaliases.extend(modalias_of(&buffer[..length])),
                    // Events were lost to a full buffer: look at all devices again.
                    Err(Errno::ENOBUFS) => modaliases.extend(present_devices(Path::new("/sys/bus"))),
                    Err(Errno::EINTR) => {}
                    Err(_) => break,
                }
            }
            let modules = wanted(&self.index, modaliases.iter());
            let news: Vec<String> = modules.into_iter().filter(|name| !self.is_loaded(name)).collect();
            if news.is_empty() {
                return;
            }
            self.load_in_parallel(news);
        }
    }

    fn is_loaded(&self, name: &str) -> bool {
        self.loaded.get(name).is_none_or(|cell| cell.get().is_some())
    }

    fn load_in_parallel(&self, names: Vec<String>) {
        let threads = std::thread::available_parallelism()
            .map_or(1, usize::from)
            .clamp(1, 4);
        let by_name = self.index.by_name();
        std::thread::scope(|scope| {
            for share in names.chunks(names.len().div_ceil(threads).max(1)) {
                let by_name = &by_name;
                scope.spawn(move || share.iter().for_each(|name| self.load(by_name, name, 0)));
            }
        });
    }

    /// Loads a module after those that it needs. A module that isn't in the initramfs is built into the kernel, or
    /// was left out because this kernel has none.
    fn load(&self, by_name: &BTreeMap<&str, &genpack_spec::modules::Module>, name: &str, depth: usize) {
        let (Some(cell), Some(module)) = (self.loaded.get(name), by_name.get(name)) else {
            return;
        };
        // The builder orders modules by their dependencies, so there is no cycle; a damaged index may have one.
        if cell.get().is_some() || depth > self.loaded.len() {
            return;
        }
        for dependency in &module.depends {
            self.load(by_name, dependency, depth + 1);
        }
        cell.get_or_init(|| match insert(name) {
            Ok(()) | Err(Errno::EEXIST) => {}
            // The driver looked at the machine and found nothing for it: nothing is wrong.
            Err(Errno::ENODEV) => {}
            Err(error) => log::warn(&format!("the module {name} can't be loaded: {error}")),
        });
    }
}

fn insert(name: &str) -> nix::Result<()> {
    let path = format!("{}/{name}.ko", layout::INITRAMFS_MODULES_DIR);
    let io_error = |error: io::Error| Errno::from_raw(error.raw_os_error().unwrap_or_default());
    let module = File::open(path).map_err(io_error)?;
    nix::kmod::finit_module(&module, c"", nix::kmod::ModuleInitFlags::empty())
}

/// Returns the names of the modules that drive these devices, each once.
fn wanted<'a>(index: &Index, modaliases: impl Iterator<Item = &'a String>) -> BTreeSet<String> {
    modaliases
        .flat_map(|modalias| {
            index
                .for_device(modalias)
                .map(|m| m.name.clone())
                .collect::<Vec<_>>()
        })
        .collect()
}

/// Returns the modalias of every device on every bus.
fn present_devices(buses: &Path) -> BTreeSet<String> {
    let entries = |path: &Path| {
        fs::read_dir(path)
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path())
    };
    entries(buses)
        .flat_map(|bus| entries(&bus.join("devices")).collect::<Vec<_>>())
        .filter_map(|device| fs::read_to_string(device.join("modalias")).ok())
        .map(|modalias| modalias.trim_end().to_string())
        .collect()
}

/// Returns the modalias in a kernel event: `ACTION@DEVPATH`, then `KEY=VALUE`, each ended by a zero byte.
fn modalias_of(event: &[u8]) -> Option<String> {
    let fields: Vec<&[u8]> = event.split(|&b| b == 0).collect();
    if !fields.contains(&b"ACTION=add".as_slice()) {
        return None;
    }
    let value = fields.iter().find_map(|field| field.strip_prefix(b"MODALIAS="))?;
    String::from_utf8(value.to_vec()).ok()
}

#[cfg(test)]
mod tests {
    use genpack_spec::modules::Module;

    use super::*;

    #[test]
    fn a_new_devices_modalias_is_read_and_a_leaving_ones_is_not() {
        let event = |action: &str| {
            format!("{action}@/devices/pci\0ACTION={action}\0MODALIAS=virtio:d2v1\0SEQNUM=7\0")
        };
        assert_eq!(modalias_of(event("add").as_bytes()), Some("virtio:d2v1".into()));
        assert_eq!(modalias_of(event("remove").as_bytes()), None);
        assert_eq!(modalias_of(b"garbage"), None);
    }

    #[test]
    fn every_bus_is_asked() {
        let dir = tempfile::tempdir().unwrap();
        for (device, modalias) in [("pci/devices/a", "pci:v1"), ("virtio/devices/b", "virtio:d2v1")] {
            fs::create_dir_all(dir.path().join(device)).unwrap();
            fs::write(dir.path().join(device).join("modalias"), format!("{modalias}\n")).unwrap();
        }
        fs::create_dir_all(dir.path().join("cpu/devices/without-modalias")).unwrap();
        let found = present_devices(dir.path());
        assert_eq!(found.iter().collect::<Vec<_>>(), ["pci:v1", "virtio:d2v1"]);

        let module = Module {
            name: "virtio_blk".into(),
            depends: vec![],
            aliases: vec!["virtio:d2v*".into()],
        };
        let names = wanted(
            &Index {
                modules: vec![module],
            },
            found.iter(),
        );
        assert_eq!(names.into_iter().collect::<Vec<_>>(), ["virtio_blk"]);
    }
}
