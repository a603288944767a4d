//! What wpa_supplicant is told about a known network. Pure.

use std::collections::HashMap;

use genpack_spec::settings::{Wifi, WifiSecurity};
use genpack_spec::types::Secret;
use zbus::{OwnedVariant, Variant};

/// The options of one network block (wpa_supplicant.conf(5)), by name.
pub type Options = HashMap<String, OwnedVariant>;

/// Management frame protection (`ieee80211w` in wpa_supplicant.conf(5)).
const PROTECTION_OPTIONAL: i32 = 1;
const PROTECTION_REQUIRED: i32 = 2;

/// Returns the options for a network.
///
/// Text goes as text, and wpa_supplicant puts it in quotes; bytes go as bytes, and it writes them in hexadecimal digits.
pub fn options(wifi: &Wifi) -> Options {
    let mut options = Block::default();
    options.bytes("ssid", wifi.ssid.as_bytes());
    if wifi.hidden == Some(true) {
        // Asks for the network by its name, since it doesn't announce it.
        options.number("scan_ssid", 1);
    }
    if let Some(priority) = wifi.priority {
        options.number("priority", priority);
    }
    let password = wifi.password.as_ref().map(Secret::reveal);
    match (wifi.security.unwrap_or(WifiSecurity::Auto), password) {
        (WifiSecurity::Open, _) | (_, None) => options.text("key_mgmt", "NONE"),
        (WifiSecurity::Enterprise, Some(password)) => {
            options.text("key_mgmt", "WPA-EAP WPA-EAP-SHA256");
            options.text("eap", "PEAP TTLS");
            options.text("phase2", "auth=MSCHAPV2");
            options.text("identity", wifi.identity.as_deref().unwrap_or_default());
            options.text("password", password);
            options.number("ieee80211w", PROTECTION_OPTIONAL);
        }
        (WifiSecurity::Wpa3, Some(password)) => {
            options.text("key_mgmt", "SAE");
            // `psk` is limited to 63 characters, WPA3's passwords are not.
            options.text("sae_password", password);
            options.number("ieee80211w", PROTECTION_REQUIRED);
        }
        (security, Some(password)) => {
            let key = key(password);
            // WPA3 starts from the password, which can't be had from the key.
            options.text(
                "key_mgmt",
                match (security, &key) {
                    (WifiSecurity::Auto, None) => "WPA-PSK WPA-PSK-SHA256 SAE",
                    _ => "WPA-PSK WPA-PSK-SHA256",
                },
            );
            match key {
                Some(key) => options.bytes("psk", &key),
                None => options.text("psk", password),
            }
            options.number("ieee80211w", PROTECTION_OPTIONAL);
        }
    }
    options.0
}

/// Returns the 32 bytes that 64 hexadecimal digits stand for: the key itself instead of a password.
fn key(password: &str) -> Option<Vec<u8>> {
    if password.len() != 64 || !password.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    (0..64)
        .step_by(2)
        .map(|at| u8::from_str_radix(&password[at..at + 2], 16).ok())
        .collect()
}

#[derive(Default)]
struct Block(Options);

impl Block {
    fn text(&mut self, name: &str, text: &str) {
        self.set(name, Variant::from(text));
    }

    fn bytes(&mut self, name: &str, bytes: &[u8]) {
        self.set(name, Variant::from(bytes.to_vec()));
    }

    fn number(&mut self, name: &str, number: i32) {
        self.set(name, Variant::from(number));
    }

    fn set(&mut self, name: &str, value: Variant<'_>) {
        // Only file descriptors can fail to be owned, and there are none.
        if let Ok(value) = OwnedVariant::try_from(value) {
            self.0.insert(name.into(), value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(json: &str) -> String {
        let wifi: Wifi = serde_json::from_str(json).unwrap();
        let mut lines: Vec<String> = options(&wifi)
            .iter()
            .map(|(name, value)| format!("{name}={}", **value))
            .collect();
        lines.sort();
        lines.join("\n")
    }

    #[test]
    fn a_password_serves_wpa2_and_wpa3() {
        assert_eq!(
            said(r#"{"name": "wifi", "ssid": "Hé", "password": {"secret": "50% \\ off"}}"#),
            "ieee80211w=1\nkey_mgmt=\"WPA-PSK WPA-PSK-SHA256 SAE\"\npsk=\"50% \\\\ off\"\nssid=[byte 0x48, 0xc3, 0xa9]"
        );
    }

    #[test]
    fn each_kind_of_protection_has_its_options() {
        let network = |rest: &str| said(&format!(r#"{{"name": "wifi", "ssid": "x", {rest}}}"#));
        assert!(
            network(r#""hidden": true, "priority": 5"#)
                .starts_with("key_mgmt=\"NONE\"\npriority=5\nscan_ssid=1")
        );
        let wpa2 = network(r#""security": "wpa2", "password": {"secret": "12345678"}"#);
        assert!(
            wpa2.contains("key_mgmt=\"WPA-PSK WPA-PSK-SHA256\"\npsk=\"12345678\""),
            "{wpa2}"
        );
        let wpa3 = network(r#""security": "wpa3", "password": {"secret": "1234"}"#);
        assert!(
            wpa3.contains("ieee80211w=2\nkey_mgmt=\"SAE\"\nsae_password=\"1234\""),
            "{wpa3}"
        );
        let office = network(r#""security": "enterprise", "identity": "anna", "password": {"secret": "pw"}"#);
        assert!(
            office.contains("eap=\"PEAP TTLS\"\nidentity=\"anna\""),
            "{office}"
        );
    }

    #[test]
    fn sixty_four_digits_are_the_key_itself() {
        let digits = "0a".repeat(32);
        let said = said(&format!(
            r#"{{"name": "wifi", "ssid": "x", "password": {{"secret": "{digits}"}}}}"#
        ));
        assert!(said.contains("key_mgmt=\"WPA-PSK WPA-PSK-SHA256\""), "{said}");
        assert!(said.contains("psk=[byte 0x0a, 0x0a,"), "{said}");
    }

    #[test]
    fn an_open_network_sends_no_password() {
        let said =
            said(r#"{"name": "wifi", "ssid": "x", "security": "open", "password": {"secret": "12345678"}}"#);
        assert!(!said.contains("12345678"), "{said}");
    }
}
