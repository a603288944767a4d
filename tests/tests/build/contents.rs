//! What is in an image, and what `genpack inspect` and `genpack diff` say about it.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use genpack_tests::genpack;
use serde_json::Value;
use tempfile::TempDir;

use crate::site::{beside, tiny_image};

fn run(program: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(program);
    command.args(arguments).output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

fn inspected() -> Value {
    let output = run(
        genpack().to_str().unwrap(),
        &["inspect", "--json", tiny_image().to_str().unwrap()],
    );
    assert!(output.status.success(), "{}", said(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The system of the image, unpacked by somebody else's tools.
fn system() -> TempDir {
    let folder = tempfile::tempdir_in("/var/tmp").unwrap();
    let [packed, root] = ["system.img", "root"].map(|name| folder.path().join(name).display().to_string());
    let card = format!("{}@@1M", tiny_image().display());
    for output in [
        run("mcopy", &["-i", &card, "::boot/a/system.img", &packed]),
        run("unsquashfs", &["-quiet", "-no-progress", "-dest", &root, &packed]),
    ] {
        assert!(output.status.success(), "{}", said(&output));
    }
    folder
}

#[test]
fn the_package_manager_is_out_and_nothing_misses_it() {
    let folder = system();
    let root = folder.path().join("root");
    for gone in [
        "etc/apt",
        "usr/bin/apt",
        "usr/bin/debconf",
        "usr/bin/dpkg",
        "usr/bin/perl",
        "usr/share/man",
        "var/lib/apt",
        "var/lib/dpkg/info",
    ] {
        assert!(
            fs::symlink_metadata(root.join(gone)).is_err(),
            "/{gone} is in the image"
        );
    }
    // The dynamic loader's own opinion.
    let script = "for f in /usr/bin/* /usr/sbin/*; do ldd \"$f\" 2>/dev/null | grep 'not found' && echo \"$f\"; done; ldd /usr/bin/fping";
    let output = run("chroot", &[root.to_str().unwrap(), "/bin/bash", "-c", script]);
    let said = said(&output);
    assert!(said.contains("libc.so.6 => "), "{said}");
    assert!(!said.contains("not found"), "{said}");
    // Scanners find here what is there.
    let status = fs::read_to_string(root.join("var/lib/dpkg/status")).unwrap();
    assert!(status.contains("Package: fping\n") && !status.contains("Package: apt\n"));
    assert!(
        status.contains("Package: linux-image-"),
        "the kernel is not in the list"
    );
    assert!(root.join("usr/share/doc/fping/copyright").is_file());
}

#[test]
fn the_bills_of_materials_are_in_the_image_and_beside_it() {
    let folder = system();
    for (inside, ending) in [("sbom.cdx.json", ".cdx.json"), ("sbom.spdx.json", ".spdx.json")] {
        let inside = fs::read_to_string(folder.path().join("root/usr/lib/genpack").join(inside)).unwrap();
        assert_eq!(inside, fs::read_to_string(beside(tiny_image(), ending)).unwrap());
        assert!(inside.contains("pkg:deb/debian/fping@"), "{inside}");
        assert!(inside.contains("pkg:deb/debian/linux-image-"), "{inside}");
        assert!(!inside.contains("pkg:deb/debian/apt@"), "{inside}");
    }
}

#[test]
fn inspect_says_what_is_in() {
    let report = inspected();
    let packages = report["packages"].as_array().unwrap();
    let of = |name: &str| packages.iter().find(|package| package["name"] == name);
    let fping = of("fping").unwrap();
    assert_eq!(fping["reason"], "asked");
    assert!(fping["bytes"].as_u64().unwrap() > 10_000, "{fping}");
    assert!(of("apt").is_none() && of("perl-base").is_none());
    assert_eq!(
        (&report["image"]["name"], &report["image"]["profile"]),
        (&"tiny".into(), &"kvm".into())
    );
    assert!(
        report["size"]["card"]["slots"]["a"]["system.img"].as_u64()
            == report["size"]["system_packed"].as_u64()
    );
    let services = report["units"]["service"].as_array().unwrap();
    assert!(
        services
            .iter()
            .any(|unit| unit["name"] == "genpack-config-agent.service"),
        "{services:?}"
    );
    assert_eq!(report["declared_ports"].as_array().unwrap().len(), 0);
    // Every file belongs to somebody, and sizes add up.
    let sum: u64 = packages
        .iter()
        .filter_map(|package| package["bytes"].as_u64())
        .sum();
    assert_eq!(Some(sum), report["size"]["system"].as_u64());
}

#[test]
fn diff_ends_as_diff_does() {
    let image = tiny_image().to_str().unwrap();
    let genpack = genpack();
    let diff = |other: &Path| {
        run(
            genpack.to_str().unwrap(),
            &["diff", image, other.to_str().unwrap()],
        )
    };
    let same = diff(tiny_image());
    assert_eq!((same.status.code(), said(&same).as_str()), (Some(0), ""));

    let folder = tempfile::tempdir_in("/var/tmp").unwrap();
    let [changed, settings] = ["disk.img", "system.ini"].map(|name| folder.path().join(name));
    fs::copy(tiny_image(), &changed).unwrap();
    fs::write(&settings, "[system]\r\n").unwrap();
    let card = format!("{}@@1M", changed.display());
    assert!(
        run(
            "mcopy",
            &["-o", "-i", &card, settings.to_str().unwrap(), "::system.ini"]
        )
        .status
        .success()
    );
    let different = diff(&changed);
    assert_eq!(different.status.code(), Some(1));
    assert!(
        said(&different).starts_with("Card\n  * system.ini\n"),
        "{}",
        said(&different)
    );

    let trouble = diff(&settings);
    assert_eq!(trouble.status.code(), Some(2));
    assert!(
        said(&trouble).contains("is neither a disk image of genpack's nor a system.img"),
        "{}",
        said(&trouble)
    );
}
