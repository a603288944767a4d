//! `genpack update`: the lock file made anew.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;

use super::command::discard_unfinished;
use super::{Request, Target, temporary_folder};
use crate::blueprint::{BlueprintFile, InputError};
use crate::cache::Cache;
use crate::lock::{self, LOCK_FILE, Lock};
use crate::print;
use crate::progress::Progress;
use crate::sandbox::{self, Ended};

/// What is chosen anew.
#[derive(clap::Args)]
pub struct UpdateArguments {
    /// Folder of the blueprint, genpack.json5
    #[arg(default_value = ".", value_name = "DIR")]
    folder: PathBuf,
    /// A package to choose anew; the others stay as they are, where they can
    #[arg(long, value_name = "PACKAGE", value_delimiter = ',')]
    package: Vec<String>,
}

/// The part that runs inside the sandbox.
#[derive(clap::Args)]
pub struct InSandbox {
    folder: PathBuf,
    #[arg(long)]
    package: Vec<String>,
    work: PathBuf,
}

/// Runs the command; returns the exit status.
pub fn run(arguments: &UpdateArguments) -> Result<ExitCode> {
    // Mistakes are shown before anything begins.
    BlueprintFile::load(&arguments.folder)?;
    let before = Lock::load(&arguments.folder)?;
    let signals = sandbox::catch_signals()?;
    let mut inner = vec!["__update-in-sandbox".into()];
    inner.extend(
        arguments
            .package
            .iter()
            .flat_map(|name| ["--package".into(), name.into()]),
    );
    inner.extend([
        "--".into(),
        std::path::absolute(&arguments.folder)?.into_os_string(),
    ]);
    let ended = sandbox::run(&inner, &temporary_folder(), signals)?;
    if ended != Ended::Itself(ExitCode::SUCCESS) {
        discard_unfinished(&Cache::of_user()?);
    }
    Ok(match ended {
        Ended::Itself(code) => code,
        Ended::Interrupted if Lock::load(&arguments.folder)? == before => {
            sandbox::interrupted(&format!("{LOCK_FILE} is as it was"))
        }
        Ended::Interrupted => sandbox::interrupted(&format!("{LOCK_FILE} was renewed just before")),
    })
}

/// Updates inside the sandbox.
pub fn run_inside(arguments: &InSandbox) -> Result<ExitCode> {
    sandbox::begin();
    let _held = lock::hold(&arguments.folder, || {
        eprintln!("waiting for another build of this blueprint to choose its versions");
    })?;
    let old = Lock::load(&arguments.folder)?;
    let unknown: Vec<_> = arguments.package.iter().filter(|name| !old.has(name)).collect();
    if let Some(name) = unknown.first() {
        return Err(InputError::plain(format!(
            "{} has no package {name:?}; without --package, all are chosen anew",
            old.path().display()
        ))
        .into());
    }
    let mut new = old.renewal(&arguments.package);
    let requests = requests(&arguments.folder, &old)?;
    let mut progress = Progress::new(requests.len());
    for request in &requests {
        let _in_use = request.cache.enter()?;
        progress.stage(&format!("choose packages for {}", request.label()), |stage| {
            let outcome = request.source().pin(&request.wanted(), &mut new, stage);
            outcome.map_err(|error| request.locate(error))
        })?;
    }
    let difference = old.difference(&new);
    new.save()?;
    let verdict = match difference.len() {
        0 => "nothing new".to_string(),
        1 => "1 change".to_string(),
        count => format!("{count} changes"),
    };
    let lines: String = difference.iter().map(|line| format!("{line}\n")).collect();
    print::answer(&format!("{lines}{LOCK_FILE}: {verdict}\n"))?;
    Ok(ExitCode::SUCCESS)
}

/// Every image that the lock file knows and that there still is, and every variant for the blueprint's own profile.
fn requests(folder: &std::path::Path, lock: &Lock) -> Result<Vec<Request>> {
    let mut seen = BTreeSet::new();
    let mut requests = Vec::new();
    for variant in BlueprintFile::load(folder)?.buildable() {
        let target = Target {
            variant: variant.map(String::from),
            profile: None,
            arch: super::Arch::of_host(),
        };
        requests.push(Request::prepare(folder, &target)?);
    }
    seen.extend(requests.iter().map(Request::label));
    for user in lock.users().difference(&seen) {
        let fields: Vec<_> = user.split('/').collect();
        let [variant, profile, arch] = fields[..] else {
            continue;
        };
        let Ok(arch) = arch.parse() else { continue };
        let target = Target {
            variant: (variant != "-").then(|| variant.to_string()),
            profile: Some(profile.to_string()),
            arch,
        };
        // A variant or profile that is no more needs no packages.
        requests.extend(
            Request::prepare(folder, &target)
                .ok()
                .filter(|request| request.label() == *user),
        );
    }
    Ok(requests)
}
