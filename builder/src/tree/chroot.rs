//! Running programs of the tree inside the tree.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use nix::mount::{MntFlags, MsFlags, mount, umount2};

use crate::command;

/// Device nodes that programs expect; bound from the host, because a user namespace can't make any.
const DEVICES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];
/// Where the host's resolver data is, for commands that fetch something.
const RESOLV_CONF: &str = "/etc/resolv.conf";

/// The tree with what programs need around them; everything is unmounted when dropped.
pub struct Chroot {
    root: PathBuf,
    mounted: Vec<PathBuf>,
    resolv_conf_made: bool,
}

impl Chroot {
    /// Mounts what programs need.
    pub fn enter(root: &Path) -> Result<Chroot> {
        let mut chroot = Chroot {
            root: root.to_path_buf(),
            mounted: Vec::new(),
            resolv_conf_made: false,
        };
        let strict = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
        chroot.mount("proc", "proc", Some("proc"), strict)?;
        chroot.mount("tmpfs", "dev", Some("tmpfs"), MsFlags::MS_NOSUID)?;
        for name in DEVICES {
            File::create(root.join("dev").join(name))?;
            chroot.mount(
                &format!("/dev/{name}"),
                &format!("dev/{name}"),
                None,
                MsFlags::MS_BIND,
            )?;
        }
        for (link, to) in [
            ("fd", "/proc/self/fd"),
            ("stdin", "fd/0"),
            ("stdout", "fd/1"),
            ("stderr", "fd/2"),
        ] {
            symlink(to, root.join("dev").join(link))?;
        }
        chroot.mount("tmpfs", "run", Some("tmpfs"), strict)?;
        chroot.mount(
            "tmpfs",
            "tmp",
            Some("tmpfs"),
            MsFlags::MS_NOSUID | MsFlags::MS_NODEV,
        )?;
        chroot.lend_resolver()?;
        Ok(chroot)
    }

    /// Lends the host's name servers; they do not stay in the image.
    fn lend_resolver(&mut self) -> Result<()> {
        if !Path::new(RESOLV_CONF).exists() {
            return Ok(());
        }
        let place = self.root.join(RESOLV_CONF.trim_start_matches('/'));
        if fs::symlink_metadata(&place).is_ok() {
            fs::remove_file(&place)?;
        }
        File::create(&place)?;
        self.resolv_conf_made = true;
        self.mount(
            RESOLV_CONF,
            RESOLV_CONF.trim_start_matches('/'),
            None,
            MsFlags::MS_BIND,
        )
    }

    fn mount(&mut self, source: &str, target: &str, fstype: Option<&str>, flags: MsFlags) -> Result<()> {
        let target = self.root.join(target);
        mount(Some(source), &target, fstype, flags, None::<&str>)
            .with_context(|| format!("mounting {source} on {}", target.display()))?;
        self.mounted.push(target);
        Ok(())
    }

    /// Runs a program of the tree as root, with a small, fixed environment. What it leaves running is ended.
    pub fn run(&self, program: &str, arguments: &[&str], environment: &[(&str, String)]) -> Result<()> {
        self.run_as(&Account::root(), program, arguments, environment)
    }

    /// Runs a program of the tree as somebody else.
    pub fn run_as(
        &self,
        account: &Account,
        program: &str,
        arguments: &[&str],
        environment: &[(&str, String)],
    ) -> Result<()> {
        let mut command = Command::new("chroot");
        if account.uid != 0 {
            let groups: Vec<_> = account.groups.iter().map(u32::to_string).collect();
            command.arg(format!("--userspec=+{}:+{}", account.uid, account.gid));
            command.arg(format!("--groups={}", groups.join(",")));
        }
        command.arg(&self.root).arg(program).args(arguments);
        command
            .env_clear()
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .envs(ENVIRONMENT);
        command
            .env("HOME", &account.home)
            .env("USER", &account.name)
            .env("LOGNAME", &account.name);
        // Where the tree is tells nobody anything.
        let name = command::shown(Command::new(program).args(arguments));
        command::run_alone(&name, &mut command).map(drop)
    }
}

/// What every program of the tree finds in its environment, beside what is given to it.
const ENVIRONMENT: [(&str, &str); 6] = [
    (
        "PATH",
        "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    ),
    ("LC_ALL", "C.UTF-8"),
    ("TZ", "UTC"),
    ("SHELL", "/bin/sh"),
    ("DEBIAN_FRONTEND", "noninteractive"),
    // Python keeps what it compiled beside its modules, with the time at which it did.
    ("PYTHONDONTWRITEBYTECODE", "1"),
];

/// Somebody whom a program runs as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    name: String,
    uid: u32,
    gid: u32,
    groups: Vec<u32>,
    home: String,
}

impl Account {
    fn root() -> Account {
        Account {
            name: "root".into(),
            uid: 0,
            gid: 0,
            groups: Vec::new(),
            home: "/root".into(),
        }
    }

    /// Finds an account of a tree (passwd(5), group(5)).
    pub fn find(root: &Path, name: &str) -> Result<Option<Account>> {
        let passwd =
            fs::read_to_string(root.join("etc/passwd")).context("reading /etc/passwd of the tree")?;
        let group = fs::read_to_string(root.join("etc/group")).context("reading /etc/group of the tree")?;
        let fields = |line: &str| line.split(':').map(String::from).collect::<Vec<_>>();
        let Some(account) = passwd.lines().map(fields).find(|f| f[0] == name && f.len() > 5) else {
            return Ok(None);
        };
        let groups = group
            .lines()
            .map(fields)
            .filter(|f| f.len() > 3 && f[3].split(',').any(|member| member == name));
        Ok(Some(Account {
            name: name.to_string(),
            uid: account[2].parse().context("reading a user's number")?,
            gid: account[3].parse().context("reading a group's number")?,
            groups: groups.filter_map(|f| f[2].parse().ok()).collect(),
            home: account[5].clone(),
        }))
    }
}

impl Drop for Chroot {
    fn drop(&mut self) {
        for target in self.mounted.iter().rev() {
            if let Err(error) = umount2(target, MntFlags::MNT_DETACH) {
                eprintln!("genpack: {} could not be unmounted: {error}", target.display());
            }
        }
        if self.resolv_conf_made
            && let Err(error) = fs::remove_file(self.root.join(RESOLV_CONF.trim_start_matches('/')))
        {
            eprintln!("genpack: {RESOLV_CONF} of the tree could not be removed: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_has_its_groups() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("etc")).unwrap();
        let text = "root:x:0:0::/root:/bin/sh\nop:x:1500:1500::/home/op:/bin/bash\n";
        fs::write(dir.path().join("etc/passwd"), text).unwrap();
        fs::write(
            dir.path().join("etc/group"),
            "adm:x:4:syslog,op\nop:x:1500:\nopera:x:9:opera\n",
        )
        .unwrap();
        let op = Account::find(dir.path(), "op").unwrap().unwrap();
        assert_eq!(
            (op.uid, op.gid, op.groups.as_slice(), op.home.as_str()),
            (1500, 1500, &[4][..], "/home/op")
        );
        assert_eq!(Account::find(dir.path(), "o").unwrap(), None);
    }
}
