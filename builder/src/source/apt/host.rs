//! What the host's own APT says: which mirrors there are, and how to get at them.

use std::process::Command;
use std::time::Duration;

use anyhow::{Result, bail};

use super::Archive;
use crate::blueprint::Mirror;
use crate::command;

/// APT's own limits add up to four minutes for a mirror that does not answer. The host's settings come after these.
const LIMITS: &str =
    "Acquire::Retries \"1\";\nAcquire::http::Timeout \"15\";\nAcquire::https::Timeout \"15\";\n";
/// What APT needs beside waiting for mirrors: checking and sorting the lists that came.
const THINKING: Duration = Duration::from_secs(15);
/// Suites that have neither updates nor security archives beside them.
const ROLLING: [&str; 3] = ["sid", "unstable", "experimental"];

/// Returns the host's settings for downloads, after our own: its proxies, time limits and the like hold for us too.
pub fn acquire_settings() -> Result<String> {
    let text = command::stdout_of(Command::new("apt-config").args(["dump", "Acquire"]))?;
    // The host's choice of languages and index formats is for its own lists.
    let foreign = [
        "Acquire::Languages",
        "Acquire::IndexTargets",
        "Acquire::GzipIndexes",
    ];
    let lines = text
        .lines()
        .filter(|line| !foreign.iter().any(|prefix| line.starts_with(prefix)));
    let lines = lines.filter(|line| *line != "Acquire \"\";");
    Ok(LIMITS.to_string() + &lines.map(|line| format!("{line}\n")).collect::<String>())
}

/// Returns how long nothing may come before a mirror is given up: APT waits twice for each file, because it takes the first
/// silence for a connection that the server has forgotten (apt's methods/basehttp.cc).
pub fn patience(settings: &str) -> Duration {
    let limit = |method: &str| {
        let name = format!("Acquire::{method}::Timeout ");
        let lines = settings.lines().filter_map(|line| line.strip_prefix(&name));
        let mut values = lines.filter_map(|value| value.trim_matches(['"', ';']).parse().ok());
        // What stands last holds.
        values.next_back().map(Duration::from_secs)
    };
    let longest = ["http", "https"].into_iter().filter_map(limit).max();
    2 * longest.unwrap_or_default() + THINKING
}

/// Returns the archives of a Debian suite: from `mirror` when one is named, else from the host's own APT
/// configuration, with updates and security fixes where the suite has them.
pub fn archives(suite: &str, mirror: Option<&Mirror>) -> Result<Vec<Archive>> {
    let archive = |uri: &str, suite: String| Archive {
        uri: uri.trim_end_matches('/').to_string(),
        suite,
    };
    if let Some(mirror) = mirror {
        return Ok(vec![archive(&mirror.to_string(), suite.to_string())]);
    }
    let format = "$(LABEL)\t$(COMPONENT)\t$(REPO_URI)";
    let text = command::stdout_of(Command::new("apt-get").args(["indextargets", "--format", format]))?;
    let find = |label: &str, ending: &str| {
        let fields = || text.lines().map(|line| line.split('\t').collect::<Vec<_>>());
        // The label is known only where the lists have been fetched; the address tells as well.
        let by_label = fields().find(|f| f[0] == label && f.get(1) == Some(&"main"));
        let by_address = || {
            fields().find(|f| {
                f.get(2)
                    .is_some_and(|uri| uri.trim_end_matches('/').ends_with(ending))
            })
        };
        by_label
            .or_else(by_address)
            .and_then(|f| f.get(2).map(|uri| uri.to_string()))
    };
    let Some(main) = find("Debian", "/debian") else {
        bail!(
            "the host's APT configuration names no Debian mirror; name one with GENPACK_MIRROR or with mirror: in \
             the blueprint"
        );
    };
    let mut archives = vec![archive(&main, suite.to_string())];
    if !ROLLING.contains(&suite) {
        archives.push(archive(&main, format!("{suite}-updates")));
        if let Some(security) = find("Debian-Security", "/debian-security") {
            archives.push(archive(&security, format!("{suite}-security")));
        }
    }
    Ok(archives)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_named_mirror_is_the_only_one_asked() {
        let mirror = "http://mirror.example/debian/".parse().unwrap();
        let archives = archives("trixie", Some(&mirror)).unwrap();
        assert_eq!(
            archives,
            [Archive {
                uri: "http://mirror.example/debian".into(),
                suite: "trixie".into()
            }]
        );
    }

    #[test]
    fn a_silent_mirror_is_given_up_after_apts_own_limits() {
        assert_eq!(patience(LIMITS), Duration::from_secs(45));
        let host = "Acquire::http \"\";\nAcquire::http::Timeout \"2\";\nAcquire::https::Timeout \"4\";\n";
        assert_eq!(patience(&(LIMITS.to_string() + host)), Duration::from_secs(23));
    }

    #[test]
    fn the_hosts_mirrors_serve_any_suite() {
        let suites: Vec<_> = archives("trixie", None)
            .unwrap()
            .into_iter()
            .map(|a| a.suite)
            .collect();
        assert_eq!(suites[..2], ["trixie", "trixie-updates"]);
        let suites: Vec<_> = archives("sid", None)
            .unwrap()
            .into_iter()
            .map(|a| a.suite)
            .collect();
        assert_eq!(suites, ["sid"]);
    }
}
