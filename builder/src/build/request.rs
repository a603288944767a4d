//! Everything that a build needs to know, checked before anything is done.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use nix::unistd::Uid;

use super::Arch;
use crate::blueprint::{
    self, BLUEPRINT_FILE, Base, Blueprint, BlueprintFile, FILES_DIR, InputError, Mirror, Output,
    PLAIN_JSON_FILE, PROFILES_DIR, PackageName, Profile,
};
use crate::cache::Cache;
use crate::install_dirs::InstallDirs;
use crate::lock::LOCK_FILE;
use crate::source::debian::Debian;
use crate::source::oci::Oci;
use crate::source::tar_file::TarFile;
use crate::source::{Source, Wanted};
use crate::{check, command};

/// Programs of the host that a build calls.
const HOST_PROGRAMS: [&str; 8] = [
    "/usr/lib/apt/apt-helper",
    "apt-get",
    "chroot",
    "dpkg-deb",
    "dpkg-query",
    "mmdebstrap",
    "tar",
    "unshare",
];

/// Which of the images that a blueprint describes.
#[derive(Debug, Clone)]
pub struct Target {
    /// The variant; without one the default variant, if there is one.
    pub variant: Option<String>,
    /// The profile, in place of the blueprint's own.
    pub profile: Option<String>,
    /// The architecture.
    pub arch: Arch,
}

/// A build that can begin.
#[derive(Debug, Clone)]
pub struct Request {
    /// The blueprint's folder.
    pub folder: PathBuf,
    /// The blueprint's file.
    pub file: BlueprintFile,
    /// The blueprint.
    pub blueprint: Blueprint,
    /// The profile with everything that it inherits.
    pub profile: Profile,
    /// The architecture.
    pub arch: Arch,
    /// Packages of both, joined.
    pub packages: Vec<String>,
    /// Packages that are there only while scripts run.
    pub buildtime: Vec<String>,
    /// The mirror that the developer names, if any.
    pub mirror: Option<Mirror>,
    /// The moment that the image stands for, in seconds since 1970, when the developer names one.
    pub epoch: Option<u32>,
    /// Whether the lock file must have everything already.
    pub locked: bool,
    /// genpack's own files.
    pub dirs: InstallDirs,
    /// What builds keep for the next one.
    pub cache: Cache,
}

impl Request {
    /// Reads blueprint and profile, and checks what can be checked without doing anything.
    pub fn prepare(folder: &Path, target: &Target) -> Result<Request> {
        let dirs = InstallDirs::of_running_program()?;
        let file = BlueprintFile::load(folder)?;
        let blueprint = file.resolve(target.arch.genpack, target.variant.as_deref())?;
        let name = target.profile.as_deref().unwrap_or(&blueprint.profile);
        let mut mistakes: Vec<_> = check::missing_base(folder, &blueprint.base).into_iter().collect();
        mistakes
            .extend(check::files::check(&folder.join(FILES_DIR), std::slice::from_ref(&blueprint)).mistakes);
        let profile = blueprint::load_profile(name, &[folder.join(PROFILES_DIR), dirs.profiles()]);
        let profile = InputError::together(profile, mistakes).map_err(|error| {
            let variant = blueprint.variant.as_deref();
            file.locate(error.into(), target.arch.genpack, variant)
        })?;
        let mut packages = blueprint::join_packages([profile.packages.as_slice(), &blueprint.packages]);
        // PID 1 has a damaged data partition checked.
        if blueprint.persist.is_some() && !packages.iter().any(|package| package == "e2fsprogs") {
            packages.push("e2fsprogs".into());
        }
        Ok(Request {
            mirror: named_mirror(&blueprint)?,
            epoch: epoch()?,
            locked: false,
            cache: Cache::of_user()?,
            arch: target.arch,
            folder: folder.to_path_buf(),
            file,
            buildtime: blueprint
                .buildtime_packages
                .iter()
                .map(PackageName::to_string)
                .collect(),
            blueprint,
            profile,
            packages,
            dirs,
        })
    }

    /// Checks that the programs that a build calls, and those that go into the image, are there.
    pub fn check_programs(&self) -> Result<()> {
        let mut programs = HOST_PROGRAMS.to_vec();
        if !Uid::effective().is_root() {
            programs.push("newuidmap");
        }
        if self.blueprint.outputs.contains(&Output::Qcow2) {
            programs.push("qemu-img");
        }
        command::require(&programs)?;
        let own = [
            self.dirs.init(self.arch.genpack),
            self.dirs.config_agent(self.arch.genpack),
        ];
        let missing = own.iter().find(|program| !program.is_file());
        match missing {
            Some(_) if self.arch != Arch::of_host() => bail!(InputError::plain(format!(
                "this genpack has no programs for {}: it was installed for {}",
                self.arch,
                Arch::of_host()
            ))),
            Some(program) => bail!(
                "genpack is not installed whole: {} is missing; run: make install",
                program.display()
            ),
            None => Ok(()),
        }
    }

    /// Returns the image's file when the command line gives none: what makes it differ from the blueprint's other images
    /// is in its name.
    pub fn default_output(&self) -> PathBuf {
        if let Some(file) = &self.blueprint.outfile {
            return file.as_path().to_path_buf();
        }
        let mut name = self.blueprint.name.to_string();
        let arch = (self.arch != Arch::of_host()).then_some(self.arch.genpack);
        for part in [self.blueprint.variant.as_deref(), Some(&self.profile.name), arch] {
            name.extend(part.into_iter().flat_map(|part| ["-", part]));
        }
        PathBuf::from(name + ".img")
    }

