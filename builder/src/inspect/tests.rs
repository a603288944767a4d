//! Reports about small images, as a person sees them. `GENPACK_BLESS=1` writes the expected texts anew.

use std::path::Path;

use serde_json::json;

use super::*;
use crate::image::tests::{disk_image, system_image};
use crate::squashfs::Compression;

const UNIT: &str = "[Unit]\nWants=other.service\n[Service]\nExecStart=/usr/sbin/web\n";

/// The files of a small system with packages.
pub fn files(version: &str) -> Vec<(String, String)> {
    let image = json!({
        "name": "web", "profile": "kvm", "base": "debian:trixie", "kernel": "6.12.1", "epoch": 1_767_225_600,
    });
    let package = |name: &str, version: &str, licences: &[&str], reason, files| {
        json!({
            "name": name, "version": version, "arch": "amd64", "source": name, "source_version": version,
            "maintainer": "A <a@b>", "summary": "s", "licences": licences, "reason": reason, "depends": [], "files": files,
        })
    };
    let contents = json!({
        "packages": [
            package("libweb", "1.0-1", &[], json!({ "dependency": "web" }), json!({ "usr/lib": ["libweb.so"] })),
            package("ssh", "1:10-2", &["MIT", "ISC"], json!("asked"), json!({
                "usr/lib/systemd/system": ["ssh.service"], "etc/ssh": ["sshd_config"],
            })),
            package("web", version, &["MIT"], json!("asked"), json!({
                "usr/sbin": ["web"],
                "usr/lib/systemd/system": ["web.service", "web.socket", "other.service", "unused.service", "tty@.service"],
            })),
        ],
        "own_files": { "etc": ["own"] },
        "blueprint_files": { "srv": ["page.html"] },
    });
    let facts = json!({ "settings": [
        { "name": "web", "keys": [{ "name": "greeting", "type": "string", "default": "It works." }] },
    ] });
    [
        ("usr/lib/genpack/image.json", image.to_string()),
        ("usr/lib/genpack/packages.json", contents.to_string()),
        ("usr/lib/genpack/facts.json", facts.to_string()),
        (
            "usr/lib/os-release",
            "PRETTY_NAME=\"Debian GNU/Linux 13 (trixie)\"\n".into(),
        ),
        ("usr/lib/libweb.so", "l".repeat(300_000)),
        ("usr/sbin/web", "w".repeat(200_000)),
        ("etc/own", String::new()),
        ("srv/page.html", "<p>".into()),
        ("etc/ssh/sshd_config", "# Port 1\nPort 2022\n".into()),
        (
            "usr/lib/systemd/system/default.target",
            "-> multi-user.target".into(),
        ),
        (
            "usr/lib/systemd/system/multi-user.target",
            "[Unit]\nRequires=sockets.target\n".into(),
        ),
        ("usr/lib/systemd/system/sockets.target", String::new()),
        (
            "usr/lib/systemd/system/sockets.target.wants/web.socket",
            "-> ../web.socket".into(),
        ),
        (
            "usr/lib/systemd/system/web.socket",
            "[Socket]\nListenStream=80\nListenStream=/run/web\n".into(),
        ),
        (
            "etc/systemd/system/web.socket.d/port.conf",
            "[Socket]\nListenStream=\nListenStream=[::1]:8080\nListenDatagram=53\n".into(),
        ),
        ("usr/lib/systemd/system/web.service", UNIT.into()),
        ("usr/lib/systemd/system/other.service", "[Service]\n".into()),
        ("usr/lib/systemd/system/unused.service", "[Service]\n".into()),
        ("usr/lib/systemd/system/ssh.service", "[Service]\n".into()),
        (
            "usr/lib/systemd/system/tty@.service",
            "[Unit]\nWants=inner@%i.service\n".into(),
        ),
        ("usr/lib/systemd/system/inner@.service", "[Service]\n".into()),
        ("usr/lib/systemd/system/masked.service", "[Service]\n".into()),
        ("etc/systemd/system/masked.service", "-> /dev/null".into()),
        (
            "etc/systemd/system/multi-user.target.wants/masked.service",
            "-> /usr/lib/systemd/system/masked.service".into(),
        ),
        (
            "etc/systemd/system/multi-user.target.wants/web.service",
            "-> /usr/lib/systemd/system/web.service".into(),
        ),
        (
            "etc/systemd/system/multi-user.target.wants/sshd.service",
            "-> /usr/lib/systemd/system/ssh.service".into(),
        ),
        (
            "etc/systemd/system/sshd.service",
            "-> /usr/lib/systemd/system/ssh.service".into(),
        ),
        (
            "etc/systemd/system/multi-user.target.wants/tty@one.service",
            "-> /usr/lib/systemd/system/tty@.service".into(),
        ),
    ]
    .map(|(path, text)| (path.to_string(), text))
    .to_vec()
}

