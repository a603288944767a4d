//! A change of settings in a running system: names, time zone, language, keyboard, accounts, keys, proxy, services.
//!
//! PID 1 has made all of it true before anything started. What changes afterwards goes the same way again: the files of
//! the old settings and of the new ones are two plans ([`genpack_system_files`]), and only what they differ in is touched.
//! What other programs want to hear of goes through the services that tell them (`names`).

mod follow;
mod names;
mod restart;

pub use restart::needs_restart;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::{Duration, SystemTime};

use genpack_spec::facts::Facts;
use genpack_spec::layout;
use genpack_spec::report::{BootReport, Notice, ServiceReport, Severity};
use genpack_spec::settings::Settings;
use genpack_spec::text;
use genpack_spec::text::{Language, Text};
use genpack_spec::types::{Hostname, Locale, TimeZone, UnitName};
use genpack_system_files::change::{carry_out, changes};
use genpack_system_files::files::Roots;
use genpack_system_files::image_files::ImageFiles;
use genpack_system_files::plan::{Identity, Plan, plan};
use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_settime};
use zbus::Connection;
use zbus::proxy::CacheProperties;
use zbus_systemd::login1;
use zbus_systemd::systemd1::ManagerProxy;

use crate::services::{self, plain};
use crate::{Paths, load};

/// What came of a change.
#[derive(Debug, Default)]
pub struct Outcome {
    /// What a person should know.
    pub notices: Vec<Notice>,
    /// Every line of `[services]`, and what other settings turn on or off.
    pub services: Vec<ServiceReport>,
    /// Sentences of the boot report that do not hold any longer.
    pub obsolete: Vec<Text>,
}

impl Outcome {
    fn error(&mut self, text: Text) {
        log::warn!("{}", text.english());
        self.notices.push(Notice {
            severity: Severity::Error,
            text,
        });
    }
}

/// Makes the running system what `new` says, where `old` was true before. `boot` is PID 1's report. Passwords are hashed
/// already: a plain one is not applied. The network is not touched. What can't change before the next start is what
/// [`needs_restart`] returns.
pub async fn apply(
    connection: &Connection,
    paths: &Paths,
    boot: &BootReport,
    old: &Settings,
    new: &Settings,
) -> Outcome {
    let mut outcome = Outcome::default();
    let facts: Facts = load::read(&paths.facts()).unwrap_or_default();
    let (old, new) = (&with_implied(old, &facts), &with_implied(new, &facts));

    let before = names::observe(paths);
    let steps = names::steps(old, new, &hostname(boot, new), &before, &names::of_image(paths));
    for step in &steps {
        log::info!("{step:?}");
        if let Err(error) = names::tell(connection, step).await {
            // Whoever would have told others can't be reached; the files that follow say it all the same.
            log::warn!("{step:?}: {error}");
        }
    }
    let (plans, changed) = files(paths, boot, &facts, old, new, &mut outcome);
    names::set_kernel_hostname(&hostname(boot, new), &steps);
    raise_clock(old, new, &mut outcome);

    let manager = ManagerProxy::builder(connection)
        .cache_properties(CacheProperties::No)
        .build()
        .await;
    let followed = match manager {
        Ok(manager) => {
            let (old_units, new_units) = (units_of(old, &plans.0), units_of(new, &plans.1));
            follow::units(paths, &manager, &old_units, &new_units, &changed, &mut outcome).await
        }
        Err(error) => Err(error.into()),
    };
    if let Err(error) = followed {
        let reason = error.downcast_ref().map_or(format!("{error:#}"), plain);
        outcome.error(text!(
            "The device's service manager can't be reached ({reason}).",
            reason
        ));
        outcome.services = services::unreachable_services(&new.services);
    }
    // Other units than those of settings are not spoken of.
    outcome
        .services
        .retain(|service| new.services.contains_key(&service.unit));

    let after = names::observe(paths);
    for step in names::steps(old, new, &hostname(boot, new), &after, &names::of_image(paths)) {
        outcome.error(step.failure());
    }
    outcome
}

/// Restarts the machine: by systemd-logind, which tells those who are logged in, else by systemd.
pub async fn reboot(connection: &Connection) -> zbus::Result<()> {
    let by_logind = async { login1::ManagerProxy::new(connection).await?.reboot(false).await };
    let Err(error) = by_logind.await else {
        return Ok(());
    };
    log::warn!("systemd-logind does not restart the machine: {error}");
    let manager = ManagerProxy::new(connection).await?;
    let (target, mode) = ("reboot.target".into(), "replace-irreversibly".into());
    manager.start_unit(target, mode).await.map(drop)
}

