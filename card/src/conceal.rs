//! Takes plain passwords off the card once they have been applied: a line `password = ...` becomes `password_hash = ...`,
//! and every other byte of the file stays as it is.

use std::collections::{BTreeMap, BTreeSet};

use genpack_spec::facts::Facts;
use genpack_spec::settings::Settings;
use genpack_spec::system_ini::edit::{replace_line, unset};
use genpack_spec::system_ini::passwords::{has_plain_lines, password_lines};
use genpack_spec::text;
use genpack_spec::text::Text;
use genpack_spec::types::{PasswordHash, Secret, UserName};

use crate::{Random, password};

/// Plain passwords of the settings, by user.
pub type Plain = BTreeMap<UserName, Secret>;

/// Returns the plain passwords of settings as they were read.
pub fn plain_passwords(settings: &Settings) -> Plain {
    let plain = |(name, user): (&UserName, &genpack_spec::settings::User)| {
        Some((name.clone(), user.password.clone()?))
    };
    settings.user.iter().filter_map(plain).collect()
}

/// Returns a file without plain passwords; none when it has none. `plain` are those that hold, `applied` the settings with
/// their hashes, and `parse` reads a file into settings: the new file must come to just what was applied. `random` gives
/// salts.
///
/// # Errors
///
/// Why the file has to stay as it is, as a phrase.
pub fn conceal(
    bytes: &[u8],
    plain: &Plain,
    applied: &Settings,
    facts: &Facts,
    parse: &dyn Fn(&[u8]) -> Settings,
    random: Random,
) -> Result<Option<Vec<u8>>, Text> {
    if !has_plain_lines(bytes) {
        return match plain.is_empty() {
            true => Ok(None),
            false => Err(text!("it is rich text (RTF)")),
        };
    }
    let mut concealed = without_old_hashes(bytes, facts)?;
    let mut lines = password_lines(&concealed);
    lines.retain(|line| !line.hashed);
    if lines.is_empty() {
        return match plain.is_empty() {
            true => Ok(None),
            false => Err(text!("the line was not found")),
        };
    }
    for line in lines {
        let in_force = plain.get(&line.user) == Some(&line.value);
        let applied = applied
            .user
            .get(&line.user)
            .and_then(|user| user.password_hash.clone());
        let hash: PasswordHash = match applied.filter(|_| in_force) {
            Some(hash) => hash,
            // A line that does not count, or not on this machine, holds somebody's password all the same.
            None => {
                password::hash(&line.value, random).map_err(|error| Text::verbatim(format!("{error:#}")))?
            }
        };
        concealed =
            replace_line(&concealed, line.line, &line.hash_key, hash.reveal()).map_err(Text::verbatim)?;
    }
    let means_the_same = parse(&concealed) == *applied;
    let holds_none = password_lines(&concealed).iter().all(|line| line.hashed);
    match means_the_same && holds_none {
        true => Ok(Some(concealed)),
        false => Err(text!("the changed file would not mean the same")),
    }
}

