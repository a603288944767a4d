//! Names of packages that all scanners understand (<https://github.com/package-url/purl-spec>).

use super::Distribution;
use crate::packages::Entry;

/// Returns the name of a Debian package: `pkg:deb/debian/NAME@VERSION?arch=...&distro=debian-13&upstream=SOURCE@VERSION`.
/// `upstream`, an addition of scanners, names the source package: Debian's security data are about these.
pub fn of_package(entry: &Entry, system: &Distribution) -> String {
    let mut upstream = String::new();
    if entry.source != entry.name || entry.source_version != entry.version {
        upstream = format!("&upstream={}", encoded(&entry.source));
        if entry.source_version != entry.version {
            upstream += &format!("%40{}", encoded(&entry.source_version));
        }
    }
    format!(
        "pkg:deb/{}/{}@{}?arch={}&distro={}-{}{upstream}",
        encoded(&system.id),
        encoded(&entry.name),
        encoded(&entry.version),
        encoded(&entry.arch),
        encoded(&system.id),
        encoded(&system.version),
    )
}

/// Returns the name of a program that no registry has.
pub fn of_program(name: &str, version: &str) -> String {
    format!("pkg:generic/{}@{}", encoded(name), encoded(version))
}

/// Everything but letters, digits, and what the specification leaves as it is.
fn encoded(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b if b.is_ascii_alphanumeric() || b".-_~:".contains(&b) => out.push(char::from(b)),
            b => out += &format!("%{b:02X}"),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #[test]
    fn signs_that_mean_something_are_encoded() {
        assert_eq!(super::encoded("libstdc++6"), "libstdc%2B%2B6");
        assert_eq!(super::encoded("1:2.3~rc1+b1 x"), "1:2.3~rc1%2Bb1%20x");
    }
}
