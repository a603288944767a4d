//! Whether a unit that somebody names would ever be started.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::links::{self, Place};
use super::rooted::Rooted;
use super::units::{self, UNIT_FOLDERS, parse, template_of};

/// Settings that make `systemctl enable` do something (systemd.unit(5), "\[Install\] Section Options").
const INSTALLING: [&str; 5] = ["Alias", "Also", "RequiredBy", "UpheldBy", "WantedBy"];
/// Settings with which a unit starts others, among them those of timers, sockets and paths.
const STARTING: [&str; 8] = [
    "BindsTo",
    "OnFailure",
    "OnSuccess",
    "Requires",
    "Service",
    "Unit",
    "Upholds",
    "Wants",
];
/// Endings of folders with links to what a unit starts.
const LINKS: [&str; 3] = [".wants", ".requires", ".upholds"];
/// Kinds of unit that start the service of their own name.
const TRIGGERS: [&str; 3] = ["path", "socket", "timer"];

/// What systemd starts by itself, and with its systemd-rc-local-generator(8).
const BY_SYSTEMD: [&str; 2] = ["default.target", "rc-local.service"];
/// Folders of udev's rules (udev(7)), which start units when a device appears (systemd.device(5), `SYSTEMD_WANTS`).
const RULE_FOLDERS: [&str; 3] = [
    "etc/udev/rules.d",
    "usr/local/lib/udev/rules.d",
    "usr/lib/udev/rules.d",
];

/// Why a unit can't be enabled, or why that has no effect.
#[derive(Debug, PartialEq, Eq)]
pub enum Flaw {
    /// It is switched off for good.
    Masked,
    /// It stands for as many units as one likes.
    Template,
    /// Nothing starts it; there may be a timer, socket or path that would.
    Inert(Option<String>),
}

/// Returns why `unit`, which is not an alias, can't be enabled in the tree, if that can be told from its file.
pub fn refusal(root: &Rooted, unit: &str) -> Option<Flaw> {
    let path = file_of(root, unit)?;
    let is_empty = root.metadata(&path).is_ok_and(|metadata| metadata.len() == 0);
    // systemd.unit(5), "Description": a file of no length masks as a link to /dev/null does.
    if path == Path::new("dev/null") || is_empty {
        return Some(Flaw::Masked);
    }
    let has_instance = || !values(&settings(root, unit), &["DefaultInstance"]).is_empty();
    (unit.contains("@.") && !has_instance()).then_some(Flaw::Template)
}

/// Returns [`Flaw::Inert`] when nothing starts `unit` after all units have been enabled. Nothing is said of a unit without
/// a file: programs make some while the machine starts.
pub fn inert(root: &Rooted, unit: &str) -> Option<Flaw> {
    file_of(root, unit)?;
    let own = settings(root, unit);
    // With a name on the bus, whoever asks for that name starts it.
    if !values(&own, &INSTALLING).is_empty() || !values(&own, &["BusName"]).is_empty() {
        return None;
    }
    let mut names = BTreeSet::from([unit.to_string()]);
    let aliases = units::aliases(root).into_iter();
    names.extend(aliases.filter(|(_, real)| real == unit).map(|(alias, _)| alias));
    let started = started(root);
    if names.iter().any(|name| started.contains(name)) {
        return None;
    }
    let stem = unit.strip_suffix(".service");
    let trigger = |kind| Some(format!("{}.{kind}", stem?)).filter(|name| file_of(root, name).is_some());
    let triggers: Vec<_> = TRIGGERS.into_iter().filter_map(trigger).collect();
    let works = triggers.iter().any(|trigger| started.contains(trigger));
    (!works).then(|| Flaw::Inert(triggers.into_iter().next()))
}

/// Returns the names of all units that another one starts, by a link or by its own settings, or that udev or systemd starts.
fn started(root: &Rooted) -> BTreeSet<String> {
    let mut started = BTreeSet::from(BY_SYSTEMD.map(String::from));
    for folder in RULE_FOLDERS {
        for rule in root.names(folder.as_ref()) {
            let text = root.text_or_empty(&Path::new(folder).join(rule));
            let wants = text.split("SYSTEMD_WANTS}").skip(1);
            let values = wants.filter_map(|rest| rest.split('"').nth(1));
            started.extend(values.flat_map(|value| value.split_whitespace().map(String::from)));
        }
    }
    for folder in UNIT_FOLDERS.map(Path::new) {
        let names = root.names(folder).into_iter();
        let of_links = names.filter(|name| LINKS.iter().any(|ending| name.ends_with(ending)));
        started.extend(of_links.flat_map(|name| root.names(&folder.join(name))));
    }
    let own = units::files(root).into_iter().filter(|(_, link)| link.is_none());
    for (name, _) in own {
        let settings = settings(root, &name);
        let named = values(&settings, &STARTING).into_iter();
        started.extend(named.flat_map(|value| value.split_whitespace().map(String::from)));
    }
    started
}

