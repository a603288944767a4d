//! A small tree with dpkg's data, and what stays of it.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use tempfile::TempDir;

use super::*;

/// A package: its name with `!` when it is essential, what it depends on, and its files.
struct Fake(
    &'static str,
    &'static str,
    &'static [(&'static str, &'static str)],
);

const UNIT: &str = "[Service]\nExecStart=/usr/sbin/web\nExecStop=-/sbin/start-stop-daemon --stop\n";
const COPYRIGHT: &str = "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\nFiles: *\nLicense: Expat\n";

const PACKAGES: [Fake; 8] = [
    Fake(
        "web",
        "libweb, debconf, init-system-helpers",
        &[
            ("usr/sbin/web", "#!/bin/sh\n"),
            ("usr/lib/systemd/system/web.service", UNIT),
            ("etc/init.d/web", "#!/bin/sh\nstart-stop-daemon --start\n"),
            ("usr/share/man/man8/web.8.gz", ""),
            ("usr/share/doc/web/copyright", COPYRIGHT),
        ],
    ),
    Fake("libweb", "", &[("usr/lib/libweb.txt", "")]),
    Fake("dash!", "", &[("usr/bin/dash", "")]),
    Fake(
        "dpkg!",
        "",
        &[
            ("usr/bin/dpkg", ""),
            ("usr/bin/update-alternatives", ""),
            ("usr/sbin/start-stop-daemon", ""),
            ("usr/share/doc/dpkg/copyright", COPYRIGHT),
            ("etc/cron.daily/dpkg", "#!/bin/sh\n"),
        ],
    ),
    Fake(
        "apt",
        "",
        &[
            ("usr/bin/apt", ""),
            ("usr/lib/systemd/system/apt-daily.timer", "[Timer]\n"),
            ("etc/apt/apt.conf.d/01autoremove", ""),
        ],
    ),
    Fake("perl-base!", "", &[("usr/bin/perl", "")]),
    Fake(
        "debconf",
        "perl-base",
        &[("usr/bin/debconf", "#!/usr/bin/perl\n")],
    ),
    Fake("compiler", "libcompiler", &[("usr/bin/cc", "")]),
];

fn write(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

fn link(root: &Path, path: &str, to: &str) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    symlink(to, path).unwrap();
}

fn tree() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    let mut status = String::new();
    for Fake(name, depends, files) in PACKAGES {
        let essential = if name.ends_with('!') {
            "Essential: yes\n"
        } else {
            ""
        };
        let name = name.trim_end_matches('!');
        status += &format!(
            "Package: {name}\nStatus: install ok installed\nVersion: 1-1\nArchitecture: all\n{essential}Depends: {depends}\n\n"
        );
        let list: String = files.iter().map(|(path, _)| format!("/{path}\n")).collect();
        write(
            root,
            &format!("var/lib/dpkg/info/{name}.list"),
            &format!("/.\n/usr\n/usr/bin\n{list}"),
        );
        write(
            root,
            &format!("var/lib/dpkg/info/{name}.postinst"),
            "#!/usr/bin/perl\n",
        );
        for (path, text) in files {
            write(root, path, text);
        }
    }
    write(root, "var/lib/dpkg/status", &status);
    write(root, "var/lib/apt/extended_states", "");
    for (path, to) in [
        ("bin", "usr/bin"),
        ("sbin", "usr/sbin"),
        ("usr/bin/sh", "dash"),
        (
            "etc/systemd/system/timers.target.wants/apt-daily.timer",
            "/usr/lib/systemd/system/apt-daily.timer",
        ),
        ("etc/systemd/system/apt-daily.timer", "/dev/null"),
        ("etc/systemd/system/other.timer", "/dev/null"),
        ("etc/rc2.d/S01web", "../init.d/web"),
        ("etc/alternatives/cc", "/usr/bin/cc"),
        ("usr/bin/c99", "/etc/alternatives/cc"),
    ] {
        link(root, path, to);
    }
    dir
}

/// Removes what is not needed, and returns the files and links that are left.
fn left(root: &Path, asked: &[&str], files: Option<&Path>) -> (Vec<String>, Contents) {
    let packages: Vec<_> = asked.iter().map(ToString::to_string).collect();
    let wanted = Wanted {
        packages: &packages,
        files,
    };
    let contents = remove_unneeded(root, &wanted).unwrap();
    let mut left = Vec::new();
    let mut todo = vec![root.to_path_buf()];
    while let Some(folder) = todo.pop() {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            match entry.file_type().unwrap().is_dir() {
                true => todo.push(entry.path()),
                false => left.push(entry.path().strip_prefix(root).unwrap().display().to_string()),
            }
        }
    }
    left.sort();
    (left, contents)
}

fn names(contents: &Contents) -> Vec<&str> {
    contents
        .packages
        .iter()
        .map(|entry| entry.name.as_str())
        .collect()
}

