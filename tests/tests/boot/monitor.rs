//! `examples/monitor`: programs that scripts compiled run on the device, and what compiled them is not there.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use genpack_qemu::Card;
use genpack_spec::cmdline::Slot;
use genpack_spec::layout::card::{SYSTEM_IMG, slot_dir};
use genpack_tests::{Device, SshKey, genpack, monitor_firmware, monitor_image};
use serde_json::Value;

/// Programs that compile and link.
const COMPILERS: [&str; 11] = [
    "as", "c99", "cargo", "cc", "cpp", "gcc", "ld", "ranlib", "readelf", "rustc", "strip",
];
/// What names of files end with that only compilers read or write.
const FOR_COMPILERS: [&str; 9] = ["a", "c", "h", "la", "o", "pc", "rlib", "rmeta", "rs"];

#[test]
fn compiled_programs_run_on_a_device_without_compilers() {
    nothing_of_the_compilers_is_in(monitor_image());

    let key = SshKey::generate();
    let device = Device::with_image("monitor", &monitor_firmware(), monitor_image());
    device.write_settings(format!(
        "[ssh]\r\nkey = {}\r\n[monitor]\r\ninterval = 7\r\n",
        key.public()
    ));
    let running = device.switch_on();
    assert_eq!(running.wait_for_status(), "well");
    let figures = running.page_at("/metrics");
    let figure = |name: &str| -> u64 {
        let mut lines = figures.lines().filter_map(|line| line.split_once(' '));
        let found = lines.find(|(key, _)| *key == name);
        found
            .and_then(|(_, value)| value.parse().ok())
            .unwrap_or_else(|| panic!("no {name} in {figures}"))
    };
    // What the machine has, without what its kernel keeps.
    let memory = figure("memory_total_bytes") >> 20;
    assert!((640..768).contains(&memory), "{figures}");
    assert!(
        figure("memory_available_bytes") < figure("memory_total_bytes"),
        "{figures}"
    );
    assert!(
        figure("uptime_seconds") > 0 && figure("storage_available_bytes") > 0,
        "{figures}"
    );
    assert!(running.page().contains("<tr><th>uptime seconds<td>"));
    // The one measures as often as the owner says, the other is nobody who may do harm.
    let words = "tr '\\0' ' ' < /proc/$(systemctl show --value --property=MainPID measure)/cmdline";
    assert_eq!(running.run(&key, words), "/usr/local/bin/measure 7");
    let user = "stat -c %u /proc/$(systemctl show --value --property=MainPID serve)";
    assert!(running.run(&key, user).parse::<u32>().unwrap() > 60_000);
    let found = format!(
        "for name in {}; do command -v $name; done; true",
        COMPILERS.join(" ")
    );
    assert_eq!(running.run(&key, &found), "");
    assert_eq!(running.run(&key, "systemctl is-system-running --wait"), "running");
    running.switch_off();
}

/// Looks into the image: its packages, as the manifest and the system itself tell them, and its files.
fn nothing_of_the_compilers_is_in(image: &Path) {
    let lock = json(&std::fs::read(image.with_extension("lock")).unwrap());
    let (system, for_scripts) = (locked(&lock, "system"), locked(&lock, "build"));
    let only_for_scripts: BTreeSet<_> = for_scripts.difference(&system).cloned().collect();
    for package in ["gcc", "libc6-dev", "libllvm19", "libstd-rust-dev", "rustc"] {
        assert!(
            only_for_scripts.contains(package),
            "{package}: {only_for_scripts:?}"
        );
    }

    let manifest = json(&std::fs::read(format!("{}.manifest.json", image.display())).unwrap());
    let inspected = Command::new(genpack())
        .arg("inspect")
        .arg(image)
        .arg("--json")
        .output()
        .unwrap();
    assert!(inspected.status.success(), "{inspected:?}");
    for packages in [&manifest, &json(&inspected.stdout)].map(|value| names(&value["packages"])) {
        assert!(packages.contains("libsystemd0"), "{packages:?}");
        let left: Vec<_> = packages.intersection(&only_for_scripts).collect();
        assert!(left.is_empty(), "{left:?}");
    }

    let files = files(image);
    for program in ["usr/local/bin/measure", "usr/local/bin/serve"] {
        assert!(files.contains(program), "no {program}");
    }
    let of_compilers = |path: &&String| {
        let name = path.rsplit('/').next().unwrap_or_default();
        let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
        let folders = ["usr/include/", "usr/src/", "usr/lib/gcc", "usr/lib/rustlib"];
        COMPILERS.contains(&name)
            || FOR_COMPILERS.contains(&ending)
            || folders.iter().any(|folder| path.starts_with(folder))
    };
    let left: Vec<_> = files.iter().filter(of_compilers).collect();
    assert!(left.is_empty(), "{left:?}");
}

fn json(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

/// The packages of a lock file's sets for one purpose, each a line that begins with the name.
fn locked(lock: &Value, purpose: &str) -> BTreeSet<String> {
    let sets = lock["sets"].as_array().unwrap().iter();
    sets.filter(|set| set["purpose"] == purpose)
        .flat_map(|set| set["packages"].as_array().unwrap())
        .filter_map(|line| line.as_str()?.split(' ').next().map(String::from))
        .collect()
}

fn names(packages: &Value) -> BTreeSet<String> {
    let packages = packages.as_array().unwrap().iter();
    packages
        .map(|package| package["name"].as_str().unwrap().to_string())
        .collect()
}

/// Every path of the system, without the slash in front.
fn files(image: &Path) -> BTreeSet<String> {
    let system = tempfile::NamedTempFile::new().unwrap();
    let card = Card::open(image).unwrap();
    let bytes = card.read(&format!("{}/{SYSTEM_IMG}", slot_dir(Slot::A))).unwrap();
    std::fs::write(system.path(), bytes).unwrap();
    let listed = Command::new("unsquashfs")
        .args(["-l", "-d", ""])
        .arg(system.path())
        .output()
        .unwrap();
    assert!(listed.status.success(), "{listed:?}");
    let paths = String::from_utf8(listed.stdout).unwrap();
    paths
        .lines()
        .map(|path| path.trim_start_matches('/').to_string())
        .collect()
}
