//! Host name, time zone, language, keyboard: what hostnamed, timedated and localed tell other programs.
//!
//! They are asked only when something differs from what the files and the kernel say, so that none of them is started for
//! nothing.

use std::collections::BTreeMap;
use std::path::Path;

use genpack_spec::layout;
use genpack_spec::settings::Settings;
use genpack_spec::text;
use genpack_spec::text::Text;
use genpack_spec::types::{Hostname, Keyboard};
use genpack_system_files::plan::layout_and_variant;
use zbus::Connection;
use zbus_systemd::hostname1::HostnamedProxy;
use zbus_systemd::locale1::LocaledProxy;
use zbus_systemd::timedate1::TimedatedProxy;

use super::small_file;
use crate::Paths;

/// What holds now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    /// In `/etc/hostname`.
    pub static_hostname: Option<String>,
    /// The kernel's.
    pub kernel_hostname: Option<String>,
    /// IANA's name of the zone.
    pub timezone: Option<String>,
    /// `LANG`
    pub locale: Option<String>,
    /// XKB's layout and variant.
    pub keyboard: Option<(String, String)>,
}

/// Something to be set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The host name.
    Hostname(String),
    /// The time zone; UTC when the image names none.
    Timezone(String),
    /// `LANG`; none when the image names none.
    Locale(Option<String>),
    /// XKB's layout and variant.
    Keyboard(String, String),
}

impl Step {
    /// Returns the sentence about a step that had no effect.
    pub fn failure(&self) -> Text {
        match self {
            Step::Hostname(name) => text!("The host name {name} could not be set.", name),
            Step::Timezone(zone) => text!("The time zone {zone} could not be set.", zone),
            Step::Locale(Some(locale)) => text!("The language {locale} could not be set.", locale),
            Step::Locale(None) => text!("The language could not be set back to that of the image."),
            Step::Keyboard(layout, _) => {
                text!("The keyboard layout {layout} could not be set.", layout)
            }
        }
    }
}

/// Returns what holds in the running system.
pub fn observe(paths: &Paths) -> Names {
    let kernel_hostname = nix::unistd::gethostname().ok();
    Names {
        kernel_hostname: kernel_hostname.and_then(|name| name.into_string().ok()),
        ..below(paths.root())
    }
}

/// Returns what the image says. It has no host name of its own.
pub fn of_image(paths: &Paths) -> Names {
    below(&paths.system())
}

/// Returns what the files below a root say.
fn below(root: &Path) -> Names {
    let text = |path: &str| small_file(&root.join(path));
    let variables = |path: &str| text(path).map(|text| assignments(&text)).unwrap_or_default();
    let locale = ["etc/locale.conf", "etc/default/locale"]
        .into_iter()
        .find_map(|path| variables(path).remove("LANG"));
    let mut keyboard = variables("etc/default/keyboard");
    let keyboard = keyboard.remove("XKBLAYOUT").map(|layout| {
        let variant = keyboard.remove("XKBVARIANT").unwrap_or_default();
        (layout, variant)
    });
    let zone = std::fs::read_link(root.join("etc/localtime")).ok();
    let zone = zone.and_then(|target| {
        let target = target.to_str()?.to_string();
        let (_, zone) = target.split_once(&format!("{}/", layout::ZONEINFO))?;
        Some(zone.to_string())
    });
    Names {
        static_hostname: text("etc/hostname").map(|name| name.trim().to_string()),
        kernel_hostname: None,
        timezone: zone,
        locale,
        keyboard,
    }
}

/// Returns the variables of a file such as locale.conf(5).
fn assignments(text: &str) -> BTreeMap<String, String> {
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    lines
        .filter_map(|line| {
            let (name, value) = line.split_once('=')?;
            let value = value.trim().trim_matches(['"', '\'']);
            Some((name.trim().to_string(), value.to_string()))
        })
        .collect()
}

/// Returns what is to be set. Only what one of the settings speaks of, or what is always set, is looked at: a time zone
/// that somebody chose by hand, where `system.ini` has none, is theirs.
pub fn steps(
    old: &Settings,
    new: &Settings,
    hostname: &Hostname,
    observed: &Names,
    image: &Names,
) -> Vec<Step> {
    let (before, after) = (&old.system, &new.system);
    let mut steps = Vec::new();
    let names = [&observed.static_hostname, &observed.kernel_hostname];
    if names
        .iter()
        .any(|name| name.as_deref() != Some(hostname.as_str()))
    {
        steps.push(Step::Hostname(hostname.to_string()));
    }
    if before.timezone.is_some() || after.timezone.is_some() {
        let utc = "UTC".to_string();
        let zone = after.timezone.as_ref().map(ToString::to_string);
        let zone = zone.or_else(|| image.timezone.clone()).unwrap_or(utc.clone());
        // Without a link the zone is UTC (localtime(5)).
        if observed.timezone.as_ref().unwrap_or(&utc) != &zone {
            steps.push(Step::Timezone(zone));
        }
    }
    if before.locale.is_some() || after.locale.is_some() {
        let locale = after.locale.as_ref().map(ToString::to_string);
        let locale = locale.or_else(|| image.locale.clone());
        if observed.locale != locale {
            steps.push(Step::Locale(locale));
        }
    }
    if before.keyboard.is_some() || after.keyboard.is_some() {
        let keyboard = after.keyboard.as_ref().map(parts);
        let keyboard = keyboard.or_else(|| image.keyboard.clone());
        if let Some((layout, variant)) = keyboard.filter(|wanted| observed.keyboard.as_ref() != Some(wanted))
        {
            steps.push(Step::Keyboard(layout, variant));
        }
    }
    steps
}

