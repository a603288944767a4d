//! `make bench-build`: how long builds take and how large their results are, beside mmdebstrap with mksquashfs and beside
//! mkosi: the same packages from the same mirror, the same compression, in turn, all in one run. Prints a table of
//! `bench/RESULTS.md` and whether what is asked of genpack holds, and fails if it does not.
//!
//! Absolute times are those of the machine; only the ratios mean anything.

mod compare;
mod measure;

use std::fs;
use std::os::unix::fs::MetadataExt;

use anyhow::{Context, Result, bail};
use genpack_bench::peers::{Mkosi, Mmdebstrap, Variation};
use genpack_bench::{Builder, Genpack, LocalMirror, Row, Site, begin, host_mirror};

use crate::compare::Comparison;
use crate::measure::{ADDED, Measured};

/// How often everything is measured unless the command line says otherwise; the middle one counts.
const ROUNDS: usize = 3;

fn main() -> Result<()> {
    let rounds = match std::env::args().nth(1) {
        Some(word) => word
            .parse()
            .ok()
            .filter(|rounds| *rounds > 0)
            .with_context(|| format!("{word:?} is not a number of rounds"))?,
        None => ROUNDS,
    };
    let folder = begin()?;
    let at = |name: &str| folder.path().join(name);

    eprintln!("genpack's first build of all, with packages from the network");
    let mut site = Site::new(&at("site"))?;
    let genpack = Genpack::new(&at("first"), None)?;
    let first = genpack.build(&site)?;
    genpack.describe(&mut site)?;
    let image = fs::metadata(genpack.image())?;
    let disk_image = (image.len(), image.blocks() * 512);
    let asked = Genpack::asked(&site)?;
    genpack.forget()?;

    eprintln!("a mirror of what is needed");
    let mirror = LocalMirror::new(&at("mirror"), &site.suite)?;
    let system = mirror.add(&site.packages, true)?;
    // The initramfs and its tools come with the kernel; the rest is what genpack makes images with.
    let beside = asked.into_iter().chain([site.kernel.clone(), ADDED.into()]);
    mirror.add(&beside.collect::<Vec<_>>(), true)?;

    eprintln!("mkosi, from the network");
    let mkosi = Mkosi::new(folder.path(), &host_mirror()?, &mirror, &system)?;
    let version = mkosi.version()?;
    let by_hand = |name: &str, variation| Mmdebstrap::new(&at(name), &mirror.url(), variation);
    let builders: [&dyn Builder; 5] = [
        &Genpack::new(&at("genpack"), Some(&mirror.address()))?,
        &by_hand("by-hand", Variation::Usual)?,
        &mkosi,
        &by_hand("in-memory", Variation::InMemory)?,
        &by_hand("without-initramfs", Variation::WithoutInitramfs)?,
    ];
    let mut measured = builders.map(|_| Measured::default());
    for round in 1..=rounds {
        eprintln!("round {round} of {rounds}");
        // In turn, so that a machine that becomes slower is so for all.
        for (builder, measured) in builders.iter().zip(&mut measured) {
            measured.round(*builder, &mut site, folder.path())?;
        }
    }

    let [genpack, by_hand, with_mkosi, in_memory, without_initramfs] = measured;
    let comparison = Comparison {
        genpack,
        peers: vec![by_hand, with_mkosi],
        first,
        variations: vec![in_memory, without_initramfs],
        disk_image,
    };
    comparison.check_packages(&system)?;
    let peers: Vec<_> = comparison.peers.iter().map(|peer| peer.name).collect();
    println!("{}", Row::head(&peers));
    for row in comparison.rows() {
        println!("{row}");
    }
    println!(
        "\n{} This is {version}. Rounds: {rounds}.\n",
        comparison.packages()
    );
    let checks = comparison.checks();
    for check in &checks {
        println!("- {check}");
    }
    if !checks.iter().all(|check| check.is_met()) {
        bail!("not everything that is asked of genpack holds");
    }
    Ok(())
}
