//! APT with lists of its own, so that a Debian of any suite can be asked about from a Debian of any other.

mod download;
mod host;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use chrono::DateTime;
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use crate::blueprint::InputError;
use crate::lock::Pin;
use crate::progress::Stage;
use crate::{command, hash, room};

pub use host::archives;

/// Debian's keys, by the names that they had over the years (package debian-archive-keyring).
const KEYRINGS: [&str; 2] = [
    "/usr/share/keyrings/debian-archive-keyring.gpg",
    "/usr/share/keyrings/debian-archive-keyring.pgp",
];
/// Where lists are while they are being fetched, below the folder of a set of archives.
const UNFINISHED: &str = "lists/partial";
/// Bytes that the lists of a Debian release take with what APT makes of them, and some more.
const ROOM_FOR_LISTS: u64 = 250_000_000;
/// APT's words for every package that a Debian system can't do without (apt-patterns(7)).
const INDISPENSABLE: [&str; 2] = ["?essential", "?priority(required)"];
/// A version that has this priority is taken even where a newer one is there (apt_preferences(5)).
const PINNED: u32 = 1001;

/// One archive: a mirror with a suite.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Archive {
    /// Mirror.
    pub uri: String,
    /// Suite.
    pub suite: String,
}

/// APT's state for one set of archives.
pub struct Apt {
    folder: PathBuf,
    archives: Vec<Archive>,
    /// How long nothing may come before a mirror is given up.
    patience: Duration,
    _lock: Flock<File>,
}

impl Apt {
    /// Prepares APT's state in a folder below `lists`. Builds that use the same archives wait for each other.
    pub fn open(lists: &Path, arch: &str, archives: Vec<Archive>, stage: &Stage) -> Result<Apt> {
        let key = hash::text(&format!("{arch} {archives:?}"));
        let folder = lists.join(&key[..16]);
        for sub in [UNFINISHED, "archives/partial"] {
            fs::create_dir_all(folder.join(sub)).with_context(|| format!("making {}", folder.display()))?;
        }
        let lock = lock(&folder, FlockArg::LockExclusiveNonblock).or_else(|error| match error {
            Errno::EWOULDBLOCK => {
                stage.note("waiting for another build that uses the same package lists");
                lock(&folder, FlockArg::LockExclusive)
            }
            error => Err(error),
        });
        let lock = lock.with_context(|| format!("locking {}", folder.display()))?;
        empty_unfinished(&folder);
        let keyring = KEYRINGS.iter().find(|path| Path::new(path).exists());
        let Some(keyring) = keyring else {
            bail!(
                "Debian's keys are not installed here; install with: apt-get install debian-archive-keyring"
            );
        };
        let mut sources = String::new();
        for archive in &archives {
            writeln!(
                sources,
                "deb [signed-by={keyring}] {} {} main",
                archive.uri, archive.suite
            )?;
        }
        fs::write(folder.join("sources.list"), sources)?;
        fs::write(folder.join("status"), "")?;
        fs::write(folder.join("preferences"), "")?;
        let settings = host::acquire_settings()?;
        let patience = host::patience(&settings);
        fs::write(folder.join("acquire.conf"), settings)?;
        fs::write(folder.join("apt.conf"), configuration(&folder, arch))?;
        Ok(Apt {
            folder,
            archives,
            patience,
            _lock: lock,
        })
    }

    /// Renews the package lists. Where that fails and older lists are there, they serve, and the reason is returned
    /// for the developer to read.
    ///
    /// # Errors
    /// [`InputError`] when the mirror has no such suite; another error when there are no lists at all.
    pub fn update(&self) -> Result<Option<String>> {
        let Err(error) = self.fetch_lists() else {
            return Ok(None);
        };
        let have_lists = fs::read_dir(self.folder.join("lists"))?
            .flatten()
            .any(|entry| entry.file_name().to_string_lossy().ends_with("_Packages"));
        if have_lists {
            return Ok(Some(format!("{error:#}")));
        }
        let said = error.to_string();
        if let Some(Archive { uri, suite }) = self.archives.first()
            && said.contains(&format!("'{uri} {suite} Release' does not have a Release file"))
        {
            bail!(InputError::plain(format!(
                "there is no suite {suite:?} at {uri}; base: names the suite, for example \"debian:trixie\", and \
                 GENPACK_MIRROR or mirror: the mirror"
            )));
        }
        if command::is_disk_full(&said) {
            return Err(error);
        }
        Err(error).with_context(|| {
            format!(
                "no package lists could be had from {}; check the network, or name another mirror with \
                 GENPACK_MIRROR or with mirror: in the blueprint",
                self.describe()
            )
        })
    }

