//! `genpack config`, as somebody uses it who looks after devices: files, mounted cards, and cards in images.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use genpack_qemu::Card;
use genpack_tests::genpack;
use tempfile::TempDir;

/// A folder with one file of settings.
struct Place {
    folder: TempDir,
}

impl Place {
    fn new(settings: impl AsRef<[u8]>) -> Place {
        let place = Place {
            folder: tempfile::tempdir().unwrap(),
        };
        fs::write(place.file(), settings).unwrap();
        place
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("system.ini")
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path()).unwrap().flatten();
        let mut names: Vec<_> = entries
            .map(|entry| entry.file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

/// A disk image with a FAT partition, made by other people's programs.
fn card(place: &Place, files: &[(&str, &str)]) -> PathBuf {
    let image = place.folder.path().join("card.img");
    fs::File::create(&image).unwrap().set_len(48 << 20).unwrap();
    let script = "printf 'start=2048, type=c\\n' | sfdisk --quiet \"$1\" && mformat -i \"$1@@1M\" -T 96256 -h 255 -s 63 ::";
    let made = Command::new("sh")
        .args(["-ec", script, "sh"])
        .arg(&image)
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let card = Card::open(&image).unwrap();
    for folder in ["boot", "boot/a", "boot/state"] {
        card.mkdir(folder).unwrap();
    }
    for (name, content) in files {
        card.write(name, content.as_bytes()).unwrap();
    }
    card.close().unwrap();
    image
}

fn config(arguments: &[&str]) -> Output {
    let mut command = Command::new(genpack());
    command.arg("config").args(arguments).stdin(Stdio::null());
    command.output().unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Fails unless the program ended so; returns both of its outputs.
fn said(output: &Output, status: i32) -> String {
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(output.status.code(), Some(status), "{said}");
    said
}

#[test]
fn check_shows_the_line_and_tells_by_its_status_how_it_went() {
    let good = Place::new("hostname = kitchen\r\n");
    assert_eq!(
        said(&config(&["check", text(&good.file())]), 0),
        "system.ini (UTF-8): everything is used as written\n"
    );
    let warned = Place::new("hostname = a\nhostname = b\n");
    assert!(said(&config(&["check", text(&warned.file())]), 0).contains("(1 warning)"));

    let bad = Place::new(
        "hostname = kitchen\n\n[network]\n\taddress =  10.0.0.300/8\n[wifi]\nssid = Home\npasswort = hunter2hunter2\n",
    );
    let shown = said(&config(&["check", text(&bad.file())]), 1);
    assert!(
        shown.contains(
            "system.ini:4:13: error: 10.0.0.300 is not an IP address: 300 is larger than 255\n \
             4 | address =  10.0.0.300/8\n   |            ^\n   used: automatic address (DHCP)\n   hint: "
        ),
        "{shown}"
    );
    assert!(!shown.contains("hunter2") && !shown.contains('\x1b'), "{shown}");
    for unreadable in ["/nonexistent/system.ini", "/proc/self/mem"] {
        let shown = said(&config(&["check", unreadable]), 2);
        assert!(
            shown.starts_with("genpack: error: ") && shown.contains(unreadable),
            "{shown}"
        );
    }
}

#[test]
fn check_speaks_json_and_reads_standard_input() {
    let utf16: Vec<u8> =
        "\u{feff}hostname = kitchen\r\n[wifi]\r\nssid = Home\r\npassword = hunter2hunter2\r\ncolour = x\r\n"
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect();
    let place = Place::new(utf16);
    let mut command = Command::new(genpack());
    command.args(["config", "check", "-", "--json"]);
    let output = command
        .stdin(fs::File::open(place.file()).unwrap())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let page: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(page["encoding"], "utf-16le");
    assert_eq!(page["settings"]["system"]["hostname"], "kitchen");
    assert_eq!(page["settings"]["wifi"][0]["password"], "********");
    let diagnostic = &page["diagnostics"][0];
    assert_eq!(
        (
            &diagnostic["line"],
            &diagnostic["column"],
            &diagnostic["severity"],
            &diagnostic["section"]
        ),
        (&5.into(), &1.into(), &"error".into(), &"wifi".into())
    );
    assert!(
        diagnostic["problem"]
            .as_str()
            .is_some_and(|problem| !problem.is_empty())
    );
}

#[test]
fn set_changes_one_line_and_keeps_the_rest() {
    let old =
        "\u{feff}# Küche\r\nHostName : alt  ; why\r\n\r\n[network eth0.5]\r\n;address = 10.0.0.1/24\r\n";
    let place = Place::new(old);
    fs::set_permissions(place.file(), fs::Permissions::from_mode(0o640)).unwrap();
    let file = place.file();
    said(
        &config(&[
            "set",
            text(&file),
            "hostname",
            "kitchen",
            "network eth0.5.address",
            "10.0.0.9/24",
        ]),
        0,
    );
    let new = "\u{feff}# Küche\r\nHostName : kitchen  ; why\r\n\r\n[network eth0.5]\r\n;address = 10.0.0.1/24\r\naddress = 10.0.0.9/24\r\n";
    assert_eq!(fs::read_to_string(&file).unwrap(), new);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
    said(
        &config(&[
            "set",
            text(&file),
            "--unset",
            "network eth0.5.address",
            "--unset",
            "hostname",
        ]),
        0,
    );
    assert_eq!(
        fs::read_to_string(&file).unwrap(),
        "\u{feff}# Küche\r\n\r\n[network eth0.5]\r\n;address = 10.0.0.1/24\r\n"
    );
    assert_eq!(place.names(), ["system.ini"]);
}

#[test]
fn mistakes_that_were_there_before_are_no_hindrance() {
    let bad_lines =
        "[system]\ncolour = blue\n\u{1}\n\u{1}\nhostname = bad name\n".to_string() + &"stray\n".repeat(200);
    let place = Place::new(&bad_lines);
    let file = place.file();
    said(&config(&["set", text(&file), "timezone", "Europe/Berlin"]), 0);
    said(&config(&["set", text(&file), "hostname", "kitchen"]), 0);
    let new = bad_lines.replace("bad name", "kitchen") + "timezone = Europe/Berlin\n";
    assert_eq!(fs::read_to_string(&file).unwrap(), new);
}

#[test]
fn set_refuses_what_the_device_would_not_use() {
    let old = "hostname = kitchen\n";
    let place = Place::new(old);
    let file = place.file();
    for (arguments, status, why) in [
        (
            vec!["hostname", "my kitchen"],
            1,
            "a host name cannot contain a blank",
        ),
        (
            vec!["network.address", "10.0.0.5/24", "network.gateway", "10.0.1.1"],
            1,
            "error: ",
        ),
        (
            vec!["network.adress", "10.0.0.5/24"],
            2,
            "did you mean network.address?",
        ),
        (vec!["hostname"], 2, "the value of hostname is missing"),
        (
            vec!["hostname", "a", "timezone"],
            2,
            "the value of timezone is missing",
        ),
        (vec!["hostname", ""], 2, "cannot hold this value"),
    ] {
        let all: Vec<_> = ["set", text(&file)].into_iter().chain(arguments).collect();
        let shown = said(&config(&all), status);
        assert!(shown.contains(why), "{why} in {shown}");
        assert_eq!(fs::read_to_string(&file).unwrap(), old);
    }
    assert_eq!(place.names(), ["system.ini"]);
}

/// What an image without Wi-Fi has, whose blueprint declares a section.
const FACTS: &str = r#"{"time_zones": ["UTC", "Europe/Berlin"], "features": ["ssh"], "settings": [{"name": "kiosk", "keys": [
    {"name": "zoom", "type": "integer", "min": 1, "max": 9, "default": 3, "help": "How large the page is."},
    {"name": "pin", "type": "secret"}]}]}"#;

