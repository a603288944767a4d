//! What becomes of a stick, with a stick that is a file system in memory, and a task that only remembers what it was asked.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex};

use genpack_spec::image::SettingsFrom;
use genpack_spec::report::RunReport;
use genpack_spec::settings::Settings;
use tokio::sync::{mpsc, watch};

use super::*;
use crate::appliance::changer::Applied;
use crate::appliance::{Reader, Snapshot};
use crate::load;

const GOOD: &str = "[network]\naddress = 10.0.0.5/24\n";
const UP: &str = r#"[{"name": "eth0", "mac": null, "carrier": true, "method": "auto", "gateways": [], "problems": [],
    "addresses": [{"address": "10.0.0.9/24", "origin": "dhcp"}]}]"#;

/// A stick that goes with the test.
struct Stick {
    _dir: tempfile::TempDir,
    folder: PathBuf,
}

impl Stick {
    fn new() -> Stick {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("stick");
        fs::create_dir(&folder).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "stick"])
            .arg(&folder)
            .status()
            .unwrap();
        assert!(mounted.success());
        Stick { _dir: dir, folder }
    }

    fn with(text: impl AsRef<[u8]>) -> Stick {
        let stick = Stick::new();
        fs::write(stick.folder.join("system.ini"), text).unwrap();
        stick
    }

    fn result(&self) -> Option<String> {
        let text = fs::read_to_string(self.folder.join(RESULT_TXT)).ok()?;
        assert!(!text.replace("\r\n", "").contains(['\r', '\n']), "{text:?}");
        Some(text.split_whitespace().collect::<Vec<_>>().join(" "))
    }
}

impl Drop for Stick {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.folder).status();
    }
}

fn run(links: &str) -> RunReport {
    let json = format!(
        r#"{{"links": {links}, "dns": [], "services": [], "failed_units": [], "started": true, "notices": []}}"#
    );
    serde_json::from_str(&json).unwrap()
}

/// Serves a stick on a device whose network is as `before`, and as `after` once something was applied. Returns what was
/// asked of the task.
fn served(stick: &Stick, reaction: Reaction, before: &str, after: &str) -> Vec<String> {
    let (asked, served) = served_with_outcome(stick, reaction, before, after);
    let has_result = stick.result().is_some();
    assert_eq!(matches!(served, Served::Answered), has_result, "{served:?}");
    asked
}

