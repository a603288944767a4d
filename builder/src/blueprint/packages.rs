//! Lists of packages.

use super::types::PackageName;

/// Joins lists in order. Of entries about one package the last counts, at the place of the first that says the same; so
/// each package is there once, as wanted or as removed.
pub fn join<'a>(lists: impl IntoIterator<Item = &'a [PackageName]>) -> Vec<PackageName> {
    let mut joined: Vec<PackageName> = Vec::new();
    for entry in lists.into_iter().flatten() {
        joined.retain(|other| other.name() != entry.name() || other == entry);
        if !joined.contains(entry) {
            joined.push(entry.clone());
        }
    }
    joined
}

/// Joins lists in order and returns the packages that are wanted, each once; `-name` removes what came before
/// (genpack's published rule).
pub fn join_packages<'a>(lists: impl IntoIterator<Item = &'a [PackageName]>) -> Vec<String> {
    let joined = join(lists);
    let wanted = joined.iter().filter(|package| !package.is_removed());
    wanted.map(|package| package.name().to_string()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(names: &[&str]) -> Vec<PackageName> {
        names.iter().map(|name| name.parse().unwrap()).collect()
    }

    #[test]
    fn lists_join_without_duplicates_and_honour_removal() {
        let profile = list(&["systemd", "dbus", "nano"]);
        let own = list(&["nginx", "-nano", "dbus"]);
        assert_eq!(
            join_packages([profile.as_slice(), &own]),
            ["systemd", "dbus", "nginx"]
        );
    }

    #[test]
    fn the_last_word_about_a_package_counts() {
        let joined = |names: &[&str]| {
            let joined = join([list(names).as_slice()]);
            joined
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(" ")
        };
        assert_eq!(joined(&["gcc", "-gcc"]), "-gcc");
        assert_eq!(joined(&["-gcc", "make", "gcc"]), "make gcc");
        assert_eq!(joined(&["gcc", "make", "gcc"]), "gcc make");
    }
}
