//! `make bench-boot`: from the kernel's start to systemd, beside Debian's live-boot with the same packages and the same
//! kernel, in the same run. Prints a table of `bench/RESULTS.md`.
//!
//! Absolute times are those of the machine and of its emulation; only the ratios mean anything.

mod measure;
mod systems;

use std::path::Path;

use anyhow::{Context, Result};
use genpack_bench::peers::{Mmdebstrap, Variation};
use genpack_bench::{Builder, Genpack, Row, Site, begin, go_on, host_mirror};

use crate::measure::{Boot, measure};
use crate::systems::Parts;

/// Boots of each system; the middle one counts.
const BOOTS: usize = 3;

fn main() -> Result<()> {
    let folder = begin()?;
    let work = folder.path();
    let mirror = host_mirror()?;
    eprintln!("building with genpack");
    let mut site = Site::new(&work.join("site"))?;
    let genpack = Genpack::new(&work.join("genpack"), Some(&mirror))?;
    genpack.build(&site)?;
    genpack.describe(&mut site)?;
    let ours = Parts::of_image(&genpack.image(), work)?;
    eprintln!("the same packages by mmdebstrap and mksquashfs, with live-boot's initramfs");
    site.packages.push("live-boot".into());
    let by_hand = Mmdebstrap::new(&work.join("by-hand"), &mirror, Variation::Usual)?;
    by_hand.build(&site)?;
    let theirs = Parts::of_tree(&by_hand, work)?;

    eprintln!("booting each {BOOTS} times");
    let boots = |parts: &Parts| -> Result<Boot> {
        let boot = |_| {
            go_on()?;
            measure(parts)
        };
        middle((0..BOOTS).map(boot).collect::<Result<_>>()?).context("nothing was booted")
    };
    let (our_boot, their_boot) = (boots(&ours)?, boots(&theirs)?);
    let row = |what: &str, genpack: f64, peer: f64| {
        let what = what.into();
        let row = Row {
            what,
            genpack: Some(genpack),
            peers: vec![Some(peer)],
        };
        println!("{row}");
    };
    println!("{}", Row::head(&["live-boot"]));
    row("kernel start to /init, s", our_boot.kernel, their_boot.kernel);
    row("/init to systemd, s", our_boot.init, their_boot.init);
    row(
        "kernel start to systemd, s",
        our_boot.kernel + our_boot.init,
        their_boot.kernel + their_boot.init,
    );
    row(
        "initramfs, MB",
        megabytes(&ours.initrd)?,
        megabytes(&theirs.initrd)?,
    );
    Ok(())
}

fn megabytes(path: &Path) -> Result<f64> {
    Ok(std::fs::metadata(path)?.len() as f64 / 1e6)
}

fn middle(mut boots: Vec<Boot>) -> Option<Boot> {
    boots.sort_by(|a, b| (a.kernel + a.init).total_cmp(&(b.kernel + b.init)));
    boots.get(boots.len() / 2).copied()
}
