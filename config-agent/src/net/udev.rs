//! Ports that udev hasn't finished with: it may still rename them, which the kernel refuses for a port that is on
//! (before Linux 6.2), so they are left alone until its database has them.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use tokio::time::Instant;

use super::port::Port;
use crate::Paths;
use crate::files::Watch;

/// A port that udev doesn't finish within this time is used as it is: an address under a second-best name beats none.
const PATIENCE: Duration = Duration::from_secs(10);

/// Keeps ports back until udev is done with them.
pub struct Udev {
    control: PathBuf,
    data: PathBuf,
    released: BTreeSet<u32>,
    waiting_since: Option<Instant>,
    watch: Option<Watch>,
}

impl Udev {
    /// Returns the gate; knows no port yet.
    pub fn new(paths: &Paths) -> Udev {
        let (control, data) = paths.udev();
        Udev {
            control,
            data,
            released: BTreeSet::new(),
            waiting_since: None,
            watch: None,
        }
    }

    /// Returns the ports that may be touched, and remembers whether others wait.
    pub fn ready(&mut self, ports: Vec<Port>, now: Instant) -> Vec<Port> {
        self.released
            .retain(|index| ports.iter().any(|port| port.index == *index));
        let runs = self.control.exists();
        if runs && self.watch.is_none() && ports.iter().any(|port| !self.released.contains(&port.index)) {
            // Watch first, then look. Without a directory yet, time alone decides.
            self.watch = Watch::new(&self.data).ok();
        }
        let gave_up = self.waiting_since.is_some_and(|since| now >= since + PATIENCE);
        for port in &ports {
            // The database entry of a network device (systemd: src/libsystemd/sd-device/device-private.c,
            // device_get_device_id).
            if !runs || gave_up || self.data.join(format!("n{}", port.index)).exists() {
                self.released.insert(port.index);
            }
        }
        let total = ports.len();
        let ready: Vec<Port> = ports
            .into_iter()
            .filter(|port| self.released.contains(&port.index))
            .collect();
        if ready.len() == total {
            self.waiting_since = None;
            self.watch = None;
        } else {
            self.waiting_since.get_or_insert(now);
        }
        ready
    }

    /// Waits until the answer of [`Udev::ready`] may be another; for ever when no port waits.
    pub async fn changed(&self) {
        let Some(since) = self.waiting_since else {
            return std::future::pending().await;
        };
        let news = async {
            match &self.watch {
                Some(watch) if watch.changed().await.is_ok() => {}
                _ => std::future::pending().await,
            }
        };
        tokio::select! {
            () = news => {}
            () = tokio::time::sleep_until(since + PATIENCE) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port(index: u32) -> Port {
        Port {
            index,
            name: format!("eth{index}"),
            mac: None,
            up: false,
            carrier: false,
            mtu: 1500,
            max_mtu: 0,
            ipv6: None,
            addresses: Vec::new(),
            routes: Vec::new(),
        }
    }

    fn ready(udev: &mut Udev, now: Instant) -> usize {
        udev.ready(vec![port(2), port(3)], now).len()
    }

    #[tokio::test(flavor = "current_thread")]
    async fn ports_wait_for_udev_but_not_for_ever() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::below(dir.path());
        let (control, data) = paths.udev();
        let mut udev = Udev::new(&paths);
        let now = Instant::now();
        assert_eq!(
            ready(&mut udev, now),
            2,
            "without udev there is nothing to wait for"
        );

        std::fs::create_dir_all(&data).unwrap();
        std::fs::write(&control, "").unwrap();
        let mut udev = Udev::new(&paths);
        assert_eq!(ready(&mut udev, now), 0);
        std::fs::write(data.join("n2"), "").unwrap();
        tokio::time::timeout(PATIENCE / 2, udev.changed())
            .await
            .expect("the entry is seen");
        assert_eq!(ready(&mut udev, now), 1);
        assert_eq!(ready(&mut udev, now + PATIENCE), 2);
    }
}
