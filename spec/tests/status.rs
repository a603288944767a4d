//! The texts for people, each as a file to be read.

mod common;

use std::path::Path;

use genpack_spec::cmdline::Slot;
use genpack_spec::facts::{Facts, Feature};
use genpack_spec::image::{Damage, ImageInfo};
use genpack_spec::report::{
    AddressOrigin, AddressReport, BootReport, FailedUnit, LastGood, LinkKind, LinkReport, LocalName, Notice,
    RunReport, ServiceReport, SettingsFile, Severity,
};
use genpack_spec::settings::Method;
use genpack_spec::status::{
    BootFailure, Moment, Room, boot_failure_on_console, boot_failure_txt, issue_text, problem_count,
    readme_txt, same_content, status_txt,
};
use genpack_spec::system_ini::{Context, parse, template};
use genpack_spec::text;
use genpack_spec::text::Language;
use genpack_spec::types::{Hostname, TimeZone};
use unicode_width::UnicodeWidthStr;

fn moment() -> Moment {
    Moment {
        time: Some("2026-11-23 04:52 UTC".into()),
        synchronised: true,
        card: Some(Room {
            free: 3_650_000_000,
            total: 3_980_000_000,
        }),
        memory: Some(Room {
            free: 371_000_000,
            total: 384_000_000,
        }),
    }
}

fn facts() -> Facts {
    Facts {
        time_zones: Some(vec!["Asia/Tokyo".parse().expect("a valid name")]),
        features: Some([Feature::Ssh, Feature::Ntp].into()),
        ..Facts::default()
    }
}

fn boot(file: &[u8]) -> BootReport {
    let default_hostname: Hostname = "web-123456".parse().expect("a valid name");
    let context = Context {
        default_hostname: &default_hostname,
        facts: &facts(),
        machine: None,
    };
    let parsed = parse(file, &context);
    BootReport {
        image: ImageInfo {
            name: "web".into(),
            profile: "kvm".into(),
            base: "debian:trixie".into(),
            kernel: "6.12.57+deb13-cloud-amd64".into(),
            epoch: 1_795_996_799,
            language: Language::English,
            settings_from: Default::default(),
            persist: None,
        },
        slot: Slot::A,
        language: Language::English,
        hostname: parsed.settings.system.hostname.unwrap_or(default_hostname),
        default_hostname: None,
        timezone: parsed.settings.system.timezone.unwrap_or_else(TimeZone::utc),
        file: SettingsFile::Read {
            name: "system.ini".into(),
        },
        diagnostics: parsed.diagnostics,
        notices: Vec::new(),
        timings: Vec::new(),
    }
}

fn address(text: &str, origin: AddressOrigin) -> AddressReport {
    AddressReport {
        address: text.parse().expect("an address"),
        origin,
    }
}

fn link(name: &str, last: u8, addresses: Vec<AddressReport>) -> LinkReport {
    LinkReport {
        name: name.into(),
        kind: LinkKind::Wired,
        mac: format!("52:54:00:12:34:{last:02x}").parse().ok(),
        carrier: !addresses.is_empty(),
        method: Method::Auto,
        addresses,
        gateways: Vec::new(),
        problems: Vec::new(),
    }
}

fn run() -> RunReport {
    let addresses = vec![
        address("192.168.1.57/24", AddressOrigin::Dhcp),
        address(
            "2001:db8::5054:ff:fe12:3456/64",
            AddressOrigin::RouterAdvertisement,
        ),
        address("fe80::5054:ff:fe12:3456/64", AddressOrigin::LinkLocal),
    ];
    let mut first = link("eth0", 0x56, addresses);
    first.gateways = vec!["192.168.1.1".parse().expect("an address")];
    RunReport {
        links: vec![first],
        dns: vec!["192.168.1.1".parse().expect("an address")],
        started: true,
        ..RunReport::default()
    }
}

const THREE_BAD_LINES: &[u8] = b"\xef\xbb\xbf[system]\r\n\
    hostname = kitchen\r\n\
    timezone = Asia/Tokyo\r\n\
    colour = red\r\n\
    \r\n\
    [network]\r\n\
    address = 192.168.1.300\r\n\
    dns = 192.168.1.1\r\n\
    please use the router upstairs, it is much faster than the one in the cellar, said Anna\r\n\
    dns = 192.168.1.1\r\n";

/// The pages that are kept in every language.
const TRANSLATED: [&str; 4] = [
    "all-well",
    "three-bad-lines",
    "bad-lines-and-more",
    "before-the-network",
];

