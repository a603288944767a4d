//! Plain passwords become hashes before anything is done with them.

use anyhow::{Context, Result, anyhow};
use genpack_spec::settings::Settings;
use genpack_spec::types::{PasswordHash, Secret};
use sha_crypt::{Algorithm, Params, PasswordHasher, ShaCrypt};

use crate::Random;

/// Rounds of SHA-512-crypt. Each login does them too, also on the slowest machine; libcrypt's own 5,000 are of 2007.
const ROUNDS: u32 = 50_000;
/// Bytes of salt: 16 characters, the most that the format has room for (crypt(5)).
const SALT_BYTES: usize = 12;

/// Returns the hash of a password in the form of crypt(5), with a salt from `random`.
pub fn hash(password: &Secret, random: Random) -> Result<PasswordHash> {
    let mut salt = [0; SALT_BYTES];
    random(&mut salt);
    let params = Params::new(ROUNDS).map_err(|error| anyhow!("{error}"))?;
    let hash = ShaCrypt::new(Algorithm::Sha512Crypt, params)
        .hash_password_with_salt(password.reveal().as_bytes(), &salt)
        .map_err(|error| anyhow!("hashing the password: {error}"))?;
    hash.as_str()
        .parse()
        .map_err(|error: genpack_spec::types::Invalid| anyhow!("{error}"))
        .context("the hash of a password has an unexpected form")
}

/// Replaces each plain password in the settings by its hash: what a person types now holds before a hash that is there from
/// earlier. One that can't be hashed is dropped, so that it is neither applied nor handed on.
pub fn hash_all(settings: &mut Settings, random: Random) -> Result<()> {
    let mut outcome = Ok(());
    for user in settings.user.values_mut() {
        let Some(password) = user.password.take() else {
            continue;
        };
        match hash(&password, random) {
            Ok(hash) => user.password_hash = Some(hash),
            Err(error) => outcome = Err(error),
        }
    }
    outcome
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::process::Command;

    use super::*;

    fn random(buffer: &mut [u8]) {
        let mut device = std::fs::File::open("/dev/urandom").unwrap();
        device.read_exact(buffer).unwrap();
    }

    #[test]
    fn other_programs_make_the_same_hash() {
        for password in ["hunter2", "Pässwörd with 30 characters €€", "", "a$b:c\\d\"e"] {
            let hash = hash(&Secret::new(password), &random).unwrap();
            let mut fields = hash.reveal().split('$').skip(1);
            assert_eq!(fields.next(), Some("6"));
            assert_eq!(fields.next(), Some("rounds=50000"));
            let salt = fields.next().unwrap();
            assert_eq!(salt.len(), 16);
            // perl's crypt is libcrypt's, which is what login and sshd use.
            let output = Command::new("perl")
                .args([
                    "-e",
                    "print crypt($ARGV[0], $ARGV[1])",
                    "--",
                    password,
                    hash.reveal(),
                ])
                .output()
                .unwrap();
            assert_eq!(
                String::from_utf8(output.stdout).unwrap(),
                hash.reveal(),
                "{password}"
            );
        }
    }

    #[test]
    fn no_two_hashes_are_alike_and_no_plain_password_stays() {
        let json =
            r#"{"user": {"a": {"password": {"secret": "x"}}, "b": {"password": {"secret": "x"}}, "c": {}}}"#;
        let mut settings: Settings = serde_json::from_str(json).unwrap();
        hash_all(&mut settings, &random).unwrap();
        let hashes: Vec<_> = settings
            .user
            .values()
            .map(|user| user.password_hash.as_ref().map(|hash| hash.reveal().to_string()))
            .collect();
        assert!(hashes[0].is_some() && hashes[1].is_some() && hashes[2].is_none());
        assert_ne!(hashes[0], hashes[1]);
        assert!(settings.user.values().all(|user| user.password.is_none()));
    }
}
