//! Language and keyboard.

use genpack_spec::settings::System;
use genpack_spec::types::Keyboard;

use super::{Entry, absent, file};

pub(super) fn entries(system: &System) -> Vec<Entry> {
    let mut entries = Vec::new();
    if let Some(locale) = &system.locale {
        // systemd reads the first (locale.conf(5)), Debian's PAM configuration the second, which since Debian 13 is a link
        // to the first.
        let content = format!("LANG={locale}\n");
        entries.push(file("/etc/locale.conf", 0o644, content.clone()));
        entries.push(file("/etc/default/locale", 0o644, content));
    }
    if let Some(keyboard) = &system.keyboard {
        let (layout, variant) = layout_and_variant(keyboard);
        // keyboard(5): what Debian's console-setup makes the console's keymap of.
        let xkb = format!(
            "XKBMODEL=\"pc105\"\nXKBLAYOUT=\"{layout}\"\nXKBVARIANT=\"{variant}\"\nXKBOPTIONS=\"\"\nBACKSPACE=\"guess\"\n"
        );
        entries.push(file("/etc/default/keyboard", 0o644, xkb.clone()));
        // vconsole.conf(5): for images whose systemd sets up the console. On Debian it is a link to the file above, so it
        // says the same and more.
        entries.push(file(
            "/etc/vconsole.conf",
            0o644,
            format!("KEYMAP={keyboard}\n{xkb}"),
        ));
        // Made when the image was built, from its own layout; while it is there, console-setup looks no further.
        entries.push(absent("/etc/console-setup/cached_setup_keyboard.sh"));
    }
    entries
}

/// Returns XKB's layout and its variant, of `us-intl` for example; no layout's own name has a hyphen.
pub fn layout_and_variant(keyboard: &Keyboard) -> (&str, &str) {
    let name = keyboard.as_str();
    name.split_once('-').unwrap_or((name, ""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Kind;

    fn content(entries: &[Entry], path: &str) -> String {
        let entry = entries.iter().find(|entry| entry.path == path).unwrap();
        match &entry.kind {
            Kind::File { mode: 0o644, content } => String::from_utf8(content.clone()).unwrap(),
            other => panic!("{path}: {other:?}"),
        }
    }

    #[test]
    fn language_and_keyboard_are_where_the_system_looks() {
        let system: System =
            serde_json::from_str(r#"{"locale": "de_DE.UTF-8", "keyboard": "us-intl"}"#).unwrap();
        let entries = entries(&system);
        assert_eq!(content(&entries, "/etc/locale.conf"), "LANG=de_DE.UTF-8\n");
        assert_eq!(content(&entries, "/etc/default/locale"), "LANG=de_DE.UTF-8\n");
        let keyboard = content(&entries, "/etc/default/keyboard");
        assert!(
            keyboard.contains("XKBLAYOUT=\"us\"\nXKBVARIANT=\"intl\"\n"),
            "{keyboard}"
        );
        assert!(content(&entries, "/etc/vconsole.conf").starts_with("KEYMAP=us-intl\n"));
        assert!(entries.contains(&absent("/etc/console-setup/cached_setup_keyboard.sh")));
    }
}
