//! Steps 6 and 7: `system.ini` is read; then, what must hold before anything starts is applied, and the rest is left for the
//! config agent. What can't be done costs that setting, never the boot.

use std::path::Path;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use genpack_card::conceal::{self, Plain};
use genpack_card::{Card, FoundSettings, password};
use genpack_spec::cmdline::Cmdline;
use genpack_spec::image::ImageInfo;
use genpack_spec::layout;
use genpack_spec::layout::card::LAST_GOOD_INI;
use genpack_spec::report::{BootReport, Diagnostic, SettingsFile, Severity};
use genpack_spec::settings::{Settings, Storage};
use genpack_spec::text;
use genpack_spec::text::Text;
use genpack_spec::types::{Hostname, TimeZone};
use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_settime};

use crate::failure::language;
use crate::identity::Identity;
use crate::log::{self, Log};
use crate::settings::Reader;
use crate::storage::Upper;
use crate::system::NEW_ROOT;
use crate::{random, trial, wired};
use genpack_system_files::change::{self, Change};
use genpack_system_files::files::Roots;
use genpack_system_files::image_files::ImageFiles;
use genpack_system_files::plan;

/// What was read, before anything of it is applied.
pub struct Reading {
    card: Card,
    reader: Reader,
    found: FoundSettings,
    settings: Settings,
    diagnostics: Vec<Diagnostic>,
    /// Passwords as they stand in the file.
    plain: Plain,
}

impl Reading {
    /// Returns what the settings say about what is kept.
    pub fn storage(&self) -> &Storage {
        &self.settings.storage
    }
}

/// Reads the settings on the card, for the system image that is mounted. The clock is right from here on, as far as it can be
/// without a network.
pub fn read(image: &ImageInfo, log: &mut Log) -> Reading {
    raise_clock(image.epoch);
    let card = Card::at(layout::BOOT_MOUNT);
    let default_hostname = Hostname::default_for(&image.name, wired::first_mac(Path::new("/sys/class/net")));
    let reader = Reader::new(Path::new(layout::SYSTEM_MOUNT), default_hostname);
    // What [match ...] can be written for.
    log::info(&format!("{:?}", reader.machine));
    let found = trial::take_back(&card, log);
    let parsed = reader.parse(&found.bytes);
    let mut settings = parsed.settings;
    let plain = conceal::plain_passwords(&settings);
    if let Err(error) = password::hash_all(&mut settings, &random::fill) {
        log.notice(
            Severity::Error,
            text!(
                "A password of system.ini could not be used: {reason}.",
                reason = format!("{error:#}")
            ),
        );
    }
    raise_clock(plan::clock_floor(image.epoch, &settings.time));
    Reading {
        card,
        reader,
        found,
        settings,
        diagnostics: parsed.diagnostics,
        plain,
    }
}

/// Applies the settings to the system that is mounted at [`NEW_ROOT`], and reports under `/run`. `upper` is where the files
/// of that system are written.
pub fn apply(
    reading: Reading,
    image: &ImageInfo,
    cmdline: &Cmdline,
    upper: Upper,
    log: &mut Log,
) -> Result<()> {
    let Reading {
        card,
        reader,
        found,
        settings,
        diagnostics: parsed,
        plain,
    } = reading;
    let roots = Roots {
        system: Path::new(NEW_ROOT),
        run: Path::new("/"),
    };
    let default_hostname = reader.default_hostname.clone();
    let identity = Identity::load_or_make(&card, log);
    let hostname = settings
        .system
        .hostname
        .clone()
        .unwrap_or(default_hostname.clone());
    nix::unistd::sethostname(hostname.as_str()).context("setting the host name")?;
    carry_out(&settings, &hostname, &identity, &reader, &roots, upper, log)?;
    let concealed = conceal_passwords(&card, &found, &plain, &settings, &reader, log);
    if let Some(on_card) = concealed.as_ref() {
        leave_file(on_card, &roots);
    }
    // The report speaks of the lines as they are on the card now.
    let mut diagnostics = found.remarks;
    diagnostics.extend(match concealed.filter(|on_card| *on_card != found.bytes) {
        Some(on_card) => reader.parse(&on_card).diagnostics,
        None => parsed,
    });

    let report = BootReport {
        image: image.clone(),
        slot: cmdline.slot,
        language: language(&settings, image.language),
        hostname,
        default_hostname: Some(default_hostname),
        timezone: settings.system.timezone.clone().unwrap_or_else(TimeZone::utc),
        file: found.state,
        diagnostics,
        notices: std::mem::take(&mut log.notices),
        timings: log.timings.clone(),
    };
    hand_over(layout::MACHINE_JSON, &reader.machine, &roots)?;
    hand_over(layout::SETTINGS_JSON, &settings, &roots)?;
    hand_over(layout::BOOT_REPORT_JSON, &report, &roots)
}

