//! Programs that the host does not have.

use std::fs;
use std::os::unix::fs::symlink;

use crate::ordinary_user::{NOBODY, as_user};
use crate::site::{Running, Site, quick};

/// Makes a folder with all programs of `/usr/bin` except some.
fn programs_without(site: &Site, missing: &[&str]) -> std::path::PathBuf {
    let folder = site.path("programs");
    fs::create_dir(&folder).unwrap();
    for program in fs::read_dir("/usr/bin").unwrap().flatten() {
        if !missing.iter().any(|name| program.file_name() == *name) {
            symlink(program.path(), folder.join(program.file_name())).unwrap();
        }
    }
    folder
}

#[test]
fn missing_programs_are_named_with_their_packages() {
    let site = Site::new(&quick());
    let mut build = site.build();
    build.env("PATH", programs_without(&site, &["mmdebstrap", "dpkg-deb"]));
    Running::start(build).finish().assert(
        1,
        &["not installed here: dpkg-deb, mmdebstrap; install with: apt-get install dpkg mmdebstrap"],
    );
    site.assert_untouched();
}

#[test]
fn missing_files_are_named_with_their_packages() {
    let site = Site::new(&quick());
    let build = site.build_after("mount -t tmpfs none /usr/lib/apt");
    Running::start(build).finish().assert(
        1,
        &["/usr/lib/apt/apt-helper", "install with: apt-get install apt"],
    );
    site.assert_untouched();
}

#[test]
fn an_ordinary_user_needs_newuidmap() {
    let site = Site::new(&quick());
    let mut build = as_user(&site, NOBODY, &site.build());
    build.env("PATH", programs_without(&site, &["newuidmap"]));
    Running::start(build).finish().assert(
        1,
        &["not installed here: newuidmap; install with: apt-get install uidmap"],
    );
    site.assert_untouched();
}
