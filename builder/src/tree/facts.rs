//! What a finished tree has that the meaning of a `system.ini` depends on.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{ErrorKind, Read};
use std::path::Path;
use std::str::FromStr;

use anyhow::{Context, Result};
use genpack_spec::declared::DeclaredSection;
use genpack_spec::facts::{Facts, Feature};
use genpack_spec::layout;
use genpack_spec::types::{Keyboard, Locale, TimeZone, UnitName, UserName};

use super::rooted::Rooted;
use super::units;
use crate::blueprint::{Blueprint, InputError, Problem};

/// Collects the facts of a finished tree, leaves them in it, and checks the declared sections against them. `modules` is
/// the folder of the kernel's modules, which needn't be in the tree yet.
///
/// # Errors
///
/// [`InputError`] with all sections that are for a user whom the tree lacks; and when a file of the tree can't be read.
pub fn collect_facts(root: &Path, modules: &Path, blueprint: &Blueprint) -> Result<Facts> {
    let root = Rooted::open(root)?;
    let mut facts = facts(&root, modules, blueprint.settings.as_slice())?;
    if let (None, Some(features)) = (&blueprint.persist, &mut facts.features) {
        features.remove(&Feature::Storage);
    }
    facts.name = Some(blueprint.name.to_string());
    facts.generated_units |= blueprint.persist.is_some();
    root.write(layout::FACTS.as_ref(), serde_json::to_vec(&facts)?)
        .with_context(|| format!("writing {}", layout::FACTS))?;
    Ok(facts)
}

fn facts(root: &Rooted, modules: &Path, settings: &[DeclaredSection]) -> Result<Facts> {
    let accounts = accounts(root).context("reading /etc/passwd of the tree")?;
    let lacks = |section: &&DeclaredSection| {
        let mut users = section.user.iter();
        users.any(|user| accounts.iter().all(|(name, _)| name != user.as_str()))
    };
    let strangers = settings.iter().filter(lacks).map(of_a_stranger);
    InputError::unless_none(strangers.collect(), ())?;
    let is_person = |uid: u32| uid == 0 || (1000..60000).contains(&uid);
    let users = accounts
        .iter()
        .filter(|(_, uid)| is_person(*uid))
        .map(|(name, _)| name.as_str());
    Ok(Facts {
        name: None,
        time_zones: Some(time_zones(root)),
        locales: Some(locales(root)),
        keyboards: Some(keyboards(root)),
        users: Some(parsed(users)),
        groups: Some(groups(root).context("reading /etc/group of the tree")?),
        units: Some(parsed(units::names(root))),
        generated_units: units::may_be_generated(root),
        unit_aliases: aliases(root),
        shells: Some(shells(root)),
        features: Some(features(root, &kernel_modules(modules))),
        settings: settings.to_vec(),
    })
}

fn of_a_stranger(section: &DeclaredSection) -> Problem {
    let user = section.user.as_ref().map_or("", UserName::as_str);
    let label = format!(
        "the section {} is for the user {user}, whom the image does not have",
        section.name
    );
    Problem::about(&["settings"], &section.name, label)
        .with_help("add the user to users, or the package that makes it to packages")
}

/// Those names that are valid, each once, in order.
fn parsed<T: FromStr>(names: impl IntoIterator<Item = impl AsRef<str>>) -> Vec<T> {
    let names: BTreeSet<String> = names.into_iter().map(|name| name.as_ref().to_string()).collect();
    names.iter().filter_map(|name| name.parse().ok()).collect()
}

/// Names and numbers of all accounts.
fn accounts(root: &Rooted) -> std::io::Result<Vec<(String, u32)>> {
    let text = root.text("etc/passwd".as_ref())?.ok_or(ErrorKind::NotFound)?;
    let account = |line: &str| {
        let mut fields = line.split(':');
        Some((fields.next()?.to_string(), fields.nth(1)?.parse().ok()?))
    };
    Ok(text.lines().filter_map(account).collect())
}

fn groups(root: &Rooted) -> std::io::Result<Vec<UserName>> {
    let text = root.text("etc/group".as_ref())?.ok_or(ErrorKind::NotFound)?;
    Ok(parsed(text.lines().filter_map(|line| line.split(':').next())))
}

