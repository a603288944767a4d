//! Debian: packages that APT chooses, a tree by mmdebstrap, the kernel out of its package.

mod choice;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use self::choice::check_versions;
use super::apt::{self, Apt};
use super::{InstalledPackage, KernelFiles, KernelInfo, Part, Source, Wanted};
use crate::blueprint::Mirror;
use crate::build::Arch;
use crate::cache::{Cache, Kind};
use crate::lock::{Lock, Pin, PinnedSet, Purpose, SetRequest};
use crate::progress::Stage;
use crate::{command, hash, room};

/// Raised when the way in which trees are made changes, so that older ones are not used.
const FORMAT: u32 = 3;
/// Programs that make an image. They come from the base and not from the host, so that every host makes the same.
const TOOLS: [&str; 6] = [
    "base-files",
    "e2fsprogs",
    "grub-common",
    "grub-efi-amd64-bin",
    "grub-pc-bin",
    "kmod",
];

/// A Debian suite for one architecture.
pub struct Debian {
    suite: String,
    arch: Arch,
    mirror: Option<Mirror>,
    cache: Cache,
    /// Whether only the kernel and the tools are wanted.
    without_system: bool,
    pinned: Vec<PinnedSet>,
}

impl Debian {
    /// Returns the source for `suite`; nothing is asked yet.
    pub fn new(suite: &str, arch: Arch, mirror: Option<&Mirror>, cache: &Cache) -> Debian {
        Debian {
            suite: suite.to_string(),
            arch,
            mirror: mirror.cloned(),
            cache: cache.clone(),
            without_system: false,
            pinned: Vec::new(),
        }
    }

    /// Returns the same source for a system that comes from elsewhere: it has a kernel and tools only.
    pub fn without_system(self) -> Debian {
        Debian {
            without_system: true,
            ..self
        }
    }

    fn base(&self) -> String {
        format!("debian:{}", self.suite)
    }

    fn requests(&self, wanted: &Wanted) -> Vec<SetRequest> {
        // The order in which packages are named makes no difference.
        let request = |purpose, asked: &[String]| SetRequest {
            base: self.base(),
            arch: self.arch.genpack.to_string(),
            purpose,
            asked: asked
                .iter()
                .cloned()
                .collect::<BTreeSet<_>>()
                .into_iter()
                .collect(),
        };
        let mut requests = vec![
            request(Purpose::Kernel, std::slice::from_ref(&wanted.kernel)),
            request(Purpose::Tools, &TOOLS.map(String::from)),
        ];
        if self.without_system {
            return requests;
        }
        requests.insert(0, request(Purpose::System, &wanted.packages));
        if !wanted.buildtime.is_empty() {
            let asked = [wanted.packages.as_slice(), &wanted.buildtime].concat();
            requests.push(request(Purpose::Build, &asked));
        }
        requests
    }

    fn open_apt(&self, stage: &Stage) -> Result<Apt> {
        let archives = apt::archives(&self.suite, self.mirror.as_ref())?;
        Apt::open(
            &self.cache.folder_of(Kind::Lists),
            self.arch.debian,
            archives,
            stage,
        )
    }

    fn set(&self, part: Part) -> Result<&PinnedSet> {
        let purpose = match part {
            Part::System => Purpose::System,
            Part::Build => Purpose::Build,
            Part::Kernel => Purpose::Kernel,
            Part::Tools => Purpose::Tools,
            Part::Application => bail!("Debian has no application"),
        };
        let set = self.pinned.iter().find(|set| set.request.purpose == purpose);
        set.with_context(|| format!("nothing was wanted for {purpose:?}"))
    }

    fn deb(&self, pin: &Pin) -> PathBuf {
        self.cache.folder_of(Kind::Packages).join(deb_name(pin))
    }

