//! Units on and off.

mod restore;

pub use restore::restore;

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use futures_util::StreamExt;
use genpack_spec::report::ServiceReport;
use genpack_spec::text;
use genpack_spec::text::Text;
use genpack_spec::types::UnitName;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use zbus::OwnedObjectPath;
use zbus::proxy::CacheProperties;
use zbus_systemd::systemd1::{ManagerProxy, UnitProxy};

use super::plain;
use crate::Paths;

/// Starting and stopping may take this long in all before the report goes without them.
const PATIENCE: Duration = Duration::from_secs(90);

/// Makes the units what is wanted and returns what came of each. Fails only when systemd is out of reach.
pub async fn set(
    paths: &Paths,
    manager: &ManagerProxy<'static>,
    wanted: &BTreeMap<UnitName, bool>,
) -> Result<Vec<ServiceReport>> {
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let mut work = Work::new(paths, manager).await?;
    let mut problems: HashMap<&UnitName, Text> = HashMap::new();
    for (unit, on) in wanted {
        if let Err(problem) = work.prepare(unit, *on).await {
            problems.insert(unit, problem);
        }
    }
    if work.files_changed {
        manager.reload().await?;
    }
    let mut jobs = Jobs::listen(manager).await?;
    let mut running = HashMap::new();
    for (unit, on) in wanted {
        if problems.contains_key(unit) {
            continue;
        }
        match work.begin(unit, *on).await {
            Ok(Some(job)) => drop(running.insert(job, unit)),
            Ok(None) => {}
            Err(problem) => drop(problems.insert(unit, problem)),
        }
    }
    let results = jobs.wait(running).await;
    let mut reports = Vec::new();
    for (unit, on) in wanted {
        let problem = match problems.remove(unit) {
            Some(problem) => Some(problem),
            None => work.verify(unit, *on, results.get(unit)).await,
        };
        if let Some(problem) = &problem {
            log::warn!("{}", problem.english());
        }
        reports.push(ServiceReport {
            unit: unit.clone(),
            wanted: *on,
            problem,
        });
    }
    Ok(reports)
}

struct Work<'a> {
    paths: &'a Paths,
    manager: &'a ManagerProxy<'static>,
    unit_path: Vec<String>,
    files_changed: bool,
}

impl<'a> Work<'a> {
    async fn new(paths: &'a Paths, manager: &'a ManagerProxy<'static>) -> zbus::Result<Work<'a>> {
        Ok(Work {
            paths,
            manager,
            unit_path: manager.unit_path().await?,
            files_changed: false,
        })
    }

    /// Sets masks and links. The error is a sentence.
    async fn prepare(&mut self, unit: &UnitName, on: bool) -> Result<(), Text> {
        if !self.exists(unit) {
            return Err(no_service(unit.short()));
        }
        let mask = self.paths.unit_mask(unit);
        let masked = fs::read_link(&mask).is_ok_and(|target| target == Path::new("/dev/null"));
        if on {
            if masked {
                fs::remove_file(&mask).map_err(|error| failure(unit, on, &error.to_string()))?;
                self.files_changed = true;
            }
            return self.enable(unit).await;
        }
        if !masked {
            // PID 1 has done it, unless the settings changed since.
            let made = mask.parent().map_or(Ok(()), fs::create_dir_all);
            made.and_then(|()| symlink("/dev/null", &mask))
                .map_err(|error| failure(unit, on, &error.to_string()))?;
            self.files_changed = true;
        }
        Ok(())
    }

    /// Whether a unit file is there, masks aside.
    fn exists(&self, unit: &UnitName) -> bool {
        // A template serves all its instances (systemd.unit(5)).
        let template = unit.template().map(|(template, _)| template);
        self.unit_path
            .iter()
            .filter(|folder| *folder != self.paths.unit_mask_dir())
            .any(|folder| {
                let folder = Path::new(folder);
                folder.join(unit.as_str()).exists()
                    || template
                        .as_ref()
                        .is_some_and(|name| folder.join(name.as_str()).exists())
            })
    }

    /// Enables a unit until the next restart; the settings say it again then.
    async fn enable(&mut self, unit: &UnitName) -> Result<(), Text> {
        let name = unit.to_string();
        let state = self
            .manager
            .get_unit_file_state(name.clone())
            .await
            .unwrap_or_default();
        if state.starts_with("masked") {
            let changes = self.manager.unmask_unit_files(vec![name.clone()], true).await;
            self.files_changed |= changes.is_ok_and(|changes| !changes.is_empty());
        }
        if matches!(state.as_str(), "disabled" | "masked" | "masked-runtime" | "bad") {
            match self.manager.enable_unit_files(vec![name], true, false).await {
                Ok((_, changes)) => self.files_changed |= !changes.is_empty(),
                // It can be started all the same; if not, that is what to report.
                Err(error) => log::warn!("{unit} can't be enabled: {error}"),
            }
        }
        Ok(())
    }

    /// Starts or stops; returns the job to wait for. The error is a sentence.
    async fn begin(&self, unit: &UnitName, on: bool) -> Result<Option<OwnedObjectPath>, Text> {
        let (name, mode) = (unit.to_string(), "replace".to_string());
        let job = if on {
            log::info!("starting {unit}");
            self.manager.start_unit(name, mode).await
        } else {
            let (_, active) = self
                .state(unit)
                .await
                .map_err(|error| failure(unit, on, &error))?;
            if matches!(active.as_str(), "inactive" | "failed") {
                return Ok(None);
            }
            log::info!("stopping {unit}, which is {active}");
            self.manager.stop_unit(name, mode).await
        };
        job.map(Some).map_err(|error| failure(unit, on, &plain(&error)))
    }

    /// Returns what is not as wanted, as a sentence. `result` is systemd's word for how the job ended.
    async fn verify(&self, unit: &UnitName, on: bool, result: Option<&String>) -> Option<Text> {
        let (load, active) = match self.state(unit).await {
            Ok(state) => state,
            Err(error) => return Some(failure(unit, on, &error)),
        };
        verdict(unit, on, &load, &active, result.map(String::as_str))
    }

    /// Returns `LoadState` and `ActiveState`.
    async fn state(&self, unit: &UnitName) -> Result<(String, String), String> {
        let ask = async {
            let proxy = self.unit(unit.as_str()).await?;
            zbus::Result::Ok((proxy.load_state().await?, proxy.active_state().await?))
        };
        ask.await.map_err(|error| plain(&error))
    }

    async fn unit(&self, name: &str) -> zbus::Result<UnitProxy<'static>> {
        let path = self.manager.load_unit(name.to_string()).await?;
        UnitProxy::builder(self.manager.inner().connection())
            .path(path)
            .cache_properties(CacheProperties::No)
            .build()
            .await
    }
}

