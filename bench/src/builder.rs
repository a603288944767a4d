//! One way to make a system in a SquashFS.

use std::path::PathBuf;

use anyhow::Result;

use crate::Site;

/// One way to make a system in a SquashFS of what a [`Site`] asks for.
pub trait Builder {
    /// The name for people.
    fn name(&self) -> &'static str;

    /// Whether a build is any quicker because of an earlier one. If not, every build is a cold one.
    fn remembers(&self) -> bool;

    /// Removes everything that earlier builds have left.
    fn forget(&self) -> Result<()>;

    /// Builds, and returns the seconds that it took.
    fn build(&self, site: &Site) -> Result<f64>;

    /// Returns the SquashFS of the last build.
    fn system(&self) -> Result<PathBuf>;
}
