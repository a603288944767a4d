//! What a build keeps for the next one: versions in the lock file, and results in the cache.

use std::fs;
use std::process::Command;

use genpack_tests::genpack;

use crate::site::{Lacks, Running, Site, quick, shared_cache, tiny_image};

/// Builds `site` where no network is.
fn without_network(site: &Site) -> Running {
    let build = site.build();
    let mut offline = Command::new("unshare");
    offline
        .arg("--net")
        .arg(build.get_program())
        .args(build.get_args());
    offline.envs(build.get_envs().filter_map(|(name, value)| Some((name, value?))));
    Running::start(offline)
}

/// Builds `site` once, so that it has a lock file, and everything is in the cache.
fn built(blueprint: &str) -> Site {
    tiny_image();
    let site = Site::new(blueprint);
    Running::start(site.build()).finish().assert(0, &[]);
    site
}

#[test]
fn nothing_is_done_where_nothing_changed() {
    let site = built(&quick());
    fs::write(site.image(), "changed on a device").unwrap();
    let said = without_network(&site).finish();
    said.assert(0, &["nothing changed since the last build"]);
    assert!(!said.stderr.contains("[2/"), "{}", said.stderr);
    assert!(fs::read(site.image()).unwrap() == fs::read(tiny_image()).unwrap());
    // The copy has the holes of the original.
    let used = std::os::unix::fs::MetadataExt::blocks(&fs::metadata(site.image()).unwrap()) * 512;
    assert!(used < 150 << 20, "{used}");
    site.assert_clean();
}

#[test]
fn a_file_of_the_developer_touches_no_packages() {
    let site = built(&quick());
    site.be_unlike_any();
    let said = without_network(&site).finish();
    said.assert(
        0,
        &["make the trees", "from the cache", " blocks from the cache, "],
    );
    assert!(!said.stderr.contains("to fetch"), "{}", said.stderr);
    let blocks = said
        .stderr
        .lines()
        .find(|line| line.contains(" blocks from the cache"))
        .unwrap();
    let numbers: Vec<u32> = blocks.split(' ').filter_map(|word| word.parse().ok()).collect();
    assert!(numbers[0] > 5 * numbers[1], "{blocks}");
    assert!(fs::read(site.image()).unwrap() != fs::read(tiny_image()).unwrap());
}

#[test]
fn an_image_is_the_same_whatever_the_cache_had() {
    // As few files as in life have the moment of the image.
    let build = |site: &Site| {
        let mut build = site.build();
        build.env_remove("SOURCE_DATE_EPOCH");
        Running::start(build).finish()
    };
    let site = Site::of_tiny(Lacks::Nothing);
    let first = build(&site);
    first.assert(0, &["make the initramfs"]);
    assert!(
        !first
            .stderr
            .contains("from the cache\n[5/7] make the initramfs: done"),
        "{}",
        first.stderr
    );
    let image = fs::read(site.image()).unwrap();
    fs::remove_dir_all(site.path("cache/genpack/images")).unwrap();
    let second = build(&site);
    second.assert(0, &["      from the cache\n[5/7] make the initramfs: done"]);
    assert!(fs::read(site.image()).unwrap() == image);
}

#[test]
fn an_image_of_files_that_change_meanwhile_is_given_up() {
    let site = built(&quick());
    fs::write(site.image(), "the image of yesterday").unwrap();
    site.be_unlike_any();
    let mut build = Running::start(site.build());
    build.await_stage("fetch what is not here yet");
    site.be_unlike_any();
    build.finish().assert(
        1,
        &["was changed while it was being built: files/; run genpack build again"],
    );
    let image = fs::read_to_string(site.image()).unwrap();
    assert_eq!(image, "the image of yesterday");
    site.assert_clean();
}

#[test]
fn what_the_lock_file_lacks_is_added_unless_that_is_forbidden() {
    tiny_image();
    let site = Site::new(&quick());
    let mut locked = site.build();
    locked.arg("--locked");
    Running::start(locked)
        .finish()
        .assert(2, &["genpack.lock does not have all", "without --locked"]);
    site.assert_untouched();
    assert!(!site.path("blueprint/genpack.lock").exists());

    Running::start(site.build()).finish().assert(0, &[]);
    let lock = fs::read_to_string(site.path("blueprint/genpack.lock")).unwrap();
    assert!(
        lock.contains("\"fping 5") && lock.contains("linux-image-"),
        "{lock}"
    );
    let mut locked = site.build();
    locked.arg("--locked");
    Running::start(locked).finish().assert(0, &[]);
    assert_eq!(
        fs::read_to_string(site.path("blueprint/genpack.lock")).unwrap(),
        lock
    );
}

