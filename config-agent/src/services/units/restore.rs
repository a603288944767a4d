//! Units that settings no longer speak of are again as the image has them.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::Path;

use anyhow::Result;
use genpack_spec::text::Text;
use genpack_spec::types::UnitName;
use zbus_systemd::systemd1::ManagerProxy;

use super::{Jobs, Work, failure};
use crate::Paths;
use crate::services::plain;

/// Undoes what [`super::set`] did, for units that were on (true) or off. Whether one runs then is a matter of the image:
/// of whether something that runs asks for it. Returns what went wrong, as sentences; fails only when systemd is out of
/// reach.
pub async fn restore(
    paths: &Paths,
    manager: &ManagerProxy<'static>,
    were: &BTreeMap<UnitName, bool>,
) -> Result<Vec<Text>> {
    if were.is_empty() {
        return Ok(Vec::new());
    }
    let mut work = Work::new(paths, manager).await?;
    let mut problems = Vec::new();
    for (unit, was_on) in were {
        if let Err(reason) = work.forget(unit, *was_on).await {
            problems.push(failure(unit, !was_on, &reason));
        }
    }
    if work.files_changed {
        manager.reload().await?;
    }
    let mut jobs = Jobs::listen(manager).await?;
    let (mut running, mut shall) = (HashMap::new(), BTreeMap::new());
    for (unit, was_on) in were {
        // What nobody asks for either way stays as it is: off was off, and what runs may run for a reason of its own.
        let on = match (was_on, work.is_asked_for(unit).await) {
            (true, Ok(false)) => false,
            (false, Ok(true)) => true,
            (_, Ok(_)) => continue,
            (_, Err(reason)) => {
                problems.push(failure(unit, !was_on, &reason));
                continue;
            }
        };
        match work.begin(unit, on).await {
            Ok(job) => {
                if let Some(job) = job {
                    running.insert(job, unit);
                }
                shall.insert(unit, on);
            }
            Err(problem) => problems.push(problem),
        }
    }
    let results = jobs.wait(running).await;
    for (unit, on) in shall {
        problems.extend(work.verify(unit, on, results.get(unit)).await);
    }
    for problem in &problems {
        log::warn!("{}", problem.english());
    }
    Ok(problems)
}

impl Work<'_> {
    /// Takes away masks and links of ours. The error is a phrase.
    async fn forget(&mut self, unit: &UnitName, was_on: bool) -> Result<(), String> {
        if was_on {
            let names = vec![unit.to_string()];
            let changes = self.manager.disable_unit_files(names, true).await;
            self.files_changed |= !changes.map_err(|error| plain(&error))?.is_empty();
            return Ok(());
        }
        let mask = self.paths.unit_mask(unit);
        if fs::read_link(&mask).is_ok_and(|target| target == Path::new("/dev/null")) {
            fs::remove_file(&mask).map_err(|error| error.to_string())?;
            self.files_changed = true;
        }
        Ok(())
    }

    /// Whether a unit that runs, or is about to, wants or needs this one. The error is a phrase.
    async fn is_asked_for(&self, unit: &UnitName) -> Result<bool, String> {
        let ask = async {
            let proxy = self.unit(unit.as_str()).await?;
            let by = [
                proxy.wanted_by().await?,
                proxy.required_by().await?,
                proxy.upheld_by().await?,
                // A socket or a timer has started it, or will.
                proxy.triggered_by().await?,
            ];
            for asking in by.concat() {
                let proxy = self.unit(&asking).await?;
                let (job, _) = proxy.job().await?;
                let runs = matches!(
                    proxy.active_state().await?.as_str(),
                    "active" | "activating" | "reloading"
                );
                if runs || job != 0 {
                    return Ok(true);
                }
            }
            zbus::Result::Ok(false)
        };
        ask.await.map_err(|error| plain(&error))
    }
}