#[test]
fn status_texts_read_well() {
    let well = boot(template(&facts()).as_bytes());
    let mut static_and_services =
        boot(b"[system]\nhostname = kitchen\nhostname = kueche\n[services]\nnginx =\n");
    static_and_services.notices.push(Notice {
        severity: Severity::Note,
        text: text!(
            "The card was not ejected or switched off cleanly last time. It was checked and repaired."
        ),
    });
    let mut all_well = run();
    all_well.local_name = Some(LocalName {
        name: "web-123456.local".into(),
        taken: None,
    });
    let mut busy = run();
    busy.links.push(link("eth1", 0x57, Vec::new()));
    busy.links.push(LinkReport {
        method: Method::Static,
        ..link("eth2", 0x58, vec![address("10.0.0.2/8", AddressOrigin::Static)])
    });
    busy.links.push(LinkReport {
        method: Method::Off,
        ..link("eth3", 0x59, Vec::new())
    });
    busy.services = vec![
        ServiceReport {
            unit: "nginx".parse().unwrap(),
            wanted: false,
            problem: None,
        },
        ServiceReport {
            unit: "fstrim.timer".parse().unwrap(),
            wanted: true,
            problem: None,
        },
    ];
    busy.local_name = Some(LocalName {
        name: "kitchen-2.local".into(),
        taken: Some("kitchen.local".into()),
    });
    let mut failing = run();
    let failed = |unit: &str, lines: &[&str]| FailedUnit {
        unit: unit.into(),
        lines: lines.iter().map(ToString::to_string).collect(),
    };
    failing.failed_units = vec![
        failed("backup.timer", &[]),
        failed(
            "nginx.service",
            &[
                "2026/11/23 04:52:00 [emerg] 512#512: unknown directive \"listn\" in /etc/nginx/sites-enabled/default:3",
                "nginx: configuration file /etc/nginx/nginx.conf test failed",
            ],
        ),
    ];
    failing.services = vec![ServiceReport {
        unit: "apache2".parse().unwrap(),
        wanted: false,
        problem: Some(text!(
            "There is no service named {name} on this device.",
            name = "apache2"
        )),
    }];
    failing.links[0].problems = vec![text!(
        "Another device on this network already uses the address {address}.",
        address = "192.168.1.30"
    )];
    let mut no_cable = run();
    no_cable.links = vec![link("eth0", 0x56, Vec::new()), link("eth1", 0x57, Vec::new())];
    no_cable.dns = Vec::new();
    no_cable.last_good = Some(LastGood {
        written: Some(1_795_000_000),
    });
    let mut made = run();
    let member = |name, last| LinkReport {
        kind: LinkKind::Member { of: "br0".into() },
        carrier: true,
        method: Method::Off,
        ..link(name, last, Vec::new())
    };
    let kind = |kind, link| LinkReport { kind, ..link };
    let ports = vec!["eth1".to_string(), "eth2".to_string()];
    made.links.extend([
        member("eth1", 0x57),
        kind(
            LinkKind::Managed {
                by: "systemd-networkd".into(),
            },
            link("eth3", 0x59, vec![address("10.9.0.2/24", AddressOrigin::Static)]),
        ),
        kind(
            LinkKind::Bridge { ports },
            link(
                "br0",
                0x57,
                vec![address("fe80::5054:ff:fe12:3457/64", AddressOrigin::LinkLocal)],
            ),
        ),
        kind(
            LinkKind::Vlan {
                parent: "eth0".into(),
                id: 5,
            },
            link("office", 0x56, vec![address("10.5.0.2/24", AddressOrigin::Dhcp)]),
        ),
        kind(
            LinkKind::Wireguard,
            LinkReport {
                mac: None,
                ..link("wg0", 0, vec![address("10.10.0.2/24", AddressOrigin::Static)])
            },
        ),
    ]);
    made.links[3].problems = vec![text!(
        "It waits for the port {port}, which is not there.",
        port = "eth2"
    )];
    let radio = |ssid: Option<&str>, link| LinkReport {
        kind: LinkKind::Wireless {
            ssid: ssid.map(Into::into),
        },
        ..link
    };
    let mut wireless = run();
    wireless.links = vec![
        link("eth0", 0x56, Vec::new()),
        radio(
            Some("My Home"),
            link(
                "wlan0",
                0x60,
                vec![address("192.168.1.61/24", AddressOrigin::Dhcp)],
            ),
        ),
        radio(
            Some("Workshop"),
            link(
                "wlan1",
                0x61,
                vec![address("169.254.3.4/16", AddressOrigin::LinkLocal)],
            ),
        ),
    ];
    let mut refused = run();
    refused.links = vec![
        link("eth0", 0x56, Vec::new()),
        radio(None, link("wlan0", 0x60, Vec::new())),
    ];
    refused.links[1].problems = vec![text!(
        "The wireless network {ssid} does not let the device in; most often the password is not the right one.",
        ssid = "My Home"
    )];
    let starting = RunReport {
        started: false,
        ..run()
    };
    let missing = BootReport {
        file: SettingsFile::Missing,
        ..boot(b"# nothing")
    };
    let folder = BootReport {
        file: SettingsFile::Unusable {
            name: "System.ini".into(),
            reason: text!("it is a folder, not a file"),
        },
        ..boot(b"# nothing")
    };
    let cases = [
        ("all-well", &well, Some(all_well)),
        ("remarks-and-services", &static_and_services, Some(busy)),
        ("three-bad-lines", &boot(THREE_BAD_LINES), Some(run())),
        (
            "bad-lines-and-more",
            &boot(b"[services]\ndbus = off\n"),
            Some(failing.clone()),
        ),
        ("many-bad-lines", &boot("x\n".repeat(300).as_bytes()), Some(run())),
        (
            "letters-beyond-ascii",
            &boot("hostname = Küche\n".as_bytes()),
            Some(run()),
        ),
        ("file-missing", &missing, Some(run())),
        ("file-empty", &boot(b""), Some(run())),
        ("file-is-a-folder", &folder, Some(run())),
        (
            "file-is-no-text",
            &boot(b"\x89PNG\r\n\x1a\n\0\0\x01"),
            Some(run()),
        ),
        ("no-cable", &well, Some(no_cable)),
        ("made-of-ports", &well, Some(made)),
        ("wireless", &well, Some(wireless)),
        ("wireless-refused", &well, Some(refused)),
        ("failed-unit", &well, Some(failing)),
        ("starting", &well, Some(starting)),
        ("before-the-network", &well, None),
    ];
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden-status");
    let mut differences = Vec::new();
    let mut check = |name: &str, text: &str| {
        assert!(text.lines().all(|line| line.width() <= 79), "{name}: {text}");
        differences.extend(common::compare(&folder.join(format!("{name}.txt")), text));
    };
    for (name, boot, run) in &cases {
        let status = status_txt(boot, run.as_ref(), Some(&moment()));
        assert_eq!(
            status.matches('\n').count(),
            status.matches("\r\n").count(),
            "{name}"
        );
        assert_eq!(status.starts_with('\u{feff}'), !status.is_ascii(), "{name}");
        check(name, &status);
        if let Some(run) = run {
            let says_well = ["All is well.", "The device is still starting;"];
            let well = says_well.iter().any(|sentence| status.starts_with(sentence));
            assert_eq!(problem_count(boot, run) == 0, well, "{name}: {status}");
        }
        let issue = issue_text(boot, run.as_ref());
        assert!(
            issue.lines().count() <= 18 && !issue.contains('\r'),
            "{name}: {issue}"
        );
        check(&format!("{name}.issue"), &issue);
    }
    for (name, boot, run) in cases.iter().filter(|(name, ..)| TRANSLATED.contains(name)) {
        for language in [Language::Japanese, Language::German] {
            let code = language.code();
            let boot = BootReport {
                language,
                ..(*boot).clone()
            };
            check(
                &format!("{name}.{code}"),
                &status_txt(&boot, run.as_ref(), Some(&moment())),
            );
            check(&format!("{name}.issue.{code}"), &issue_text(&boot, run.as_ref()));
        }
    }
    let cut_in_half = BootFailure::SystemDamaged(Damage::Truncated {
        expected: 82_837_504,
        actual: 41_418_752,
    });
    let tried = [text!(
        "The card was not ejected or switched off cleanly last time. It was checked and repaired."
    )];
    check(
        "boot-failure",
        &boot_failure_txt(&cut_in_half, &tried, Language::English),
    );
    check(
        "boot-failure-card",
        &boot_failure_on_console(&BootFailure::CardMissing, &[], Language::English),
    );
    check("readme", &readme_txt("web", Language::English));
    for language in [Language::Japanese, Language::German] {
        let code = language.code();
        let failure = boot_failure_txt(&cut_in_half, &tried, language);
        check(&format!("boot-failure.{code}"), &failure);
        let failure = boot_failure_on_console(&BootFailure::CardMissing, &[], language);
        check(&format!("boot-failure-card.{code}"), &failure);
        check(&format!("readme.{code}"), &readme_txt("web", language));
    }
    check("template", &template(&facts()));
    common::assert_none(differences);
}

