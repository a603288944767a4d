//! `base`: systems that are made from something else than packages, and what is no such thing.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::ordinary_user::{listing, system_img};
use crate::site::{Running, Site, shared_cache, tiny_image};

/// Returns a tar file with a whole system: the tree of [`tiny_image`], as packages have made it.
fn whole_system() -> PathBuf {
    tiny_image();
    let trees = fs::read_dir(shared_cache().join("genpack/trees"))
        .unwrap()
        .flatten();
    let has = |path: &PathBuf, file: &str| {
        let mut list = Command::new("tar");
        list.arg("--list").arg("--file").arg(path).arg(file);
        list.output().unwrap().status.success()
    };
    trees
        .map(|entry| entry.path())
        .find(|path| has(path, "./usr/sbin/fsck.fat") && has(path, "./usr/bin/fping"))
        .expect("the tree is in the cache")
}

#[test]
fn a_tar_file_becomes_an_image() {
    let tar = whole_system();
    let site = Site::new(
        "{ name: 'own', base: 'tar:root.tar.zst', compression: 'zstd:1', users: [{ name: 'op', uid: 1500 }], \
         setup_commands: ['touch /srv/made', 'chown op /srv/made'] }",
    );
    let packed = Command::new("zstd")
        .arg("-q1")
        .arg(&tar)
        .arg("-o")
        .arg(site.path("blueprint/root.tar.zst"))
        .status();
    assert!(packed.unwrap().success());
    let said = Running::start(site.build()).finish();
    said.assert(0, &["look at tar:root.tar.zst, and resolve the kernel's package"]);
    site.assert_clean();
    let list = listing(&system_img(&site.image(), &site.path("out")));
    let line = |file: &str| {
        let ending = format!(" squashfs-root/{file}");
        let found = list.lines().find(|line| {
            line.split(" -> ")
                .next()
                .is_some_and(|line| line.ends_with(&ending))
        });
        found.unwrap_or_else(|| panic!("no {file} in {list}")).to_string()
    };
    assert!(line("srv/made").contains(" 1500/0 "), "{}", line("srv/made"));
    assert!(line("usr/bin/fping").starts_with("-rwx"));
    for file in [
        "usr/lib/genpack/boot/vmlinuz",
        "usr/lib/genpack/genpack-config-agent",
        "usr/lib/genpack/fsck/ld.so",
    ] {
        line(file);
    }
    let manifest = fs::read(site.path("out/disk.img.manifest.json")).unwrap();
    let manifest: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
    assert_eq!(manifest["base_file"]["file"], "root.tar.zst");
    assert_eq!(manifest["base_file"]["sha256"].as_str().map(str::len), Some(64));
    let packages = manifest["packages"].as_array().unwrap();
    assert!(packages.iter().any(|package| package["name"] == "fping"));
    let again = Running::start(site.build()).finish();
    again.assert(0, &["nothing changed since the last build"]);
}

/// Builds a blueprint with `base`, after `script` has made what it names, in the blueprint's folder.
fn refuses(base: &str, script: &str, expected: &[&str]) {
    let site = Site::new(&format!("{{ name: 'own', base: '{base}' }}"));
    let made = Command::new("sh")
        .args(["-e", "-c", script])
        .current_dir(site.path("blueprint"))
        .status();
    assert!(made.unwrap().success());
    let said = Running::start(site.build()).finish();
    said.assert(2, expected);
    site.assert_untouched();
}

#[test]
fn a_base_that_is_not_there_is_named_at_once() {
    refuses(
        "tar:of-nowhere.tar",
        "",
        &[
            "genpack.json5:1:22]",
            "blueprint/of-nowhere.tar can't be read: No such file or directory",
        ],
    );
    refuses(
        "oci:of-nowhere",
        "",
        &["blueprint/of-nowhere can't be read: No such file or directory"],
    );
    refuses(
        "oci:files",
        "",
        &["blueprint/files: it is neither an OCI layout, which has an index.json"],
    );
}

#[test]
fn what_is_no_tar_file_is_told_so() {
    refuses(
        "tar:files",
        "",
        &["blueprint/files: it is a folder, and tar: names a file"],
    );
    refuses(
        "tar:root.tar.bz2",
        "printf 'BZh91AY' > root.tar.bz2",
        &["blueprint/root.tar.bz2: it is packed by bzip2; "],
    );
}

#[test]
fn a_tar_file_without_a_system_is_told_what_it_lacks() {
    refuses(
        "tar:root.tar.gz",
        "tar -czf root.tar.gz files",
        &[
            "blueprint/root.tar.gz: the system in it can't become an appliance; it lacks\n  /sbin/init",
            "\n  fsck.fat, which checks a card",
            "base: \"oci:PLACE\"",
        ],
    );
}

#[test]
fn a_hostile_or_damaged_tar_file_leaves_nothing() {
    refuses(
        "tar:root.tar",
        "tar -cPf root.tar --transform 's,^files,../../escaped,' files",
        &["\"../../escaped/\" can't be unpacked: its name leads out of the image"],
    );
    refuses(
        "tar:root.tar",
        "mknod node c 1 3; tar -cf root.tar node",
        &["\"node\" can't be unpacked: it is a device node"],
    );
    refuses(
        "tar:root.tar.gz",
        "head -c 1000000 /dev/urandom > big; tar -cz big | head -c 500000 > root.tar.gz",
        &["blueprint/root.tar.gz: it is damaged, or ends too early"],
    );
}
