//! The tree of files that becomes the system image, from the source's tar file to its last touch.

mod account_lines;
mod accounts;
pub mod changes;
mod chroot;
mod container;
pub mod elf;
mod facts;
mod finish;
mod fsck;
pub mod links;
mod merge;
mod persist;
pub mod rooted;
pub mod scripts;
mod services;
mod starts;
mod times;
pub mod units;

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use self::rooted::Rooted;

pub use accounts::make_accounts;
pub use container::lend_numbers;
pub use facts::collect_facts;
pub use finish::{finish, strip};
pub use fsck::bundle_checkers;
pub use merge::{merge, merge_without};
pub use persist::check_persist;
pub use services::enable_services;
pub use times::settle_times;

/// What keeps owners, modes and extended attributes as they are.
const AS_THEY_ARE: [&str; 3] = ["--numeric-owner", "--xattrs", "--xattrs-include=*"];
/// Device nodes can't be made in a user namespace, and the running system has a devtmpfs there.
const NO_DEVICES: &str = "--exclude=./dev/*";

/// What ldconfig(8) keeps for itself.
const AUXILIARY_CACHE: &str = "var/cache/ldconfig/aux-cache";

/// Packs the tree at `root` into a tar file that is the same for every tree with the same content.
pub fn tar(root: &Path, tar: &Path) -> Result<()> {
    let mut command = Command::new("tar");
    command
        .args(["--create", "--sort=name", NO_DEVICES])
        .args(AS_THEY_ARE);
    command
        .arg("--file")
        .arg(tar)
        .arg("--directory")
        .arg(root)
        .arg(".");
    crate::command::run(&mut command).context("keeping a tree")?;
    Ok(())
}

/// Unpacks a tar file over the tree at `root`, with owners, modes and extended attributes.
pub fn untar(tar: &Path, root: &Path) -> Result<()> {
    let mut command = Command::new("tar");
    command.args([
        "--extract",
        "--same-owner",
        "--preserve-permissions",
        "--keep-directory-symlink",
        NO_DEVICES,
    ]);
    command
        .args(AS_THEY_ARE)
        .arg("--file")
        .arg(tar)
        .arg("--directory")
        .arg(root);
    crate::command::run(&mut command).context("unpacking a tree")?;
    Ok(())
}

/// Makes the cache of shared libraries anew (ldconfig(8)).
pub fn renew_library_cache(root: &Path) -> Result<()> {
    let chroot = chroot::Chroot::enter(root)?;
    chroot
        .run("/sbin/ldconfig", &["-X"], &[])
        .context("renewing the cache of libraries")?;
    // It remembers inodes and times of this build.
    Rooted::open(root)
        .and_then(|root| root.remove(Path::new(AUXILIARY_CACHE)))
        .context("removing ldconfig's notes")
}
