//! Container images: the root file system of an image in a folder of a Debian system, and a service that runs what the image
//! runs.
//!
//! An image is no operating system: it has neither kernel nor init, and often not even a shell. So the system is Debian's.

mod image;
mod service;
mod store;
mod user;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use genpack_spec::layout;

pub use service::Service;
pub use user::User;

use self::image::Image;
use super::debian::Debian;
use super::{InstalledPackage, Origin, Part, Source, Wanted};
use crate::lock::Lock;
use crate::progress::Stage;
use crate::tree::rooted::Rooted;

/// Raised when the way in which images are unpacked changes.
const FORMAT: u32 = 2;
/// Folders that systemd mounts something on (systemd.exec(5), `MountAPIVFS=`), and one that programs expect.
const FOLDERS: [(&str, u32); 6] = [
    ("dev", 0o755),
    ("etc", 0o755),
    ("proc", 0o555),
    (service::RUN, 0o755),
    ("sys", 0o555),
    ("tmp", 0o1777),
];

/// A container image with a Debian system around it.
pub struct Oci {
    place: PathBuf,
    name: Option<String>,
    arch: &'static str,
    system: Debian,
    image: Option<Image>,
}

impl Oci {
    /// Returns the source for the image at `place`; nothing is looked at yet. `arch` is the name that Go, and Debian, have for
    /// the architecture.
    pub fn new(place: PathBuf, name: Option<&str>, arch: &'static str, system: Debian) -> Oci {
        Oci {
            place,
            name: name.map(String::from),
            arch,
            system,
            image: None,
        }
    }

    fn image(&self) -> Result<&Image> {
        self.image.as_ref().context("the image was not looked at")
    }

    /// Makes what the image adds to a system, in the empty folder `root`.
    fn make_application(&self, root: &Path) -> Result<()> {
        let image = self.image()?;
        let at = |path: &str| root.join(path.trim_start_matches('/'));
        let container = at(layout::CONTAINER_ROOT);
        fs::create_dir_all(&container).with_context(|| format!("making {}", container.display()))?;
        image.unpack(&container)?;
        let rooted = Rooted::open(&container)?;
        let name = image.name.as_deref().unwrap_or(&image.id);
        let service = Service::of(name, &image.configuration, &rooted).map_err(|why| image.mistake(why))?;
        complete(&rooted, &service).map_err(|error| image.mistake(format!("{error:#}")))?;
        fs::write(
            at(layout::CONTAINER_INFO),
            serde_json::to_string_pretty(&service)? + "\n",
        )?;
        let units = at("/usr/lib/systemd/system");
        fs::create_dir_all(&units)?;
        fs::write(units.join(layout::CONTAINER_UNIT), service.unit())?;
        // What `systemctl enable` would make.
        let wants = at("/etc/systemd/system/multi-user.target.wants");
        fs::create_dir_all(&wants)?;
        let unit = Path::new("/usr/lib/systemd/system").join(layout::CONTAINER_UNIT);
        symlink(unit, wants.join(layout::CONTAINER_UNIT))?;
        Ok(())
    }
}

/// Adds what a container finds in its root wherever it runs.
fn complete(root: &Rooted, service: &Service) -> Result<()> {
    let folder = |path: &Path| {
        root.make_folder(path)
            .with_context(|| format!("making its {}", path.display()))
    };
    // systemd would follow a link from the system's root on.
    let top = folder(Path::new(""))?;
    let run = top.join(Path::new(service::RUN));
    if fs::symlink_metadata(&run).is_ok_and(|found| !found.is_dir()) {
        fs::remove_file(&run).context("removing its link /run")?;
    }
    for (name, mode) in FOLDERS {
        if root.folder(Path::new(name)).is_err() {
            let made = folder(Path::new(name))?;
            fs::set_permissions(made.path(), fs::Permissions::from_mode(mode))?;
        }
    }
    for path in service.volumes.iter().chain([&service.folder]) {
        folder(path)?;
    }
    let etc = folder(Path::new("etc"))?;
    let resolver = etc.join(Path::new("resolv.conf"));
    // The file is replaced whenever the network changes, so what is shown to the container is the folder that it is in.
    let _ = fs::remove_file(&resolver);
    symlink(layout::RESOLV_CONF, &resolver).context("linking its /etc/resolv.conf")?;
    let hosts = etc.join(Path::new("hosts"));
    let _ = fs::remove_file(&hosts);
    fs::write(&hosts, "").context("making its /etc/hosts")?;
    Ok(())
}

impl Source for Oci {
    fn pin(&mut self, wanted: &Wanted, lock: &mut Lock, stage: &Stage) -> Result<()> {
        // First, because nobody has to wait for its mistakes.
        self.image = Some(Image::open(&self.place, self.name.as_deref(), self.arch)?);
        self.system.pin(wanted, lock, stage)
    }

    fn date(&self) -> u32 {
        // Not the image's own date, which anybody may have written: clocks of devices are raised to this one.
        self.system.date()
    }

    fn date_of(&self, part: Part) -> u32 {
        match part {
            Part::Application => self.date(),
            part => self.system.date_of(part),
        }
    }

    fn inputs(&self, part: Part) -> String {
        match part {
            Part::Application => {
                let id = self.image.as_ref().map(|image| (&image.id, &image.name));
                format!("oci {FORMAT} {id:?} {}", self.system.date())
            }
            part => self.system.inputs(part),
        }
    }

    fn fetch(&self, parts: &[Part], stage: &Stage) -> Result<()> {
        let parts: Vec<_> = parts
            .iter()
            .copied()
            .filter(|part| *part != Part::Application)
            .collect();
        self.system.fetch(&parts, stage)
    }

    fn make(&self, part: Part, root: &Path) -> Result<()> {
        match part {
            Part::Application => self.make_application(root),
            part => self.system.make(part, root),
        }
    }

    fn installed(&self, tree: &Path) -> Result<Vec<InstalledPackage>> {
        self.system.installed(tree)
    }

    fn has_application(&self) -> bool {
        true
    }

    fn origin(&self) -> Option<Origin> {
        let image = self.image.as_ref()?;
        Some(Origin {
            file: self.place.file_name()?.to_string_lossy().into_owned(),
            name: image.name.clone(),
            sha256: image.id.trim_start_matches("sha256:").to_string(),
        })
    }
}

#[cfg(test)]
mod tests;
