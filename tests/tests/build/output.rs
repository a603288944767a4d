//! Places that an image can't be written to.

use std::fs;

use crate::ordinary_user::{NOBODY, as_user};
use crate::site::{Running, Site, quick};

#[test]
fn a_read_only_folder_is_named_at_once() {
    let site = Site::new(&quick());
    let script = "mount --bind $1/out $1/out; mount -o remount,ro,bind $1/out";
    let said = Running::start(site.build_after(script)).finish();
    let folder = site.path("out");
    said.assert(
        1,
        &[
            &format!("the image can't be written to {}", folder.display()),
            "read-only",
            "-o names another place",
        ],
    );
    assert!(!said.stderr.contains("[1/"), "{}", said.stderr);
    site.assert_untouched();
}

#[test]
fn a_folder_of_somebody_else_is_named_at_once() {
    let site = Site::new(&quick());
    let build = as_user(&site, NOBODY, &site.build());
    let said = Running::start(build).finish();
    said.assert(1, &["the image can't be written to ", "permission denied"]);
    site.assert_untouched();
}

#[test]
fn what_is_not_a_file_is_not_replaced() {
    for (output, expected) in [
        ("/dev/null", "/dev/null is not a file"),
        ("out", "out is a folder; name the image to write"),
        ("blocked", "blocked.manifest.json is a folder"),
        ("nowhere/disk.img", "nowhere to write the image to"),
    ] {
        let site = Site::new(&quick());
        fs::create_dir(site.path("blocked.manifest.json")).unwrap();
        let build = site.build_to(&site.path(output));
        Running::start(build).finish().assert(2, &[expected]);
        site.assert_untouched();
    }
}
