//! What makes this device itself: a seed on the card, and everything that must stay the same from boot to boot
//! derived from it.

use anyhow::{Context, Result};
use genpack_card::Card;
use genpack_spec::layout::DEVICE_KEY_BYTES;
use genpack_spec::layout::card::DEVICE_KEY;
use genpack_spec::report::Severity;
use genpack_spec::text;
use sha2::{Digest, Sha256};
use ssh_key::private::{Ed25519Keypair, PrivateKey};

use crate::log::Log;
use crate::random;

/// The device's identity.
pub struct Identity {
    seed: [u8; DEVICE_KEY_BYTES],
}

impl Identity {
    /// Reads the seed from the card, or makes one and writes it there. A card that can't be written gives an
    /// identity for this boot only, and a notice.
    pub fn load_or_make(card: &Card, log: &mut Log) -> Identity {
        let stored = card.read(DEVICE_KEY).unwrap_or_else(|error| {
            log.notice(
                Severity::Warning,
                text!(
                    "The identity of this device can't be read from the card: {reason}.",
                    reason = format!("{error:#}")
                ),
            );
            None
        });
        if let Some(bytes) = stored {
            match <[u8; DEVICE_KEY_BYTES]>::try_from(bytes.as_slice()) {
                Ok(seed) => return Identity { seed },
                Err(_) => log.notice(
                    Severity::Warning,
                    text!(
                        "The file {file} was damaged. The device has a new identity, and SSH will say so.",
                        file = DEVICE_KEY
                    ),
                ),
            }
        }
        let mut seed = [0; DEVICE_KEY_BYTES];
        random::fill(&mut seed);
        let identity = Identity { seed };
        if let Err(error) = card.write(DEVICE_KEY, &identity.seed) {
            log.notice(
                Severity::Warning,
                text!(
                    "The card can't be written ({reason}). The device has a new identity at every start.",
                    reason = format!("{error:#}")
                ),
            );
        }
        identity
    }

    /// Returns the machine ID: 32 hexadecimal digits, marked as a random UUID (machine-id(5)).
    pub fn machine_id(&self) -> String {
        let mut id = [0; 16];
        id.copy_from_slice(&self.derive("machine-id")[..16]);
        id[6] = id[6] & 0x0f | 0x40;
        id[8] = id[8] & 0x3f | 0x80;
        id.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Returns sshd's host key in OpenSSH's private key format.
    pub fn ssh_host_key(&self) -> Result<String> {
        let pair = Ed25519Keypair::from_seed(&self.derive("ssh-host-ed25519"));
        let key = PrivateKey::from(pair)
            .to_openssh(ssh_key::LineEnding::LF)
            .context("writing the SSH host key")?;
        Ok(key.to_string())
    }

    fn derive(&self, purpose: &str) -> [u8; 32] {
        Sha256::new()
            .chain_update(self.seed)
            .chain_update(purpose)
            .finalize()
            .into()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::process::Command;

    use super::*;

    #[test]
    fn everything_is_derived_from_the_seed() {
        let (a, b) = (Identity { seed: [7; 32] }, Identity { seed: [8; 32] });
        assert_eq!(a.machine_id(), Identity { seed: [7; 32] }.machine_id());
        assert_ne!(a.machine_id(), b.machine_id());
        assert_eq!(
            a.ssh_host_key().unwrap(),
            Identity { seed: [7; 32] }.ssh_host_key().unwrap()
        );
        assert_ne!(a.ssh_host_key().unwrap(), b.ssh_host_key().unwrap());
        assert_eq!((a.machine_id().len(), &a.machine_id()[12..13]), (32, "4"));
    }

    #[test]
    fn openssh_reads_the_host_key() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        fs::write(&path, Identity { seed: [7; 32] }.ssh_host_key().unwrap()).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let shown = Command::new("ssh-keygen")
            .arg("-y")
            .arg("-f")
            .arg(&path)
            .output()
            .expect("ssh-keygen");
        let shown = String::from_utf8(shown.stdout).unwrap();
        assert!(shown.starts_with("ssh-ed25519 AAAA"), "{shown}");
    }
}
