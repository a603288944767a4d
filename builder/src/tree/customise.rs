//! What the blueprint asks of the tree: accounts, units, commands.

use std::path::Path;

use anyhow::{Context, Result};
use genpack_spec::types::UnitName;

use super::accounts::make_accounts;
use super::chroot::Chroot;
use crate::blueprint::{Blueprint, Profile};

/// Our own groups, from `rootfs-overlay/`. A blueprint's users may belong to them, so they are made now and not by systemd at
/// the first start, which does nothing about accounts in a finished image.
const OWN_GROUPS: &str = "genpack.conf";

/// Makes our own groups and the blueprint's groups and users, enables units, and runs the setup commands, in this order.
pub fn customise(root: &Path, blueprint: &Blueprint, profile: &Profile) -> Result<()> {
    let chroot = Chroot::enter(root)?;
    chroot
        .run("systemd-sysusers", &[OWN_GROUPS], &[])
        .context("making genpack's own groups")?;
    make_accounts(&chroot, &blueprint.groups, &blueprint.users)?;
    let units: Vec<_> = profile
        .services
        .iter()
        .chain(&blueprint.services)
        .map(UnitName::as_str)
        .collect();
    for unit in units {
        chroot.run("systemctl", &["enable", unit], &[]).with_context(|| {
            format!(
                "enabling {unit}, which services: of the blueprint or profile names (does a package in \
                     packages: bring it?)"
            )
        })?;
    }
    let name = blueprint.name.to_string();
    let environment = [
        ("ARTIFACT", name.as_str()),
        ("PROFILE", &profile.name),
        ("ARCH", crate::build::ARCH.genpack),
    ];
    for command in &blueprint.setup_commands {
        chroot
            .run("/bin/sh", &["-e", "-c", command], &environment)
            .with_context(|| format!("running the setup command {command:?}"))?;
    }
    Ok(())
}