#[test]
fn a_lock_file_that_no_archive_can_serve_says_what_to_do() {
    let site = built(&quick());
    let path = site.path("blueprint/genpack.lock");
    let lock = fs::read_to_string(&path).unwrap();
    let line = lock.lines().find(|line| line.contains("\"fping 5")).unwrap();
    let words: Vec<_> = line.trim().trim_matches(['"', ',']).split(' ').collect();
    let (version, hash, file) = (words[1], words[4], words[5]);
    let gone = line
        .replace(version, "4.0-1")
        .replace(hash, &"ab".repeat(32))
        .replace(file, "pool/main/f/fping/fping_4.0-1_amd64.deb");
    fs::write(&path, lock.replace(line, &gone)).unwrap();
    fs::write(site.image(), "the image of yesterday").unwrap();
    let said = Running::start(site.build()).finish();
    said.assert(
        2,
        &[
            "fping 4.0-1 can't be had any more from ",
            "\"genpack update\" chooses",
        ],
    );
    assert_eq!(
        fs::read_to_string(site.image()).unwrap(),
        "the image of yesterday"
    );
    site.assert_clean();

    let mut update = Command::new(genpack());
    update.arg("update").arg(site.path("blueprint"));
    update
        .env("XDG_CACHE_HOME", shared_cache())
        .env("TMPDIR", site.path("tmp"));
    let said = Running::start(update).finish();
    said.assert(0, &["choose packages for -/kvm/x86_64"]);
    assert!(
        said.stdout.contains(&format!("  fping 4.0-1 -> {version}\n")),
        "{}",
        said.stdout
    );
    assert!(
        said.stdout.ends_with("genpack.lock: 1 change\n"),
        "{}",
        said.stdout
    );
    assert_eq!(fs::read_to_string(&path).unwrap(), lock);
    site.assert_clean();
}

#[test]
fn a_damaged_lock_file_is_never_replaced() {
    tiny_image();
    let site = Site::new(&quick());
    let path = site.path("blueprint/genpack.lock");
    fs::write(&path, "<<<<<<< ours\n").unwrap();
    Running::start(site.build())
        .finish()
        .assert(2, &["genpack.lock can't be used", "from version control"]);
    assert_eq!(fs::read_to_string(&path).unwrap(), "<<<<<<< ours\n");
    site.assert_untouched();
}

#[test]
fn the_same_bytes_whoever_builds_them_when_and_where() {
    let site = built(&quick());
    // Another cache, so that everything is made again.
    let script = "umask 077; exec \"$@\"";
    let build = site.build_to(&site.path("out/again.img"));
    let mut again = Command::new("taskset");
    again.args([
        "--cpu-list",
        "0",
        "faketime",
        "-f",
        "+500d",
        "sh",
        "-c",
        script,
        "sh",
    ]);
    again.arg(build.get_program()).args(build.get_args());
    again.envs(build.get_envs().filter_map(|(name, value)| Some((name, value?))));
    again
        .env("XDG_CACHE_HOME", site.path("cache"))
        .env("NO_FAKE_STAT", "1")
        .env("GENPACK_MEMORY", "0M");
    again
        .env("LC_ALL", "ja_JP.UTF-8")
        .env("TZ", "Pacific/Auckland")
        .env("LANGUAGE", "ja");
    Running::start(again).finish().assert(0, &["make the trees"]);
    let [first, second] =
        ["disk.img", "again.img"].map(|name| fs::read(site.path("out").join(name)).unwrap());
    assert!(first == second, "the images differ");
}

#[test]
fn the_cache_is_shown_and_cleared() {
    let site = Site::new(&quick());
    let cache = |arguments: &[&str]| {
        let mut command = Command::new(genpack());
        command
            .arg("cache")
            .args(arguments)
            .env("XDG_CACHE_HOME", site.path("cache"));
        Running::start(command).finish()
    };
    let said = cache(&["show"]);
    said.assert(0, &[]);
    assert!(
        said.stdout.contains("together          0         0"),
        "{}",
        said.stdout
    );
    fs::create_dir_all(site.path("cache/genpack/trees")).unwrap();
    fs::write(site.path("cache/genpack/trees/x.tar"), vec![1; 3_000_000]).unwrap();
    assert_eq!(cache(&["clear", "blocks"]).stdout, "0 MB removed\n");
    assert_eq!(cache(&["clear"]).stdout, "3 MB removed\n");
    let mut limited = Command::new(genpack());
    limited.args(["cache", "show"]).env("GENPACK_CACHE_LIMIT", "much");
    Running::start(limited)
        .finish()
        .assert(2, &["GENPACK_CACHE_LIMIT: \"much\" is not a size"]);
}
