//! Names of packages that all scanners understand (<https://github.com/package-url/purl-spec>).

use crate::packages::Entry;
use crate::packages::contents::Distribution;
use crate::source::Origin;

/// Returns the name of a package, of which `kind` says what it is: `pkg:deb/debian/NAME@VERSION?arch=...&distro=debian-13`
/// and, where it differs, `&upstream=SOURCE@VERSION`. `upstream`, an addition of scanners, names the source package: Debian's security data are about these. A package of which
/// nothing says which distribution it is of has no name: it must not be taken for another's.
pub fn of_package(kind: &str, entry: &Entry, system: &Distribution) -> Option<String> {
    let Distribution { id, version } = entry.distribution.as_ref().unwrap_or(system);
    if id.is_empty() {
        return None;
    }
    let mut distro = encoded(id);
    if !version.is_empty() {
        distro += &format!("-{}", encoded(version));
    }
    let mut upstream = String::new();
    if entry.source != entry.name || entry.source_version != entry.version {
        upstream = format!("&upstream={}", encoded(&entry.source));
        if entry.source_version != entry.version {
            upstream += &format!("%40{}", encoded(&entry.source_version));
        }
    }
    Some(format!(
        "pkg:{kind}/{}/{}@{}?arch={}&distro={distro}{upstream}",
        encoded(id),
        encoded(&entry.name),
        encoded(&entry.version),
        encoded(&entry.arch),
    ))
}

/// Returns the name of a container image: `pkg:oci/web@sha256:...?repository_url=registry.example/shop/web&tag=1.0`.
pub fn of_container(origin: &Origin) -> String {
    // A reference such as `registry.example/shop/web:1.0`; alone, what a layout calls an image's name is only its tag.
    let name = origin.name.as_deref().unwrap_or_default();
    let name = name.split_once('@').map_or(name, |(name, _)| name);
    let (repository, tag) = match name.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => (repository, tag),
        _ if name.contains('/') => (name, ""),
        _ => ("", name),
    };
    let file = origin.file.strip_suffix(".tar").unwrap_or(&origin.file);
    let last = match repository.is_empty() {
        true => file,
        false => repository.rsplit('/').next().unwrap_or(repository),
    };
    let qualifiers = [("repository_url", repository), ("tag", tag)];
    let qualifiers: Vec<_> = qualifiers
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(key, value)| format!("{key}={}", encoded(value)))
        .collect();
    let mut purl = format!(
        "pkg:oci/{}@sha256:{}",
        encoded(&last.to_lowercase()),
        origin.sha256
    );
    if !qualifiers.is_empty() {
        purl += &format!("?{}", qualifiers.join("&"));
    }
    purl
}

/// The kind of Debian's packages.
pub const DEB: &str = "deb";

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

    #[test]
    fn containers_are_named_after_their_repository() {
        let named = |file: &str, name: Option<&str>| {
            super::of_container(&super::Origin {
                file: file.into(),
                name: name.map(String::from),
                sha256: "ab".into(),
            })
        };
        assert_eq!(
            named("x.tar", Some("registry.example:5000/shop/Web:1.0")),
            "pkg:oci/web@sha256:ab?repository_url=registry.example:5000%2Fshop%2FWeb&tag=1.0"
        );
        assert_eq!(named("shop.tar", Some("1.0")), "pkg:oci/shop@sha256:ab?tag=1.0");
        assert_eq!(named("shop", None), "pkg:oci/shop@sha256:ab");
    }
}