/// Returns PID 1's report as it would be had the machine been started with `new`, as far as the agent knows.
pub fn report(boot: &BootReport, new: &Settings, outcome: &Outcome) -> BootReport {
    let mut report = boot.clone();
    report.hostname = hostname(boot, new);
    report.timezone = new.system.timezone.clone().unwrap_or_else(TimeZone::utc);
    let locale = new.system.locale.as_ref().map(Locale::as_str);
    report.language = Language::choose(locale, boot.image.language);
    report
        .notices
        .retain(|notice| !outcome.obsolete.contains(&notice.text));
    report
}

/// Returns the host name under these settings.
pub fn hostname(boot: &BootReport, settings: &Settings) -> Hostname {
    let default = boot.default_hostname.as_ref().unwrap_or(&boot.hostname);
    settings.system.hostname.as_ref().unwrap_or(default).clone()
}

fn with_implied(settings: &Settings, facts: &Facts) -> Settings {
    Settings {
        services: services::wanted(settings, facts),
        ..settings.clone()
    }
}

/// Brings the files up to date, and returns both plans and the paths that changed.
fn files(
    paths: &Paths,
    boot: &BootReport,
    facts: &Facts,
    old: &Settings,
    new: &Settings,
    outcome: &mut Outcome,
) -> ((Plan, Plan), BTreeSet<String>) {
    let image = paths.system();
    let planned = |settings: &Settings| {
        let files = ImageFiles::read(&image, settings)?;
        let identity = Identity {
            hostname: &hostname(boot, settings),
            // Neither is a matter of settings; being alike in both plans they are left alone.
            machine_id: "",
            ssh_host_key: "",
            timezone: settings.system.timezone.as_ref(),
        };
        std::io::Result::Ok((plan(settings, &identity, &files, facts), files))
    };
    let ((old_plan, _), (new_plan, files)) = match (planned(old), planned(new)) {
        (Ok(old), Ok(new)) => (old, new),
        (Err(error), _) | (_, Err(error)) => {
            outcome.error(text!(
                "The users of the device can't be read ({reason}), so they stay as they are.",
                reason = error
            ));
            return Default::default();
        }
    };
    let roots = Roots {
        system: paths.root(),
        run: paths.root(),
    };
    let (changed, failed) = carry_out(&changes(&old_plan, &new_plan, &files), &roots, &image);
    for path in &changed {
        log::info!("{path} follows the settings");
    }
    for (file, error) in failed {
        outcome.error(text!(
            "The file {file} could not be written: {reason}.",
            file,
            reason = error
        ));
    }
    let told = |plan: &Plan, problem: &Text| plan.problems.contains(problem);
    for problem in new_plan
        .problems
        .iter()
        .filter(|problem| !told(&old_plan, problem))
    {
        outcome.error(problem.clone());
    }
    let gone = old_plan.problems.iter();
    let gone = gone.filter(|problem| !told(&new_plan, problem));
    outcome.obsolete = gone.cloned().collect();
    ((old_plan, new_plan), changed.into_iter().collect())
}

/// Returns every unit that is on or off, those that only a mask of the plan turns off included.
fn units_of(settings: &Settings, plan: &Plan) -> BTreeMap<UnitName, bool> {
    let masked = plan.entries.iter().filter_map(|entry| {
        let name = entry.path.strip_prefix(layout::UNIT_MASK_DIR)?;
        name.trim_start_matches('/').parse().ok()
    });
    let mut units: BTreeMap<UnitName, bool> = masked.map(|unit| (unit, false)).collect();
    units.extend(settings.services.clone());
    units
}

/// The earliest time that the clock may show is later than it was, and later than what the clock shows.
fn raise_clock(old: &Settings, new: &Settings, outcome: &mut Outcome) {
    let Some(floor) = new.time.clock.filter(|_| new.time.clock != old.time.clock) else {
        return;
    };
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    let floor = Duration::from_secs(floor);
    if now >= floor {
        return;
    }
    if let Err(error) = clock_settime(ClockId::CLOCK_REALTIME, TimeSpec::from_duration(floor)) {
        outcome.error(text!("The clock could not be set: {reason}.", reason = error));
    }
}

/// Returns a small file's text; none when it is not there, is no text or too long.
fn small_file(path: &std::path::Path) -> Option<String> {
    const LIMIT: u64 = 64 * 1024;
    let metadata = fs::metadata(path).ok()?;
    (metadata.is_file() && metadata.len() <= LIMIT).then(|| fs::read_to_string(path).ok())?
}