#[test]
fn a_card_in_an_image_is_read_and_changed() {
    let place = Place::new("");
    let files = [
        ("System.INI.txt", "# mine\r\nhostname = kitchen\r\n"),
        ("boot/a/facts.json", FACTS),
    ];
    let image = card(&place, &files);
    let on_card = |arguments: &[&str]| {
        let all: Vec<_> = arguments
            .iter()
            .copied()
            .chain(["--image", text(&image)])
            .collect();
        config(&all)
    };
    said(
        &on_card(&[
            "set",
            "kiosk.zoom",
            "7",
            "kiosk.pin",
            "1234",
            "timezone",
            "europe/berlin",
        ]),
        0,
    );
    assert!(said(&on_card(&["set", "kiosk.zoom", "10"]), 1).contains("10 is not between 1 and 9"));
    assert!(said(&on_card(&["set", "timezone", "Asia/Tokyo"]), 1).contains("Asia/Tokyo"));
    let shown = said(&on_card(&["show"]), 0);
    assert_eq!(
        shown,
        "[system]\nhostname = kitchen\ntimezone = Europe/Berlin\n\n[kiosk]\npin = ********\nzoom = 7\n"
    );
    let opened = Card::open(&image).unwrap();
    let names: Vec<_> = opened
        .list("")
        .unwrap()
        .into_iter()
        .map(|entry| entry.name)
        .collect();
    assert_eq!(names, ["boot", "System.INI.txt"]);
    assert_eq!(
        String::from_utf8(opened.read("System.INI.txt").unwrap()).unwrap(),
        "# mine\r\nhostname = kitchen\r\ntimezone = europe/berlin\r\n\r\n[kiosk]\r\nzoom = 7\r\npin = 1234\r\n"
    );
    opened.close().unwrap();
    genpack_qemu::check_fat(&image).unwrap();

    // A file for the device of this image, and its template.
    assert!(said(&on_card(&["check", text(&place.file())]), 0).contains("note"));
    let template = said(&on_card(&["template"]), 0);
    assert!(
        template.contains("\r\n[kiosk]\r\n")
            && template.contains(";zoom = 3\r\n")
            && !template.contains("[wifi]")
    );
    let schema: serde_json::Value = serde_json::from_slice(&on_card(&["schema", "--json"]).stdout).unwrap();
    let sections = schema["sections"].as_array().unwrap();
    assert!(sections.iter().any(|section| section["name"] == "kiosk"));
}