/// Makes every file that the settings ask for. What an earlier start has written is made to follow them.
fn carry_out(
    settings: &Settings,
    hostname: &Hostname,
    identity: &Identity,
    reader: &Reader,
    roots: &Roots<'_>,
    upper: Upper,
    log: &mut Log,
) -> Result<()> {
    let system = Path::new(layout::SYSTEM_MOUNT);
    let files = ImageFiles::read(system, settings).unwrap_or_else(|error| {
        log.notice(
            Severity::Error,
            text!(
                "The users of the device can't be read ({reason}), so they stay as they are.",
                reason = error
            ),
        );
        ImageFiles::default()
    });
    let machine_id = identity.machine_id();
    let ssh_host_key = identity.ssh_host_key()?;
    let identity = plan::Identity {
        hostname,
        machine_id: &machine_id,
        ssh_host_key: &ssh_host_key,
        timezone: settings.system.timezone.as_ref(),
    };
    let mut plan = plan::plan(settings, &identity, &files, &reader.facts);
    for problem in std::mem::take(&mut plan.problems) {
        log.notice(Severity::Error, problem);
    }
    let changes: Vec<_> = match upper {
        Upper::Data => change::at_start(&plan, &files, roots),
        Upper::Memory => plan.entries.into_iter().map(Change::Make).collect(),
    };
    let (_, failed) = change::carry_out(&changes, roots, system);
    for (file, reason) in failed {
        log.notice(
            Severity::Error,
            text!("The file {file} could not be written: {reason}.", file, reason),
        );
    }
    Ok(())
}

/// Takes plain passwords off the card, and returns the file as it is there now; none when there is no file, or when
/// it still holds a password.
fn conceal_passwords(
    card: &Card,
    found: &FoundSettings,
    plain: &Plain,
    applied: &Settings,
    reader: &Reader,
    log: &mut Log,
) -> Option<Vec<u8>> {
    let SettingsFile::Read { name } = &found.state else {
        return None;
    };
    let parse = |bytes: &[u8]| reader.parse(bytes).settings;
    let outcome = conceal::conceal(&found.bytes, plain, applied, &reader.facts, &parse, &random::fill)
        .and_then(|concealed| {
            let Some(bytes) = concealed else {
                return Ok(found.bytes.clone());
            };
            card.write(name, &bytes)
                .map_err(|error| Text::verbatim(format!("{error:#}")))?;
            log.notice(
                Severity::Note,
                text!(
                    "Passwords in {file} were replaced by their hashes, so that nobody can read them there.",
                    file = name
                ),
            );
            Ok(bytes)
        });
    if !plain.is_empty()
        && let Err(reason) = conceal_last_good(card, reader)
    {
        log::warn(&format!("{LAST_GOOD_INI} keeps a password: {}", reason.english()));
    }
    match outcome {
        Ok(on_card) => Some(on_card),
        Err(reason) => {
            log.notice(
                Severity::Warning,
                text!(
                    "A password stays readable in {file}, because the device can't replace it there by its hash: \
                     {reason}. It holds all the same. Save the file as plain text, or write password_hash instead.",
                    file = name,
                    reason
                ),
            );
            None
        }
    }
}

/// Leaves the file for the agent, which keeps it as the last good one if the network works.
fn leave_file(on_card: &[u8], roots: &Roots<'_>) {
    let entry = private(layout::SETTINGS_INI, on_card.to_vec());
    if let Err(error) = roots.make(&entry) {
        log::warn(&format!("{}: {error}", entry.path));
    }
}

/// Does the same to the copy that was kept of earlier settings, in case somebody put one there by hand.
fn conceal_last_good(card: &Card, reader: &Reader) -> Result<(), Text> {
    let failure = |error: anyhow::Error| Text::verbatim(format!("{error:#}"));
    let Some(bytes) = card.read(LAST_GOOD_INI).map_err(failure)? else {
        return Ok(());
    };
    let parse = |bytes: &[u8]| reader.parse(bytes).settings;
    let mut settings = parse(&bytes);
    let plain = conceal::plain_passwords(&settings);
    password::hash_all(&mut settings, &random::fill).map_err(failure)?;
    match conceal::conceal(&bytes, &plain, &settings, &reader.facts, &parse, &random::fill)? {
        Some(concealed) => card.write(LAST_GOOD_INI, &concealed).map_err(failure),
        None => Ok(()),
    }
}

/// Writes JSON for the config agent.
fn hand_over(path: &str, value: &impl serde::Serialize, roots: &Roots<'_>) -> Result<()> {
    let entry = private(path, serde_json::to_vec_pretty(value)?);
    roots.make(&entry).with_context(|| format!("writing {path}"))
}

/// A file for root only, because settings hold secrets.
fn private(path: &str, content: Vec<u8>) -> plan::Entry {
    plan::Entry {
        path: path.into(),
        owner: plan::Owner::default(),
        kind: plan::Kind::File { mode: 0o600, content },
    }
}

/// A machine without a clock battery wakes up in the past; certificates then look as if they were not valid yet.
fn raise_clock(epoch: u64) {
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    let floor = Duration::from_secs(epoch);
    if now < floor
        && let Err(error) = clock_settime(ClockId::CLOCK_REALTIME, TimeSpec::from_duration(floor))
    {
        log::warn(&format!("setting the clock: {error}"));
    }
}
