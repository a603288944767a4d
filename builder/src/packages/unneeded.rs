//! Files that leave a tree whoever brought them, because nothing on a device reads them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::listing::Listing;

/// Folders with what only other computers read: people's manuals, hooks of tools that build packages or an initramfs, reports
/// of bugs, answers to debconf, sources of what is compiled already. Only what packages brought leaves them.
const FOLDERS: [&str; 19] = [
    "usr/lib/kernel/install.d",
    "usr/share/apport",
    "usr/share/bug",
    "usr/share/doc-base",
    "usr/share/gcc",
    "usr/share/gdb",
    "usr/share/gnome/help",
    "usr/share/help",
    "usr/share/i18n",
    "usr/share/info",
    "usr/share/initramfs-tools",
    "usr/share/lintian",
    "usr/share/man",
    "usr/share/menu",
    "usr/share/pam-configs",
    "usr/share/perl5/Debian/DebConf",
    "usr/share/python3/runtime.d",
    "usr/share/runit",
    "usr/share/vim/registry",
];
/// Folders that only serve a package which may be there.
const FOLDERS_FOR: [(&str, &str); 4] = [
    ("usr/share/bash-completion", "bash-completion"),
    ("usr/share/fish", "fish"),
    ("usr/share/zsh", "zsh"),
    ("usr/share/polkit-1", "polkitd"),
];
/// Sources, and what was compiled of them when their packages were installed.
const COMPILED: [(&str, &str); 2] = [
    ("usr/lib/udev/hwdb.d", "usr/lib/udev/hwdb.bin"),
    ("usr/lib/systemd/catalog", "var/lib/systemd/catalog/database"),
];
/// Programs in Perl that belong to packages which do all their work without them: two are for packages' own scripts, the
/// others have a command in the program `openssl` that does the same.
const PERL_ASIDE: [&str; 5] = [
    "usr/bin/c_rehash",
    "usr/lib/ssl/misc/CA.pl",
    "usr/lib/ssl/misc/tsget.pl",
    "usr/sbin/pam-auth-update",
    "usr/sbin/pam_getenv",
];
/// Scripts of System V's init, and the links that say when they run.
const INIT_SCRIPTS: &str = "etc/init.d";
/// What systemctl runs for a script of System V's init, and for nothing else.
const SYSV_INSTALL: &str = "usr/lib/systemd/systemd-sysv-install";
/// Where units are, for the comparison with scripts of the same name.
const UNITS: [&str; 2] = ["usr/lib/systemd/system", "etc/systemd/system"];

/// Returns the files that leave, of those that packages brought. `has` says which packages stay.
pub fn files(listing: &Listing, has: &dyn Fn(&str) -> bool) -> BTreeSet<PathBuf> {
    let mut folders: Vec<&str> = FOLDERS.to_vec();
    folders.extend(
        FOLDERS_FOR
            .iter()
            .filter(|(_, package)| !has(package))
            .map(|(folder, _)| *folder),
    );
    folders.extend(
        COMPILED
            .iter()
            .filter(|(_, compiled)| listing.contains(Path::new(compiled)))
            .map(|(folder, _)| *folder),
    );
    let perl: &[&str] = if has("perl-base") { &[] } else { &PERL_ASIDE };
    let owned = || listing.owned();
    let has_scripts =
        owned().any(|path| path.starts_with(INIT_SCRIPTS) && !is_shadowed_script(path, listing));
    let leaves = |path: &Path| {
        folders.iter().any(|folder| path.starts_with(folder))
            || perl.iter().any(|file| path == Path::new(file))
            || is_shadowed_script(path, listing)
            || path == Path::new(SYSV_INSTALL) && !has_scripts
    };
    owned()
        .filter(|path| leaves(path))
        .map(Path::to_path_buf)
        .collect()
}

/// Returns whether systemd ignores it: a unit of the same name wins (systemd-sysv-generator(8)).
fn is_shadowed_script(path: &Path, listing: &Listing) -> bool {
    path.strip_prefix(INIT_SCRIPTS).is_ok_and(|name| {
        let unit = name.with_extension(match name.extension() {
            Some(end) => format!("{}.service", end.display()),
            None => "service".into(),
        });
        UNITS
            .iter()
            .any(|folder| listing.contains(&Path::new(folder).join(&unit)))
    })
}
