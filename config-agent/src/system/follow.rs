//! Units that follow a change: those that settings turn on or off, and those that read a file that changed.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use genpack_spec::layout;
use genpack_spec::report::{Notice, Severity};
use genpack_spec::text;
use genpack_spec::types::UnitName;
use zbus::proxy::CacheProperties;
use zbus_systemd::systemd1::{ManagerProxy, ServiceProxy};

use super::Outcome;
use crate::Paths;
use crate::services::units;

/// systemd reads its own files anew when one of these changed.
const SYSTEMD: [&str; 2] = ["/run/systemd/system/", layout::UNIT_MASK_DIR];
/// Beginnings of paths, and the units that read such a file only when they are told.
const READERS: [(&str, &[&str]); 3] = [
    ("/etc/ssh/sshd_config.d/", &["ssh.service", "sshd.service"]),
    ("/run/systemd/timesyncd.conf.d/", &["systemd-timesyncd.service"]),
    (
        "/etc/default/keyboard",
        &["keyboard-setup.service", "systemd-vconsole-setup.service"],
    ),
];

/// Makes units follow. `old` and `new` are those that settings turn on or off, `changed` the paths that are not as before.
/// Fails only when systemd is out of reach.
pub async fn units(
    paths: &Paths,
    manager: &ManagerProxy<'static>,
    old: &BTreeMap<UnitName, bool>,
    new: &BTreeMap<UnitName, bool>,
    changed: &BTreeSet<String>,
    outcome: &mut Outcome,
) -> Result<()> {
    let is_below = |starts: &[&str]| {
        changed
            .iter()
            .any(|path| starts.iter().any(|start| path.starts_with(start)))
    };
    if is_below(&SYSTEMD) {
        manager.reload().await?;
    }
    // Signals come to subscribers only. Already to be one is no error to anybody.
    let _ = manager.subscribe().await;
    let mut gone = old.clone();
    gone.retain(|unit, _| !new.contains_key(unit));
    for problem in units::restore(paths, manager, &gone).await? {
        outcome.error(problem);
    }
    // Unchanged ones too: what somebody stopped by hand is started again by new settings, as by a new start.
    outcome.services = units::set(paths, manager, new).await?;
    for (_, readers) in READERS.iter().filter(|(start, _)| is_below(&[start])) {
        for unit in *readers {
            reload(manager, unit).await;
        }
    }
    declared(manager, changed, outcome).await
}

/// Restarts the services that take a declared section of `system.ini` as their environment.
async fn declared(
    manager: &ManagerProxy<'static>,
    changed: &BTreeSet<String>,
    outcome: &mut Outcome,
) -> Result<()> {
    let folder = format!("{}/", layout::OWN_SETTINGS_DIR);
    let section = |path: &'_ String| {
        let (name, _) = path.strip_prefix(&folder)?.rsplit_once('.')?;
        Some(name.to_string())
    };
    let sections: BTreeSet<String> = changed.iter().filter_map(section).collect();
    if sections.is_empty() {
        return Ok(());
    }
    let readers = environments(manager).await?;
    for section in sections {
        let file = format!("{folder}{section}.env");
        let units: Vec<&String> = readers
            .iter()
            .filter(|(_, files)| files.contains(&file))
            .map(|(unit, _)| unit)
            .collect();
        for unit in &units {
            log::info!("restarting {unit}, which reads {file}");
            let restarted = manager
                .try_restart_unit(unit.to_string(), "replace".to_string())
                .await;
            if let Err(error) = restarted {
                log::warn!("{unit}: {error}");
            }
        }
        if units.is_empty() {
            outcome.notices.push(Notice {
                severity: Severity::Note,
                text: text!(
                    "A program that has read the section {section} before goes on with the old settings until it, or the device, is started again.",
                    section
                ),
            });
        }
    }
    Ok(())
}

/// Returns the services that run, with their environment files.
async fn environments(manager: &ManagerProxy<'static>) -> Result<Vec<(String, Vec<String>)>> {
    let mut found = Vec::new();
    for unit in manager.list_units_filtered(vec!["active".into()]).await? {
        let (name, path) = (unit.0, unit.6);
        if !name.ends_with(".service") {
            continue;
        }
        let service = ServiceProxy::builder(manager.inner().connection())
            .path(path)
            .cache_properties(CacheProperties::No)
            .build()
            .await?;
        // A service that has gone meanwhile reads nothing.
        let files = service.environment_files().await.unwrap_or_default();
        found.push((name, files.into_iter().map(|(file, _)| file).collect()));
    }
    Ok(found)
}

/// Has a unit that runs read its files again; one that does not run, or is not there, needs not.
async fn reload(manager: &ManagerProxy<'static>, unit: &str) {
    log::info!("{unit} reads its files again, if it runs");
    let (name, mode) = (unit.to_string(), "replace".to_string());
    if let Err(error) = manager.reload_or_try_restart_unit(name, mode).await {
        log::debug!("{unit}: {error}");
    }
}
