//! Builds that end before their time.

use std::fs;
use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::site::{Running, Site, tiny, tiny_image};

/// How a build is interrupted.
#[derive(Clone, Copy, Debug, PartialEq)]
enum How {
    /// As a terminal does when someone presses Ctrl-C: the whole process group.
    CtrlC,
    /// Only genpack.
    Only(&'static str),
}

fn build(site: &Site) -> Running {
    let mut build = site.build();
    build.process_group(0);
    Running::start(build)
}

fn interrupt(build: &Running, how: How) {
    let pid = build.child.id();
    let (signal, target) = match how {
        How::CtrlC => ("INT", format!("-{pid}")),
        How::Only(signal) => (signal, pid.to_string()),
    };
    let kill = Command::new("kill")
        .args(["-s", signal, "--", &target])
        .status()
        .unwrap();
    assert!(kill.success());
}

#[test]
fn a_command_inside_the_system_ends_with_the_build() {
    tiny_image();
    for how in [How::CtrlC, How::Only("INT"), How::Only("TERM"), How::Only("HUP")] {
        let site = Site::new(&tiny(
            "setup_commands: ['touch /tmp/here; setsid sleep 3600 & sleep 3600']",
        ));
        let mut build = build(&site);
        build.await_stage("customise");
        build.await_that("sleep", || {
            site.processes()
                .iter()
                .any(|process| process.contains("sleep 3600"))
        });
        interrupt(&build, how);
        let said = build.finish();
        said.assert(130, &["genpack: interrupted; nothing was written"]);
        assert!(!said.stderr.contains("error"), "{how:?}: {}", said.stderr);
        site.assert_untouched();
    }
}

#[test]
fn every_stage_can_be_interrupted() {
    tiny_image();
    // A tree that is never finished is never in the cache.
    let fresh = "{ name: 'tiny', packages: ['rsync'] }";
    let known = tiny("compression: 'zstd:22'");
    for (blueprint, stage) in [
        (known.as_str(), "resolve"),
        (fresh, "make the tree"),
        (&known, "make the initramfs"),
        (&known, "pack"),
    ] {
        let site = Site::new(blueprint);
        site.be_unlike_any();
        let mut build = build(&site);
        build.await_stage(stage);
        if blueprint == fresh {
            build.await_that("mmdebstrap's dpkg", || {
                site.processes().iter().any(|process| process.contains("dpkg"))
            });
        }
        interrupt(&build, How::CtrlC);
        build
            .finish()
            .assert(130, &["genpack: interrupted; nothing was written"]);
        site.assert_untouched();
    }
}

#[test]
fn nothing_goes_on_when_genpack_is_killed() {
    tiny_image();
    let site = Site::new(&tiny("setup_commands: ['sleep 3600']"));
    let mut build = build(&site);
    build.await_stage("customise");
    build.await_that("sleep", || {
        site.processes()
            .iter()
            .any(|process| process.contains("sleep 3600"))
    });
    interrupt(&build, How::Only("KILL"));
    let said = build.finish();
    assert_eq!(said.status, None, "{}", said.stderr);
    site.await_no_process();
    assert_eq!(
        fs::read_to_string(site.image()).unwrap(),
        "the image of yesterday"
    );
}
