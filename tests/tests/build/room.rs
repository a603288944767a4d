//! Full disks.

use crate::site::{Running, Site, quick, tiny_image};

/// Mounts a small disk on a folder of the site, and shows what is on it after the build.
fn build_with_little_room(site: &Site, folder: &str, megabytes: u32) -> Running {
    let small = site.path(folder);
    let small = small.display();
    let mut build = site.build_after(&format!(
        "mkdir -p {small}; mount -t tmpfs -o size={megabytes}m small {small}; shift\n\
         status=0; \"$@\" || status=$?\n\
         find {small} -type f; exit $status"
    ));
    if folder == "cache" {
        build.env("XDG_CACHE_HOME", site.path(folder));
    }
    build.env("GENPACK_MEMORY", "0M");
    Running::start(build)
}

#[test]
fn a_full_temporary_folder_is_named() {
    tiny_image();
    let site = Site::new(&quick());
    site.be_unlike_any();
    let said = build_with_little_room(&site, "tmp", 100).finish();
    let folder = site.path("tmp");
    said.assert(
        1,
        &[
            &format!("the folder {} has ", folder.display()),
            "TMPDIR names another one",
            "unpacking a tree",
            "No space left on device",
        ],
    );
    assert_eq!(said.stdout, "");
    site.assert_untouched();
}

#[test]
fn a_full_output_folder_is_named() {
    tiny_image();
    let site = Site::new(&quick());
    let said = build_with_little_room(&site, "out", 30).finish();
    let folder = site.path("out");
    said.assert(
        1,
        &[
            &format!("the folder {} has ", folder.display()),
            "-o names another one",
            "No space left on device",
        ],
    );
    assert_eq!(said.stdout, "");
    site.assert_untouched();
}

#[test]
fn a_full_cache_is_named() {
    let site = Site::new(&quick());
    let said = build_with_little_room(&site, "cache", 20).finish();
    let folder = site.path("cache");
    said.assert(
        1,
        &[
            &format!("the folder {}/genpack has ", folder.display()),
            "XDG_CACHE_HOME names another one",
            "package lists",
        ],
    );
    assert!(!said.stdout.contains("partial/"), "{}", said.stdout);
    site.assert_untouched();
}

#[test]
fn a_build_that_memory_does_not_hold_goes_on_on_disk() {
    tiny_image();
    let site = Site::new(&quick());
    site.be_unlike_any();
    let mut build = site.build();
    build.env("GENPACK_MEMORY", "100M");
    let said = Running::start(build).finish();
    said.assert(
        0,
        &[
            "the memory for this build is full; it begins again on disk",
            "built in",
        ],
    );
    site.assert_clean();
}

#[test]
fn a_memory_that_is_no_size_is_refused() {
    let site = Site::new(&quick());
    let mut build = site.build();
    build.env("GENPACK_MEMORY", "much");
    Running::start(build).finish().assert(
        2,
        &["GENPACK_MEMORY: \"much\" is not a size; write for example \"10G\""],
    );
    site.assert_untouched();
}
