//! Everything that a build needs to know, checked before anything is done.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use nix::unistd::Uid;

use super::ARCH;
use crate::blueprint::{self, Base, Blueprint, InputError, Mirror, Profile};
use crate::command;
use crate::install_dirs::InstallDirs;
use crate::progress::Stage;
use crate::source::Source;
use crate::source::debian::Debian;

/// Programs of the host that a build calls, and files of packages without a program.
const HOST_PROGRAMS: [&str; 11] = [
    "/usr/lib/grub/i386-pc/moddep.lst",
    "/usr/lib/grub/x86_64-efi/moddep.lst",
    "apt-get",
    "chroot",
    "depmod",
    "dpkg-deb",
    "dpkg-query",
    "grub-mkimage",
    "mmdebstrap",
    "tar",
    "unshare",
];

/// The inputs as the command line names them.
#[derive(Debug, Clone)]
pub struct Sources {
    /// The blueprint's folder.
    pub folder: PathBuf,
    /// The profile, in place of the blueprint's own.
    pub profile: Option<String>,
}

/// A build that can begin.
#[derive(Debug, Clone)]
pub struct Request {
    /// The blueprint's folder.
    pub folder: PathBuf,
    /// The blueprint.
    pub blueprint: Blueprint,
    /// The profile with everything that it inherits.
    pub profile: Profile,
    /// Packages of both, joined.
    pub packages: Vec<String>,
    /// The mirror that the developer names, if any.
    pub mirror: Option<Mirror>,
    /// The moment that the image stands for, in seconds since 1970.
    pub epoch: u32,
    /// genpack's own files.
    pub dirs: InstallDirs,
    /// Where downloads and finished trees are kept.
    pub cache: PathBuf,
}

impl Request {
    /// Reads blueprint and profile, and checks what can be checked without doing anything.
    pub fn prepare(sources: &Sources) -> Result<Request> {
        let dirs = InstallDirs::of_running_program()?;
        let folder = sources.folder.clone();
        let blueprint = blueprint::load(&folder)?;
        let name = sources.profile.as_deref().unwrap_or(&blueprint.profile);
        let profile = blueprint::load_profile(name, &[folder.join("profiles"), dirs.profiles()])?;
        if blueprint.data_size.is_some() && blueprint.persist.is_none() {
            bail!(InputError::plain(
                "data_size is the size of the data partition, which an image has only with persist; take it out, or say what \
                 is to be kept, for example persist: [\"/srv\"]"
            ));
        }
        let mut packages = blueprint::join_packages([profile.packages.as_slice(), &blueprint.packages]);
        // PID 1 has a damaged data partition checked.
        if blueprint.persist.is_some() && !packages.iter().any(|package| package == "e2fsprogs") {
            packages.push("e2fsprogs".into());
        }
        Ok(Request {
            mirror: named_mirror(&blueprint)?,
            epoch: epoch()?,
            cache: cache_folder()?,
            folder,
            blueprint,
            profile,
            packages,
            dirs,
        })
    }

    /// Checks that the programs that a build calls, and those that go into the image, are there.
    pub fn check_programs(&self) -> Result<()> {
        let mut programs = HOST_PROGRAMS.to_vec();
        if self.blueprint.persist.is_some() {
            programs.push("mke2fs");
        }
        if !Uid::effective().is_root() {
            programs.push("newuidmap");
        }
        command::require(&programs)?;
        for program in [self.dirs.init(ARCH.genpack), self.dirs.config_agent(ARCH.genpack)] {
            if !program.is_file() {
                bail!(
                    "genpack is not installed whole: {} is missing; run: make install",
                    program.display()
                );
            }
        }
        Ok(())
    }

    /// Returns the file name of the image when the command line gives none.
    pub fn default_output(&self) -> PathBuf {
        PathBuf::from(format!("{}-{}.img", self.blueprint.name, self.profile.name))
    }

    /// Opens the package source.
    pub fn open_source(&self, stage: &Stage) -> Result<Box<dyn Source>> {
        match &self.blueprint.base {
            Base::Debian { suite } => Ok(Box::new(Debian::open(
                suite,
                ARCH.debian,
                self.mirror.as_ref(),
                &self.cache,
                stage,
            )?)),
        }
    }
}

/// The blueprint's mirror, or the one of the environment.
fn named_mirror(blueprint: &Blueprint) -> Result<Option<Mirror>> {
    match std::env::var("GENPACK_MIRROR") {
        _ if blueprint.mirror.is_some() => Ok(blueprint.mirror.clone()),
        Ok(text) if !text.is_empty() => match text.parse() {
            Ok(mirror) => Ok(Some(mirror)),
            Err(problem) => bail!(InputError::plain(format!("GENPACK_MIRROR: {problem}"))),
        },
        _ => Ok(None),
    }
}

/// `SOURCE_DATE_EPOCH` (<https://reproducible-builds.org/specs/source-date-epoch/>), or now.
fn epoch() -> Result<u32> {
    match std::env::var("SOURCE_DATE_EPOCH") {
        Ok(text) => match text.parse() {
            Ok(seconds) => Ok(seconds),
            Err(_) => bail!(InputError::plain(format!(
                "SOURCE_DATE_EPOCH is {text:?} and not a number of seconds"
            ))),
        },
        Err(_) => {
            let now = SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .context("the host's clock is before 1970")?;
            // SquashFS keeps 32 bits, which last until 2106.
            Ok(u32::try_from(now.as_secs()).unwrap_or(u32::MAX))
        }
    }
}

/// The user's cache folder (XDG Base Directory Specification).
fn cache_folder() -> Result<PathBuf> {
    let variable = |name: &str| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let Some(base) = variable("XDG_CACHE_HOME").or_else(|| variable("HOME").map(|home| home.join(".cache")))
    else {
        bail!("neither HOME nor XDG_CACHE_HOME says where downloads may be kept");
    };
    Ok(base.join("genpack"))
}

/// Returns the folder that temporary trees go to: `TMPDIR`, or the one for large temporary files (FHS 5.15).
pub fn temporary_folder() -> PathBuf {
    let named = std::env::var_os("TMPDIR").filter(|folder| !folder.is_empty());
    named.map_or_else(|| PathBuf::from("/var/tmp"), PathBuf::from)
}
