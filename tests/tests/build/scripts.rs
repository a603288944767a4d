//! `files/build.d/`, `buildtime_packages`, and several images of one blueprint.

use std::fs;
use std::path::Path;
use std::process::Command;

use genpack_tests::genpack;

use crate::site::{EPOCH, Running, Site, shared_cache, tiny, tiny_image};

fn script(site: &Site, name: &str, text: &str) {
    let path = site.path("blueprint/files/build.d").join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// Returns the text of a file of an image, and whether the image has a path.
fn looking_into(image: &Path, folder: &Path) -> impl Fn(&str) -> Option<String> + use<> {
    let system = folder.join("system.img");
    let mut copy = Command::new("mcopy");
    copy.arg("-o").arg("-i").arg(format!("{}@@1M", image.display()));
    copy.arg("::/boot/a/system.img").arg(&system);
    assert!(copy.status().unwrap().success());
    let root = folder.join("root");
    let unpacked = Command::new("unsquashfs")
        .args(["-no-progress", "-quiet", "-no-xattrs", "-dest"])
        .arg(&root)
        .arg(&system)
        .output()
        .unwrap();
    assert!(unpacked.status.success(), "{unpacked:?}");
    move |path| fs::read_to_string(root.join(path)).ok()
}

#[test]
fn scripts_run_in_order_as_whom_they_are_for_and_leave_only_what_they_made() {
    tiny_image();
    let site = Site::new(&tiny(
        "compression: 'zstd:1', buildtime_packages: ['rsync'], users: ['op'],\n\
         variants: { small: {} }, default_variant: 'small',\n\
         setup_commands: ['test ! -e /build.d', 'sleep 9000 &', 'echo commands >> /etc/order']",
    ));
    script(
        &site,
        "20-second.sh",
        "echo second $ARTIFACT $VARIANT $PROFILE $ARCH >> /etc/order; chmod 640 /etc/order",
    );
    script(
        &site,
        "10-first.sh",
        "rsync --version | head -n 1 | cut -d ' ' -f 1 > /etc/order; rm /etc/fping-gone",
    );
    script(
        &site,
        "op/own.sh",
        "id -un > $HOME/who; echo $HOME >> $HOME/who; pwd >> $HOME/who",
    );
    fs::create_dir_all(site.path("blueprint/files/etc")).unwrap();
    fs::write(site.path("blueprint/files/etc/fping-gone"), "").unwrap();
    Running::start(site.build()).finish().assert(
        0,
        &[
            "3 scripts",
            "'sleep 9000 &' has left ",
            " running, which was ended",
        ],
    );
    let text = looking_into(&site.image(), &site.path("tmp"));
    assert_eq!(
        text("etc/order").unwrap(),
        "rsync\nsecond tiny small kvm x86_64\ncommands\n"
    );
    assert_eq!(text("home/op/who").unwrap(), "op\n/home/op\n/\n");
    // The day of the password is not today's.
    let day = format!("\nop:!:{}:", EPOCH.parse::<u64>().unwrap() / 86400);
    let shadow = text("etc/shadow").unwrap();
    assert!(shadow.contains(&day), "{shadow}");
    for absent in [
        "usr/bin/rsync",
        "build.d/10-first.sh",
        "etc/fping-gone",
        "usr/share/doc/rsync/copyright",
    ] {
        assert!(!site.path("tmp/root").join(absent).exists(), "{absent}");
    }
    assert!(
        !text("var/lib/dpkg/status")
            .unwrap_or_default()
            .contains("Package: rsync\n")
    );
}

#[test]
fn a_script_that_fails_is_shown_with_its_name_status_and_last_words() {
    tiny_image();
    let site = Site::new(&tiny(""));
    script(&site, "50-broken.sh", "seq 100; echo why >&2; exit 7");
    let said = Running::start(site.build()).finish();
    said.assert(
        1,
        &[
            "running files/build.d/50-broken.sh",
            "exit status: 7",
            "\n    100\n",
            "\n    why\n",
        ],
    );
    site.assert_untouched();
}

#[test]
fn a_script_that_installs_packages_is_an_error() {
    tiny_image();
    let site = Site::new(&tiny("buildtime_packages: ['rsync']"));
    script(&site, "1.sh", "printf 'Package: x\\n' >> /var/lib/dpkg/status");
    let said = Running::start(site.build()).finish();
    said.assert(
        2,
        &["a script installed or removed packages", "buildtime_packages:"],
    );
    site.assert_untouched();
}

#[test]
fn a_program_whose_libraries_only_the_scripts_had_is_an_error() {
    tiny_image();
    let site = Site::new(&tiny("buildtime_packages: ['rsync']"));
    script(&site, "1.sh", "cp /usr/bin/rsync /usr/local/bin/copied");
    let said = Running::start(site.build()).finish();
    said.assert(
        2,
        &[
            "a script made /usr/local/bin/copied, which needs libpopt.so.0,",
            "name libpopt0 in packages:",
        ],
    );
    site.assert_untouched();
}

#[test]
fn all_variants_are_built_and_summed_up() {
    tiny_image();
    let site = Site::new(&tiny(
        "compression: 'zstd:1', setup_commands: ['setcap cap_net_admin=ep /usr/bin/env'],\n\
         variants: { one: {}, bad: { setup_commands: ['false'] } }",
    ));
    let mut all = Command::new(genpack());
    all.arg("build")
        .arg(site.path("blueprint"))
        .args(["--all", "--profile", "kvm"]);
    all.arg("-o").arg(site.path("out"));
    all.env("TMPDIR", site.path("tmp"))
        .env("XDG_CACHE_HOME", shared_cache());
    let said = Running::start(all).finish();
    said.assert(
        1,
        &[
            "(1/3) -/kvm/x86_64",
            "(3/3) bad/kvm/x86_64",
            "running the setup command \"false\"",
            "built ",
            "failed ",
        ],
    );
    let mut names: Vec<_> = fs::read_dir(site.path("out"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".img"))
        .collect();
    names.sort();
    assert_eq!(names, ["disk.img", "tiny-kvm.img", "tiny-one-kvm.img"]);
    site.assert_clean();
}