#[test]
fn the_moment_of_writing_is_no_content() {
    for language in Language::ALL {
        let (boot, run) = (
            BootReport {
                language,
                ..boot(b"")
            },
            run(),
        );
        let text = |moment| status_txt(&boot, Some(&run), Some(&moment));
        let later = Moment {
            time: Some("2027-01-01 00:00 UTC".into()),
            card: None,
            memory: Some(Room { free: 1, total: 2 }),
            ..moment()
        };
        assert!(same_content(&text(moment()), &text(later.clone())));
        assert!(!same_content(
            &text(moment()),
            &status_txt(&boot, None, Some(&moment()))
        ));

        let unsure = Moment {
            time: None,
            synchronised: false,
            ..moment()
        };
        let (sure, unsure) = (text(later), text(unsure));
        assert!(
            same_content(&sure, &unsure),
            "the next boot begins without a clock"
        );
        assert!(
            !same_content(&unsure, &sure),
            "the clock came to be right: {unsure}"
        );
    }
}

#[test]
fn what_a_person_typed_cannot_upset_the_page() {
    let hostile = b"[\x1b[2J\nkey\\n = \xe2\x80\xae\nWritten: never\n";
    let status = status_txt(&boot(hostile), Some(&run()), Some(&moment()));
    assert!(
        !status.contains(|c: char| c.is_control() && !matches!(c, '\r' | '\n')),
        "{status:?}"
    );
    assert_eq!(
        status
            .lines()
            .filter(|line| line.starts_with("Written: "))
            .count(),
        1,
        "{status}"
    );
}