fn failure(unit: &UnitName, on: bool, reason: &str) -> Text {
    let name = unit.short();
    match on {
        true => text!("{name} could not be turned on: {reason}.", name, reason),
        false => text!("{name} could not be turned off: {reason}.", name, reason),
    }
}

/// Returns the sentence about a unit while systemd is out of reach.
pub fn unreachable(unit: &UnitName, on: bool) -> Text {
    let name = unit.short();
    match on {
        true => text!(
            "{name} could not be turned on, because the device's service manager can't be reached.",
            name
        ),
        false => text!(
            "{name} could not be turned off, because the device's service manager can't be reached.",
            name
        ),
    }
}

fn no_service(name: &str) -> Text {
    text!("There is no service named {name} on this device.", name)
}

fn verdict(unit: &UnitName, on: bool, load: &str, active: &str, result: Option<&str>) -> Option<Text> {
    let name = unit.short();
    match (on, active) {
        (false, "inactive" | "failed") => None,
        (false, _) => Some(text!("{name} is still running although it is turned off.", name)),
        (true, _) if load == "not-found" => Some(no_service(name)),
        (true, _) if load == "masked" => {
            Some(text!("This image does not allow {name} to be turned on.", name))
        }
        (true, "failed") => Some(text!("{name} was started and failed.", name)),
        (true, "active" | "reloading" | "refreshing") => None,
        (true, "activating") => Some(not_finished(name)),
        (true, _) => match result {
            // What does its work and ends is inactive again.
            Some("done" | "skipped") => None,
            Some("dependency") => Some(text!(
                "{name} could not start because something that it needs failed.",
                name
            )),
            Some("timeout") => Some(text!("{name} took too long to start.", name)),
            Some(other) => Some(text!(
                "{name} could not be started ({reason}).",
                name,
                reason = other
            )),
            None => Some(not_finished(name)),
        },
    }
}

fn not_finished(name: &str) -> Text {
    text!("{name} has not finished starting.", name)
}

/// systemd's jobs as they end.
struct Jobs {
    ended: UnboundedReceiver<(OwnedObjectPath, String)>,
}

impl Jobs {
    /// Listens from now on.
    async fn listen(manager: &ManagerProxy<'static>) -> Result<Jobs> {
        let mut signals = manager.receive_job_removed().await?;
        let (sender, ended) = unbounded_channel();
        // Read at once and kept here: while the machine starts there are many, and a signal that waits in the
        // connection's bounded queue holds up every answer behind it.
        tokio::spawn(async move {
            while let Some(signal) = signals.next().await {
                let Ok(args) = signal.args() else { continue };
                if sender.send((args.job.clone(), args.result.to_string())).is_err() {
                    return;
                }
            }
        });
        Ok(Jobs { ended })
    }

    /// Waits for these jobs, within [`PATIENCE`]; returns how each that ended did so.
    async fn wait<'a>(
        &mut self,
        mut running: HashMap<OwnedObjectPath, &'a UnitName>,
    ) -> HashMap<&'a UnitName, String> {
        let mut results = HashMap::new();
        let all = async {
            while !running.is_empty()
                && let Some((job, result)) = self.ended.recv().await
            {
                if let Some(unit) = running.remove(&job) {
                    results.insert(unit, result);
                }
            }
        };
        // What has not ended by then is told by its state.
        let _ = tokio::time::timeout(PATIENCE, all).await;
        results
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_fit_what_systemd_says() {
        let unit: UnitName = "nginx".parse().unwrap();
        let said =
            |on, load, active, result| verdict(&unit, on, load, active, result).map(|text| text.english());
        for (on, load, active, result) in [
            (true, "loaded", "active", Some("done")),
            (true, "loaded", "inactive", Some("done")),
            (false, "masked", "inactive", None),
            (false, "masked", "failed", None),
        ] {
            assert_eq!(said(on, load, active, result), None);
        }
        assert_eq!(
            said(true, "not-found", "inactive", None).as_deref(),
            Some("There is no service named nginx on this device.")
        );
        assert_eq!(
            said(true, "loaded", "failed", Some("failed")).as_deref(),
            Some("nginx was started and failed.")
        );
        assert!(said(false, "masked", "active", None).is_some());
        assert!(said(true, "loaded", "inactive", Some("dependency")).is_some());
        assert!(said(true, "loaded", "activating", None).is_some());
    }
}