/// Files that begin as compiled time zones do (RFC 9636), by their path below the folder of them.
fn time_zones(root: &Rooted) -> Vec<TimeZone> {
    let folder = Path::new(layout::ZONEINFO);
    let mut names = Vec::new();
    walk(root, folder, "", &mut |name| {
        // Two further sets of all zones, with and without leap seconds.
        if name.starts_with("posix/") || name.starts_with("right/") {
            return;
        }
        let mut magic = [0; 4];
        let read = root
            .file(&folder.join(name))
            .and_then(|mut file| file.read_exact(&mut magic));
        if read.is_ok() && &magic == b"TZif" {
            names.push(name.to_string());
        }
    });
    names.retain(|name| !matches!(name.as_str(), "localtime" | "posixrules"));
    parsed(names)
}

/// Calls `visit` with all below a folder that is no folder itself, by its path there.
fn walk(root: &Rooted, folder: &Path, prefix: &str, visit: &mut dyn FnMut(&str)) {
    let (_folder, entries) = root.entries(&folder.join(prefix)).unwrap_or_default();
    for entry in entries {
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        // A link to a folder is not followed: it could lead in a circle.
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => walk(root, folder, &format!("{name}/"), visit),
            _ => visit(&name),
        }
    }
}

/// Locales that stand in folders of their own, and those in glibc's archive.
fn locales(root: &Rooted) -> Vec<Locale> {
    let folder = Path::new("usr/lib/locale");
    let mut names = archived_locales(&root.read(&folder.join("locale-archive")).unwrap_or_default());
    let own = root.names(folder).into_iter();
    names.extend(own.filter(|name| exists(root, folder.join(name).join("LC_CTYPE"))));
    parsed(names)
}

/// Names in glibc's `locale-archive` (`locale/locarchive.h`): a head of words, the third of which says where the table of
/// names begins and the fifth how many places it has, used or not; each place is hash, offset of the name, and offset of the data.
fn archived_locales(archive: &[u8]) -> Vec<String> {
    let word = |at: usize| -> Option<usize> {
        let bytes = archive.get(at..at.checked_add(4)?)?;
        Some(u32::from_ne_bytes(bytes.try_into().ok()?) as usize)
    };
    const MAGIC: usize = 0xde02_0109;
    let (Some(MAGIC), Some(table), Some(places)) = (word(0), word(8), word(16)) else {
        return Vec::new();
    };
    let name = |place: usize| {
        let at = table + place * 12;
        let (offset, data) = (word(at + 4)?, word(at + 8)?);
        let bytes = archive.get(offset..).filter(|_| offset != 0 && data != 0)?;
        let end = bytes.iter().position(|&byte| byte == 0)?;
        String::from_utf8(bytes[..end].to_vec()).ok()
    };
    // A damaged head must not cost more than the archive is long.
    (0..places.min(archive.len() / 12)).filter_map(name).collect()
}

/// Layouts and variants of XKB when console-setup makes the console's keymap of them, and keymaps of the kbd package.
fn keyboards(root: &Rooted) -> Vec<Keyboard> {
    let mut names = Vec::new();
    if exists(root, "usr/bin/setupcon") {
        names.extend(xkb_layouts(
            &root.text_or_empty("usr/share/X11/xkb/rules/base.lst".as_ref()),
        ));
    }
    for folder in ["usr/share/keymaps", "usr/share/kbd/keymaps"] {
        walk(root, folder.as_ref(), "", &mut |name| {
            let file = name.rsplit('/').next().unwrap_or(name);
            let keymap = file.strip_suffix(".gz").unwrap_or(file).strip_suffix(".map");
            names.extend(keymap.or(file.strip_suffix(".kmap.gz")).map(str::to_string));
        });
    }
    parsed(names)
}

/// Reads `base.lst` of xkeyboard-config: layouts as `us   English`, variants as `intl   us: English (international)`.
fn xkb_layouts(rules: &str) -> Vec<String> {
    let mut part = "";
    let mut names = Vec::new();
    for line in rules.lines() {
        if let Some(name) = line.strip_prefix("! ") {
            part = name.trim();
            continue;
        }
        let mut words = line.split_whitespace();
        let (Some(name), Some(behind)) = (words.next(), words.next()) else {
            continue;
        };
        match (part, behind.strip_suffix(':')) {
            ("layout", _) => names.push(name.to_string()),
            ("variant", Some(layout)) => names.push(format!("{layout}-{name}")),
            _ => {}
        }
    }
    names
}

fn aliases(root: &Rooted) -> BTreeMap<UnitName, UnitName> {
    let aliases = units::aliases(root).into_iter();
    let parsed = |(alias, unit): (String, String)| Some((alias.parse().ok()?, unit.parse().ok()?));
    aliases.filter_map(parsed).collect()
}

