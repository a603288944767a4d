//! The tree of files that becomes the system image, from the source's tar file to its last touch.

mod chroot;
mod customise;
mod facts;
mod finish;
mod fsck;
mod merge;
mod persist;

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

pub use customise::customise;
pub use facts::collect_facts;
pub use finish::{finish, strip};
pub use fsck::bundle_checkers;
pub use merge::merge;
pub use persist::check_persist;

/// Unpacks a tar file as the root of a tree, with owners, modes and extended attributes.
pub fn unpack(tar: &Path, root: &Path) -> Result<()> {
    std::fs::create_dir_all(root).with_context(|| format!("making {}", root.display()))?;
    let mut command = Command::new("tar");
    command.args([
        "--extract",
        "--numeric-owner",
        "--same-owner",
        "--preserve-permissions",
    ]);
    // Device nodes can't be made in a user namespace, and the running system has a devtmpfs there.
    command.args(["--xattrs", "--xattrs-include=*", "--exclude=./dev/*"]);
    crate::command::run(command.arg("--file").arg(tar).arg("--directory").arg(root))
        .context("unpacking the tree")?;
    Ok(())
}
