//! How people spell names, and what they probably meant.

use super::lexer::is_blank;

/// Names longer than this are nobody's misspelling; bounds the work on hostile files.
pub(super) const LONGEST_NAME: usize = 40;

/// Folds a name: upper and lower case, `-`, `_` and blanks make no difference.
pub(super) fn fold(name: &str) -> String {
    name.chars()
        .filter(|&c| !is_filler(c))
        .flat_map(char::to_lowercase)
        .collect()
}

fn is_filler(c: char) -> bool {
    matches!(c, '-' | '_') || is_blank(c)
}

/// Whether two names are the same once folded.
pub(super) fn same(a: &str, b: &str) -> bool {
    let folded = |text| {
        str::chars(text)
            .filter(|&c| !is_filler(c))
            .flat_map(char::to_lowercase)
    };
    folded(a).eq(folded(b))
}

/// Returns what follows `name` at the start of `text`, when a word of `text` ends there.
pub(super) fn after_name<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let mut wanted = name.chars().filter(|&c| !is_filler(c));
    let mut next = wanted.next();
    for (at, c) in text.char_indices() {
        let Some(want) = next else {
            let rest = &text[at..];
            return (!c.is_alphanumeric()).then_some(rest);
        };
        if is_filler(c) {
            continue;
        }
        if !c.to_lowercase().eq(want.to_lowercase()) {
            return None;
        }
        next = wanted.next();
    }
    next.is_none().then_some("")
}

/// Returns the candidate that `name` is probably a misspelling of.
pub(super) fn suggest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if name.len() > LONGEST_NAME {
        return None;
    }
    let name = fold(name);
    if name.len() < 2 {
        return None;
    }
    candidates
        .into_iter()
        .filter_map(|candidate| {
            let folded = fold(candidate);
            let shorter = name.chars().count().min(folded.chars().count());
            let distance = strsim::osa_distance(&name, &folded);
            let begins = shorter >= 4 && (folded.starts_with(&name) || name.starts_with(&folded));
            (begins || distance <= (shorter / 3).max(1)).then_some((distance, candidate))
        })
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, candidate)| candidate)
}

/// Whether a value under this unknown name may be a secret, so that it must not be repeated anywhere.
pub(super) fn may_be_secret(name: &str) -> bool {
    if name.len() > LONGEST_NAME {
        return true;
    }
    let name = fold(name);
    [
        "pass", "pw", "psk", "key", "secret", "token", "pin", "hash", "cred",
    ]
    .iter()
    .any(|part| name.contains(part))
        || ["password", "secret", "passphrase"]
            .iter()
            .any(|word| strsim::osa_distance(&name, word) <= word.len() / 3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spelling_makes_no_difference() {
        for text in ["hostname", "HostName", "host-name", "Host Name", "HOST_NAME"] {
            assert_eq!(fold(text), "hostname");
            assert!(same(text, "host_name"));
        }
        assert!(!same("hostname", "hostnames"));
    }

    #[test]
    fn a_name_is_followed_by_something_else() {
        for (text, want) in [
            ("network", Some("")),
            ("Network eth0", Some(" eth0")),
            ("net-work:eth0", Some(":eth0")),
            ("network\"eth0\"", Some("\"eth0\"")),
            ("network-eth0", Some("-eth0")),
            ("networks", None),
            ("net", None),
        ] {
            let rest = after_name(text, "network");
            assert_eq!(rest.map(str::trim_start), want.map(str::trim_start), "{text}");
        }
    }

    #[test]
    fn misspellings_find_their_name() {
        let names = ["hostname", "timezone", "address", "dns", "gateway"];
        for (text, want) in [
            ("hostnmae", Some("hostname")),
            ("host", Some("hostname")),
            ("time", Some("timezone")),
            ("adress", Some("address")),
            ("dn", Some("dns")),
            ("colour", None),
            ("x", None),
        ] {
            assert_eq!(suggest(text, names), want, "{text}");
        }
    }

    #[test]
    fn what_may_be_secret_is_treated_so() {
        for text in ["password", "pasword", "wifi_key", "PSK", "WiFi-Passphrase"] {
            assert!(may_be_secret(text), "{text}");
        }
        for text in ["hostnmae", "adress", "colour", "search"] {
            assert!(!may_be_secret(text), "{text}");
        }
    }
}
