//! A WireGuard key as the kernel takes it: 32 bytes that are never shown.

use std::fmt;

use base64ct::{Base64, Encoding};
use genpack_spec::types::{WireguardPublicKey, WireguardSecretKey};

/// A private, public or preshared key. Public ones are hidden as well: nobody needs them in a log.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key([u8; 32]);

impl Key {
    /// Returns the key of these bytes.
    pub fn new(bytes: [u8; 32]) -> Key {
        Key(bytes)
    }

    /// Returns the public key of a peer.
    pub fn public(key: &WireguardPublicKey) -> Option<Key> {
        Key::decode(&key.to_string())
    }

    /// Returns a key that two ends share.
    pub fn preshared(key: &WireguardSecretKey) -> Option<Key> {
        Key::decode(key.reveal())
    }

    /// Returns a private key as the kernel keeps it: with the bits set and cleared that Curve25519 asks for (RFC 7748,
    /// section 5; kernel: `drivers/net/wireguard/noise.c`, `wg_noise_set_static_identity_private_key`).
    pub fn private(key: &WireguardSecretKey) -> Option<Key> {
        let Key(mut bytes) = Key::decode(key.reveal())?;
        bytes[0] &= 248;
        bytes[31] = (bytes[31] & 127) | 64;
        Some(Key(bytes))
    }

    /// The values were checked when the settings were read, so this is something for every one of them.
    fn decode(text: &str) -> Option<Key> {
        let mut bytes = [0; 32];
        let decoded = Base64::decode(text, &mut bytes).ok()?;
        (decoded.len() == bytes.len()).then_some(Key(bytes))
    }

    /// Returns the bytes, which must not be shown.
    pub fn reveal(&self) -> [u8; 32] {
        self.0
    }

    /// Returns it, or none for the key of zeros, by which the kernel means none.
    pub fn if_set(self) -> Option<Key> {
        (self.0 != [0; 32]).then_some(self)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(********)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_private_key_is_what_the_kernel_will_say() {
        // All bits set but those at the end that base64 has no room for.
        let text = "//////////////////////////////////////////8=";
        let secret: WireguardSecretKey = text.parse().unwrap();
        let plain = Key::preshared(&secret).unwrap();
        assert_eq!(plain.reveal(), [0xff; 32]);
        let private = Key::private(&secret).unwrap().reveal();
        assert_eq!((private[0], private[1], private[31]), (0xf8, 0xff, 0x7f));
        assert_eq!(Key::public(&text.parse().unwrap()), Some(plain));
        assert_eq!(format!("{plain:?}"), "Key(********)");
        assert_eq!(Key::new([0; 32]).if_set(), None);
    }
}
