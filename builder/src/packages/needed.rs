//! Which packages of a tree an appliance needs, by what they say about one another.
//!
//! The rules are in docs/decisions/0018-packages-that-leave.md.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::database::Database;

/// Packages whose work is to install, configure and remove others, and helpers of the scripts that do. A dependency on one of
/// them is for those scripts, which have run, and doesn't count.
const INSTALLERS: [&str; 22] = [
    "adduser",
    "apt",
    "apt-utils",
    "base-passwd",
    "cdebconf",
    "debconf",
    "debconf-i18n",
    "debian-archive-keyring",
    "dpkg",
    "emacsen-common",
    "gpgv",
    "init-system-helpers",
    "install-info",
    "mmdebstrap",
    "runit-helper",
    "sgml-base",
    "sqv",
    "ucf",
    "update-inetd",
    "usr-is-merged",
    "usrmerge",
    "xml-core",
];
/// Essential, and yet only there when something kept needs it: next to nothing but installers is written in Perl in
/// Debian's essential set.
const NOT_BY_ITSELF: &str = "perl-base";
/// A person can log in at the console and mount a disk, whatever packages were asked for. Nothing depends on `login`, which
/// getty runs.
const ALWAYS: [&str; 2] = ["login", "mount"];
/// Whoever asks for one of these wants to install packages on the device, which takes all installers.
const MANAGERS: [&str; 2] = ["apt", "dpkg"];

/// Why a package is in an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Blueprint or profile name it.
    Asked,
    /// Debian's packages may use it without saying so.
    Essential,
    /// A package that is in the image depends on it.
    Dependency(String),
    /// A file of the image uses a file of it.
    UsedBy(String),
}

/// Returns whether a package's work is done when all packages are installed.
pub fn is_installer(name: &str) -> bool {
    INSTALLERS.contains(&name)
}

/// The packages that stay, and why.
#[derive(Debug, Clone)]
pub struct Needed<'a> {
    database: &'a Database,
    providers: BTreeMap<&'a str, Vec<&'a str>>,
    reasons: BTreeMap<String, Reason>,
    /// Whether the device can install packages, so that installers stay, too.
    pub installs: bool,
}

