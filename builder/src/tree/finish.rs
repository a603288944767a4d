//! Taking out what an appliance does not need, and putting in what every image has.

use std::fs::{self, DirEntry};
use std::io;
use std::os::unix::fs::symlink;
use std::path::Path;

use anyhow::{Context, Result};
use genpack_spec::image::ImageInfo;
use genpack_spec::layout;
use genpack_spec::text::Language;

use super::rooted::Rooted;

/// Folders whose content goes: documentation, caches, APT's data.
const EMPTIED: [&str; 12] = [
    "boot",
    "etc/apt/sources.list.d",
    "tmp",
    "usr/share/doc-base",
    "usr/share/info",
    "usr/share/lintian",
    "usr/share/man",
    "var/cache/apt",
    "var/cache/debconf",
    "var/lib/apt/lists",
    "var/log/journal",
    "var/tmp",
];
/// Logs go; their folders stay, because services do not start without them.
const LOGS: &str = "var/log";
/// Where sshd has its keys.
const SSH: &str = "etc/ssh";
const RESOLV_CONF: &str = "etc/resolv.conf";
/// Files that go: traces of the machine that built the image, and state that each device makes for itself.
const REMOVED: [&str; 7] = [
    "etc/apt/apt.conf.d/99mmdebstrap",
    "etc/apt/sources.list",
    "etc/hostname",
    RESOLV_CONF,
    "var/cache/ldconfig/aux-cache",
    "var/lib/dbus/machine-id",
    "var/lib/systemd/random-seed",
];
/// What the programs that make accounts leave behind.
const ACCOUNT_LEFTOVERS: [&str; 7] = [
    "etc/.pwd.lock",
    "etc/group-",
    "etc/gshadow-",
    "etc/passwd-",
    "etc/shadow-",
    "etc/subgid-",
    "etc/subuid-",
];
/// Licences are the part of `/usr/share/doc` that must go with the programs.
const DOC: &str = "usr/share/doc";
const LICENCE: &str = "copyright";
/// Translations of messages, by language.
const MESSAGES: &str = "usr/share/locale";

/// Takes out of a fresh tree what an image in `language` does not need, and what tells of the machine that built it. Does
/// nothing about packages.
pub fn strip(root: &Path, language: Language) -> Result<()> {
    let root = &Rooted::open(root).context("opening the tree")?;
    for folder in EMPTIED {
        for_each(root, folder, remove_whole)?;
    }
    for_each(root, LOGS, remove_files)?;
    for file in REMOVED {
        remove(root, file)?;
    }
    for_each(root, SSH, remove_host_key)?;
    for_each(root, MESSAGES, |entry| keep_messages(entry, language))?;
    for_each(root, DOC, keep_only_licence)
}

/// Puts in what every image has once its files are in place.
pub fn finish(root: &Path, info: &ImageInfo) -> Result<()> {
    let root = &Rooted::open(root).context("opening the tree")?;
    for file in ACCOUNT_LEFTOVERS {
        remove(root, file)?;
    }
    remove(root, RESOLV_CONF)?;
    let etc = root.make_folder(Path::new("etc"));
    etc.and_then(|etc| symlink(layout::RESOLV_CONF, etc.join("resolv.conf".as_ref())))
        .context("linking /etc/resolv.conf")?;
    put(root, "etc/machine-id", "uninitialized\n")?;
    // Without these stamps systemd rebuilds its caches at every boot (systemd-update-done.service(8)).
    for stamp in ["etc/.updated", "var/.updated"] {
        put(root, stamp, &format!("TIMESTAMP_NSEC={}000000000\n", info.epoch))?;
    }
    put(
        root,
        layout::IMAGE_INFO.trim_start_matches('/'),
        &serde_json::to_string_pretty(info)?,
    )
}

/// Does something with everything in a folder, which need not exist.
fn for_each(root: &Rooted, folder: &str, what: impl Fn(&DirEntry) -> io::Result<()>) -> Result<()> {
    // As long as the folder is open, the entries' paths lead to it.
    root.entries(Path::new(folder))
        .and_then(|(_open, entries)| entries.iter().try_for_each(what))
        .with_context(|| format!("emptying /{folder}"))
}

fn remove(root: &Rooted, file: &str) -> Result<()> {
    root.remove(Path::new(file))
        .with_context(|| format!("removing /{file}"))
}

/// Puts a file in the place of what is there; a link would lead to another.
fn put(root: &Rooted, file: &str, text: &str) -> Result<()> {
    remove(root, file)?;
    root.write(Path::new(file), text)
        .with_context(|| format!("writing /{file}"))
}

fn remove_whole(entry: &DirEntry) -> io::Result<()> {
    match entry.file_type()?.is_dir() {
        true => fs::remove_dir_all(entry.path()),
        false => fs::remove_file(entry.path()),
    }
}

fn remove_files(entry: &DirEntry) -> io::Result<()> {
    if !entry.file_type()?.is_dir() {
        return fs::remove_file(entry.path());
    }
    fs::read_dir(entry.path())?.try_for_each(|entry| remove_files(&entry?))
}

