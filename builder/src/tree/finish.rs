//! Taking out what an appliance does not need, and putting in what every image has.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::Path;

use anyhow::{Context, Result};
use genpack_spec::image::ImageInfo;
use genpack_spec::layout;
use genpack_spec::text::Language;

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
/// Files that go: traces of the machine that built the image, and state that each device makes for itself.
const REMOVED: [&str; 7] = [
    "etc/apt/apt.conf.d/99mmdebstrap",
    "etc/apt/sources.list",
    "etc/hostname",
    "etc/resolv.conf",
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
    for folder in EMPTIED {
        empty(&root.join(folder)).with_context(|| format!("emptying /{folder}"))?;
    }
    remove_files(&root.join(LOGS)).with_context(|| format!("emptying /{LOGS}"))?;
    for file in REMOVED {
        remove(&root.join(file)).with_context(|| format!("removing /{file}"))?;
    }
    for entry in fs::read_dir(root.join("etc/ssh")).into_iter().flatten() {
        let entry = entry?;
        // A host key that many devices share is no key.
        if entry.file_name().to_string_lossy().starts_with("ssh_host_") {
            remove(&entry.path())?;
        }
    }
    keep_messages(&root.join(MESSAGES), language).with_context(|| format!("emptying /{MESSAGES}"))?;
    keep_only_licences(&root.join(DOC)).with_context(|| format!("emptying /{DOC}"))
}

/// Puts in what every image has once its files are in place.
pub fn finish(root: &Path, info: &ImageInfo) -> Result<()> {
    for file in ACCOUNT_LEFTOVERS {
        remove(&root.join(file)).with_context(|| format!("removing /{file}"))?;
    }
    let link = root.join("etc/resolv.conf");
    remove(&link)?;
    symlink(layout::RESOLV_CONF, &link).context("linking /etc/resolv.conf")?;
    fs::write(root.join("etc/machine-id"), "uninitialized\n").context("writing /etc/machine-id")?;
    // Without these stamps systemd rebuilds its caches at every boot (systemd-update-done.service(8)).
    for folder in ["etc", "var"] {
        let stamp = format!("TIMESTAMP_NSEC={}000000000\n", info.epoch);
        fs::write(root.join(folder).join(".updated"), stamp)
            .with_context(|| format!("writing /{folder}/.updated"))?;
    }
    let path = root.join(layout::IMAGE_INFO.trim_start_matches('/'));
    fs::create_dir_all(path.parent().unwrap_or(root))?;
    fs::write(&path, serde_json::to_string_pretty(info)?)
        .with_context(|| format!("writing {}", layout::IMAGE_INFO))
}

fn empty(folder: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?
        } else {
            fs::remove_file(entry.path())?
        }
    }
    Ok(())
}

/// Removes messages in other languages than the image's. English ones are in the programs themselves.
fn keep_messages(folder: &Path, language: Language) -> io::Result<()> {
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        // The names are LANGUAGE[_TERRITORY][.CODESET][@MODIFIER] (setlocale(3)).
        let of_folder = name.split(['_', '.', '@']).next().unwrap_or_default();
        if language != Language::English && of_folder == language.code() {
            continue;
        }
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?
        } else {
            fs::remove_file(entry.path())?
        }
    }
    Ok(())
}

fn remove_files(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_files(&entry.path())?
        } else {
            fs::remove_file(entry.path())?
        }
    }
    Ok(())
}

fn remove(file: &Path) -> io::Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn keep_only_licences(doc: &Path) -> io::Result<()> {
    for entry in fs::read_dir(doc).into_iter().flatten() {
        let folder = entry?.path();
        if !fs::symlink_metadata(&folder)?.is_dir() {
            continue;
        }
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                fs::remove_dir_all(entry.path())?;
            } else if entry.file_name() != LICENCE {
                fs::remove_file(entry.path())?;
            }
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
}