    /// On a full disk APT waits for ever. For a silent mirror it waits once for each list.
    fn fetch_lists(&self) -> Result<()> {
        if room::left(&self.folder).is_some_and(|left| left < ROOM_FOR_LISTS) {
            bail!("fetching package lists: {}", Errno::ENOSPC.desc());
        }
        let mut update = self.get();
        update.args(["update", "-q", "-o", "APT::Update::Error-Mode=any"]);
        let watched = command::watch(&mut update, self.patience, || room::content(&self.folder))?;
        if watched.given_up {
            bail!("{}:{}", silence(self.patience), command::tail(&watched.output));
        }
        command::check(&command::shown(&update), watched.output).map(drop)
    }

    /// Returns the archives as text for people.
    pub fn describe(&self) -> String {
        self.archives
            .iter()
            .map(|a| format!("{} {}", a.uri, a.suite))
            .collect::<Vec<_>>()
            .join(", ")
    }

    /// Returns the names of all packages that there are.
    pub fn package_names(&self) -> Result<Vec<String>> {
        let text = command::stdout_of(self.cache().arg("pkgnames"))?;
        Ok(text.lines().map(String::from).collect())
    }

    /// Returns the packages that a system of `asked` consists of, with Debian's indispensable ones if it is `whole`.
    /// Where a version of `prefer` can still be had, it is taken.
    ///
    /// # Errors
    /// When the packages can't be installed together; the error has APT's reasons.
    pub fn choose(
        &self,
        asked: &[String],
        whole: bool,
        prefer: &BTreeMap<String, String>,
    ) -> Result<Vec<Pin>> {
        let mut preferences = String::new();
        for (name, version) in prefer {
            write!(
                preferences,
                "Package: {name}\nPin: version {version}\nPin-Priority: {PINNED}\n\n"
            )?;
        }
        fs::write(self.folder.join("preferences"), preferences)?;
        let mut install = self.get();
        install.args([
            "install",
            "--print-uris",
            "--yes",
            "-q",
            "--no-install-recommends",
        ]);
        install.args(INDISPENSABLE.iter().filter(|_| whole)).args(asked);
        let outcome = command::stdout_of(&mut install);
        fs::write(self.folder.join("preferences"), "")?;
        let text =
            outcome.with_context(|| format!("these packages do not go together in {}", self.describe()))?;
        self.pins(&text)
    }

    /// Returns one package by itself, in its newest version.
    pub fn choose_one(&self, package: &str) -> Result<Pin> {
        let text = command::stdout_of(self.get().args(["download", "--print-uris", "-qq", package]))?;
        let pin = self.pins(&text)?.pop();
        pin.with_context(|| format!("APT does not say where {package} is"))
    }

    /// Reads what `--print-uris` prints: `'URI' NAME_VERSION_ARCHITECTURE.deb SIZE SHA256:HASH`.
    fn pins(&self, text: &str) -> Result<Vec<Pin>> {
        let pin = |line: &str| -> Option<Pin> {
            let mut words = line.split_whitespace();
            let uri = words.next()?.trim_matches('\'');
            let mut parts = words.next()?.strip_suffix(".deb")?.split('_');
            let size = words.next()?.parse().ok()?;
            let sha256 = words.next()?.strip_prefix("SHA256:")?;
            let mut archives = self.archives.iter();
            let path = archives.find_map(|archive| uri.strip_prefix(&archive.uri)?.strip_prefix('/'))?;
            Some(Pin {
                name: parts.next()?.into(),
                // A colon can't be in the name of a file everywhere.
                version: parts.next()?.replace("%3a", ":"),
                architecture: parts.next()?.into(),
                size,
                sha256: sha256.into(),
                path: path.into(),
            })
        };
        let lines = text.lines().filter(|line| line.starts_with('\''));
        lines
            .map(|line| pin(line).with_context(|| format!("reading what APT would download: {line}")))
            .collect()
    }