/// Takes away the hashes beside which a plain password stands: that one holds and becomes the hash, and which of the two
/// holds must not be a matter of their order then.
fn without_old_hashes(bytes: &[u8], facts: &Facts) -> Result<Vec<u8>, Text> {
    let mut lines = password_lines(bytes);
    lines.retain(|line| !line.conditional);
    let users = |hashed| -> BTreeSet<&UserName> {
        let lines = lines.iter().filter(|line| line.hashed == hashed);
        lines.map(|line| &line.user).collect()
    };
    users(true)
        .intersection(&users(false))
        .try_fold(bytes.to_vec(), |bytes, user| {
            unset(&bytes, &format!("user {user}.password_hash"), facts).map_err(Text::verbatim)
        })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU8, Ordering};

    use genpack_spec::system_ini::{self, Context};

    use super::*;

    /// Salts that differ, as all that matters here.
    fn random(buffer: &mut [u8]) {
        static COUNT: AtomicU8 = AtomicU8::new(0);
        buffer.fill(COUNT.fetch_add(1, Ordering::Relaxed));
    }

    fn parse(bytes: &[u8]) -> Settings {
        let context = Context {
            default_hostname: &"test".parse().unwrap(),
            facts: &Facts::default(),
            machine: None,
        };
        system_ini::parse(bytes, &context).settings
    }

    fn concealed(bytes: &[u8]) -> Result<Option<Vec<u8>>, Text> {
        let mut settings = parse(bytes);
        let plain = plain_passwords(&settings);
        password::hash_all(&mut settings, &random).unwrap();
        conceal(bytes, &plain, &settings, &Facts::default(), &parse, &random)
    }

    fn text(bytes: &[u8]) -> String {
        String::from_utf8(concealed(bytes).unwrap().unwrap()).unwrap()
    }

    #[test]
    fn one_line_changes_and_every_other_byte_stays() {
        let file =
            "\u{feff}; mine\r\n[user Anna]\r\n  Password  :  hunter2 ; or so \r\n\r\n[wifi]\rpassword=x\n";
        let new = text(file.as_bytes());
        let (before, rest) = new.split_once("$6$").unwrap();
        assert_eq!(before, "\u{feff}; mine\r\n[user Anna]\r\n  password_hash  :  ");
        let behind = &rest[rest.find(' ').unwrap_or(rest.find('\r').unwrap())..];
        assert!(behind.ends_with("\r\n\r\n[wifi]\rpassword=x\n"), "{behind:?}");
        assert!(!new.contains("hunter2"));
    }

    #[test]
    fn utf_16_stays_utf_16() {
        let utf_16 = |text: &str| -> Vec<u8> {
            let units = text.encode_utf16().flat_map(u16::to_le_bytes);
            [0xff, 0xfe].into_iter().chain(units).collect()
        };
        let new = concealed(&utf_16("[user anna]\r\npassword = h\u{e4}nter2\r\n"))
            .unwrap()
            .unwrap();
        let start = utf_16("[user anna]\r\npassword_hash = $6$rounds=");
        assert!(new.starts_with(&start));
        assert_eq!((new.len() % 2, &new[new.len() - 4..]), (0, &b"\r\0\n\0"[..]));
    }

    #[test]
    fn what_is_typed_now_replaces_what_was_hashed_before() {
        let old = password::hash(&Secret::new("old"), &random).unwrap();
        for order in [
            ["password = new", "password_hash = OLD"],
            ["password_hash = OLD", "password = new"],
        ] {
            let file = format!("[user anna]\n{}\n", order.join("\n")).replace("OLD", old.reveal());
            let new = text(file.as_bytes());
            assert_eq!(new.matches("password").count(), 1, "{new}");
            assert!(!new.contains(old.reveal()) && !new.contains("= new"), "{new}");
        }
    }

    #[test]
    fn lines_that_do_not_hold_here_are_concealed_too() {
        let new = text(b"[user anna]\npassword = a\npassword = b\n[match model=X]\nuser.anna.password = b\nuser.ben.password = c\n");
        assert_eq!(new.matches("password_hash = $6$").count(), 4, "{new}");
        assert!(new.contains("\nuser.ben.password_hash = "), "{new}");
    }

    #[test]
    fn files_without_plain_passwords_are_left_alone() {
        assert_eq!(concealed(b"[user anna]\nshell = /bin/sh\n").unwrap(), None);
        assert_eq!(concealed(b"").unwrap(), None);
        let hash = password::hash(&Secret::new("x"), &random).unwrap();
        let file = format!("[user anna]\npassword_hash = {}\n", hash.reveal());
        assert_eq!(concealed(file.as_bytes()).unwrap(), None);
    }

    #[test]
    fn what_cannot_be_changed_safely_stays() {
        let plain: Plain = [("anna".parse().unwrap(), Secret::new("a"))].into();
        let settings = Settings::default();
        let rtf = b"{\\rtf1\\ansi [user anna]\\par\npassword = a\\par\n}";
        assert!(conceal(rtf, &plain, &settings, &Facts::default(), &parse, &random).is_err());
        // The parser sees something else in it than is found here.
        let other = |_: &[u8]| Settings::default();
        let mut applied = parse(b"[user anna]\npassword = a\n");
        password::hash_all(&mut applied, &random).unwrap();
        assert!(
            conceal(
                b"[user anna]\npassword = a\n",
                &plain,
                &applied,
                &Facts::default(),
                &other,
                &random
            )
            .is_err()
        );
        assert!(conceal(b"[guest]\n", &plain, &applied, &Facts::default(), &other, &random).is_err());
    }
}
