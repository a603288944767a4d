use std::os::unix::fs::symlink;

use genpack_spec::facts::{Facts, Feature};
use genpack_spec::settings::Settings;

use super::*;
use crate::plan::{Identity, plan};

/// A running system on an image, with the settings that it was started with.
struct System {
    dir: tempfile::TempDir,
    settings: Settings,
}

const HOSTNAME: &str = "kitchen";

impl System {
    fn new(settings: &str) -> System {
        let dir = tempfile::tempdir().unwrap();
        let files = [
            ("etc/passwd", "root:x:0:0:root:/root:/bin/sh\n"),
            ("etc/shadow", "root:*:20000:0:99999:7:::\n"),
            ("etc/group", "root:x:0:\nsudo:x:27:\n"),
            ("etc/skel/.profile", "umask 022\n"),
            ("etc/default/keyboard", "XKBLAYOUT=\"us\"\n"),
            ("etc/console-setup/cached_setup_keyboard.sh", "loadkeys\n"),
            ("bin/sh", ""),
        ];
        for root in ["image", "running"] {
            let root = dir.path().join(root);
            for (path, content) in files {
                fs::create_dir_all(root.join(path).parent().unwrap()).unwrap();
                fs::write(root.join(path), content).unwrap();
            }
            symlink("../usr/share/zoneinfo/Asia/Tokyo", root.join("etc/localtime")).unwrap();
        }
        let mut system = System {
            dir,
            settings: Settings::default(),
        };
        system.apply(settings);
        system
    }

    fn plan(&self, settings: &Settings) -> (Plan, ImageFiles) {
        let image = ImageFiles::read(&self.dir.path().join("image"), settings).unwrap();
        let identity = Identity {
            hostname: &settings
                .system
                .hostname
                .clone()
                .unwrap_or(HOSTNAME.parse().unwrap()),
            machine_id: "0123",
            ssh_host_key: "KEY",
            timezone: settings.system.timezone.as_ref(),
        };
        (plan(settings, &identity, &image, &Facts::default()), image)
    }

    /// Returns what became different.
    fn apply(&mut self, settings: &str) -> Vec<String> {
        let new: Settings = serde_json::from_str(settings).unwrap();
        let (old_plan, _) = self.plan(&self.settings);
        let (new_plan, image) = self.plan(&new);
        let root = self.dir.path().join("running");
        let roots = Roots {
            system: &root,
            run: &root,
        };
        let steps = changes(&old_plan, &new_plan, &image);
        let (changed, failed) = carry_out(&steps, &roots, &self.dir.path().join("image"));
        assert!(failed.is_empty(), "{failed:?}");
        let again = carry_out(&steps, &roots, &self.dir.path().join("image"));
        assert!(again.0.is_empty(), "nothing is left to do: {again:?}");
        self.settings = new;
        changed
    }

    /// Starts the device again with what was written before, and returns what became different.
    fn start_again(&self, settings: &str) -> Vec<String> {
        let settings: Settings = serde_json::from_str(settings).unwrap();
        let (_, image) = self.plan(&settings);
        let identity = Identity {
            hostname: &HOSTNAME.parse().unwrap(),
            machine_id: "0123",
            ssh_host_key: "KEY",
            timezone: settings.system.timezone.as_ref(),
        };
        let facts = Facts {
            features: Some([Feature::Storage].into()),
            ..Facts::default()
        };
        let plan = plan(&settings, &identity, &image, &facts);
        let root = self.dir.path().join("running");
        // `/run` is always new.
        let _ = fs::remove_dir_all(root.join("run"));
        let roots = Roots {
            system: &root,
            run: &root,
        };
        let steps = at_start(&plan, &image, &roots);
        let (mut changed, failed) = carry_out(&steps, &roots, &self.dir.path().join("image"));
        assert!(failed.is_empty(), "{failed:?}");
        changed.retain(|path| !path.starts_with("/run/"));
        changed
    }

    fn read(&self, path: &str) -> Option<String> {
        fs::read_to_string(self.dir.path().join("running").join(path)).ok()
    }

    fn write(&self, path: &str, content: &str) {
        fs::write(self.dir.path().join("running").join(path), content).unwrap();
    }
}

