//! Builds that end before their time.

use std::fs;
use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::mirror::{Manner, Mirror, build_from, fetched};
use crate::site::{Lacks, Running, Site, quick, tiny, tiny_image, tiny_lock};

/// How a build is interrupted.
#[derive(Clone, Copy, Debug, PartialEq)]
enum How {
    /// As a terminal does when someone presses Ctrl-C: the whole process group.
    CtrlC,
    /// Only genpack.
    Only(&'static str),
}

fn start(mut command: Command) -> Running {
    command.process_group(0);
    Running::start(command)
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
fn what_runs_inside_the_system_ends_with_the_build() {
    tiny_image();
    let command = "setup_commands: ['touch /tmp/here; setsid sleep 3600 & sleep 3600']";
    for how in [How::CtrlC, How::Only("INT"), How::Only("TERM"), How::Only("HUP")] {
        let site = Site::new(&tiny(if how == How::CtrlC {
            "users: ['op']"
        } else {
            command
        }));
        if how == How::CtrlC {
            let script = site.path("blueprint/files/build.d/op/1.sh");
            fs::create_dir_all(script.parent().unwrap()).unwrap();
            fs::write(script, "setsid sleep 3600 & sleep 3600").unwrap();
        }
        let mut build = start(site.build());
        build.await_stage("customise");
        build.await_that("sleep", || {
            site.processes()
                .iter()
                .any(|process| process.contains("sleep 3600"))
        });
        interrupt(&build, how);
        assert_interrupted(build, &site);
    }
}

/// Fails unless the build ends as one that was interrupted, and has left nothing.
fn assert_interrupted(build: Running, site: &Site) {
    let said = build.finish();
    let image = site.image();
    said.assert(
        130,
        &[&format!(
            "genpack: interrupted; {} was not written",
            image.display()
        )],
    );
    assert!(!said.stderr.contains("error"), "{}", said.stderr);
    site.assert_untouched();
}

#[test]
fn every_stage_can_be_interrupted_and_the_next_build_makes_the_same() {
    let site = Site::of_tiny(Lacks::System);
    for (stage, how) in [
        ("make the trees", How::CtrlC),
        ("make the initramfs", How::Only("TERM")),
        ("pack", How::CtrlC),
        ("write the disk image", How::Only("TERM")),
    ] {
        let mut build = start(site.build());
        build.await_stage(stage);
        if stage == "make the trees" {
            build.await_that("mmdebstrap's dpkg", || {
                site.processes().iter().any(|process| process.contains("dpkg"))
            });
        }
        interrupt(&build, how);
        assert_interrupted(build, &site);
    }
    Running::start(site.build()).finish().assert(0, &[]);
    assert!(fs::read(site.image()).unwrap() == fs::read(tiny_image()).unwrap());
    site.assert_clean();
}

#[test]
fn waiting_for_a_mirror_can_be_interrupted() {
    let silent = Mirror::new(Manner::FallsSilentAfter(0));
    let site = Site::new(&quick());
    fs::create_dir(site.path("cache")).unwrap();
    let lock = site.path("blueprint/genpack.lock");
    let mut build = start(build_from(&silent, &site));
    build.await_stage("resolve");
    build.await_that("a request for lists", || !silent.asked().is_empty());
    interrupt(&build, How::CtrlC);
    assert_interrupted(build, &site);
    assert!(!lock.exists());

    fs::copy(tiny_lock(), &lock).unwrap();
    let asked = silent.asked().len();
    let mut update = as_build(&build_from(&silent, &site));
    update.arg("update").arg(site.path("blueprint"));
    let mut update = start(update);
    update.await_that("another one", || silent.asked().len() > asked);
    interrupt(&update, How::CtrlC);
    let said = update.finish();
    said.assert(130, &["genpack: interrupted; genpack.lock is as it was"]);
    assert_eq!(fs::read(&lock).unwrap(), fs::read(tiny_lock()).unwrap());
    site.assert_untouched();

    let silent = Mirror::new(Manner::FallsSilentAfter(3));
    let site = Site::of_tiny(Lacks::Tools);
    let mut build = start(build_from(&silent, &site));
    build.await_stage("fetch");
    build.await_that("the package that never comes", || unfinished_packages(&site) == 4);
    interrupt(&build, How::Only("TERM"));
    assert_interrupted(build, &site);
    assert_eq!(fetched(&site), 3);
}

/// Returns how many packages a build is fetching or has fetched.
fn unfinished_packages(site: &Site) -> usize {
    let drafts = fs::read_dir(site.path("cache/genpack/partial"))
        .into_iter()
        .flatten();
    let files = drafts
        .flatten()
        .flat_map(|draft| fs::read_dir(draft.path()).into_iter().flatten());
    files
        .flatten()
        .filter(|file| file.path().extension().is_some_and(|ending| ending == "deb"))
        .count()
}

/// Returns genpack without arguments, in the environment of a build.
fn as_build(build: &Command) -> Command {
    let mut command = Command::new(build.get_program());
    command.envs(build.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command
}

#[test]
fn no_image_is_begun_after_an_interruption() {
    let site = Site::of_tiny(Lacks::Nothing);
    let variants = "variants: { slow: { setup_commands: ['sleep 3600'] }, third: {} } }";
    let blueprint = quick().replace(" }", &format!(", {variants}"));
    fs::write(site.path("blueprint/genpack.json5"), blueprint).unwrap();
    let slow = site.path("out/tiny-slow-kvm.img");
    fs::write(&slow, "the image of yesterday").unwrap();
    let mut all = as_build(&site.build());
    all.arg("build").arg(site.path("blueprint"));
    all.args(["--all", "--profile", "kvm", "-o"])
        .arg(site.path("out"));
    let mut all = start(all);
    all.await_stage("customise");
    all.await_that("sleep", || {
        site.processes()
            .iter()
            .any(|process| process.contains("sleep 3600"))
    });
    interrupt(&all, How::CtrlC);
    let said = all.finish();
    said.assert(
        130,
        &[
            "(1/3) -/kvm/x86_64",
            &format!("genpack: interrupted; {} was not written", slow.display()),
            "\nbuilt ",
            "\ninterrupted ",
            "\nnot begun ",
        ],
    );
    assert!(!said.stderr.contains("(3/3)"), "{}", said.stderr);
    assert_eq!(fs::read_to_string(&slow).unwrap(), "the image of yesterday");
    assert!(site.path("out/tiny-kvm.img").exists() && !site.path("out/tiny-third-kvm.img").exists());
    site.assert_clean();
}

#[test]
fn nothing_goes_on_when_genpack_is_killed() {
    tiny_image();
    let site = Site::new(&tiny("setup_commands: ['sleep 3600']"));
    let mut build = start(site.build());
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
