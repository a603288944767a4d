//! What the measured values come to: the table, whether the comparison is one, and whether what is asked of genpack holds.

use anyhow::{Result, ensure};
use genpack_bench::{Check, Row};

use crate::measure::{Measured, Situation, System};

/// Everything that one run has seen. The peers are in the order of the columns.
pub struct Comparison {
    /// genpack.
    pub genpack: Measured,
    /// Who is compared with it.
    pub peers: Vec<Measured>,
    /// Seconds of genpack's first build of all, with packages from the network.
    pub first: f64,
    /// Other forms of the first peer.
    pub variations: Vec<Measured>,
    /// Length of genpack's disk image in bytes, and how much of it takes room on the disk.
    pub disk_image: (u64, u64),
}

impl Comparison {
    /// Fails unless everybody had the same packages: each one of genpack's image is in the peers' in the same version, and
    /// theirs have all of `wanted`.
    pub fn check_packages(&self, wanted: &[String]) -> Result<()> {
        for peer in &self.peers {
            let theirs = &peer.system.packages;
            let ours = &self.genpack.system.packages;
            let differ: Vec<_> = ours
                .iter()
                .filter(|(name, version)| theirs.get(*name) != Some(version))
                .collect();
            ensure!(
                differ.is_empty(),
                "{} does not have what genpack has: {differ:?}",
                peer.name
            );
            let lacking: Vec<_> = wanted.iter().filter(|name| !theirs.contains_key(*name)).collect();
            ensure!(lacking.is_empty(), "{} lacks {lacking:?}", peer.name);
        }
        Ok(())
    }

    /// Returns the lines of the table.
    pub fn rows(&self) -> Vec<Row> {
        let mut rows = Vec::new();
        for situation in Situation::ALL {
            rows.push(self.row(&format!("build, {}, s", situation.title()), |measured| {
                measured.seconds(situation)
            }));
        }
        for variation in &self.variations {
            rows.push(Row {
                what: format!("build, cold; {}, s", variation.name),
                genpack: self.genpack.seconds(Situation::Cold),
                peers: self.in_first_column(variation.seconds(Situation::Cold)),
            });
        }
        rows.push(self.only_ours("first build of all, packages from the network, s", self.first));
        let mut size = |what, of: fn(&System) -> u64| {
            rows.push(self.row(what, |measured| Some(megabytes(of(&measured.system)))));
        };
        size("tree, MB of files", |system| system.sizes.tree);
        size("of it kernel and initramfs, MB", |system| system.sizes.boot);
        size("system (SquashFS), MB", |system| system.squashfs);
        let (length, in_use) = self.disk_image;
        rows.push(self.only_ours("disk image, MB in use", megabytes(in_use)));
        rows.push(self.only_ours("disk image, MB in all", megabytes(length)));
        rows
    }

    /// Says how many packages each system has.
    pub fn packages(&self) -> String {
        let all = [&self.genpack].into_iter().chain(&self.peers);
        let counts: Vec<_> = all
            .map(|measured| format!("{} {}", measured.name, measured.system.packages.len()))
            .collect();
        format!("Packages in the system: {}.", counts.join(", "))
    }

    /// Returns what is asked of genpack.
    pub fn checks(&self) -> Vec<Check> {
        let ours = |situation| self.genpack.seconds(situation).unwrap_or(f64::NAN);
        let cold = ours(Situation::Cold);
        let by_hand = &self.peers[0];
        let mut checks = vec![
            Check {
                what: format!("cold / {}", by_hand.name),
                value: cold / by_hand.seconds(Situation::Cold).unwrap_or(f64::NAN),
                most: 1.2,
            },
            Check {
                what: "one file changed / cold".into(),
                value: ours(Situation::FileChanged) / cold,
                most: 0.2,
            },
            Check {
                what: "nothing changed, s".into(),
                value: ours(Situation::Unchanged),
                most: 1.0,
            },
        ];
        checks.extend(self.peers.iter().map(|peer| Check {
            what: format!("system / {}", peer.name),
            value: self.genpack.system.squashfs as f64 / peer.system.squashfs as f64,
            most: 1.0,
        }));
        checks
    }

    fn row(&self, what: &str, value: impl Fn(&Measured) -> Option<f64>) -> Row {
        Row {
            what: what.into(),
            genpack: value(&self.genpack),
            peers: self.peers.iter().map(value).collect(),
        }
    }

    fn only_ours(&self, what: &str, value: f64) -> Row {
        Row {
            what: what.into(),
            genpack: Some(value),
            peers: vec![None; self.peers.len()],
        }
    }

    fn in_first_column(&self, value: Option<f64>) -> Vec<Option<f64>> {
        let mut columns = vec![None; self.peers.len()];
        columns[0] = value;
        columns
    }
}

fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