/// Returns the values of these settings; an empty one says nothing.
fn values<'s>(settings: &'s [(String, String)], keys: &[&str]) -> Vec<&'s str> {
    let meant = settings
        .iter()
        .filter(|(key, value)| keys.contains(&key.as_str()) && !value.is_empty());
    meant.map(|(_, value)| value.as_str()).collect()
}

/// Returns what a unit's file and its drop-ins say, in any section.
fn settings(root: &Rooted, unit: &str) -> Vec<(String, String)> {
    let drop_ins = places(unit, ".d").flat_map(|folder| {
        let names = root.names(&folder).into_iter();
        names.map(move |name| folder.join(name))
    });
    let files = file_of(root, unit).into_iter().chain(drop_ins);
    files.flat_map(|path| parse(&root.text_or_empty(&path))).collect()
}

/// Returns the file of a unit, or that of the template of an instance, behind all links, below the root.
fn file_of(root: &Rooted, unit: &str) -> Option<PathBuf> {
    let place = places(unit, "").find(|place| root.symlink_metadata(place).is_ok())?;
    let look = |place: &Path| root.read_link(place).map_or(Place::End, Place::Link);
    let (_, inside) = links::follow(&place, look).ok()?;
    Some(inside)
}

/// Returns all places of a unit, then those of its template, with an ending.
fn places(unit: &str, ending: &str) -> impl Iterator<Item = PathBuf> {
    let names = [Some(unit.to_string()), template_of(unit)];
    names.into_iter().flatten().flat_map(move |name| {
        let name = name + ending;
        UNIT_FOLDERS.map(|folder| Path::new(folder).join(&name))
    })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    const VENDOR: &str = "usr/lib/systemd/system";

    fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = root.path().join(VENDOR).join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        root
    }

    #[test]
    fn masked_units_and_bare_templates_can_not_be_enabled() {
        let install = "[Install]\nWantedBy=multi-user.target\n";
        let root = tree(&[
            ("web.service", install),
            ("empty.service", ""),
            ("tunnel@.service", install),
            (
                "getty@.service",
                "[Install]\nWantedBy=getty.target\nDefaultInstance=tty1\n",
            ),
        ]);
        symlink("/dev/null", root.path().join(VENDOR).join("off.service")).unwrap();
        let rooted = Rooted::open(root.path()).unwrap();
        for (unit, flaw) in [
            ("web.service", None),
            ("of-nowhere.service", None),
            ("off.service", Some(Flaw::Masked)),
            ("empty.service", Some(Flaw::Masked)),
            ("tunnel@.service", Some(Flaw::Template)),
            ("tunnel@home.service", None),
            ("getty@.service", None),
        ] {
            assert_eq!(refusal(&rooted, unit), flaw, "{unit}");
        }
    }

    #[test]
    fn a_unit_that_nothing_starts_is_inert() {
        let bare = "[Unit]\nDescription=x\n[Service]\nExecStart=/bin/true\n";
        let root = tree(&[
            ("app.service", bare),
            ("empty-install.service", "[Install]\nWantedBy=\n"),
            (
                "installed.service",
                "[Service]\n[Install]\nWantedBy=multi-user.target\n",
            ),
            ("by-drop-in.service", bare),
            ("by-drop-in.service.d/x.conf", "[Install]\nWantedBy=a.target\n"),
            ("linked.service", bare),
            ("sysinit.target.wants/linked.service", ""),
            ("worker@.service", bare),
            (
                "main.service",
                "[Unit]\nWants=other.service \\\n  worker@1.service\n",
            ),
            ("rc-local.service", bare),
            ("usb.service", bare),
            (
                "../../udev/rules.d/39.rules",
                "ENV{SYSTEMD_WANTS}+=\"x.service usb.service\"\n",
            ),
            ("bus.service", "[Service]\nType=dbus\nBusName=org.example\n"),
            ("clean.service", bare),
            ("clean.timer", "[Timer]\n[Install]\nWantedBy=timers.target\n"),
            ("daily.service", bare),
            ("daily.timer", "[Timer]\n[Install]\nWantedBy=timers.target\n"),
            ("timers.target.wants/daily.timer", ""),
        ]);
        let rooted = Rooted::open(root.path()).unwrap();
        for (unit, flaw) in [
            ("app.service", Some(Flaw::Inert(None))),
            ("empty-install.service", Some(Flaw::Inert(None))),
            ("worker@2.service", Some(Flaw::Inert(None))),
            ("clean.service", Some(Flaw::Inert(Some("clean.timer".into())))),
            ("installed.service", None),
            ("by-drop-in.service", None),
            ("linked.service", None),
            ("worker@1.service", None),
            ("bus.service", None),
            ("daily.service", None),
            ("generated.service", None),
            ("rc-local.service", None),
            ("usb.service", None),
        ] {
            assert_eq!(inert(&rooted, unit), flaw, "{unit}");
        }
    }
}