/// A host key that many devices share is no key.
fn remove_host_key(entry: &DirEntry) -> io::Result<()> {
    match entry.file_name().as_encoded_bytes().starts_with(b"ssh_host_") {
        true => remove_whole(entry),
        false => Ok(()),
    }
}

/// Removes messages in other languages than the image's. English ones are in the programs themselves.
fn keep_messages(entry: &DirEntry, language: Language) -> io::Result<()> {
    let name = entry.file_name().to_string_lossy().into_owned();
    // The names are LANGUAGE[_TERRITORY][.CODESET][@MODIFIER] (setlocale(3)).
    let of_folder = name.split(['_', '.', '@']).next().unwrap_or_default();
    if language != Language::English && of_folder == language.code() {
        return Ok(());
    }
    remove_whole(entry)
}

/// Removes all but the licence of what a package says about itself.
fn keep_only_licence(package: &DirEntry) -> io::Result<()> {
    if !package.file_type()?.is_dir() {
        return Ok(());
    }
    for entry in fs::read_dir(package.path())? {
        let entry = entry?;
        if entry.file_type()?.is_dir() || entry.file_name() != LICENCE {
            remove_whole(&entry)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traces_of_the_builder_go_and_licences_stay() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        let files = [
            "etc/hostname",
            "etc/ssh/ssh_host_rsa_key",
            "etc/ssh/sshd_config",
            "usr/share/doc/bash/copyright",
            "usr/share/doc/bash/examples/x",
            "usr/share/locale/de/LC_MESSAGES/a.mo",
            "usr/share/locale/de_AT@euro/LC_MESSAGES/a.mo",
            "usr/share/locale/den/LC_MESSAGES/a.mo",
            "usr/share/locale/ja/LC_MESSAGES/a.mo",
            "usr/share/locale/locale.alias",
            "usr/share/man/man1/bash.1",
            "var/log/journal/0123/system.journal",
            "var/log/nginx/access.log",
        ];
        for file in files {
            fs::create_dir_all(root.join(file).parent().unwrap()).unwrap();
            fs::write(root.join(file), "x").unwrap();
        }
        strip(root, Language::German).unwrap();
        let left: Vec<_> = files
            .into_iter()
            .filter(|file| root.join(file).exists())
            .collect();
        let want = [
            "etc/ssh/sshd_config",
            "usr/share/doc/bash/copyright",
            "usr/share/locale/de/LC_MESSAGES/a.mo",
            "usr/share/locale/de_AT@euro/LC_MESSAGES/a.mo",
        ];
        assert_eq!(left, want);
        strip(root, Language::English).unwrap();
        assert_eq!(fs::read_dir(root.join(MESSAGES)).unwrap().count(), 0);
        assert!(root.join("var/log/nginx").is_dir() && !root.join("var/log/journal/0123").exists());
    }

    #[test]
    fn links_of_the_tree_lead_to_nothing_outside() {
        let dir = tempfile::tempdir().unwrap();
        let (root, precious) = (dir.path().join("tree"), dir.path().join("precious"));
        let files = [
            "ssh_host_rsa_key",
            "deep/log",
            "de/LC_MESSAGES/a.mo",
            "bash/readme",
        ];
        for file in files {
            let place = precious.join(file);
            fs::create_dir_all(place.parent().unwrap()).unwrap();
            fs::write(place, "precious").unwrap();
        }
        let file = precious.join("file");
        fs::write(&file, "precious").unwrap();
        for folder in EMPTIED.into_iter().chain([LOGS, SSH, MESSAGES, DOC]) {
            let link = root.join(folder);
            // A folder of another link's is inside already.
            if fs::create_dir_all(link.parent().unwrap()).is_ok() {
                let _ = symlink(&precious, link);
            }
        }
        for link in ["etc/machine-id", "etc/.updated", "var/.updated", "etc/passwd-"] {
            symlink(&file, root.join(link)).unwrap();
        }
        strip(&root, Language::English).unwrap();
        let info = ImageInfo {
            name: "x".into(),
            profile: "kvm".into(),
            base: "tar:x.tar".into(),
            kernel: "6".into(),
            epoch: 1,
            language: Language::English,
            settings_from: Default::default(),
            persist: None,
        };
        finish(&root, &info).unwrap();
        for file in files.into_iter().chain(["file"]) {
            assert_eq!(
                fs::read_to_string(precious.join(file)).unwrap(),
                "precious",
                "{file}"
            );
        }
        assert!(
            fs::symlink_metadata(root.join("etc/machine-id"))
                .unwrap()
                .is_file()
        );
    }

    #[test]
    fn absolute_links_are_those_of_the_tree() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        fs::create_dir_all(root.join("var")).unwrap();
        fs::create_dir(root.join("tmp")).unwrap();
        fs::write(root.join("tmp/left"), "").unwrap();
        symlink("/tmp", root.join("var/tmp")).unwrap();
        strip(root, Language::English).unwrap();
        assert!(!root.join("tmp/left").exists() && root.join("var/tmp").is_symlink());
    }
}
