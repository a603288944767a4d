//! What a `system.ini` means on this device, read while it runs by the same code as at its start.

use std::fs;
use std::io::Read;
use std::path::Path;

use genpack_card::{conceal, password};
use genpack_spec::facts::{Facts, Machine};
use genpack_spec::report::{BootReport, Diagnostic};
use genpack_spec::settings::Settings;
use genpack_spec::system_ini::{self, Context, Parsed};
use genpack_spec::text::Text;
use genpack_spec::types::Hostname;
use serde::de::DeserializeOwned;

use crate::{Paths, load, services};

/// Everything that the meaning of a file depends on besides its bytes.
#[derive(Debug)]
pub struct Reader {
    facts: Facts,
    /// None when PID 1 left nothing; then no `[match ...]` holds.
    machine: Option<Machine>,
    default_hostname: Hostname,
}

/// A file and what it comes to.
#[derive(Debug)]
pub struct Judged {
    /// Passwords are hashes; among the services are also those that other settings turn on or off.
    pub settings: Settings,
    /// What there is to say about the lines as they are on the card, or will be.
    pub diagnostics: Vec<Diagnostic>,
    /// The file without plain passwords, for the card.
    pub content: Vec<u8>,
    /// Why plain passwords are in it all the same, as a phrase.
    pub unconcealed: Option<Text>,
}

impl Reader {
    /// Reads what image and PID 1 say. What is missing is not known.
    pub fn load(paths: &Paths, boot: &BootReport) -> Reader {
        Reader {
            facts: read(&paths.facts()).unwrap_or_else(Facts::of_silent_image),
            machine: read(&paths.machine()),
            default_hostname: boot.default_hostname.as_ref().unwrap_or(&boot.hostname).clone(),
        }
    }

    /// Returns what a file says. Never fails; takes time linear in its length.
    pub fn parse(&self, bytes: &[u8]) -> Parsed {
        let context = Context {
            default_hostname: &self.default_hostname,
            facts: &self.facts,
            machine: self.machine.as_ref(),
        };
        system_ini::parse(bytes, &context)
    }

    /// Returns what a file comes to, its passwords hashed: that takes tenths of a second for each. The error says why a
    /// password can't be hashed.
    pub fn judge(&self, bytes: Vec<u8>) -> Result<Judged, String> {
        let parsed = self.parse(&bytes);
        let mut settings = parsed.settings;
        let plain = conceal::plain_passwords(&settings);
        // Only tried first: without random numbers there is no salt.
        random(&mut [0]).map_err(|error| format!("there are no random numbers: {error}"))?;
        let fill = |buffer: &mut [u8]| random(buffer).unwrap_or_default();
        password::hash_all(&mut settings, &fill).map_err(|error| format!("{error:#}"))?;
        let parse = |bytes: &[u8]| self.parse(bytes).settings;
        let concealed = conceal::conceal(&bytes, &plain, &settings, &self.facts, &parse, &fill);
        let (content, diagnostics, unconcealed) = match concealed {
            Ok(Some(content)) => {
                let diagnostics = self.parse(&content).diagnostics;
                (content, diagnostics, None)
            }
            Ok(None) => (bytes, parsed.diagnostics, None),
            Err(reason) => (bytes, parsed.diagnostics, Some(reason)),
        };
        settings.services = services::wanted(&settings, &self.facts);
        Ok(Judged {
            settings,
            diagnostics,
            content,
            unconcealed,
        })
    }
}

/// Fills a buffer with random bytes. PID 1 has seen to it that the kernel has them.
pub fn random(buffer: &mut [u8]) -> std::io::Result<()> {
    fs::File::open("/dev/urandom")?.read_exact(buffer)
}

fn read<T: DeserializeOwned>(path: &Path) -> Option<T> {
    load::read(path)
        .inspect_err(|problem| log::warn!("{problem}"))
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_means_on_the_running_device_what_it_means_at_its_start() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::below(dir.path());
        let write = |path: &Path, text: &str| {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write(
            &paths.facts(),
            r#"{"time_zones": ["Asia/Tokyo"], "features": ["ssh"]}"#,
        );
        write(&paths.machine(), r#"{"serial": "S1", "macs": [], "model": null}"#);
        let mut boot = load::load(&paths).boot;
        boot.default_hostname = "web-123456".parse().ok();
        let reader = Reader::load(&paths, &boot);
        let text = "timezone = asia/tokyo\nhostname = _\n[user anna]\npassword = hunter2\n[ssh]\nenabled = off\n\
            [match serial=S1]\nnetwork.address = 10.0.0.5/24\n";
        let judged = reader.judge(text.into()).unwrap();
        assert_eq!(
            judged.settings.system.timezone.as_ref().unwrap().as_str(),
            "Asia/Tokyo"
        );
        assert_eq!(judged.settings.network.len(), 1);
        assert_eq!(judged.settings.services.len(), 1);
        assert_eq!(judged.diagnostics.len(), 1);
        assert!(
            judged.diagnostics[0]
                .used
                .as_ref()
                .unwrap()
                .english()
                .contains("web-123456")
        );
        let content = String::from_utf8(judged.content).unwrap();
        assert!(content.contains("password_hash = $6$") && !content.contains("hunter2"));
        assert!(judged.settings.user.values().all(|user| user.password.is_none()));

        let rtf = reader
            .judge(b"{\\rtf1\\ansi [user anna]\\par\npassword = a\\par\n}".into())
            .unwrap();
        assert!(rtf.unconcealed.is_some());
    }
}