    /// An archive of exactly these packages, so that whoever installs from it has no choice.
    fn make_archive(&self, set: &PinnedSet, folder: &Path) -> Result<()> {
        let mut packages = String::new();
        for pin in &set.packages {
            let deb = self.deb(pin);
            let file = format!("{}_{}.deb", pin.name, pin.architecture);
            let control = command::stdout_of(Command::new("dpkg-deb").arg("-f").arg(&deb))?;
            write!(
                packages,
                "{}\nFilename: ./{file}\nSize: {}\nSHA256: {}\n\n",
                control.trim_end(),
                pin.size,
                pin.sha256
            )?;
            symlink(&deb, folder.join(&file)).with_context(|| format!("linking {file}"))?;
        }
        let release = format!(
            "Codename: {suite}\nSuite: {suite}\nDate: Thu, 01 Jan 1970 00:00:00 UTC\nArchitectures: {}\nSHA256:\n {} {} Packages\n",
            self.arch.debian,
            hash::text(&packages),
            packages.len(),
            suite = self.suite
        );
        fs::write(folder.join("Packages"), packages)?;
        fs::write(folder.join("Release"), release)?;
        Ok(())
    }

    fn install(&self, set: &PinnedSet, root: &Path) -> Result<()> {
        let archive = tempfile::tempdir().context("making a folder for packages")?;
        self.make_archive(set, archive.path())?;
        let sources = archive.path().join("sources.list");
        // What is in there has been verified against the archives' signatures when it was chosen, and by its hash since.
        fs::write(
            &sources,
            format!("deb [trusted=yes] copy://{} ./\n", archive.path().display()),
        )?;
        let mut mmdebstrap = Command::new("mmdebstrap");
        // In the sandbox we are root, whoever we are outside. The check for mounts assumes a sysfs of its own.
        mmdebstrap.args([
            "--mode=root",
            "--variant=minbase",
            "--format=directory",
            "--quiet",
            "--skip=check/qemu",
        ]);
        mmdebstrap.env("SOURCE_DATE_EPOCH", set.date.to_string());
        mmdebstrap.arg(format!("--architectures={}", self.arch.debian));
        mmdebstrap.arg(format!("--include={}", set.request.asked.join(",")));
        mmdebstrap.arg(&self.suite).arg(root).arg(&sources);
        command::run(&mut mmdebstrap)
            .with_context(|| format!("installing {} packages", set.packages.len()))?;
        Ok(())
    }

    fn unpack(&self, set: &PinnedSet, root: &Path) -> Result<()> {
        for pin in &set.packages {
            command::run(Command::new("dpkg-deb").arg("-x").arg(self.deb(pin)).arg(root))?;
        }
        Ok(())
    }

    fn make_kernel(&self, set: &PinnedSet, root: &Path) -> Result<()> {
        let pin = set.packages.first().context("no kernel was chosen")?;
        let unpacked = tempfile::tempdir_in(root).context("making a folder for the kernel")?;
        command::run(
            Command::new("dpkg-deb")
                .arg("-x")
                .arg(self.deb(pin))
                .arg(unpacked.path()),
        )?;
        let release = pin
            .name
            .strip_prefix("linux-image-")
            .unwrap_or(&pin.name)
            .to_string();
        let modules = ["usr/lib/modules", "lib/modules"].map(|dir| unpacked.path().join(dir).join(&release));
        let Some(modules) = modules.iter().find(|dir| dir.is_dir()) else {
            bail!("the package {} has no modules for {release}", pin.name);
        };
        let info = KernelInfo {
            package: InstalledPackage {
                name: pin.name.clone(),
                version: pin.version.clone(),
                architecture: pin.architecture.clone(),
                sha256: Some(pin.sha256.clone()),
            },
            control: command::stdout_of(Command::new("dpkg-deb").arg("-f").arg(self.deb(pin)))?,
            release,
        };
        let copyright = unpacked
            .path()
            .join("usr/share/doc")
            .join(&pin.name)
            .join("copyright");
        let vmlinuz = unpacked.path().join(format!("boot/vmlinuz-{}", info.release));
        let files = KernelFiles::layout(root, info);
        fs::create_dir(files.modules.parent().unwrap_or(root))?;
        fs::rename(modules, &files.modules)?;
        fs::rename(vmlinuz, &files.vmlinuz)
            .with_context(|| format!("taking the kernel out of {}", pin.name))?;
        if copyright.is_file() {
            fs::copy(copyright, &files.copyright)?;
        }
        files.write_info(root)
    }
}

