//! Units that start by themselves.

use std::path::Path;

use anyhow::{Context, Result};
use genpack_spec::types::UnitName;

use super::chroot::Chroot;

/// Enables units of the profile and of the blueprint.
///
/// # Errors
/// When there is no such unit, with its name.
pub fn enable_services(root: &Path, profile: &[UnitName], blueprint: &[UnitName]) -> Result<()> {
    let chroot = Chroot::enter(root)?;
    for unit in profile.iter().chain(blueprint).map(UnitName::as_str) {
        chroot.run("systemctl", &["enable", unit], &[]).with_context(|| {
            format!(
                "enabling {unit}, which services: of the blueprint or profile names (does a package in packages: \
                 bring it?)"
            )
        })?;
    }
    Ok(())
}
