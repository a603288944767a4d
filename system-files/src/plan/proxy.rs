//! The proxy, as the environment of services and of people who log in.

use std::fmt::Write;

use genpack_spec::layout;
use genpack_spec::settings::Proxy;
use genpack_spec::types::ProxyUrl;

use super::own::quoted;
use super::{Entry, file};

/// Never reached through a proxy.
const HERE: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

pub(super) fn entries(proxy: &Proxy) -> Vec<Entry> {
    if proxy.http.is_none() && proxy.https.is_none() {
        return Vec::new();
    }
    let no_proxy: Vec<&str> = HERE
        .into_iter()
        .chain(proxy.no_proxy.iter().map(String::as_str))
        .collect();
    let values = [
        ("http_proxy", proxy.http.as_ref().map(ProxyUrl::reveal)),
        ("https_proxy", proxy.https.as_ref().map(ProxyUrl::reveal)),
        ("no_proxy", Some(&*no_proxy.join(","))),
    ]
    .map(|(name, value)| (name, value.map(quoted)));
    let (mut environment, mut profile) = (String::new(), String::new());
    for (name, value) in &values {
        // Some programs know only the one spelling, some only the other.
        for name in [name.to_string(), name.to_uppercase()] {
            if let Some(value) = value {
                // A string always takes what is written to it.
                let _ = writeln!(environment, "{name}={value}");
                let _ = writeln!(profile, "export {name}={value}");
            }
        }
    }
    // A password in the address is for root, and for the programs that systemd starts; not for every user.
    let secret = [&proxy.http, &proxy.https]
        .into_iter()
        .flatten()
        .any(|url| url.reveal().contains('@'));
    let mode = if secret { 0o600 } else { 0o644 };
    vec![
        // `DefaultEnvironment=` would be shorter, but everybody may ask systemd for that; it reads a file for itself.
        file(layout::PROXY_ENV, mode, environment),
        file(
            "/run/systemd/system/service.d/50-genpack-proxy.conf",
            0o644,
            format!("[Service]\nEnvironmentFile=-{}\n", layout::PROXY_ENV),
        ),
        file("/etc/profile.d/genpack-proxy.sh", mode, profile),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Kind;

    fn planned(json: &str) -> Vec<Entry> {
        entries(&serde_json::from_str(json).unwrap())
    }

    fn mode(entry: &Entry) -> u32 {
        match entry.kind {
            Kind::File { mode, .. } => mode,
            _ => panic!("{entry:?}"),
        }
    }

    #[test]
    fn both_spellings_reach_services_and_shells() {
        let entries = planned(r#"{"http": "http://proxy:3128", "no_proxy": ["example.org"]}"#);
        assert_eq!(
            entries[0],
            file(
                "/run/genpack/proxy.env",
                0o644,
                "http_proxy=\"http://proxy:3128\"\nHTTP_PROXY=\"http://proxy:3128\"\n\
                 no_proxy=\"localhost,127.0.0.1,::1,example.org\"\nNO_PROXY=\"localhost,127.0.0.1,::1,example.org\"\n"
            )
        );
        assert_eq!(entries.len(), 3);
        assert!(planned(r#"{"no_proxy": ["example.org"]}"#).is_empty());
    }

    #[test]
    fn a_password_is_not_for_everybody() {
        let entries = planned(r#"{"https": {"secret": "http://me:a$b@proxy:3128"}}"#);
        assert_eq!((mode(&entries[0]), mode(&entries[2])), (0o600, 0o600));
        let Kind::File { content, .. } = &entries[2].kind else {
            panic!("not a file")
        };
        let output = std::process::Command::new("sh")
            .args(["-c", &format!("{}\nenv", String::from_utf8_lossy(content))])
            .output()
            .unwrap();
        let environment = String::from_utf8(output.stdout).unwrap();
        assert!(
            environment
                .lines()
                .any(|line| line == "HTTPS_PROXY=http://me:a$b@proxy:3128"),
            "{environment}"
        );
    }
}
