//! SSH public keys.

use std::str::FromStr;

use super::{Invalid, text_newtype};
use crate::text;

/// One line of an `authorized_keys` file without options: type, key, and perhaps a comment (sshd(8)).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AuthorizedKey(String);

impl FromStr for AuthorizedKey {
    type Err = Invalid;

    /// Accepts what a `.pub` file holds. Runs of blanks become one; options in front of the key are refused, so
    /// that a pasted line can never widen what the image allows.
    fn from_str(text: &str) -> Result<Self, Invalid> {
        let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
        if line.contains("PRIVATE KEY") {
            return Err(Invalid(text!(
                "this is a private key; only the public half belongs on a card"
            )));
        }
        match ssh_key::PublicKey::from_openssh(&line) {
            Ok(_) => Ok(AuthorizedKey(line)),
            Err(_) => Err(Invalid(text!("this is not an SSH public key"))),
        }
    }
}

text_newtype!(AuthorizedKey);

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";

    const ECDSA: &str = "ecdsa-sha2-nistp256 \
        AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBDtLqk8setUtoHMAPztSPHSxtyWMth12iwIDxaELLpVKf+dMvKdzLjBWydnDxZQIyXFXJm+h/p9NhGxRSKbrCz0=";

    #[test]
    fn a_pub_file_is_taken_with_or_without_comment() {
        assert_eq!(KEY.parse::<AuthorizedKey>().unwrap().as_str(), KEY);
        assert!(ECDSA.parse::<AuthorizedKey>().is_ok());
        let spaced = format!("  {}   me at home ", KEY.replace(' ', "\t"));
        assert_eq!(
            spaced.parse::<AuthorizedKey>().unwrap().as_str(),
            format!("{KEY} me at home")
        );
    }

    #[test]
    fn what_is_no_public_key_is_refused() {
        for text in [
            "",
            "ssh-ed25519",
            "hello",
            &KEY[..40],
            &format!("command=\"/bin/sh\" {KEY}"),
            &KEY.replace("ssh-ed25519", "ssh-rsa"),
            "-----BEGIN OPENSSH PRIVATE KEY-----",
        ] {
            assert!(text.parse::<AuthorizedKey>().is_err(), "{text}");
        }
    }
}
