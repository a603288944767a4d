//! Libraries that programs made by scripts need, and that only packages for building brought.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::database::Database;
use super::listing::{Listing, is_foreign};
use crate::blueprint::InputError;
use crate::tree::elf::Needs;

/// Fails when one of the files that scripts made in the tree `build` needs a library that the tree `image`, with fewer packages,
/// does not have: the program would not start on the device. `made` are their paths, relative to the tree.
///
/// # Errors
/// [`InputError`] with every such file, library, and the package that brings it.
pub fn check_libraries(made: &[PathBuf], build: &Path, image: &Path) -> Result<()> {
    let mut needed = BTreeSet::new();
    for path in made.iter().filter(|path| !is_foreign(path)) {
        let file = build.join(path);
        let needs = || match fs::symlink_metadata(&file)?.is_file() {
            true => Needs::of_file(&File::open(&file)?),
            false => Ok(None),
        };
        let needs = needs().with_context(|| format!("reading {}", file.display()))?;
        let libraries = needs.unwrap_or_default().libraries;
        needed.extend(libraries.into_iter().map(|library| (path, library)));
    }
    if needed.is_empty() {
        return Ok(());
    }
    let (build, image) = (listing(build)?, listing(image)?);
    let lacking = needed.iter().filter_map(|(path, library)| {
        // In any folder, because a program may say where it looks.
        let places = build.named(library);
        if !image.named(library).is_empty() || places.iter().any(|place| made.contains(place)) {
            return None;
        }
        let package = places.iter().find_map(|place| build.owner(place))?;
        Some(format!(
            "a script made /{}, which needs {library}, and the image does not have that; name {package} in packages:",
            path.display()
        ))
    });
    let lacking: Vec<_> = lacking.collect();
    if !lacking.is_empty() {
        bail!(InputError::plain(lacking.join("\n")));
    }
    Ok(())
}

fn listing(root: &Path) -> Result<Listing> {
    Listing::of(root, &Database::read(root)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The libraries of /bin/ls, and the package of each.
    const LIBRARIES: [(&str, &str); 2] = [("libc.so.6", "libc6"), ("libselinux.so.1", "libselinux1")];

    /// A tree with these of the libraries.
    fn tree(root: &Path, libraries: &[(&str, &str)]) {
        fs::create_dir_all(root.join("usr/lib")).unwrap();
        fs::create_dir_all(root.join("var/lib/dpkg/info")).unwrap();
        let mut status = String::new();
        for (library, package) in libraries {
            fs::write(root.join("usr/lib").join(library), "").unwrap();
            let list = root.join(format!("var/lib/dpkg/info/{package}.list"));
            fs::write(list, format!("/.\n/usr/lib/{library}\n")).unwrap();
            status += &format!("Package: {package}\nStatus: install ok installed\nVersion: 1\n\n");
        }
        fs::write(root.join("var/lib/dpkg/status"), status).unwrap();
    }

    #[test]
    fn a_program_must_find_its_libraries_in_the_image() {
        let dir = tempfile::tempdir().unwrap();
        let (build, image) = (dir.path().join("build"), dir.path().join("image"));
        tree(&build, &LIBRARIES);
        tree(&image, &LIBRARIES[..1]);
        let made = |names: &[&str]| {
            let made: Vec<_> = names.iter().map(|name| Path::new("usr/lib").join(name)).collect();
            check_libraries(&made, &build, &image).map_err(|error| error.to_string())
        };
        fs::write(build.join("usr/lib/notes"), "libselinux.so.1").unwrap();
        std::os::unix::fs::symlink("/bin/ls", build.join("usr/lib/link")).unwrap();
        assert_eq!(made(&["notes", "link"]), Ok(()));
        fs::copy("/bin/ls", build.join("usr/lib/program")).unwrap();
        assert_eq!(
            made(&["notes", "program"]).unwrap_err(),
            "a script made /usr/lib/program, which needs libselinux.so.1, and the image does not have that; name libselinux1 in \
             packages:"
        );
        // A container's programs find theirs in the container.
        let container = Path::new("usr/lib/genpack/container/program");
        fs::create_dir_all(build.join(container).parent().unwrap()).unwrap();
        fs::copy("/bin/ls", build.join(container)).unwrap();
        assert!(check_libraries(&[container.to_path_buf()], &build, &image).is_ok());
        // One that scripts made themselves is in the image, too.
        assert_eq!(made(&["program", "libselinux.so.1"]), Ok(()));
        tree(&image, &LIBRARIES);
        assert_eq!(made(&["program"]), Ok(()));
    }
}
