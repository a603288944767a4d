//! The addresses that DHCP servers gave, kept on the card so that the device asks for the same ones at its next start.
//!
//! Only asked for: without a server's word none of them is used. RFC 2131 (3.2, 4) would allow it until the end of the lease,
//! but a device without a battery for its clock can't tell that end, and one that was carried elsewhere would take
//! another machine's address. For the same reason no end is kept: a server refuses what it has given away.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::net::Ipv4Addr;
use std::path::Path;

use anyhow::{Context, Result};
use genpack_card::Card;
use genpack_spec::layout::card::LEASES;
use genpack_spec::types::MacAddress;
use tokio::time::Instant;

use crate::Paths;
use crate::schedule::Schedule;

/// Addresses by what tells their port from others, which begins with its hardware address: a copy of the card in another
/// device finds none of its own.
pub type Addresses = BTreeMap<String, Ipv4Addr>;

/// More ports than a device has; makers of USB adapters give some of them a new hardware address each time.
const COUNT_LIMIT: usize = 64;
const SIZE_LIMIT: u64 = 16 * 1024;

/// Reads what the card has. A damaged file is as good as none, and is replaced when there is something to write.
pub fn read(paths: &Paths) -> Addresses {
    let path = paths.card().join(LEASES);
    match read_file(&path) {
        Ok(text) => parse(&text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Addresses::new(),
        Err(error) => {
            log::warn!("{} can't be read: {error}", path.display());
            Addresses::new()
        }
    }
}

fn read_file(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(SIZE_LIMIT).read_to_string(&mut text)?;
    Ok(text)
}

/// One line for each port: its identity, space, address. Other lines are left out.
fn parse(text: &str) -> Addresses {
    let lines = text.lines().filter_map(|line| {
        let (port, address) = line.split_once(' ')?;
        let address: Ipv4Addr = address.trim().parse().ok()?;
        let usable = !address.is_unspecified()
            && !address.is_broadcast()
            && !address.is_loopback()
            && !address.is_multicast();
        // `MAC` or `MAC-name`.
        let mac = port.get(..17)?.parse::<MacAddress>().is_ok();
        let name = port.len() <= 40 && port.bytes().all(|byte| byte.is_ascii_graphic());
        (usable && mac && name).then(|| (port.to_string(), address))
    });
    lines.take(COUNT_LIMIT).collect()
}

fn text(addresses: &Addresses) -> String {
    addresses
        .iter()
        .map(|(port, address)| format!("{port} {address}\n"))
        .collect()
}

/// Keeps the card's file up to date: written when a port gets another address, not when a lease is renewed.
pub struct Memory {
    on_card: Addresses,
    wanted: Addresses,
    schedule: Schedule,
    writing: Option<Addresses>,
}

impl Memory {
    /// Looks at the card.
    pub fn new(paths: &Paths) -> Memory {
        let on_card = read(paths);
        Memory {
            wanted: on_card.clone(),
            on_card,
            schedule: Schedule::new(),
            writing: None,
        }
    }

    /// Takes note of the addresses in use.
    pub fn update(&mut self, in_use: Addresses, now: Instant) {
        let mut wanted = self.on_card.clone();
        wanted.extend(in_use.clone());
        // The ports that are there come before those that once were.
        while wanted.len() > COUNT_LIMIT {
            let Some(gone) = wanted.keys().find(|port| !in_use.contains_key(*port)).cloned() else {
                break;
            };
            wanted.remove(&gone);
        }
        if wanted == self.wanted {
            return;
        }
        self.wanted = wanted;
        match self.wanted == self.on_card {
            true => self.schedule.settled(),
            false => self.schedule.changed(now),
        }
    }

    /// Returns when to write; none when there is nothing to write.
    pub fn due(&self) -> Option<Instant> {
        self.schedule.due()
    }

    /// Returns what to write now.
    pub fn begin(&mut self, now: Instant) -> String {
        self.schedule.written(now);
        self.writing = Some(self.wanted.clone());
        text(&self.wanted)
    }

    /// Whether what is being written to the card is from [`Memory::begin`].
    pub fn is_writing(&self) -> bool {
        self.writing.is_some()
    }

    /// Notes what came of writing. A card that refuses is tried again with the next address.
    pub fn wrote(&mut self, outcome: Result<()>) {
        let written = self.writing.take();
        match outcome {
            Ok(()) => self.on_card = written.unwrap_or_default(),
            Err(error) => log::warn!("{LEASES} can't be written to the card: {error:#}"),
        }
    }
}

/// Writes the file.
pub fn write(card: &Card, text: &str) -> Result<()> {
    card.write(LEASES, text.as_bytes())
        .context("keeping the addresses for the next start")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(pairs: &[(u8, [u8; 4])]) -> Addresses {
        pairs
            .iter()
            .map(|(mac, ip)| (format!("02:00:00:00:00:{mac:02x}"), Ipv4Addr::from(*ip)))
            .collect()
    }

    #[test]
    fn what_is_written_is_read_and_damage_costs_only_its_lines() {
        let all = addresses(&[(1, [10, 0, 0, 5]), (2, [192, 0, 2, 7])]);
        assert_eq!(parse(&text(&all)), all);
        let vlan = "02:00:00:00:00:01-office.7 10.0.7.5\n";
        assert_eq!(text(&parse(vlan)), vlan);
        let damaged = "02:00:00:00:00:01 10.0.0.5\n02:00:00:00:00:02 192.0.2\nx\neth0 10.0.0.6\n\n02:00:00:00:00:03 127.0.0.1\n\0\u{fffd}";
        assert_eq!(parse(damaged), addresses(&[(1, [10, 0, 0, 5])]));
        let many: String = (0..500)
            .map(|n| format!("02:00:00:00:{:02x}:{:02x} 10.0.0.1\n", n / 256, n % 256))
            .collect();
        assert_eq!(parse(&many).len(), COUNT_LIMIT);
    }

    #[test]
    fn a_file_that_is_no_text_or_endless_is_as_good_as_none() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::below(dir.path());
        let path = paths.card().join(LEASES);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        assert_eq!(read(&paths), Addresses::new());
        std::fs::write(&path, [0xff; 100]).unwrap();
        assert_eq!(read(&paths), Addresses::new());
        std::os::unix::fs::symlink("/dev/zero", path.with_extension("link")).unwrap();
        std::fs::rename(path.with_extension("link"), &path).unwrap();
        assert_eq!(read(&paths), Addresses::new());
    }

    #[test]
    fn the_card_is_written_for_another_address_only() {
        let dir = tempfile::tempdir().unwrap();
        let mut memory = Memory::new(&Paths::below(dir.path()));
        let now = Instant::now();
        memory.update(Addresses::new(), now);
        assert_eq!(memory.due(), None);
        memory.update(addresses(&[(1, [10, 0, 0, 5])]), now);
        assert!(memory.due().is_some());
        assert_eq!(memory.begin(now), "02:00:00:00:00:01 10.0.0.5\n");
        memory.wrote(Ok(()));
        // Renewed, the cable pulled, renewed.
        memory.update(addresses(&[(1, [10, 0, 0, 5])]), now);
        memory.update(Addresses::new(), now);
        memory.update(addresses(&[(1, [10, 0, 0, 5])]), now);
        assert_eq!(memory.due(), None);
        memory.update(addresses(&[(1, [10, 0, 0, 6]), (2, [10, 0, 0, 7])]), now);
        assert_eq!(memory.begin(now).lines().count(), 2);
        memory.wrote(Err(anyhow::anyhow!("locked")));
        assert_eq!(memory.due(), None, "not again before there is another address");
    }
}
