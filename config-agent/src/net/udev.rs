//! Ports that udev hasn't finished with: it may still rename them, which the kernel refuses for a port that is on
//! (before Linux 6.2), so they are left alone until its database has them.

use std::collections::BTreeSet;
use std::fs;
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
    /// An entry came while the ports were observed: the observation may hold an old name.
    outdated: bool,
}

/// The ports that udev had finished with at some moment.
#[derive(Debug)]
pub struct Finished {
    indexes: BTreeSet<u32>,
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
            outdated: false,
        }
    }

    /// Returns the ports that udev has finished with. To be asked before the ports are observed: then their names are
    /// final.
    pub fn finished(&self) -> Finished {
        // The database entries of network devices are called `n` and the index (systemd:
        // src/libsystemd/sd-device/device-private.c, device_get_device_id).
        let entries = fs::read_dir(&self.data).into_iter().flatten().flatten();
        let indexes = entries.filter_map(|entry| entry.file_name().to_str()?.strip_prefix('n')?.parse().ok());
        Finished {
            indexes: indexes.collect(),
        }
    }

    /// Returns the ports that may be touched, and remembers whether others wait. `finished` is from before `ports` were
    /// observed.
    pub fn ready(&mut self, ports: Vec<Port>, finished: &Finished, now: Instant) -> Vec<Port> {
        self.released
            .retain(|index| ports.iter().any(|port| port.index == *index));
        let runs = self.control.exists();
        let gave_up = self.waiting_since.is_some_and(|since| now >= since + PATIENCE);
        for port in &ports {
            if !runs || gave_up || finished.indexes.contains(&port.index) {
                self.released.insert(port.index);
            }
        }
        let (ready, waiting): (Vec<Port>, Vec<Port>) = ports
            .into_iter()
            .partition(|port| self.released.contains(&port.index));
        if waiting.is_empty() {
            self.waiting_since = None;
            self.watch = None;
            self.outdated = false;
        } else {
            self.waiting_since.get_or_insert(now);
            if self.watch.is_none() {
                // Without a directory yet, time alone decides.
                self.watch = Watch::new(&self.data).ok();
            }
            let news = self.finished();
            self.outdated = waiting.iter().any(|port| news.indexes.contains(&port.index));
        }
        ready
    }

    /// Waits until the answer of [`Udev::ready`] may be another; for ever when no port waits.
    pub async fn changed(&self) {
        let Some(since) = self.waiting_since else {
            return std::future::pending().await;
        };
        if self.outdated {
            return;
        }
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
            ..Port::default()
        }
    }

    fn ready(udev: &mut Udev, now: Instant) -> usize {
        let finished = udev.finished();
        udev.ready(vec![port(2), port(3)], &finished, now).len()
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

    #[tokio::test(flavor = "current_thread")]
    async fn a_name_from_before_the_entry_is_not_used() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::below(dir.path());
        let (control, data) = paths.udev();
        fs::create_dir_all(&data).unwrap();
        fs::write(&control, "").unwrap();
        let mut udev = Udev::new(&paths);
        let now = Instant::now();
        let finished = udev.finished();
        let observed = vec![port(2)];
        fs::write(data.join("n2"), "").unwrap();
        assert!(udev.ready(observed, &finished, now).is_empty());
        tokio::time::timeout(PATIENCE / 2, udev.changed())
            .await
            .expect("to be observed again");
        let finished = udev.finished();
        assert_eq!(udev.ready(vec![port(2)], &finished, now).len(), 1);
    }
}