    /// Checks that what is built from is not overwritten by what is built.
    ///
    /// # Errors
    /// [`InputError`] when `output` is one of the blueprint's files, or in one of its folders.
    pub fn check_output(&self, output: &Path) -> Result<()> {
        match input_at(output, &self.folder, &self.blueprint.base) {
            Some(input) => bail!(InputError::plain(format!(
                "the image can't be written to {}, because it is made from {} of the blueprint; name another file with -o",
                output.display(),
                input.display()
            ))),
            None => Ok(()),
        }
    }

    /// Returns an error of this build, with the places of mistakes in the blueprint.
    pub fn locate(&self, error: anyhow::Error) -> anyhow::Error {
        let variant = self.blueprint.variant.as_deref();
        self.file.locate(error, self.arch.genpack, variant)
    }

    /// Returns what the image is called where several of one blueprint are: `VARIANT/PROFILE/ARCH`.
    pub fn label(&self) -> String {
        let variant = self.blueprint.variant.as_deref().unwrap_or("-");
        format!("{variant}/{}/{}", self.profile.name, self.arch)
    }

    /// Whether scripts run in another tree than the one that goes into the image.
    pub fn has_build_tree(&self) -> bool {
        !self.buildtime.is_empty()
    }

    /// What scripts find in their environment about the image, which stands for the moment `epoch`.
    pub fn environment(&self, epoch: u32) -> Vec<(&'static str, String)> {
        vec![
            // Programs that write down when they ran (useradd, compilers) write this instead
            // (<https://reproducible-builds.org/specs/source-date-epoch/>).
            ("SOURCE_DATE_EPOCH", epoch.to_string()),
            ("ARTIFACT", self.blueprint.name.to_string()),
            ("VARIANT", self.blueprint.variant.clone().unwrap_or_default()),
            ("PROFILE", self.profile.name.clone()),
            ("ARCH", self.arch.genpack.to_string()),
        ]
    }

    /// What the image needs from its source.
    pub fn wanted(&self) -> Wanted {
        Wanted {
            user: self.label(),
            packages: self.packages.clone(),
            buildtime: self.buildtime.clone(),
            kernel: self.profile.kernel.package.clone(),
        }
    }

    /// Returns the source that the blueprint's base names.
    pub fn source(&self) -> Box<dyn Source> {
        let debian = |suite: &str| Debian::new(suite, self.arch, self.mirror.as_ref(), &self.cache);
        match &self.blueprint.base {
            Base::Debian { suite } => Box::new(debian(suite)),
            Base::Tar { file } => {
                let kernel = debian(Base::DEFAULT_SUITE).without_system();
                Box::new(TarFile::new(self.folder.join(file), kernel))
            }
            Base::Oci { place, name } => {
                let system = debian(Base::DEFAULT_SUITE);
                // The names of architectures are Debian's and Go's in common.
                let arch = self.arch.debian;
                Box::new(Oci::new(self.folder.join(place), name.as_deref(), arch, system))
            }
        }
    }
}

/// Returns what of the blueprint in `folder` is at `output`, or around it, if anything is.
fn input_at<'a>(output: &Path, folder: &Path, base: &'a Base) -> Option<&'a Path> {
    // However it is reached. What is not there yet is in a folder that is.
    let real = |path: &Path| {
        let folder = path.parent()?.canonicalize().ok()?;
        Some(folder.join(path.file_name()?))
    };
    let output = real(&Path::new(".").join(output))?;
    let own = [
        BLUEPRINT_FILE,
        PLAIN_JSON_FILE,
        LOCK_FILE,
        FILES_DIR,
        PROFILES_DIR,
    ];
    let mut inputs = own.map(Path::new).into_iter().chain(base.place());
    inputs.find(|input| real(&folder.join(input)).is_some_and(|input| output.starts_with(input)))
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

/// `SOURCE_DATE_EPOCH` (<https://reproducible-builds.org/specs/source-date-epoch/>).
fn epoch() -> Result<Option<u32>> {
    match std::env::var("SOURCE_DATE_EPOCH") {
        Ok(text) => match text.parse() {
            Ok(seconds) => Ok(Some(seconds)),
            Err(_) => bail!(InputError::plain(format!(
                "SOURCE_DATE_EPOCH is {text:?} and not a number of seconds"
            ))),
        },
        Err(_) => Ok(None),
    }
}

/// Returns the folder that temporary trees go to: `TMPDIR`, or the one for large temporary files (FHS 5.15).
pub fn temporary_folder() -> PathBuf {
    let named = std::env::var_os("TMPDIR").filter(|folder| !folder.is_empty());
    named.map_or_else(|| PathBuf::from("/var/tmp"), PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_image_is_made_from_is_not_written_over() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("blueprint");
        std::fs::create_dir_all(folder.join("files/etc")).unwrap();
        std::os::unix::fs::symlink(&folder, dir.path().join("link")).unwrap();
        let base: Base = "tar:../root.tar".parse().unwrap();
        for (output, input) in [
            ("blueprint/web.img", None),
            ("of-nowhere/web.img", None),
            ("blueprint/genpack.json5", Some("genpack.json5")),
            ("link/genpack.lock", Some("genpack.lock")),
            ("blueprint/files/etc/web.img", Some("files")),
            ("blueprint/../root.tar", Some("../root.tar")),
        ] {
            let found = input_at(&dir.path().join(output), &folder, &base);
            assert_eq!(found, input.map(Path::new), "{output}");
        }
    }
}
