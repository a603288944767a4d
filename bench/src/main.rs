//! `make bench`: how long builds and boots take and how large their results are, beside what the usual tools do with
//! the same packages, kernel and compression, all in one run. Prints the table of `bench/RESULTS.md`.
//!
//! Absolute times are those of the machine and of its emulation; only the ratios mean anything.

mod boot;
mod peer;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// Boots of each system; the middle one counts.
const BOOTS: usize = 3;

fn main() -> Result<()> {
    let genpack =
        std::env::var_os("GENPACK").context("GENPACK names the program to measure; run: make bench")?;
    let genpack = std::path::absolute(genpack)?;
    let work = tempfile::Builder::new()
        .prefix("genpack-bench-")
        .tempdir_in("/var/tmp")?;
    let image = work.path().join("web.img");
    let cache = work.path().join("cache");

    eprintln!("building with an empty cache");
    let cold = build(&genpack, &image, &cache)?;
    eprintln!("building the same again");
    let repeated = build(&genpack, &image, &cache)?;
    let manifest: Value =
        serde_json::from_slice(&std::fs::read(format!("{}.manifest.json", image.display()))?)?;
    let (packages, suite) = inputs(&manifest)?;
    eprintln!("the same packages by mmdebstrap and mksquashfs, with live-boot's initramfs");
    let peer = peer::build(work.path(), &packages, &suite)?;

    eprintln!("booting each {BOOTS} times");
    let parts = boot::Parts::of_image(&image, work.path())?;
    let ours = middle((0..BOOTS).map(|_| boot::measure(&parts)).collect::<Result<_>>()?);
    let theirs = middle(
        (0..BOOTS)
            .map(|_| boot::measure(&peer.parts))
            .collect::<Result<_>>()?,
    );

    let size = |name: &str| size_of(&manifest, name);
    let allocated = std::os::unix::fs::MetadataExt::blocks(&std::fs::metadata(&image)?) * 512;
    println!("| what | genpack | peer | genpack / peer |");
    println!("|---|---|---|---|");
    row("build, empty cache, s", cold, Some(peer.seconds));
    row("build, nothing changed, s", repeated, Some(cold));
    row("kernel start to /init, s", ours.kernel, Some(theirs.kernel));
    row("/init to systemd, s", ours.init, Some(theirs.init));
    row(
        "kernel start to systemd, s",
        ours.kernel + ours.init,
        Some(theirs.kernel + theirs.init),
    );
    row(
        "initramfs, MB",
        size("initramfs.img")?,
        Some(megabytes(peer.initramfs)),
    );
    row("system, MB", size("system.img")?, Some(megabytes(peer.system)));
    row("disk image, MB in use", megabytes(allocated), None);
    row("disk image, MB in all", size("disk image")?, None);
    println!();
    println!("Peer: mmdebstrap and mksquashfs (zstd 15) with live-boot; of a repeated build, the first one.");
    Ok(())
}

fn row(what: &str, genpack: f64, peer: Option<f64>) {
    match peer {
        Some(peer) => println!("| {what} | {genpack:.1} | {peer:.1} | {:.2} |", genpack / peer),
        None => println!("| {what} | {genpack:.1} | | |"),
    }
}

fn build(genpack: &Path, image: &Path, cache: &Path) -> Result<f64> {
    let blueprint = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/web");
    let mut command = Command::new(genpack);
    command
        .arg("build")
        .arg(blueprint)
        .arg("-o")
        .arg(image)
        .env("XDG_CACHE_HOME", cache);
    timed(&mut command)
}

/// Runs a program to its end and returns the seconds that it took.
fn timed(command: &mut Command) -> Result<f64> {
    let begun = Instant::now();
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("starting {command:?}"))?;
    if !output.status.success() {
        bail!(
            "{command:?}: {}\n{}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(begun.elapsed().as_secs_f64())
}

/// Returns the packages that were asked for, and the suite.
fn inputs(manifest: &Value) -> Result<(Vec<String>, String)> {
    let packages = manifest["inputs"]["packages"]
        .as_array()
        .context("the manifest lists no packages")?;
    let packages = packages
        .iter()
        .filter_map(|name| name.as_str().map(String::from))
        .collect();
    let base = manifest["image"]["base"]
        .as_str()
        .context("the manifest names no base")?;
    Ok((packages, base.trim_start_matches("debian:").to_string()))
}

fn size_of(manifest: &Value, name: &str) -> Result<f64> {
    let outputs = manifest["outputs"]
        .as_array()
        .context("the manifest lists no outputs")?;
    let output = outputs.iter().find(|output| output["name"] == name);
    let bytes = output.and_then(|output| output["bytes"].as_u64());
    bytes
        .map(megabytes)
        .with_context(|| format!("the manifest does not have the size of {name}"))
}

fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

fn middle(mut boots: Vec<boot::Boot>) -> boot::Boot {
    boots.sort_by(|a, b| (a.kernel + a.init).total_cmp(&(b.kernel + b.init)));
    boots[boots.len() / 2]
}

/// Returns the first main Debian mirror of the host's APT configuration.
fn mirror() -> Result<String> {
    let output = Command::new("apt-get")
        .args([
            "indextargets",
            "--format",
            "$(REPO_URI)",
            "Created-By: Packages",
            "Label: Debian",
        ])
        .output()?;
    let text = String::from_utf8(output.stdout)?;
    text.lines()
        .next()
        .map(String::from)
        .context("the host's APT configuration names no Debian mirror")
}

/// Returns the only file of `folder` whose name begins with `prefix`.
fn file_beginning(folder: &Path, prefix: &str) -> Result<PathBuf> {
    for entry in std::fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(prefix) {
            return Ok(entry.path());
        }
    }
    bail!("{} has no {prefix}*", folder.display())
}
