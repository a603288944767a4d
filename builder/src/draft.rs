//! The outputs of a build before they are whole.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::blueprint::InputError;
use crate::build::product;

/// The outputs under temporary names in a folder beside their final place; gone with the value.
pub struct Draft {
    folder: tempfile::TempDir,
    output: PathBuf,
}

impl Draft {
    /// Makes the folder. `output` is where the image goes in the end.
    ///
    /// # Errors
    /// When something other than a file is there, and when the folder can't be written to.
    pub fn beside(output: &Path) -> Result<Draft> {
        let output = std::path::absolute(output).context("naming the image")?;
        for product in product::ALL {
            let place = place_of(product.as_ref(), &output);
            match fs::metadata(&place) {
                Ok(metadata) if metadata.is_dir() => bail!(InputError::plain(format!(
                    "{} is a folder; name the image to write, for example: -o {}",
                    place.display(),
                    place.join("disk.img").display()
                ))),
                Ok(metadata) if !metadata.is_file() => bail!(InputError::plain(format!(
                    "{} is not a file; name a file to write the image to, and copy that to the device",
                    place.display()
                ))),
                _ => {}
            }
        }
        let parent = output.parent().context("the image needs a folder")?;
        if !parent.is_dir() {
            bail!(InputError::plain(format!(
                "there is no folder {} to write the image to",
                parent.display()
            )));
        }
        let folder = tempfile::Builder::new().prefix(".genpack-").tempdir_in(parent);
        // The error's own text has the temporary name, which says nothing to anyone.
        let folder = folder.map_err(|error| io::Error::from(error.kind()));
        let folder = folder.with_context(|| {
            format!(
                "the image can't be written to {}; -o names another place",
                parent.display()
            )
        })?;
        Ok(Draft { folder, output })
    }

    /// Returns the folder for the products of the build.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Gives the products their final names and returns these, the image first.
    pub fn publish(&self) -> Result<Vec<PathBuf>> {
        let mut names: Vec<_> = fs::read_dir(self.folder.path())?
            .map(|entry| Ok(entry?.file_name()))
            .collect::<io::Result<_>>()?;
        names.sort_by_key(|name| (name != product::IMAGE, name.clone()));
        let mut places = Vec::new();
        for name in names {
            let (from, to) = (self.folder.path().join(&name), place_of(&name, &self.output));
            fs::File::open(&from)
                .and_then(|file| file.sync_all())
                .and_then(|()| fs::rename(&from, &to))
                .with_context(|| format!("writing {}", to.display()))?;
            places.push(to);
        }
        Ok(places)
    }
}

/// Returns where a product goes when the image goes to `output`: other forms of it have another ending, and what is said
/// about it has one more.
fn place_of(product: &OsStr, output: &Path) -> PathBuf {
    if product == product::IMAGE {
        return output.to_path_buf();
    }
    // An image may be called so itself.
    let other = output.with_extension(product);
    if (product == product::QCOW2 || product == product::SYSTEM) && other != output {
        return other;
    }
    let mut name = output.as_os_str().to_os_string();
    name.push(".");
    name.push(product);
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_are_named_after_the_image() {
        let place = |product: &str| {
            place_of(product.as_ref(), Path::new("/out/web-kvm.img"))
                .display()
                .to_string()
        };
        assert_eq!(place(product::IMAGE), "/out/web-kvm.img");
        assert_eq!(place(product::MANIFEST), "/out/web-kvm.img.manifest.json");
        assert_eq!(place(product::QCOW2), "/out/web-kvm.qcow2");
        assert_eq!(place(product::SYSTEM), "/out/web-kvm.system.img");
        let disk = Path::new("/out/disk.qcow2");
        assert_eq!(place_of(product::IMAGE.as_ref(), disk), disk);
        assert_eq!(
            place_of(product::QCOW2.as_ref(), disk),
            Path::new("/out/disk.qcow2.qcow2")
        );
    }

    #[test]
    fn all_products_appear_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let draft = Draft::beside(&dir.path().join("a.img")).unwrap();
        for product in [product::MANIFEST, product::IMAGE] {
            fs::write(draft.folder().join(product), product).unwrap();
        }
        let places = draft.publish().unwrap();
        assert_eq!(
            places,
            [dir.path().join("a.img"), dir.path().join("a.img.manifest.json")]
        );
        drop(draft);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
        drop(Draft::beside(&dir.path().join("b.img")).unwrap());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
    }
}
