//! A part of a Debian mirror on this disk, with the mirror's own signature. All builders take their packages from it, so
//! that the network does not decide who is faster, and all get the same versions.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::{run, stdout_of};

/// APT's own downloader (package apt). It knows the host's proxies and every kind of address.
const HELPER: &str = "/usr/lib/apt/apt-helper";
/// Debian's architecture of everything here.
const ARCHITECTURE: &str = "amd64";
/// The list of packages, below the suite.
const PACKAGES: &str = "main/binary-amd64/Packages.xz";
/// APT's words for what a system of mmdebstrap's variant `minbase` has beside what is asked for.
const MINBASE: [&str; 3] = ["?essential", "?priority(required)", "apt"];
/// About 100 MB.
const LIMIT: Duration = Duration::from_secs(900);

/// A mirror that has just the packages which are needed.
pub struct LocalMirror {
    folder: PathBuf,
    suite: String,
    source: String,
}

/// What APT says of a package that it would download.
struct Download {
    name: String,
    /// Below a mirror's address, and escaped as there.
    path: String,
    /// `SHA256:...`
    hash: String,
}

impl LocalMirror {
    /// Begins a mirror of `suite` in the new folder `folder`, with the list of packages and its signature.
    pub fn new(folder: &Path, suite: &str) -> Result<LocalMirror> {
        let mirror = LocalMirror {
            folder: folder.to_path_buf(),
            suite: suite.to_string(),
            source: host_mirror()?,
        };
        for file in ["InRelease", PACKAGES] {
            let below = format!("dists/{suite}/{file}");
            let place = mirror.files().join(&below);
            fs::create_dir_all(place.parent().unwrap_or(folder))?;
            let mut helper = Command::new(HELPER);
            helper
                .arg("download-file")
                .arg(format!("{}/{below}", mirror.source))
                .arg(place);
            run(&helper, LIMIT)?;
        }
        mirror.prepare_apt()?;
        Ok(mirror)
    }

    /// The mirror's folder: what `dists` and `pool` are in.
    pub fn files(&self) -> PathBuf {
        self.folder.join("debian")
    }

    /// The mirror's address, in the form in which APT prints it. APT copies what it takes from there, as it does with a mirror
    /// in the network.
    pub fn address(&self) -> String {
        format!("copy:{}", self.files().display())
    }

    /// The same as a URL, which mmdebstrap takes for a mirror's address only with its slashes.
    pub fn url(&self) -> String {
        format!("copy://{}", self.files().display())
    }

    /// Adds these packages and what they depend on. If it is a `whole` system, those come along that every Debian has.
    /// Returns the names of all.
    pub fn add(&self, asked: &[String], whole: bool) -> Result<Vec<String>> {
        let mut install = self.apt();
        install.args([
            "install",
            "--print-uris",
            "--yes",
            "-qq",
            "--no-install-recommends",
        ]);
        let text = stdout_of(install.args(MINBASE.iter().filter(|_| whole)).args(asked))?;
        let downloads = read_downloads(&text, &self.address())?;
        let mut missing = BTreeMap::new();
        for download in &downloads {
            let place = self.files().join(unescape(&download.path)?);
            if !place.exists() {
                fs::create_dir_all(place.parent().unwrap_or(&self.folder))?;
                missing.insert(place, download);
            }
        }
        let mut helper = Command::new(HELPER);
        helper.arg("download-file");
        for (place, Download { path, hash, .. }) in &missing {
            helper.arg(format!("{}/{path}", self.source)).arg(place).arg(hash);
        }
        if !missing.is_empty() {
            run(&helper, LIMIT)?;
        }
        Ok(downloads.into_iter().map(|download| download.name).collect())
    }