impl Source for Debian {
    fn pin(&mut self, wanted: &Wanted, lock: &mut Lock, stage: &Stage) -> Result<()> {
        let requests = self.requests(wanted);
        let mut sets: Vec<_> = requests
            .iter()
            .filter_map(|request| lock.find(request))
            .cloned()
            .collect();
        let missing: Vec<_> = requests
            .into_iter()
            .filter(|request| sets.iter().all(|set| set.request != *request))
            .collect();
        if !missing.is_empty() {
            lock.may_choose()?;
            let prefer = lock.versions(&self.base(), self.arch.genpack, &wanted.user);
            sets.extend(self.choose(&missing, &prefer, stage)?);
        }
        check_versions(&sets)?;
        lock.put(&sets, &wanted.user);
        self.pinned = sets;
        Ok(())
    }

    fn date(&self) -> u32 {
        self.pinned.iter().map(|set| set.date).max().unwrap_or_default()
    }

    fn date_of(&self, part: Part) -> u32 {
        self.set(part).map_or(0, |set| set.date)
    }

    fn inputs(&self, part: Part) -> String {
        let set = self.set(part).map(|set| (&set.request, set.date, &set.packages));
        format!("debian {FORMAT} {} {part:?} {:?}", self.suite, set.ok())
    }

    fn fetch(&self, parts: &[Part], stage: &Stage) -> Result<()> {
        let mut missing: BTreeMap<&str, &Pin> = BTreeMap::new();
        for part in parts {
            for pin in &self.set(*part)?.packages {
                if self.cache.find(Kind::Packages, &deb_name(pin)).is_none() {
                    missing.insert(&pin.sha256, pin);
                }
            }
        }
        if missing.is_empty() {
            return Ok(());
        }
        let bytes: u64 = missing.values().map(|pin| pin.size).sum();
        stage.note(&format!(
            "{} packages to fetch, {:.1} MB",
            missing.len(),
            bytes as f64 / 1e6
        ));
        // On a full disk APT waits for ever.
        if room::left(self.cache.folder()).is_some_and(|left| left < bytes + bytes / 4) {
            bail!("fetching packages: {}", nix::errno::Errno::ENOSPC.desc());
        }
        let draft = self.cache.draft()?;
        let wanted: Vec<_> = missing
            .values()
            .map(|pin| (*pin, draft.path().join(deb_name(pin))))
            .collect();
        let outcome = self.open_apt(stage)?.download(&wanted);
        // What has come serves the next build also when something else has not.
        for (pin, place) in wanted.iter().filter(|(_, place)| place.is_file()) {
            self.cache.keep(Kind::Packages, &deb_name(pin), place)?;
        }
        outcome
    }

    fn make(&self, part: Part, root: &Path) -> Result<()> {
        let set = self.set(part)?;
        match part {
            Part::System | Part::Build | Part::Application => self.install(set, root),
            Part::Kernel => self.make_kernel(set, root),
            Part::Tools => self.unpack(set, root),
        }
    }

    fn installed(&self, tree: &Path) -> Result<Vec<InstalledPackage>> {
        let mut query = Command::new("dpkg-query");
        query.arg("--admindir").arg(tree.join("var/lib/dpkg"));
        query.args([
            "--show",
            "--showformat=${Package}\\t${Version}\\t${Architecture}\\n",
        ]);
        let text = command::stdout_of(&mut query)?;
        let package = |line: &str| {
            let mut fields = line.split('\t').map(String::from);
            Some(InstalledPackage {
                name: fields.next()?,
                version: fields.next()?,
                architecture: fields.next()?,
                sha256: None,
            })
        };
        let mut packages: Vec<_> = text.lines().filter_map(package).collect();
        // A system from elsewhere has packages that nobody chose here.
        let pins = self.set(Part::System).map_or(&[][..], |set| &set.packages);
        for package in &mut packages {
            let pin = pins.iter().find(|pin| pin.name == package.name);
            package.sha256 = pin.map(|pin| pin.sha256.clone());
        }
        Ok(packages)
    }
}

/// The name of a package's file in the cache: whatever was fetched under it has this hash.
fn deb_name(pin: &Pin) -> String {
    format!("{}.deb", pin.sha256)
}
