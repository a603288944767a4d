//! What the blueprint asks of the tree: accounts, units, commands.

use std::path::Path;

use anyhow::{Context, Result};
use genpack_spec::types::UnitName;

use super::chroot::Chroot;
use crate::blueprint::{Blueprint, Profile, User};

/// Our own groups, from `rootfs-overlay/`. A blueprint's users may belong to them, so they are made now and not by systemd at
/// the first start, which does nothing about accounts in a finished image.
const OWN_GROUPS: &str = "genpack.conf";

/// Makes our own groups and the blueprint's users, enables units, and runs the setup commands, in this order.
pub fn customise(root: &Path, blueprint: &Blueprint, profile: &Profile) -> Result<()> {
    let chroot = Chroot::enter(root)?;
    chroot
        .run("systemd-sysusers", &[OWN_GROUPS], &[])
        .context("making genpack's own groups")?;
    for user in &blueprint.users {
        make_user(&chroot, user).with_context(|| format!("making the user {}", user.name))?;
    }
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

fn make_user(chroot: &Chroot, user: &User) -> Result<()> {
    chroot.run(
        "useradd",
        &useradd_arguments(user)
            .iter()
            .map(String::as_str)
            .collect::<Vec<_>>(),
        &[],
    )?;
    if user.empty_password {
        chroot.run("passwd", &["--delete", &user.name], &[])?;
    }
    Ok(())
}

/// Arguments of useradd(8). Without a password the account is locked.
fn useradd_arguments(user: &User) -> Vec<String> {
    let mut arguments = Vec::new();
    let mut option = |name: &str, value: &Option<String>| {
        if let Some(value) = value {
            arguments.extend([name.to_string(), value.clone()]);
        }
    };
    option("--uid", &user.uid.map(|uid| uid.to_string()));
    option("--comment", &user.comment);
    option("--home-dir", &user.home);
    option(
        "--shell",
        &Some(user.shell.clone().unwrap_or_else(|| "/bin/bash".into())),
    );
    option("--gid", &user.initial_group);
    let groups = (!user.additional_groups.is_empty()).then(|| user.additional_groups.join(","));
    option("--groups", &groups);
    arguments.push(
        if user.create_home {
            "--create-home"
        } else {
            "--no-create-home"
        }
        .into(),
    );
    arguments.push(user.name.clone());
    arguments
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_field_becomes_an_option() {
        let text = "{ name: 'web', users: [{ name: 'op', uid: 1500, comment: 'Operator', home: '/srv/op', \
                    shell: '/bin/sh', initial_group: 'adm', additional_groups: ['tty', 'disk'], create_home: false }] }";
        let blueprint: Blueprint = json5::from_str(text).unwrap();
        assert_eq!(
            useradd_arguments(&blueprint.users[0]).join(" "),
            "--uid 1500 --comment Operator --home-dir /srv/op --shell /bin/sh --gid adm --groups tty,disk \
             --no-create-home op"
        );
    }
}