fn served_with_outcome(
    stick: &Stick,
    reaction: Reaction,
    before: &str,
    after: &str,
) -> (Vec<String>, Served) {
    let root = tempfile::tempdir().unwrap();
    let paths = Paths::below(root.path());
    let mut boot = load::load(&paths).boot;
    boot.image.settings_from = SettingsFrom {
        stick: reaction,
        ..SettingsFrom::default()
    };
    let snapshot = Snapshot {
        settings: Settings::default(),
        run: run(before),
        boot: boot.clone(),
    };
    let (snapshots, receiver) = watch::channel(Arc::new(snapshot.clone()));
    let (requests, mut asked) = mpsc::channel(1);
    let door = Door {
        reader: Arc::new(Reader::load(&paths, &boot)),
        requests,
        snapshots: receiver,
        trial: watch::channel(None).1,
    };
    let log = Arc::new(Mutex::new(Vec::new()));
    let (heard, after) = (log.clone(), run(after));
    let task = async move {
        while let Some(request) = asked.recv().await {
            let said = match request {
                Request::Apply(text, seconds, answer) => {
                    snapshots.send_replace(Arc::new(Snapshot {
                        run: after.clone(),
                        ..snapshot.clone()
                    }));
                    let diagnostics = Vec::new();
                    let token = "t".to_string();
                    answer.send(Ok(Applied { token, diagnostics })).unwrap();
                    format!("apply {seconds} {text}")
                }
                Request::Confirm(token, answer) => {
                    answer.send(Ok(())).unwrap();
                    format!("confirm {token}")
                }
                Request::Revert(token, answer) => {
                    answer.send(Ok(())).unwrap();
                    format!("revert {token}")
                }
                other => format!("{other:?}"),
            };
            heard.lock().unwrap().push(said);
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let served = runtime.block_on(async {
        let task = tokio::spawn(task);
        let served = serve(&door, &stick.folder, Duration::from_secs(1)).await.unwrap();
        drop(door);
        task.await.unwrap();
        served
    });
    (Arc::into_inner(log).unwrap().into_inner().unwrap(), served)
}

#[test]
fn where_it_is_only_checked_nothing_is_asked_for() {
    let stick = Stick::with("colour = blue\n");
    assert_eq!(served(&stick, Reaction::Check, UP, UP), [""; 0]);
    let result = stick.result().unwrap();
    assert!(
        result.starts_with("The settings on this stick were checked and not applied"),
        "{result}"
    );
    assert!(
        result.contains("Line 1: colour = blue") && result.contains("Host name:"),
        "{result}"
    );
}

#[test]
fn with_a_network_that_works_it_holds_for_good() {
    let stick = Stick::with(GOOD);
    let asked = served(&stick, Reaction::Apply, UP, UP);
    assert_eq!(asked, [format!("apply 31 {GOOD}"), "confirm t".to_string()]);
    assert!(
        stick
            .result()
            .unwrap()
            .starts_with("The settings on this stick hold now.")
    );
}

#[test]
fn with_a_network_that_stopped_to_work_it_is_taken_back() {
    let stick = Stick::with(GOOD);
    let asked = served(&stick, Reaction::Apply, UP, "[]");
    assert_eq!(asked, [format!("apply 31 {GOOD}"), "revert t".to_string()]);
    let result = stick.result().unwrap();
    assert!(
        result.contains("taken back, because the network did not work with them within 1 seconds."),
        "{result}"
    );
}

#[test]
fn where_the_network_did_not_work_before_there_is_nothing_to_lose() {
    let stick = Stick::with(GOOD);
    assert_eq!(
        served(&stick, Reaction::Apply, "[]", "[]"),
        [format!("apply 0 {GOOD}")]
    );
    assert!(
        stick
            .result()
            .unwrap()
            .starts_with("The settings on this stick hold now.")
    );
}

#[test]
fn any_editor_of_any_computer_will_do() {
    let utf_16: Vec<u8> = [0xff, 0xfe]
        .into_iter()
        .chain(GOOD.encode_utf16().flat_map(u16::to_le_bytes))
        .collect();
    let asked = served(&Stick::with(utf_16), Reaction::Apply, UP, UP);
    assert_eq!(asked[0], format!("apply 31 {GOOD}"));
}

#[test]
fn what_can_not_be_a_settings_file_changes_nothing() {
    let huge = Stick::with(vec![b'#'; 3 << 20]);
    let folder = Stick::new();
    fs::create_dir(folder.folder.join("system.ini")).unwrap();
    let picture = Stick::with(b"\x89PNG\r\n\x1a\n\0\0\x01");
    let zeros = Stick::with([0; 4096]);
    let empty = Stick::with(" \r\n");
    let link = Stick::new();
    std::os::unix::fs::symlink("/etc/passwd", link.folder.join("system.ini")).unwrap();
    for (stick, reason) in [
        (huge, "it is 3.0 MB long"),
        (folder, "it is a folder, not a file"),
        (link, "it is not an ordinary file"),
        (
            picture,
            "this is not a text file; perhaps another kind of file has got its name",
        ),
        (zeros, "the file holds nothing but zeros"),
        (empty, "the file is empty"),
    ] {
        assert_eq!(served(&stick, Reaction::Apply, UP, UP), [""; 0], "{reason}");
        let result = stick.result().unwrap();
        assert!(result.starts_with("The settings on this stick can't be used, so nothing was changed."));
        assert!(result.contains(reason), "{reason} in {result}");
        assert!(
            result.contains("Used: the settings of before") && !result.contains("default"),
            "{result}"
        );
        let times = result.matches(reason).count();
        assert_eq!(times, 1, "{result}");
    }
}

#[test]
fn a_stick_that_can_not_be_written_serves_all_the_same() {
    let stick = Stick::with(GOOD);
    // A folder in the way of the answer; the kernel of a test has no FAT that could be write-protected.
    fs::create_dir(stick.folder.join(RESULT_TXT)).unwrap();
    let (asked, served) = served_with_outcome(&stick, Reaction::Apply, UP, UP);
    assert_eq!(asked, [format!("apply 31 {GOOD}"), "confirm t".to_string()]);
    assert!(matches!(served, Served::Unanswered(_)), "{served:?}");
}

#[test]
fn a_stick_without_settings_is_left_alone() {
    let stick = Stick::new();
    fs::write(stick.folder.join("holiday.jpg"), "x").unwrap();
    assert_eq!(served(&stick, Reaction::Apply, UP, UP), [""; 0]);
    assert_eq!(stick.result(), None);
}