#[test]
fn equal_settings_change_nothing() {
    let settings = r#"{"system": {"locale": "de_DE.UTF-8"}, "user": {"root": {"password_hash": {"secret": "$6$salt$xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"}}}}"#;
    assert!(System::new(settings).apply(settings).is_empty());
}

#[test]
fn a_line_that_goes_brings_back_what_the_image_has() {
    let mut system = System::new(
        r#"{"system": {"timezone": "Europe/Berlin", "keyboard": "de", "autologin": true},
            "services": {"nginx.service": false}, "proxy": {"http": "http://proxy:3128"}}"#,
    );
    assert!(system.read("etc/default/keyboard").unwrap().contains("\"de\""));
    assert_eq!(system.read("etc/console-setup/cached_setup_keyboard.sh"), None);
    let changed = system.apply("{}");
    assert_eq!(system.read("etc/default/keyboard").unwrap(), "XKBLAYOUT=\"us\"\n");
    assert!(
        system
            .read("etc/console-setup/cached_setup_keyboard.sh")
            .is_some()
    );
    let zone = fs::read_link(system.dir.path().join("running/etc/localtime")).unwrap();
    assert_eq!(zone, Path::new("../usr/share/zoneinfo/Asia/Tokyo"));
    let mask = "/run/systemd/system.control/nginx.service".to_string();
    assert!(changed.contains(&mask), "{changed:?}");
    let left: Vec<_> = fs::read_dir(system.dir.path().join("running/run/systemd/system.control"))
        .unwrap()
        .collect();
    assert!(left.is_empty());
    assert_eq!(system.read("etc/profile.d/genpack-proxy.sh"), None);
    assert_eq!(system.read("run/genpack/proxy.env"), None);
}

