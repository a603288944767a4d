//! Mistakes in what the developer wrote. Nothing has been done when they are found.

use std::fs;
use std::process::Command;

use genpack_tests::genpack;

use crate::site::{Lacks, Running, Site};

#[test]
fn a_mistake_in_the_blueprint_is_shown_where_it_stands() {
    for (blueprint, place, expected) in [
        (
            "{\n  name: 'web'\n  packages: [],\n}",
            "genpack.json5:3:3]",
            "a comma was expected here",
        ),
        (
            "{\n  name: 'web',\n  packges: [],\n}",
            "genpack.json5:3:3]",
            "did you mean \"packages\"?",
        ),
        (
            "{\n  name: 'web',\n  packages: 'nginx',\n}",
            "genpack.json5:3:13]",
            "a list was expected here",
        ),
        (
            "{\n  name: 'web',\n  packages: ['nginx', 'Foo'],\n}",
            "genpack.json5:3:23]",
            "not the name of a Debian package",
        ),
        (
            "{\n  name: 'web',\n  compression: 'zip',\n}",
            "genpack.json5:3:16]",
            "there are \"zstd\"",
        ),
        (
            "{\n  name: 'web',\n  persist: ['srv'],\n}",
            "genpack.json5:3:13]",
            "nor the path of a folder, which begins with",
        ),
        (
            "{\n  name: 'web',\n  persist: 'some',\n}",
            "genpack.json5:3:12]",
            "neither \"all\" nor the path of a folder",
        ),
        (
            "{\n  name: 'web',\n  data_size: 'big',\n}",
            "genpack.json5:3:14]",
            "\"big\" is not a size",
        ),
    ] {
        let site = Site::new(blueprint);
        let said = Running::start(site.build()).finish();
        // The line itself, and a caret below it.
        let line = blueprint.lines().nth(2).unwrap();
        said.assert(2, &[place, expected, line, "┬"]);
        site.assert_untouched();
    }
}

#[test]
fn a_size_without_a_data_partition_is_a_mistake() {
    let site = Site::new("{ name: 'web', data_size: '1G' }");
    let said = Running::start(site.build()).finish();
    said.assert(
        2,
        &[
            "genpack.json5:1:27]",
            "an image has a data partition only with persist",
        ],
    );
    site.assert_untouched();
}

#[test]
fn a_file_that_collides_with_the_system_is_named() {
    let site = Site::of_tiny(Lacks::Nothing);
    fs::create_dir_all(site.path("blueprint/files/etc")).unwrap();
    fs::write(site.path("blueprint/files/etc/systemd"), "").unwrap();
    let said = Running::start(site.build()).finish();
    let file = site.path("blueprint/files/etc/systemd");
    said.assert(
        2,
        &[
            &format!(
                "{} is no folder, and /etc/systemd of the system is one; ",
                file.display()
            ),
            "give it another name",
        ],
    );
    site.assert_untouched();
}

#[test]
fn a_mistake_on_the_command_line_says_what_there_is() {
    let site = Site::new("{ name: 'web' }");
    let mut unknown_profile = site.build();
    unknown_profile.args(["--profile", "kwm"]);
    Running::start(unknown_profile)
        .finish()
        .assert(2, &["there is no profile \"kwm\"; there is", "kvm"]);

    for (folder, expected) in [
        ("out", "there is no genpack.json5 in"),
        (
            "blueprint/genpack.json5",
            "is a file; name the folder that it is in",
        ),
    ] {
        let mut build = Command::new(genpack());
        build.arg("build").arg(site.path(folder));
        Running::start(build)
            .finish()
            .assert(2, &[expected, "genpack build DIR"]);
    }
    site.assert_untouched();
}

#[test]
fn the_plan_is_printed_and_nothing_is_done() {
    let site = Site::new("{ name: 'web', packages: ['nginx'], users: ['op'], setup_commands: ['false'] }");
    let mut plan = Command::new("unshare");
    plan.arg("--net")
        .arg(genpack())
        .arg("build")
        .arg(site.path("blueprint"))
        .arg("--plan");
    plan.env("TMPDIR", site.path("tmp"))
        .env("XDG_CACHE_HOME", site.path("cache"))
        .current_dir(site.path("out"));
    let said = Running::start(plan).finish();
    said.assert(0, &[]);
    let lines: Vec<_> = said.stdout.lines().collect();
    assert_eq!(lines.len(), 7, "{lines:?}");
    assert!(
        lines[0].starts_with("1. resolve ") && lines[0].ends_with(" packages of debian:trixie"),
        "{lines:?}"
    );
    let customise = "customise: genpack's own files, 1 user, files/, 1 setup command";
    assert!(lines.iter().any(|line| line.ends_with(customise)), "{lines:?}");
    assert!(said.stderr.is_empty() && fs::metadata(site.path("cache")).is_err());
    site.assert_untouched();
}
