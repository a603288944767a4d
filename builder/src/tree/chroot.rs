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

    /// Runs a program of the tree, with a small, fixed environment.
    pub fn run(&self, program: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Result<()> {
        let mut command = Command::new("chroot");
        command
            .arg(&self.root)
            .arg(program)
            .args(arguments)
            .env_clear()
            .envs(environment.iter().copied());
        command.env(
            "PATH",
            "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        );
        command
            .env("HOME", "/root")
            .env("LC_ALL", "C.UTF-8")
            .env("DEBIAN_FRONTEND", "noninteractive");
        command::run(&mut command).map(drop)
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