#[test]
fn accounts_of_programs_and_homes_of_people_stay() {
    let mut system = System::new(
        r#"{"user": {"anna": {"password_hash": {"secret": "$6$salt$aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}, "groups": ["sudo"]}}}"#,
    );
    let passwd = system.read("etc/passwd").unwrap();
    assert!(passwd.contains("anna:"), "{passwd}");
    system.write(
        "etc/passwd",
        &format!("{passwd}postfix:x:110:110::/:/bin/false\n"),
    );
    system.write("home/anna/.profile", "her own");
    system.write("home/anna/letter", "dear");
    let changed = system.apply(r#"{"user": {"anna": {"password_hash": {"secret": "$6$salt$bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"}, "groups": ["sudo"]}}}"#);
    assert_eq!(changed, ["/etc/shadow"]);
    assert!(system.read("etc/shadow").unwrap().contains("anna:$6$salt$bbb"));

    system.apply("{}");
    let passwd = system.read("etc/passwd").unwrap();
    assert!(!passwd.contains("anna") && passwd.contains("postfix"), "{passwd}");
    assert!(!system.read("etc/shadow").unwrap().contains("anna"));
    assert_eq!(system.read("etc/group").unwrap(), "root:x:0:\nsudo:x:27:\n");
    assert_eq!(system.read("home/anna/letter").as_deref(), Some("dear"));

    system.apply(r#"{"user": {"anna": {"password_hash": {"secret": "$6$salt$cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"}}}}"#);
    assert_eq!(system.read("home/anna/.profile").as_deref(), Some("her own"));
    assert!(system.read("etc/passwd").unwrap().contains("anna:"));
}

const ANNA: &str = r#"{"user": {"anna": {"password_hash": {"secret": "$6$salt$aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}}}}"#;

#[test]
fn what_was_kept_follows_the_settings_of_the_next_start() {
    let system = System::new("{}");
    let tokyo =
        r#"{"system": {"timezone": "Europe/Berlin", "keyboard": "de"}, "ssh": {"password_login": true}}"#;
    system.start_again(tokyo);
    assert!(
        system
            .read("etc/ssh/sshd_config.d/05-genpack-password.conf")
            .is_some()
    );
    system.write("etc/issue", "my own");
    // The settings are gone, whoever has written the files since.
    system.write("etc/locale.conf", "LANG=fr_FR.UTF-8\n");
    let changed = system.start_again("{}");
    assert_eq!(
        system.read("etc/ssh/sshd_config.d/05-genpack-password.conf"),
        None
    );
    assert_eq!(system.read("etc/locale.conf"), None);
    assert_eq!(system.read("etc/default/keyboard").unwrap(), "XKBLAYOUT=\"us\"\n");
    let zone = fs::read_link(system.dir.path().join("running/etc/localtime")).unwrap();
    assert_eq!(zone, Path::new("../usr/share/zoneinfo/Asia/Tokyo"));
    assert_eq!(system.read("etc/issue").as_deref(), Some("my own"));
    assert!(!changed.contains(&"/etc/hostname".to_string()), "{changed:?}");
    assert_eq!(system.start_again("{}"), [""; 0], "an equal start writes nothing");
}

#[test]
fn kept_accounts_lose_only_what_settings_had_made() {
    let system = System::new("{}");
    system.start_again(ANNA);
    let passwd = system.read("etc/passwd").unwrap();
    assert!(passwd.contains("anna:"), "{passwd}");
    system.write(
        "etc/passwd",
        &format!("{passwd}postfix:x:110:110::/:/bin/false\n"),
    );
    system.write("home/anna/.profile", "her own");
    assert_eq!(system.start_again(ANNA), [""; 0]);
    assert_eq!(system.read("home/anna/.profile").as_deref(), Some("her own"));
    // A new image brings an account of its own.
    let of_image = system.dir.path().join("image/etc/passwd");
    fs::write(
        &of_image,
        "root:x:0:0:root:/root:/bin/sh\nnew:x:101:101::/:/bin/false\n",
    )
    .unwrap();
    system.start_again("{}");
    let passwd = system.read("etc/passwd").unwrap();
    assert!(
        !passwd.contains("anna:") && !system.read("etc/shadow").unwrap().contains("anna"),
        "{passwd}"
    );
    assert!(passwd.contains("postfix:") && passwd.contains("new:"), "{passwd}");
}

#[test]
fn accounts_stay_when_those_of_the_image_can_not_be_read() {
    let system = System::new("{}");
    system.start_again(ANNA);
    let root = system.dir.path().join("running");
    let roots = Roots {
        system: &root,
        run: &root,
    };
    let steps = at_start(&Plan::default(), &ImageFiles::default(), &roots);
    carry_out(&steps, &roots, &system.dir.path().join("image"));
    assert!(system.read("etc/passwd").unwrap().starts_with("root:"));
    assert!(system.read("etc/shadow").unwrap().contains("anna"));
}

#[test]
fn a_file_of_accounts_that_can_not_be_changed_is_tried_again() {
    let system = System::new("{}");
    system.start_again(ANNA);
    let (settings, root) = (Settings::default(), system.dir.path().join("running"));
    let (_, image) = system.plan(&settings);
    let roots = Roots {
        system: &root,
        run: &root,
    };
    let facts = Facts {
        features: Some([Feature::Storage].into()),
        ..Facts::default()
    };
    let identity = Identity {
        hostname: &HOSTNAME.parse().unwrap(),
        machine_id: "0123",
        ssh_host_key: "KEY",
        timezone: None,
    };
    let steps = at_start(&plan(&settings, &identity, &image, &facts), &image, &roots);
    // What is in the way of the new file.
    fs::create_dir_all(root.join("etc/shadow.genpack-new/x")).unwrap();
    let (_, failed) = carry_out(&steps, &roots, &system.dir.path().join("image"));
    assert_eq!(failed[0].0, "/etc/shadow");
    assert!(system.read("etc/shadow").unwrap().contains("anna"));
    fs::remove_dir_all(root.join("etc/shadow.genpack-new")).unwrap();
    system.start_again("{}");
    assert!(!system.read("etc/shadow").unwrap().contains("anna"));
}

#[test]
fn what_fails_does_not_stop_the_rest() {
    let system = System::new("{}");
    let root = system.dir.path().join("running");
    fs::create_dir_all(root.join("etc/locale.conf/x")).unwrap();
    let settings: Settings = serde_json::from_str(r#"{"system": {"locale": "ja_JP.UTF-8"}}"#).unwrap();
    let (old, image) = system.plan(&Settings::default());
    let (new, _) = system.plan(&settings);
    let roots = Roots {
        system: &root,
        run: &root,
    };
    let (changed, failed) = carry_out(
        &changes(&old, &new, &image),
        &roots,
        &system.dir.path().join("image"),
    );
    assert_eq!(changed, ["/etc/default/locale"]);
    assert_eq!((failed.len(), failed[0].0.as_str()), (1, "/etc/locale.conf"));
}