/// Opens a disk image of such files.
pub fn open(folder: &Path, files: &[(String, String)], card: &[(&str, &str)]) -> Image {
    let files: Vec<_> = files
        .iter()
        .map(|(path, text)| (path.as_str(), text.as_str()))
        .collect();
    let system = system_image(folder, &files, Compression::Zstd(3));
    let disk = folder.join("disk.img");
    disk_image(&system, card, &disk);
    Image::open(&disk).unwrap()
}

/// Compares with a file beside this one.
pub fn assert_golden(folder: &str, name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("src/{folder}/golden/{name}.txt"));
    if std::env::var_os("GENPACK_BLESS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        text,
        expected,
        "{} differs; GENPACK_BLESS=1 writes it anew",
        path.display()
    );
    let widest = text.lines().map(str::len).max().unwrap_or_default();
    assert!(widest <= 100, "a line of {widest} columns");
}

#[test]
fn a_report_for_people() {
    let dir = tempfile::tempdir().unwrap();
    let image = open(dir.path(), &files("2.0-1"), &[("system.ini", "")]);
    let mut report = Report::of(&image).unwrap();
    // Depends on the version of the compressor.
    report.size.system_packed = 4096;
    let card = report.size.card.as_mut().unwrap();
    card.slots
        .get_mut("a")
        .unwrap()
        .insert("system.img".into(), 200 << 10);
    card.free = 319 << 20;
    assert_golden("inspect", "declared", &text::text(&report));
    report.measured_ports = Some(vec![ports::Port {
        protocol: "tcp".into(),
        port: 80,
        address: "*".into(),
        unit: "web.service".into(),
        process: "web".into(),
    }]);
    assert_golden("inspect", "measured", &text::text(&report));
}

#[test]
fn an_image_of_somebody_elses_has_a_report() {
    let dir = tempfile::tempdir().unwrap();
    let path = system_image(dir.path(), &[("usr/bin/x", "x")], Compression::Zstd(1));
    let report = Report::of(&Image::open(&path).unwrap()).unwrap();
    assert!(report.packages.is_none() && report.image.is_none() && report.size.card.is_none());
    let text = text::text(&report);
    assert!(text.contains("An image that genpack did not make"), "{text}");
    assert!(text.contains("The image has no list of its packages"), "{text}");
}

#[test]
fn units_are_followed_through_aliases_templates_and_masks() {
    let dir = tempfile::tempdir().unwrap();
    let image = open(dir.path(), &files("2.0-1"), &[]);
    let found = units::at_start(&image.system).unwrap();
    let names: Vec<_> = found.iter().map(|unit| unit.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "inner@one.service",
            "multi-user.target",
            "other.service",
            "sockets.target",
            "ssh.service",
            "tty@one.service",
            "web.service",
            "web.socket",
        ]
    );
    let socket = found.last().unwrap();
    assert_eq!(socket.list("ListenStream"), ["[::1]:8080"]);
}

#[test]
fn templates_that_want_ever_longer_names_have_an_end() {
    let started = |wants: &str| {
        let dir = tempfile::tempdir().unwrap();
        let files = [
            (
                "usr/lib/systemd/system/default.target",
                "[Unit]\nWants=a@x.service\n".to_string(),
            ),
            (
                "usr/lib/systemd/system/a@.service",
                format!("[Unit]\nWants={wants}\n"),
            ),
        ];
        let files = files.map(|(path, text)| (path.to_string(), text));
        units::at_start(&open(dir.path(), &files, &[]).system).map(|units| units.len())
    };
    // `default.target`, and names of 11 to 255 bytes.
    assert_eq!(started("a@%ix.service").unwrap(), 1 + 245);
    let error = started("a@%ix.service a@%iy.service").unwrap_err();
    assert!(
        error.to_string().contains("does a template want longer names"),
        "{error}"
    );
}