fn parts(keyboard: &Keyboard) -> (String, String) {
    let (layout, variant) = layout_and_variant(keyboard);
    (layout.to_string(), variant.to_string())
}

/// Has one of systemd's services set it.
pub async fn tell(connection: &Connection, step: &Step) -> zbus::Result<()> {
    // Nobody is there to be asked for permission.
    const INTERACTIVE: bool = false;
    match step {
        Step::Hostname(name) => {
            let hostnamed = HostnamedProxy::new(connection).await?;
            // The kernel's follows it, unless a DHCP client or the like has set another one before.
            hostnamed.set_static_hostname(name.clone(), INTERACTIVE).await?;
            hostnamed.set_hostname(name.clone(), INTERACTIVE).await
        }
        Step::Timezone(zone) => {
            let timedated = TimedatedProxy::new(connection).await?;
            timedated.set_timezone(zone.clone(), INTERACTIVE).await
        }
        Step::Locale(locale) => {
            let localed = LocaledProxy::new(connection).await?;
            let variables = locale.iter().map(|locale| format!("LANG={locale}")).collect();
            localed.set_locale(variables, INTERACTIVE).await
        }
        Step::Keyboard(layout, variant) => {
            let localed = LocaledProxy::new(connection).await?;
            let model = "pc105".to_string();
            let (layout, variant) = (layout.clone(), variant.clone());
            // The console's keymap is made by console-setup from the same file.
            localed
                .set_x11_keyboard(layout, model, variant, String::new(), false, INTERACTIVE)
                .await
        }
    }
}

/// Sets the kernel's host name where hostnamed did not.
pub fn set_kernel_hostname(hostname: &Hostname, steps: &[Step]) {
    let wanted = steps.iter().any(|step| matches!(step, Step::Hostname(_)));
    let holds = || nix::unistd::gethostname().is_ok_and(|name| name.to_str() == Some(hostname.as_str()));
    if wanted
        && !holds()
        && let Err(error) = nix::unistd::sethostname(hostname.as_str())
    {
        log::warn!("setting the host name: {error}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(json: &str) -> Settings {
        serde_json::from_str(&format!(r#"{{"system": {json}}}"#)).unwrap()
    }

    fn some(text: &str) -> Option<String> {
        Some(text.to_string())
    }

    fn observed() -> Names {
        Names {
            static_hostname: some("kitchen"),
            kernel_hostname: some("kitchen"),
            timezone: some("Asia/Tokyo"),
            locale: some("de_DE.UTF-8"),
            keyboard: Some(("us".into(), "intl".into())),
        }
    }

    fn diff(old: &str, new: &str, observed: &Names, image: &Names) -> Vec<Step> {
        let hostname = "kitchen".parse().unwrap();
        steps(&settings(old), &settings(new), &hostname, observed, image)
    }

    const ALL: &str = r#"{"timezone": "Asia/Tokyo", "locale": "de_DE.UTF-8", "keyboard": "us-intl"}"#;

    #[test]
    fn after_a_start_nothing_is_to_be_done() {
        assert!(diff(ALL, ALL, &observed(), &Names::default()).is_empty());
        // Whatever somebody set by hand where the settings say nothing.
        assert!(diff("{}", "{}", &observed(), &Names::default()).is_empty());
    }

    #[test]
    fn what_differs_is_set() {
        let have = Names {
            static_hostname: some("kitchen"),
            kernel_hostname: some("localhost"),
            ..Names::default()
        };
        assert_eq!(
            diff("{}", ALL, &have, &Names::default()),
            [
                Step::Hostname("kitchen".into()),
                Step::Timezone("Asia/Tokyo".into()),
                Step::Locale(some("de_DE.UTF-8")),
                Step::Keyboard("us".into(), "intl".into())
            ]
        );
    }

    #[test]
    fn without_a_line_the_image_is_right() {
        let image = Names {
            locale: some("ja_JP.UTF-8"),
            keyboard: Some(("jp".into(), String::new())),
            ..Names::default()
        };
        assert_eq!(
            diff(ALL, "{}", &observed(), &image),
            [
                Step::Timezone("UTC".into()),
                Step::Locale(some("ja_JP.UTF-8")),
                Step::Keyboard("jp".into(), String::new())
            ]
        );
        assert_eq!(
            diff(ALL, "{}", &observed(), &Names::default()),
            [Step::Timezone("UTC".into()), Step::Locale(None)]
        );
    }

    #[test]
    fn files_are_read_as_systemd_reads_them() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        std::fs::create_dir_all(root.join("etc/default")).unwrap();
        std::fs::write(root.join("etc/hostname"), "kitchen\n").unwrap();
        std::fs::write(root.join("etc/locale.conf"), "# x\nLANG=\"de_DE.UTF-8\"\n").unwrap();
        std::fs::write(
            root.join("etc/default/keyboard"),
            "XKBLAYOUT='us'\nXKBVARIANT=\"intl\"\n",
        )
        .unwrap();
        std::os::unix::fs::symlink("../usr/share/zoneinfo/Asia/Tokyo", root.join("etc/localtime")).unwrap();
        let want = Names {
            kernel_hostname: None,
            ..observed()
        };
        assert_eq!(below(root), want);
        assert_eq!(below(&root.join("none")), Names::default());
    }
}
