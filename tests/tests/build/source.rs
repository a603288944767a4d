//! Packages and mirrors that can't be had.

use std::fs;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use crate::site::{Running, Site};

#[test]
fn a_package_that_does_not_exist_is_named_before_a_tree_is_made() {
    let site =
        Site::new("{ name: 'web', packages: ['iputils-pign'],\n  buildtime_packages: ['of-nowhere'] }");
    let said = Running::start(site.build()).finish();
    said.assert(
        2,
        &[
            "mistake 1 of 2",
            "genpack.json5:1:27]",
            "there is no package \"iputils-pign\"",
            "help: did you mean \"iputils-ping\"? (asked: ",
            "genpack.json5:2:24]",
            "there is no package \"of-nowhere\"",
            "help: asked: ",
            " trixie",
        ],
    );
    assert!(!said.stderr.contains("[2/"), "{}", said.stderr);
    site.assert_untouched();
}

#[test]
fn a_kernel_that_does_not_exist_is_named_before_a_tree_is_made() {
    let site = Site::new("{ name: 'web', profile: 'mine' }");
    fs::create_dir(site.path("blueprint/profiles")).unwrap();
    let profile = "{ inherits: 'kvm', kernel: { package: 'linux-image-of-nowhere' } }";
    fs::write(site.path("blueprint/profiles/mine.json5"), profile).unwrap();
    let said = Running::start(site.build()).finish();
    said.assert(2, &["there is no package \"linux-image-of-nowhere\"", "asked: "]);
    assert!(!said.stderr.contains("[2/"), "{}", said.stderr);
    site.assert_untouched();
}

#[test]
fn a_suite_that_does_not_exist_is_named() {
    let site = Site::new("{ name: 'web', base: 'debian:of-nowhere' }");
    let said = Running::start(site.build()).finish();
    said.assert(
        2,
        &["there is no suite \"of-nowhere\" at ", "base: names the suite"],
    );
    site.assert_untouched();
}

#[test]
fn packages_that_exclude_each_other_are_explained_by_apt() {
    let site = Site::new("{ name: 'web', packages: ['sysvinit-core'] }");
    let said = Running::start(site.build()).finish();
    said.assert(
        1,
        &[
            "these packages do not go together in ",
            "systemd-sysv : Conflicts: sysvinit-core",
        ],
    );
    site.assert_untouched();
}

#[test]
fn a_mirror_that_refuses_is_told_within_a_minute() {
    let site = Site::new("{ name: 'web' }");
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut build = site.build();
    build.env("GENPACK_MIRROR", format!("http://{closed}/debian"));
    build.env("XDG_CACHE_HOME", site.path("cache"));
    let begun = Instant::now();
    let said = Running::start(build).finish();
    said.assert(
        1,
        &[
            &format!("no package lists could be had from http://{closed}/debian trixie"),
            "name another mirror with GENPACK_MIRROR or with mirror: in the blueprint",
            "Connection refused",
        ],
    );
    assert!(begun.elapsed() < Duration::from_secs(60));
    site.assert_untouched();
}

#[test]
fn a_mirror_that_never_answers_is_given_up() {
    let site = Site::new("{ name: 'web' }");
    // Connections are taken by the kernel, and nobody reads what they bring.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    // The host's own limits come before genpack's, which are a minute.
    fs::write(
        site.path("apt.conf"),
        "Acquire::Retries \"0\"; Acquire::http::Timeout \"2\";",
    )
    .unwrap();
    let mut build = site.build();
    build.env("GENPACK_MIRROR", format!("http://{address}/debian"));
    build.env("XDG_CACHE_HOME", site.path("cache"));
    build.env("APT_CONFIG", site.path("apt.conf"));
    let begun = Instant::now();
    let said = Running::start(build).finish();
    said.assert(
        1,
        &[&format!(
            "no package lists could be had from http://{address}/debian trixie"
        )],
    );
    assert!(begun.elapsed() < Duration::from_secs(60));
    site.assert_untouched();
}