impl<'a> Needed<'a> {
    /// Works out what stays when the packages `asked` are asked for.
    pub fn of(database: &'a Database, asked: &[String]) -> Needed<'a> {
        let mut providers: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for package in database.packages.values() {
            for name in package.provides.iter().chain([&package.name]) {
                providers.entry(name).or_default().push(&package.name);
            }
        }
        let mut needed = Needed {
            database,
            providers,
            reasons: BTreeMap::new(),
            installs: asked.iter().any(|name| MANAGERS.contains(&name.as_str())),
        };
        for name in asked {
            // A name that only others provide stands for all of them.
            for package in needed.providing(name) {
                needed.add(&package, Reason::Asked);
            }
        }
        for package in database.packages.values().filter(|package| package.essential) {
            let by_itself = package.name != NOT_BY_ITSELF && !is_installer(&package.name);
            if by_itself || needed.installs {
                needed.add(&package.name, Reason::Essential);
            }
        }
        for name in ALWAYS {
            needed.add(name, Reason::Essential);
        }
        // What was found as a dependency first may have a better reason.
        for (name, reason) in &mut needed.reasons {
            if asked.contains(name) {
                *reason = Reason::Asked;
            } else if ALWAYS.contains(&name.as_str()) || database.packages[name].essential {
                *reason = Reason::Essential;
            }
        }
        needed
    }

    /// Adds a package that is installed, with all that it depends on.
    pub fn add(&mut self, name: &str, reason: Reason) {
        let mut todo = vec![(name.to_string(), reason)];
        while let Some((name, reason)) = todo.pop() {
            let Some(package) = self.database.packages.get(&name) else {
                continue;
            };
            if self.reasons.contains_key(&name) {
                continue;
            }
            for alternatives in &package.depends {
                // Nobody knows which of several a package really uses, so that all stay.
                for other in alternatives.iter().flat_map(|name| self.providing(name)) {
                    if self.installs || !is_installer(&other) {
                        todo.push((other, Reason::Dependency(name.clone())));
                    }
                }
            }
            self.reasons.insert(name, reason);
        }
    }

    /// Returns whether a package stays whole.
    pub fn has(&self, name: &str) -> bool {
        self.reasons.contains_key(name)
    }

    /// Returns why each package stays.
    pub fn reasons(&self) -> &BTreeMap<String, Reason> {
        &self.reasons
    }

    fn providing(&self, name: &str) -> Vec<String> {
        let real = self
            .database
            .packages
            .get(name)
            .map(|package| vec![package.name.as_str()]);
        let found = real.or_else(|| self.providers.get(name).cloned());
        found.unwrap_or_default().into_iter().map(String::from).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Packages as `name [!] [-> dependencies] [provides names]`.
    fn database(lines: &str) -> Database {
        let paragraph = |line: &str| {
            let (line, provides) = line.split_once(" provides ").unwrap_or((line, ""));
            let (name, depends) = line.split_once(" -> ").unwrap_or((line, ""));
            let essential = if name.ends_with('!') { "yes" } else { "no" };
            let name = name.trim_end_matches('!');
            format!(
                "Package: {name}\nStatus: install ok installed\nVersion: 1\nEssential: {essential}\n\
                 Depends: {depends}\nProvides: {provides}\n\n"
            )
        };
        Database::parse(
            &lines
                .lines()
                .map(|line| paragraph(line.trim()))
                .collect::<String>(),
        )
    }

    fn kept(lines: &str, asked: &[&str]) -> String {
        let database = database(lines);
        let asked: Vec<_> = asked.iter().map(ToString::to_string).collect();
        let needed = Needed::of(&database, &asked);
        needed.reasons().keys().cloned().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn what_is_asked_for_stays_with_what_it_depends_on() {
        let lines = "web -> tls, web-common\ntls\nweb-common -> tls\nlibstdc++6\ncompiler -> libstdc++6";
        assert_eq!(kept(lines, &["web"]), "tls web web-common");
        assert_eq!(kept(lines, &["compiler"]), "compiler libstdc++6");
    }

    #[test]
    fn installers_go_and_so_does_what_only_they_need() {
        let lines = "dpkg! -> tar\ntar!\nperl-base! -> libcrypt1\nlibcrypt1\napt -> libapt\nlibapt\n\
                     debconf -> perl-base provides debconf-2.0\nweb -> debconf | debconf-2.0, ucf\nucf -> sensible-utils\n\
                     sensible-utils";
        assert_eq!(kept(lines, &["web"]), "tar web");
        // One of them that is asked for by name stays, but brings no other.
        assert_eq!(kept(lines, &["ucf"]), "sensible-utils tar ucf");
        assert_eq!(
            kept(lines, &["web", "apt"]),
            "apt debconf dpkg libapt libcrypt1 perl-base sensible-utils tar ucf web"
        );
    }

    #[test]
    fn perl_stays_for_whoever_says_that_he_needs_it() {
        let lines = "perl-base! -> libcrypt1\nlibcrypt1\ntool -> perl:any\nperl -> perl-base";
        assert_eq!(kept(lines, &["tool"]), "libcrypt1 perl perl-base tool");
    }

    #[test]
    fn another_package_may_answer_to_a_name() {
        let lines = "dbus -> adduser | systemd-sysusers\nadduser -> passwd\npasswd\nsystemd provides systemd-sysusers\n\
                     mta provides mail-transport-agent";
        assert_eq!(kept(lines, &["dbus"]), "dbus systemd");
        assert_eq!(kept(lines, &["mail-transport-agent"]), "mta");
    }

    #[test]
    fn dependencies_in_a_circle_end() {
        assert_eq!(kept("a -> b\nb -> a", &["b"]), "a b");
    }
}