    /// APT with lists of its own, and nothing of the host's configuration.
    fn prepare_apt(&self) -> Result<()> {
        for folder in ["apt/lists/partial", "apt/archives/partial"] {
            fs::create_dir_all(self.folder.join(folder))?;
        }
        let at = |name: &str| self.folder.join("apt").join(name);
        fs::write(at("status"), "")?;
        // Whoever builds from the mirror looks at the signature.
        let source = format!("deb [trusted=yes] {} {} main\n", self.address(), self.suite);
        fs::write(at("sources.list"), source)?;
        let conf = format!(
            "Dir::Etc::main \"/dev/null\";\nDir::Etc::parts \"/dev/null\";\nDir::Etc::preferences \"/dev/null\";\n\
             Dir::Etc::preferencesparts \"/dev/null\";\nDir::Etc::sourceparts \"/dev/null\";\n\
             Dir::Etc::sourcelist \"{0}/sources.list\";\nDir::State \"{0}\";\nDir::State::status \"{0}/status\";\n\
             Dir::Cache \"{0}\";\nAPT::Architecture \"{ARCHITECTURE}\";\nAPT::Architectures {{ \"{ARCHITECTURE}\"; }};\n\
             APT::Sandbox::User \"root\";\nAcquire::Languages \"none\";\n",
            self.folder.join("apt").display()
        );
        fs::write(at("apt.conf"), conf)?;
        stdout_of(self.apt().arg("update")).map(drop)
    }

    fn apt(&self) -> Command {
        let mut apt = Command::new("apt-get");
        apt.env("APT_CONFIG", self.folder.join("apt/apt.conf"))
            .env("LC_ALL", "C.UTF-8");
        apt
    }
}

/// Returns the address of the first Debian mirror in the host's APT configuration, without a slash at the end.
pub fn host_mirror() -> Result<String> {
    let mut targets = Command::new("apt-get");
    targets.args([
        "indextargets",
        "--format",
        "$(LABEL)\t$(REPO_URI)",
        "Created-By: Packages",
    ]);
    let text = stdout_of(&mut targets)?;
    // The label is known only where the lists have been fetched; the address tells as well.
    let mut mirrors = text
        .lines()
        .filter_map(|line| line.split_once('\t'))
        .map(|(label, uri)| (label, uri.trim_end_matches('/')));
    let found = mirrors.find(|(label, uri)| *label == "Debian" || uri.ends_with("/debian"));
    match found {
        Some((_, uri)) => Ok(uri.to_string()),
        None => bail!("the host's APT configuration names no Debian mirror"),
    }
}

/// Reads what `--print-uris` prints: `'URI' NAME_VERSION_ARCHITECTURE.deb SIZE SHA256:HASH`.
fn read_downloads(text: &str, address: &str) -> Result<Vec<Download>> {
    let download = |line: &str| {
        let mut words = line.split_whitespace();
        let uri = words.next()?.trim_matches('\'');
        // APT writes one slash where it was told three.
        let address = address.replace(":///", ":/");
        Some(Download {
            path: uri
                .replace(":///", ":/")
                .strip_prefix(&address)?
                .strip_prefix('/')?
                .into(),
            name: words.next()?.split('_').next()?.into(),
            hash: words.nth(1)?.into(),
        })
    };
    let lines = text.lines().filter(|line| line.starts_with('\''));
    lines
        .map(|line| download(line).with_context(|| format!("reading what APT would download: {line}")))
        .collect()
}

/// Undoes `%2b` and the like.
fn unescape(path: &str) -> Result<String> {
    let mut parts = path.split('%');
    let mut plain = parts.next().unwrap_or_default().to_string();
    for part in parts {
        let (code, rest) = part
            .split_at_checked(2)
            .with_context(|| format!("the address {path}"))?;
        let code = u8::from_str_radix(code, 16).with_context(|| format!("the address {path}"))?;
        plain.push(char::from(code));
        plain.push_str(rest);
    }
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_apt_would_download_is_understood() {
        let text = "'copy:/m/pool/g/g%2b%2b_1.deb' g++_4%3a1_amd64.deb 12 SHA256:ab\nNote: nothing\n";
        let downloads = read_downloads(text, "copy:/m").unwrap();
        assert_eq!(downloads.len(), 1);
        assert_eq!(downloads[0].name, "g++");
        assert_eq!(downloads[0].hash, "SHA256:ab");
        assert_eq!(unescape(&downloads[0].path).unwrap(), "pool/g/g++_1.deb");
        assert!(read_downloads("'http://elsewhere/a.deb' a_1_all.deb 1 SHA256:ab", "copy:/m").is_err());
    }
}
