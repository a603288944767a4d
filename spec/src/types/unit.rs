//! systemd units.

use std::str::FromStr;

use super::{Invalid, text_newtype};
use crate::text;

/// The name of a systemd unit with its suffix, for example `nginx.service` (systemd.unit(5), "Description").
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UnitName(String);

/// Kinds of unit (systemd.unit(5), "Synopsis").
const SUFFIXES: [&str; 11] = [
    "automount",
    "device",
    "mount",
    "path",
    "scope",
    "service",
    "slice",
    "socket",
    "swap",
    "target",
    "timer",
];
/// `UNIT_NAME_MAX` of systemd (`src/basic/unit-name.h`) less the terminating zero.
const UNIT_NAME_LIMIT: usize = 255;

impl FromStr for UnitName {
    type Err = Invalid;

    /// A name without a suffix means the service of that name.
    fn from_str(text: &str) -> Result<Self, Invalid> {
        let invalid = || Invalid(text!("{text} is not the name of a service", text));
        let full = match text.rsplit_once('.') {
            Some((_, suffix)) if SUFFIXES.contains(&suffix) => text.to_string(),
            _ => format!("{text}.service"),
        };
        let stem = full.rsplit_once('.').map_or("", |(stem, _)| stem);
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, ':' | '-' | '_' | '.' | '\\' | '@');
        if stem.is_empty()
            || stem.starts_with(['@', '.'])
            || !stem.chars().all(plain)
            || full.len() > UNIT_NAME_LIMIT
        {
            return Err(invalid());
        }
        Ok(UnitName(full))
    }
}

text_newtype!(UnitName);

impl UnitName {
    /// Returns the name as people write it: without the ending of a service.
    pub fn short(&self) -> &str {
        self.0.strip_suffix(".service").unwrap_or(&self.0)
    }

    /// Returns the template of an instance, and what stands between `@` and the suffix: `getty@.service` and `tty1` for
    /// `getty@tty1.service` (systemd.unit(5), "Description").
    pub fn template(&self) -> Option<(UnitName, &str)> {
        let (stem, rest) = self.0.split_once('@')?;
        let (instance, suffix) = rest.rsplit_once('.')?;
        (!instance.is_empty()).then(|| (UnitName(format!("{stem}@.{suffix}")), instance))
    }

    /// Returns the instance of a template; none when this is no template, or the name gets too long.
    pub fn with_instance(&self, instance: &str) -> Option<UnitName> {
        let (stem, suffix) = self.0.split_once("@.")?;
        format!("{stem}@{instance}.{suffix}").parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_name_is_a_service() {
        for (text, want) in [
            ("nginx", "nginx.service"),
            ("nginx.service", "nginx.service"),
            ("fstrim.timer", "fstrim.timer"),
            ("getty@tty1", "getty@tty1.service"),
            ("php8.2-fpm", "php8.2-fpm.service"),
            ("srv-data.automount", "srv-data.automount"),
            ("srv-data.swap", "srv-data.swap"),
            ("user.slice", "user.slice"),
            ("init.scope", "init.scope"),
            ("dev-sda.device", "dev-sda.device"),
        ] {
            assert_eq!(text.parse::<UnitName>().unwrap().as_str(), want);
        }
    }

    #[test]
    fn an_instance_has_a_template() {
        let unit = |text: &str| text.parse::<UnitName>().unwrap();
        let instance = unit("getty@tty1");
        let (template, name) = instance.template().unwrap();
        assert_eq!((template.as_str(), name), ("getty@.service", "tty1"));
        assert_eq!(template.with_instance(name), Some(unit("getty@tty1")));
        assert_eq!(
            unit("a@b@1.2.timer").template(),
            Some((unit("a@.timer"), "b@1.2"))
        );
        for text in ["getty@", "nginx"] {
            assert_eq!(unit(text).template(), None);
        }
        assert_eq!(unit("nginx").with_instance("1"), None);
    }

    #[test]
    fn paths_and_blanks_are_no_units() {
        for text in [
            "",
            ".service",
            "../etc/passwd",
            "a b",
            "@.service",
            "a/b.service",
            &"x".repeat(300),
        ] {
            assert!(text.parse::<UnitName>().is_err(), "{text}");
        }
    }
}