#[test]
fn the_last_good_settings_come_back() {
    let place = Place::new("");
    let image = card(&place, &[("system.ini", "hostname = bad\r\n")]);
    let restore = || config(&["restore", "--image", text(&image)]);
    assert!(said(&restore(), 2).contains("there is no boot/state/last-good.ini on"));
    let opened = Card::open(&image).unwrap();
    opened
        .write("boot/state/last-good.ini", b"hostname = good\r\n")
        .unwrap();
    opened.write("system-before-restore.ini", b"older").unwrap();
    opened.close().unwrap();
    assert!(said(&restore(), 0).contains("system.ini is kept as system-before-restore.ini"));
    let opened = Card::open(&image).unwrap();
    assert_eq!(opened.read("system.ini").unwrap(), b"hostname = good\r\n");
    assert_eq!(
        opened.read("system-before-restore.ini").unwrap(),
        b"hostname = bad\r\n"
    );
    opened.close().unwrap();
    genpack_qemu::check_fat(&image).unwrap();

    // The same on a mounted card.
    let state = place.folder.path().join("boot/state");
    fs::create_dir_all(&state).unwrap();
    fs::write(state.join("last-good.ini"), "hostname = good\n").unwrap();
    fs::write(place.file(), "hostname = bad\n").unwrap();
    said(&config(&["restore", text(place.folder.path())]), 0);
    assert_eq!(fs::read_to_string(place.file()).unwrap(), "hostname = good\n");
}

#[test]
fn a_blueprint_tells_what_it_declares() {
    let place = Place::new("[kiosk]\nzoom = 12\n");
    let blueprint = "{ name: 'web', settings: { kiosk: { keys: { zoom: { type: 'integer', max: 9 } } } } }";
    fs::write(place.folder.path().join("genpack.json5"), blueprint).unwrap();
    let folder = text(place.folder.path());
    let shown = said(&config(&["check", text(&place.file()), "--blueprint", folder]), 1);
    assert!(shown.contains("system.ini:2:8: error: "), "{shown}");
    fs::write(
        place.folder.path().join("genpack.json5"),
        blueprint.replace("max", "most"),
    )
    .unwrap();
    let shown = said(&config(&["template", "--blueprint", folder]), 2);
    assert!(
        shown.contains("unknown field \"most\"") && shown.contains("genpack.json5:1:70]"),
        "{shown}"
    );
}
