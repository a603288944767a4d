//! The texts on a stick, each as a file to be read.

mod common;

use std::path::Path;

use genpack_spec::facts::Facts;
use genpack_spec::report::{BootReport, RunReport, SettingsFile};
use genpack_spec::status::result_txt;
use genpack_spec::system_ini::{Context, parse};
use genpack_spec::text;
use genpack_spec::text::{Language, Text};
use genpack_spec::types::Hostname;

const BAD_LINE: &[u8] = b"colour = blue\r\nhostname = kitchen\r\n";

fn boot(file: SettingsFile, content: &[u8]) -> BootReport {
    let default_hostname: Hostname = "web-123456".parse().expect("a valid name");
    let context = Context {
        default_hostname: &default_hostname,
        facts: &Facts::default(),
        machine: None,
    };
    let boot: BootReport = serde_json::from_str(
        r#"{"image": {"name": "web", "profile": "kvm", "base": "debian:trixie", "kernel": "6.12", "epoch": 1795996799},
            "slot": "a", "hostname": "kitchen", "timezone": "UTC", "file": {"state": "missing"}, "diagnostics": [],
            "notices": [], "timings": []}"#,
    )
    .expect("a report");
    BootReport {
        file,
        diagnostics: parse(content, &context).diagnostics,
        ..boot
    }
}

/// A device with one port, whose card holds last good settings.
fn run() -> RunReport {
    serde_json::from_str(
        r#"{"links": [{"name": "eth0", "mac": "52:54:00:12:34:56", "carrier": true, "method": "auto", "problems": [],
            "gateways": ["192.168.1.1"], "addresses": [{"address": "192.168.1.57/24", "origin": "dhcp"}]}],
            "dns": [], "services": [], "failed_units": [], "started": true, "notices": [],
            "last_good": {"written": null}}"#,
    )
    .expect("a report")
}

#[test]
fn every_result_reads_as_recorded() {
    let name = || "system.ini".to_string();
    let read = boot(SettingsFile::Read { name: name() }, BAD_LINE);
    let reason = text!("the file is empty");
    let unusable = boot(SettingsFile::Unusable { name: name(), reason }, b"# nothing");
    let cases: [(&str, Text, &BootReport); 2] = [
        (
            "stick-bad-line",
            text!("The settings on this stick hold now."),
            &read,
        ),
        (
            "stick-unusable",
            text!("The settings on this stick can't be used, so nothing was changed."),
            &unusable,
        ),
    ];
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden-status");
    let mut differences = Vec::new();
    for (name, verdict, boot) in cases {
        for language in [Language::English, Language::Japanese, Language::German] {
            let boot = BootReport {
                language,
                ..boot.clone()
            };
            let file = match language {
                Language::English => format!("{name}.txt"),
                other => format!("{name}.{}.txt", other.code()),
            };
            let result = result_txt(&verdict, &boot, &run());
            assert_eq!(result.matches('\n').count(), result.matches("\r\n").count());
            assert_eq!(result.starts_with('\u{feff}'), !result.is_ascii(), "{file}");
            differences.extend(common::compare(&folder.join(file), &result));
        }
    }
    common::assert_none(differences);
}
