//! Accounts of the system.

use std::path::Path;

use anyhow::{Context, Result};

use super::chroot::Chroot;
use crate::blueprint::User;

/// Our own groups, from `rootfs-overlay/`. A blueprint's users may belong to them, so they are made now and not by systemd at
/// the first start, which does nothing about accounts in a finished image.
const OWN_GROUPS: &str = "genpack.conf";

/// Makes our own groups and the blueprint's users.
pub fn make_accounts(root: &Path, users: &[User]) -> Result<()> {
    let chroot = Chroot::enter(root)?;
    chroot
        .run("systemd-sysusers", &[OWN_GROUPS], &[])
        .context("making genpack's own groups")?;
    for user in users {
        make_user(&chroot, user).with_context(|| format!("making the user {}", user.name))?;
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
    use crate::blueprint::Blueprint;

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