fn shells(root: &Rooted) -> Vec<String> {
    let listed = root.text_or_empty("etc/shells".as_ref());
    let listed = listed
        .lines()
        .map(str::trim)
        .filter(|shell| shell.starts_with('/'));
    let shells: BTreeSet<_> = listed
        .chain(["/usr/sbin/nologin", "/usr/bin/false"])
        .filter(|shell| exists(root, shell))
        .map(str::to_string)
        .collect();
    shells.into_iter().collect()
}

fn exists(root: &Rooted, path: impl AsRef<Path>) -> bool {
    root.metadata(path.as_ref()).is_ok()
}

/// Names of the modules that a kernel has as files or built in.
fn kernel_modules(folder: &Path) -> BTreeSet<String> {
    let Ok(folder) = Rooted::open(folder) else {
        return BTreeSet::new();
    };
    let mut names = BTreeSet::new();
    let mut add = |file: &str| {
        let name = file.rsplit('/').next().and_then(|file| file.split_once(".ko"));
        names.extend(name.map(|(name, _)| name.to_string()));
    };
    let builtin = folder.text_or_empty("modules.builtin".as_ref());
    builtin.lines().for_each(&mut add);
    walk(&folder, "kernel".as_ref(), "", &mut add);
    names
}

/// What genpack can do and the tree has the programs, and the kernel the modules, for.
fn features(root: &Rooted, modules: &BTreeSet<String>) -> BTreeSet<Feature> {
    let has = |paths: &[&str]| paths.iter().any(|path| exists(root, path));
    let there = |feature: &Feature| match feature {
        Feature::Ssh => has(&["usr/sbin/sshd"]),
        Feature::Ntp => has(&["usr/lib/systemd/systemd-timesyncd"]),
        Feature::Keyboard => has(&["usr/bin/setupcon", "usr/bin/loadkeys"]),
        Feature::Wifi => {
            modules.contains("cfg80211") && has(&["usr/sbin/wpa_supplicant", "usr/bin/wpa_supplicant"])
        }
        Feature::Vlan => modules.contains("8021q"),
        Feature::Bridge => modules.contains("bridge"),
        Feature::Bond => modules.contains("bonding"),
        Feature::Wireguard => modules.contains("wireguard"),
        // What genpack does by itself needs no program of the image.
        _ => true,
    };
    Feature::IMPLEMENTED.iter().copied().filter(there).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    fn tree(files: &[(&str, &[u8])]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let accounts: [(&str, &[u8]); 2] = [
            (
                "etc/passwd",
                b"root:x:0:0::/root:/bin/bash\ndaemon:x:1:1::/:/bin/false\nanna:x:1000:1000::/:/bin/sh\n",
            ),
            ("etc/group", b"root:x:0:\naudio:x:29:\n"),
        ];
        for (path, content) in accounts.iter().chain(files) {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        dir
    }

    fn texts<T: ToString>(values: &Option<Vec<T>>) -> Vec<String> {
        values.iter().flatten().map(T::to_string).collect()
    }

    #[test]
    fn what_the_tree_has_is_found() {
        let tree = tree(&[
            ("usr/share/zoneinfo/Europe/Berlin", b"TZif2..."),
            ("usr/share/zoneinfo/UTC", b"TZif2..."),
            ("usr/share/zoneinfo/posix/UTC", b"TZif2..."),
            ("usr/share/zoneinfo/posixrules", b"TZif2..."),
            ("usr/share/zoneinfo/zone.tab", b"# text"),
            ("usr/lib/locale/C.utf8/LC_CTYPE", b""),
            ("usr/bin/setupcon", b""),
            (
                "usr/share/X11/xkb/rules/base.lst",
                b"! layout\n  us   English (US)\n\n! variant\n  intl  us: English (x)\n",
            ),
            ("usr/share/keymaps/i386/qwertz/de.kmap.gz", b""),
            ("usr/lib/systemd/system/nginx.service", b""),
            ("usr/lib/systemd/system/ssh.service", b""),
            ("etc/shells", b"# shells\n/bin/sh\n/bin/zsh\n"),
            ("bin/sh", b""),
            ("usr/sbin/sshd", b""),
            ("modules/kernel/net/8021q/8021q.ko.xz", b""),
            ("modules/kernel/drivers/net/bonding/bonding.ko", b""),
            ("modules/modules.builtin", b"kernel/net/bridge/bridge.ko\n"),
        ]);
        let alias = tree.path().join("usr/lib/systemd/system/sshd.service");
        symlink("ssh.service", alias).unwrap();
        let root = Rooted::open(tree.path()).unwrap();
        let facts = facts(&root, &tree.path().join("modules"), &[]).unwrap();
        assert_eq!(texts(&facts.time_zones), ["Europe/Berlin", "UTC"]);
        assert_eq!(texts(&facts.locales), ["C.utf8"]);
        assert_eq!(texts(&facts.keyboards), ["de", "us", "us-intl"]);
        assert_eq!(texts(&facts.users), ["anna", "root"]);
        assert_eq!(texts(&facts.groups), ["audio", "root"]);
        assert_eq!(
            texts(&facts.units),
            ["nginx.service", "ssh.service", "sshd.service"]
        );
        assert!(!facts.generated_units);
        let alias = ("sshd.service".parse().unwrap(), "ssh.service".parse().unwrap());
        assert_eq!(facts.unit_aliases, [alias].into());
        assert_eq!(facts.shells, Some(vec!["/bin/sh".to_string()]));
        assert!(facts.has(Feature::Ssh) && facts.has(Feature::Keyboard) && !facts.has(Feature::Ntp));
        assert!(facts.has(Feature::Vlan) && facts.has(Feature::Bridge) && facts.has(Feature::Bond));
        assert!(facts.has(Feature::NetworkDetails) && !facts.has(Feature::Wireguard));
    }

    #[test]
    fn what_only_this_machine_has_is_no_fact() {
        let outside = tempfile::tempdir().unwrap();
        for file in ["TZif", "sshd", "de.map", "x.service"] {
            fs::write(outside.path().join(file), "TZif").unwrap();
        }
        let tree = tree(&[("etc/shells", b"/bin/sh\n/opt/own\n"), ("opt/own", b"")]);
        let link = |path: &str, to: &Path| {
            let path = tree.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            symlink(to, path).unwrap();
        };
        link("usr/share/zoneinfo/Here", &outside.path().join("TZif"));
        link("usr/sbin/sshd", &outside.path().join("sshd"));
        link("usr/share/keymaps", outside.path());
        link("usr/lib/systemd/system", outside.path());
        link("bin", Path::new("/bin"));
        link("usr/lib/locale", Path::new("/usr/lib/locale"));
        let root = Rooted::open(tree.path()).unwrap();
        let facts = facts(&root, &tree.path().join("modules"), &[]).unwrap();
        assert!(texts(&facts.time_zones).is_empty() && texts(&facts.keyboards).is_empty());
        assert!(texts(&facts.units).is_empty() && texts(&facts.locales).is_empty());
        assert_eq!(facts.shells, Some(vec!["/opt/own".to_string()]));
        assert!(!facts.has(Feature::Ssh));
    }

    #[test]
    fn an_archive_tells_its_locales() {
        let words: [u32; 5] = [0xde02_0109, 0, 64, 1, 3];
        let mut archive: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
        archive.resize(64, 0);
        let places: [u32; 9] = [0, 0, 0, 7, 100, 200, 0, 0, 0];
        archive.extend(places.iter().flat_map(|word| word.to_ne_bytes()));
        archive.extend(b"de_DE.utf8\0....");
        assert_eq!(archived_locales(&archive), ["de_DE.utf8"]);
        for length in 0..archive.len() {
            archived_locales(&archive[..length]);
        }
    }

    #[test]
    fn a_section_for_an_unknown_user_is_refused() {
        let tree = tree(&[]);
        let root = Rooted::open(tree.path()).unwrap();
        let section = |user: &str| DeclaredSection {
            name: "kiosk".into(),
            help: String::new(),
            user: user.parse().ok(),
            keys: Vec::new(),
        };
        assert!(facts(&root, Path::new("/nonexistent"), &[section("daemon")]).is_ok());
        let sections = [section("kiosk"), section("daemon"), section("nobody")];
        let error = facts(&root, Path::new("/nonexistent"), &sections).unwrap_err();
        let error = error.downcast::<InputError>().unwrap();
        let said: Vec<_> = error.problems().iter().map(Problem::label).collect();
        assert_eq!(
            said,
            [
                "the section kiosk is for the user kiosk, whom the image does not have",
                "the section kiosk is for the user nobody, whom the image does not have"
            ]
        );
        assert_eq!(error.problems()[0].mention().unwrap().name, "kiosk");
    }
}
