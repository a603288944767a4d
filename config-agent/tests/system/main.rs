//! A change of settings in a running system, with systemd's own hostnamed, timedated and localed on a bus of their own.

// Clippy's exception for tests covers the functions marked as such, and these are called by those.
#![allow(clippy::unwrap_used)]

mod machine;

use std::fs;
use std::path::Path;

use genpack_config_agent::{Paths, system};
use genpack_spec::report::{BootReport, Severity};
use genpack_spec::settings::Settings;
use genpack_spec::text::Text;

use machine::Machine;

fn settings(json: &str) -> Settings {
    serde_json::from_str(json).unwrap()
}

fn boot() -> BootReport {
    serde_json::from_str(
        r#"{"image": {"name": "test", "profile": "kvm", "base": "debian:trixie", "kernel": "6.12", "epoch": 0},
            "slot": "a", "hostname": "test-123456", "default_hostname": "test-123456", "timezone": "UTC",
            "file": {"state": "missing"}, "diagnostics": [], "notices": [], "timings": []}"#,
    )
    .unwrap()
}

const NEW: &str = r#"{"system": {"hostname": "kitchen.example.org", "timezone": "Asia/Tokyo", "locale": "C.UTF-8",
        "keyboard": "us-intl"},
    "ssh": {"keys": ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ me"]},
    "time": {"ntp": ["ntp.example.org"]}}"#;

fn kernel_hostname() -> String {
    nix::unistd::gethostname().unwrap().into_string().unwrap()
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// Everything that `NEW` changes.
fn has_new() -> bool {
    assert_eq!(kernel_hostname(), "kitchen.example.org");
    assert_eq!(read("/etc/hostname"), "kitchen.example.org\n");
    assert!(read("/etc/hosts").contains("127.0.1.1 kitchen.example.org kitchen\n"));
    assert!(fs::read_link("/etc/localtime").unwrap().ends_with("Asia/Tokyo"));
    assert_eq!(read("/etc/locale.conf"), "LANG=C.UTF-8\n");
    assert!(read("/etc/default/keyboard").contains("XKBVARIANT=\"intl\"\n"));
    assert!(read("/run/genpack/ssh/authorized_keys.d/root").ends_with(" me\n"));
    assert_eq!(
        read("/run/systemd/timesyncd.conf.d/50-genpack.conf"),
        "[Time]\nNTP=ntp.example.org\n"
    );
    true
}

/// Everything as it was.
fn has_old() -> bool {
    assert_eq!(kernel_hostname(), "test-123456");
    assert_eq!(read("/etc/hostname"), "test-123456\n");
    assert!(read("/etc/hosts").contains("127.0.1.1 test-123456\n"));
    assert!(
        fs::read_link("/etc/localtime")
            .unwrap()
            .ends_with("Europe/Berlin")
    );
    assert_eq!(read("/etc/locale.conf"), "LANG=de_DE.UTF-8\n");
    assert!(read("/etc/default/keyboard").contains("XKBLAYOUT=\"de\""));
    for gone in [
        "/run/genpack/ssh/authorized_keys.d/root",
        "/run/systemd/timesyncd.conf.d/50-genpack.conf",
    ] {
        assert!(!Path::new(gone).exists(), "{gone}");
    }
    true
}

/// There is no systemd on this bus; of that alone the outcome may complain.
fn complaints(outcome: &system::Outcome) -> Vec<String> {
    let wrong = outcome
        .notices
        .iter()
        .filter(|notice| notice.severity == Severity::Error);
    let said = wrong.map(|notice| Text::english(&notice.text));
    said.filter(|text| !text.contains("service manager")).collect()
}

#[test]
fn systemds_services_are_told_and_the_files_are_ours() {
    Machine::run(async |machine| {
        machine
            .service("systemd-hostnamed", "org.freedesktop.hostname1")
            .await;
        machine
            .service("systemd-timedated", "org.freedesktop.timedate1")
            .await;
        machine
            .service("systemd-localed", "org.freedesktop.locale1")
            .await;
        let paths = Paths::below("/");
        let (old, new) = (settings("{}"), settings(NEW));
        let outcome = system::apply(machine.bus(), &paths, &boot(), &old, &new).await;
        assert!(complaints(&outcome).is_empty() && has_new(), "{outcome:?}");
        assert_eq!(
            machine.property("hostname1", "StaticHostname").await,
            "\"kitchen.example.org\""
        );
        assert_eq!(machine.property("timedate1", "Timezone").await, "\"Asia/Tokyo\"");
        assert_eq!(machine.property("locale1", "Locale").await, "[\"LANG=C.UTF-8\"]");
        assert_eq!(machine.property("locale1", "X11Variant").await, "\"intl\"");

        let outcome = system::apply(machine.bus(), &paths, &boot(), &new, &old).await;
        assert!(complaints(&outcome).is_empty() && has_old(), "{outcome:?}");
        assert_eq!(
            machine.property("hostname1", "StaticHostname").await,
            "\"test-123456\""
        );
        assert_eq!(
            machine.property("timedate1", "Timezone").await,
            "\"Europe/Berlin\""
        );
    });
}

#[test]
fn without_them_the_files_and_the_kernel_say_it_all_the_same() {
    Machine::run(async |machine| {
        let paths = Paths::below("/");
        let (old, new) = (settings("{}"), settings(NEW));
        let outcome = system::apply(machine.bus(), &paths, &boot(), &old, &new).await;
        assert!(complaints(&outcome).is_empty() && has_new(), "{outcome:?}");
        assert_eq!(outcome.services[0].unit.as_str(), "systemd-timesyncd.service");
        let report = system::report(&boot(), &new, &outcome);
        assert_eq!(report.hostname.as_str(), "kitchen.example.org");
        let outcome = system::apply(machine.bus(), &paths, &boot(), &new, &old).await;
        assert!(complaints(&outcome).is_empty() && has_old(), "{outcome:?}");
    });
}

#[test]
fn nothing_is_asked_when_nothing_differs() {
    Machine::run(async |machine| {
        let paths = Paths::below("/");
        let new = settings(NEW);
        system::apply(machine.bus(), &paths, &boot(), &settings("{}"), &new).await;
        // With a service that answers nothing a question would wait for its time limit.
        let silent = machine.silent("org.freedesktop.hostname1").await;
        let before = machine.changes();
        let outcome = system::apply(machine.bus(), &paths, &boot(), &new, &new).await;
        assert!(complaints(&outcome).is_empty() && has_new(), "{outcome:?}");
        assert_eq!(machine.changes(), before, "no file was written");
        drop(silent);
    });
}