#[test]
fn only_what_the_device_needs_stays() {
    let dir = tree();
    let (left, contents) = left(dir.path(), &["web"], None);
    assert_eq!(
        left,
        [
            "bin",
            "etc/systemd/system/other.timer",
            "sbin",
            "usr/bin/dash",
            "usr/bin/sh",
            "usr/lib/libweb.txt",
            "usr/lib/systemd/system/web.service",
            "usr/sbin/start-stop-daemon",
            "usr/sbin/web",
            "usr/share/doc/dpkg/copyright",
            "usr/share/doc/web/copyright",
            "var/lib/dpkg/status",
        ]
    );
    assert_eq!(names(&contents), ["dash", "dpkg", "libweb", "web"]);
    let dpkg = &contents.packages[1];
    assert!(dpkg.part);
    assert_eq!(
        dpkg.reason,
        Reason::UsedBy("/usr/lib/systemd/system/web.service".into())
    );
    let web = &contents.packages[3];
    assert_eq!(
        (web.reason.clone(), web.licences.first().unwrap().as_str()),
        (Reason::Asked, "MIT")
    );
    assert_eq!(web.depends.iter().collect::<Vec<_>>(), ["libweb"]);
    // What scanners read names what is there, and nothing else.
    let status = fs::read_to_string(dir.path().join("var/lib/dpkg/status")).unwrap();
    let named: Vec<_> = status
        .lines()
        .filter_map(|line| line.strip_prefix("Package: "))
        .collect();
    assert_eq!(named, names(&contents));
    // Folders of what is gone are gone, and others stay though they are empty.
    assert!(!dir.path().join("etc/apt").exists() && dir.path().join("usr/bin").is_dir());
}

#[test]
fn whoever_asks_for_the_package_manager_gets_it_whole() {
    let dir = tree();
    let (left, contents) = left(dir.path(), &["apt"], None);
    assert_eq!(names(&contents), ["apt", "dash", "dpkg", "perl-base"]);
    for path in [
        "var/lib/dpkg/info/dpkg.postinst",
        "var/lib/apt/extended_states",
        "etc/systemd/system/apt-daily.timer",
        "usr/bin/update-alternatives",
    ] {
        assert!(left.iter().any(|file| file == path), "{path} is not in {left:#?}");
    }
    assert!(
        !left.iter().any(|file| file.starts_with("var/lib/dpkg/info/web.")),
        "{left:#?}"
    );
}

#[test]
fn a_script_of_the_developers_keeps_what_it_runs() {
    let dir = tree();
    write(
        dir.path(),
        "usr/local/bin/report",
        "#!/usr/bin/env perl\nprint 1;\n",
    );
    write(
        dir.path(),
        "usr/local/bin/compile",
        "#!/bin/sh\nset -e\nif c99 -o x x.c; then ./x; fi\n",
    );
    let (left, contents) = left(dir.path(), &["web"], None);
    assert_eq!(
        names(&contents),
        ["compiler", "dash", "dpkg", "libweb", "perl-base", "web"]
    );
    let reason = |name: &str| {
        contents
            .packages
            .iter()
            .find(|entry| entry.name == name)
            .unwrap()
            .reason
            .clone()
    };
    assert_eq!(
        reason("perl-base"),
        Reason::UsedBy("/usr/local/bin/report".into())
    );
    assert_eq!(
        reason("compiler"),
        Reason::UsedBy("/usr/local/bin/compile".into())
    );
    assert!(left.iter().any(|file| file == "etc/alternatives/cc"), "{left:#?}");
}

#[test]
fn a_library_stays_for_a_program_that_was_built_with_it() {
    let dir = tree();
    let status = dir.path().join("var/lib/dpkg/status");
    let mut text = fs::read_to_string(&status).unwrap();
    text += "Package: libbuilt\nStatus: install ok installed\nVersion: 1\nArchitecture: all\n";
    fs::write(status, text).unwrap();
    write(
        dir.path(),
        "var/lib/dpkg/info/libbuilt.list",
        "/usr/lib/libc.so.6\n",
    );
    write(dir.path(), "usr/lib/libc.so.6", "");
    fs::create_dir_all(dir.path().join("usr/local/bin")).unwrap();
    // A real program, which says itself that it needs libc.so.6.
    fs::copy("/bin/true", dir.path().join("usr/local/bin/built")).unwrap();
    let (_, contents) = left(dir.path(), &["web"], None);
    let built = contents
        .packages
        .iter()
        .find(|entry| entry.name == "libbuilt")
        .unwrap();
    assert_eq!(built.reason, Reason::UsedBy("/usr/local/bin/built".into()));
}

#[test]
fn files_of_the_blueprint_stay() {
    let dir = tree();
    let own = tempfile::tempdir().unwrap();
    for path in [
        "etc/apt/apt.conf.d/01autoremove",
        "usr/share/man/man8/web.8.gz",
        "etc/cron.daily/dpkg",
    ] {
        write(own.path(), path, "");
    }
    let (left, _) = left(dir.path(), &["web"], Some(own.path()));
    for path in [
        "etc/apt/apt.conf.d/01autoremove",
        "usr/share/man/man8/web.8.gz",
        "etc/cron.daily/dpkg",
    ] {
        assert!(left.iter().any(|file| file == path), "{path} is not in {left:#?}");
    }
}

#[test]
fn a_tree_of_no_packages_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "usr/share/man/x", "");
    let (left, contents) = left(dir.path(), &["web"], None);
    assert_eq!(
        (left.as_slice(), contents),
        (["usr/share/man/x".to_string()].as_slice(), Contents::default())
    );
}

#[test]
fn a_containers_files_are_its_own() {
    let dir = tree();
    let container = "usr/lib/genpack/container";
    write(
        dir.path(),
        &format!("{container}/usr/sbin/adduser"),
        "#!/usr/bin/perl\n",
    );
    link(
        dir.path(),
        &format!("{container}/etc/alternatives/awk"),
        "/usr/bin/debconf",
    );
    let (left, contents) = left(dir.path(), &["web"], None);
    assert!(!names(&contents).contains(&"perl-base"), "{:?}", names(&contents));
    for path in ["usr/sbin/adduser", "etc/alternatives/awk"] {
        assert!(
            left.contains(&format!("{container}/{path}")),
            "{path} is not in {left:#?}"
        );
    }
}
