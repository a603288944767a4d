//! mkosi, in a tree of its own, because that of Debian 12 is years old and the packages of Python have none.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::{Builder, LocalMirror, Site, run, stdout_of, timed};

/// The suite that mkosi and its helpers come from.
const SUITE: &str = "trixie";
/// mkosi, and what it calls to make this image.
const PACKAGES: &str = "cpio,debian-archive-keyring,kmod,mkosi,squashfs-tools,systemd-repart,tar,zstd";
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";
/// The bench's folder, as mkosi sees it.
const INSIDE: &str = "/bench";
const LIMIT: Duration = Duration::from_secs(1800);

/// Below the bench's folder.
const TOOLS: &str = "mkosi-tools";
const CONFIGURATION: &str = "mkosi";
const RESULT: &str = "mkosi-state/output";
const STATE: &str = "mkosi-state";

/// mkosi with its incremental mode.
pub struct Mkosi {
    folder: PathBuf,
    mirror: PathBuf,
    packages: Vec<String>,
}

impl Mkosi {
    /// Installs mkosi from `host_mirror` in the bench's folder. It will build from `mirror`, which must be below `folder`,
    /// systems of just these packages.
    pub fn new(folder: &Path, host_mirror: &str, mirror: &LocalMirror, packages: &[String]) -> Result<Mkosi> {
        let mut install = Command::new("mmdebstrap");
        install.args([
            "--variant=apt",
            "--quiet",
            &format!("--include={PACKAGES}"),
            SUITE,
        ]);
        run(install.arg(folder.join(TOOLS)).arg(host_mirror), LIMIT).context("installing mkosi")?;
        let files = mirror.files();
        let mirror = files
            .strip_prefix(folder)
            .context("the mirror is not in the bench's folder")?;
        Ok(Mkosi {
            folder: folder.to_path_buf(),
            mirror: mirror.to_path_buf(),
            packages: packages.to_vec(),
        })
    }

    /// Returns what mkosi says of its version.
    pub fn version(&self) -> Result<String> {
        let mut command = Command::new("chroot");
        command.arg(self.folder.join(TOOLS)).args(["mkosi", "--version"]);
        Ok(stdout_of(&mut command)?.trim().to_string())
    }

    fn configure(&self, suite: &str) -> Result<()> {
        let sources = format!(
            "Types: deb\nURIs: file://{}\nSuites: {suite}\nComponents: main\nSigned-By: {KEYRING}\n",
            inside(&self.mirror)
        );
        let files = [
            ("mkosi.conf", 0o644, include_str!("mkosi/mkosi.conf")),
            ("mkosi.prepare", 0o755, include_str!("mkosi/prepare")),
            (
                "mkosi.repart/10-root.conf",
                0o644,
                include_str!("mkosi/root.conf"),
            ),
            (
                "mkosi.sandbox/etc/apt/apt.conf.d/99bench",
                0o644,
                include_str!("mkosi/apt.conf"),
            ),
            (
                "mkosi.sandbox/etc/apt/sources.list.d/mkosi.sources",
                0o644,
                &sources,
            ),
            ("in-tools-tree", 0o755, include_str!("mkosi/in-tools-tree")),
        ];
        for (name, mode, content) in files {
            let path = self.folder.join(CONFIGURATION).join(name);
            fs::create_dir_all(path.parent().unwrap_or(&self.folder))?;
            fs::write(&path, content)?;
            fs::set_permissions(&path, Permissions::from_mode(mode))?;
        }
        Ok(())
    }
}

impl Builder for Mkosi {
    fn name(&self) -> &'static str {
        "mkosi"
    }

    fn remembers(&self) -> bool {
        true
    }

    fn forget(&self) -> Result<()> {
        for folder in [CONFIGURATION, STATE] {
            let folder = self.folder.join(folder);
            if folder.exists() {
                fs::remove_dir_all(folder)?;
            }
        }
        Ok(())
    }

    fn build(&self, site: &Site) -> Result<f64> {
        self.configure(&site.suite)?;
        let mut command = Command::new(self.folder.join(CONFIGURATION).join("in-tools-tree"));
        command.arg(self.folder.join(TOOLS)).arg(&self.folder);
        command.args(["mkosi", "--force"]);
        let mut option = |name: &str, value: &str| {
            command.arg(format!("--{name}={value}"));
        };
        option("directory", &inside(Path::new(CONFIGURATION)));
        option("release", &site.suite);
        // Only the sources above are used. This makes the mirror's folder known to mkosi's sandbox.
        option("local-mirror", &format!("file://{}", inside(&self.mirror)));
        let files = site.files();
        option("extra-tree", &inside(files.strip_prefix(&self.folder)?));
        for package in self
            .packages
            .iter()
            .map(String::as_str)
            .chain([site.kernel.as_str()])
            .chain(site.added)
        {
            option("package", package);
        }
        for (name, folder) in [
            ("output-directory", "output"),
            ("cache-directory", "cache"),
            ("package-cache-directory", "packages"),
            ("workspace-directory", "work"),
        ] {
            let folder = Path::new(STATE).join(folder);
            fs::create_dir_all(self.folder.join(&folder))?;
            option(name, &inside(&folder));
        }
        timed(command.arg("build"), LIMIT)
    }

    fn system(&self) -> Result<PathBuf> {
        Ok(self.folder.join(RESULT).join("system.root.raw"))
    }
}

fn inside(path: &Path) -> String {
    format!("{INSIDE}/{}", path.display())
}