    /// Returns the newest version's record of a package.
    pub fn show(&self, package: &str) -> Result<String> {
        command::stdout_of(self.cache().args(["show", "--no-all-versions", package]))
    }

    /// Returns when the newest of the archives was made, in seconds since 1970 (the field `Date` of its `Release`).
    pub fn date(&self) -> Result<u32> {
        let mut newest = None;
        for entry in fs::read_dir(self.folder.join("lists"))?.flatten() {
            if !entry.file_name().to_string_lossy().ends_with("Release") {
                continue;
            }
            let text = fs::read_to_string(entry.path())?;
            let date = text.lines().find_map(|line| line.strip_prefix("Date: "));
            // Debian writes UTC where RFC 2822 has +0000.
            let date = date.and_then(|date| DateTime::parse_from_rfc2822(&date.replace("UTC", "+0000")).ok());
            newest = newest.max(date.and_then(|date| u32::try_from(date.timestamp()).ok()));
        }
        newest.with_context(|| format!("the package lists of {} have no date", self.describe()))
    }

    /// Returns the host's settings for downloads, such as a proxy, as an `apt.conf`.
    pub fn acquire_settings(&self) -> PathBuf {
        self.folder.join("acquire.conf")
    }

    fn get(&self) -> Command {
        self.command("apt-get")
    }

    fn cache(&self) -> Command {
        self.command("apt-cache")
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .env("APT_CONFIG", self.folder.join("apt.conf"))
            .env("LC_ALL", "C.UTF-8");
        command
    }
}

/// Removes what downloads of lists that ended too early have left in `lists`.
pub fn discard_unfinished(lists: &Path) {
    for entry in fs::read_dir(lists).into_iter().flatten().flatten() {
        // Another build may be at work in this one.
        if let Ok(_lock) = lock(&entry.path(), FlockArg::LockExclusiveNonblock) {
            empty_unfinished(&entry.path());
        }
    }
}

fn lock(folder: &Path, how: FlockArg) -> Result<Flock<File>, Errno> {
    let file = File::create(folder.join("lock"))
        .map_err(|error| error.raw_os_error().map_or(Errno::EIO, Errno::from_raw))?;
    Flock::lock(file, how).map_err(|(_, errno)| errno)
}

/// What can't be removed is in nobody's way: APT goes on with it or begins again.
fn empty_unfinished(folder: &Path) {
    for entry in fs::read_dir(folder.join(UNFINISHED))
        .into_iter()
        .flatten()
        .flatten()
    {
        let _ = fs::remove_file(entry.path());
    }
}

/// APT reads this first and nothing of the host's: its hooks are not for us (apt.conf(5)).
fn configuration(folder: &Path, arch: &str) -> String {
    let at = |name: &str| folder.join(name).display().to_string();
    format!(
        "Dir::Etc::main \"/dev/null\";\nDir::Etc::parts \"/dev/null\";\nDir::Etc::preferences \"{}\";\n\
         Dir::Etc::preferencesparts \"/dev/null\";\nDir::Etc::sourceparts \"/dev/null\";\n\
         Dir::Etc::sourcelist \"{}\";\nDir::State \"{}\";\nDir::State::lists \"{}\";\nDir::State::status \"{}\";\n\
         Dir::Cache \"{}\";\nDir::Cache::archives \"{}\";\n\
         APT::Architecture \"{arch}\";\nAPT::Architectures {{ \"{arch}\"; }};\nAPT::Sandbox::User \"root\";\n\
         Acquire::Languages \"none\";\nAcquire::ForceHash \"SHA256\";\n#include \"{}\";\n",
        at("preferences"),
        at("sources.list"),
        folder.display(),
        at("lists"),
        at("status"),
        folder.display(),
        at("archives"),
        at("acquire.conf"),
    )
}

fn silence(patience: Duration) -> String {
    format!(
        "the mirror is silent: nothing has come for {} seconds",
        patience.as_secs()
    )
}
