//! The outputs of a build before they are whole.

use std::fs;
use std::io;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::blueprint::InputError;
use crate::build::Outputs;

/// The outputs under temporary names in a folder beside their final place; gone with the value.
pub struct Draft {
    _folder: tempfile::TempDir,
    drafts: Outputs,
    places: Outputs,
}

impl Draft {
    /// Makes the folder. `output` is where the image goes in the end.
    ///
    /// # Errors
    /// When something other than a file is there, and when the folder can't be written to.
    pub fn beside(output: &Path) -> Result<Draft> {
        let places = Outputs::beside(&std::path::absolute(output).context("naming the image")?);
        for place in places.all() {
            match fs::metadata(place) {
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
        let parent = places.image.parent().context("the image needs a folder")?;
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
        let drafts = Outputs::beside(&folder.path().join("image"));
        Ok(Draft {
            _folder: folder,
            drafts,
            places,
        })
    }

    /// Returns the temporary names.
    pub fn outputs(&self) -> &Outputs {
        &self.drafts
    }

    /// Gives the outputs their final names.
    pub fn publish(&self) -> Result<()> {
        for (from, to) in self.drafts.all().into_iter().zip(self.places.all()) {
            fs::File::open(from)
                .and_then(|file| file.sync_all())
                .and_then(|()| fs::rename(from, to))
                .with_context(|| format!("writing {}", to.display()))?;
        }
        Ok(())
    }
}
