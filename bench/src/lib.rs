//! What the benches of builds and boots share: the ways to build a system, the packages that all of them are given, and how
//! they are run, measured and shown.

mod builder;
mod genpack;
mod mirror;
pub mod peers;
mod run;
mod site;
mod sizes;
mod table;

pub use builder::Builder;
pub use genpack::Genpack;
pub use mirror::{LocalMirror, host_mirror};
pub use run::{go_on, run, stdout_of, timed};
pub use site::Site;
pub use sizes::{Sizes, packages_in, unpack};
pub use table::{Check, Row, middle};

use anyhow::{Result, bail};
use tempfile::TempDir;

/// Returns a new folder for everything that a bench makes, which goes with the value. From then on SIGINT and SIGTERM end
/// what runs, and the bench with an error.
///
/// # Errors
/// When we are not root, which the peers' ways to build need.
pub fn begin() -> Result<TempDir> {
    if !nix::unistd::geteuid().is_root() {
        bail!("this bench needs root: mmdebstrap and mkosi get namespaces, mounts and a chroot");
    }
    run::end_on_signals()?;
    Ok(tempfile::Builder::new()
        .prefix("genpack-bench-")
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .tempdir_in("/var/tmp")?)
}
