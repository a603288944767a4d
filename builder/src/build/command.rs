//! `genpack build`.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::time::Instant;

use anyhow::Result;

use super::targets::TargetArguments;
use super::{Request, Target, Workplace, temporary_folder};
use crate::blueprint::{Base, InputError, Problem};
use crate::cache::{Cache, Kind};
use crate::draft::Draft;
use crate::sandbox::{self, Ended};
use crate::source::apt;
use crate::{cli, command, print, room};

/// What is built, and where it goes.
#[derive(clap::Args)]
pub struct BuildArguments {
    /// Folder of the blueprint, genpack.json5
    #[arg(default_value = ".", value_name = "DIR")]
    folder: PathBuf,
    #[command(flatten)]
    target: TargetArguments,
    /// Build every variant for every profile and architecture
    #[arg(long)]
    all: bool,
    /// The disk image to write [default: NAME-VARIANT-PROFILE.img]; other files appear beside it. With --all, their folder
    #[arg(short, long, value_name = "OUT")]
    output: Option<PathBuf>,
    /// Fail rather than choose versions that genpack.lock does not have
    #[arg(long)]
    locked: bool,
    /// Print the stages and do nothing
    #[arg(long)]
    plan: bool,
}

/// The part that runs inside the sandbox.
#[derive(clap::Args)]
pub struct InSandbox {
    folder: PathBuf,
    #[command(flatten)]
    target: TargetArguments,
    #[arg(long)]
    locked: bool,
    products: PathBuf,
    work: PathBuf,
}

/// Runs the command; returns the exit status.
pub fn run(arguments: &BuildArguments) -> Result<ExitCode> {
    if arguments.all {
        return build_all(arguments);
    }
    let target = arguments.target.one()?;
    let request = Request::prepare(&arguments.folder, &target)?;
    let output = arguments
        .output
        .clone()
        .unwrap_or_else(|| request.default_output());
    request.check_output(&output)?;
    cli::warn(request.file.warnings());
    if arguments.plan {
        print_plan(&request)?;
        return Ok(ExitCode::SUCCESS);
    }
    request.check_programs()?;
    build_one(&request, &target, arguments.locked, &output)
}

fn print_plan(request: &Request) -> Result<()> {
    let lines = super::plan(request).into_iter().zip(1..);
    let lines = lines.map(|(title, number)| format!("{number}. {title}\n"));
    print::answer(&lines.collect::<String>())
}

fn build_one(request: &Request, target: &Target, locked: bool, output: &Path) -> Result<ExitCode> {
    let signals = sandbox::catch_signals()?;
    let draft = Draft::beside(output)?;
    let mut inner: Vec<OsString> = vec!["__build-in-sandbox".into()];
    inner.extend(TargetArguments::flags(target));
    inner.extend(locked.then(|| "--locked".into()));
    inner.extend([
        "--".into(),
        std::path::absolute(&request.folder)?.into_os_string(),
    ]);
    inner.push(draft.folder().into());
    let ended = sandbox::run(&inner, &temporary_folder(), signals)?;
    if ended == Ended::Itself(ExitCode::SUCCESS) {
        for place in draft.publish()? {
            print::answer(&format!("{}\n", place.display()))?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    discard_unfinished(&request.cache);
    Ok(match ended {
        Ended::Itself(code) => code,
        Ended::Interrupted => sandbox::interrupted(&format!("{} was not written", output.display())),
    })
}

/// Removes what was begun in the cache and nobody goes on with.
pub fn discard_unfinished(cache: &Cache) {
    cache.discard_partial();
    apt::discard_unfinished(&cache.folder_of(Kind::Lists));
}

/// Builds all images, one after the other: each of them uses all processors where that helps, and what earlier ones kept.
fn build_all(arguments: &BuildArguments) -> Result<ExitCode> {
    let requests = requests(arguments)?;
    if let Some((request, ..)) = requests.first() {
        cli::warn(request.file.warnings());
    }
    if arguments.plan {
        for (request, ..) in &requests {
            print::answer(&format!("{}\n", request.label()))?;
            print_plan(request)?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    for (request, ..) in &requests {
        request.check_programs()?;
    }
    // Also a signal between two builds ends all.
    let interruption = sandbox::interruption()?;
    let mut summary = Vec::new();
    let mut worst = ExitCode::SUCCESS;
    let count = requests.len();
    for (number, (request, target, output)) in requests.iter().enumerate() {
        eprintln!("({}/{count}) {}", number + 1, request.label());
        let begun = Instant::now();
        let code =
            build_one(request, target, arguments.locked, output).unwrap_or_else(|error| cli::report(&error));
        let interrupted = interruption.load(Ordering::Relaxed);
        let verdict = match code {
            ExitCode::SUCCESS => "built ",
            _ if interrupted => "interrupted",
            _ => "failed",
        };
        summary.push(format!(
            "{verdict:11} {:>7.1} s  {}  {}",
            begun.elapsed().as_secs_f64(),
            request.label(),
            output.display()
        ));
        if code != ExitCode::SUCCESS {
            worst = code;
        }
        if interrupted {
            let others = requests.iter().skip(number + 1).map(|(other, ..)| other.label());
            summary.extend(others.map(|label| format!("{:11} {:>7}    {label}", "not begun", "")));
            worst = ExitCode::from(sandbox::INTERRUPTED);
            break;
        }
    }
    eprintln!("\n{}", summary.join("\n"));
    Ok(worst)
}

/// Returns all builds, with the file that each writes.
///
/// # Errors
/// [`InputError`] with the mistakes of all of them.
fn requests(arguments: &BuildArguments) -> Result<Vec<(Request, Target, PathBuf)>> {
    let mut mistakes: Vec<Problem> = Vec::new();
    let mut requests = Vec::new();
    let mut outputs: BTreeMap<PathBuf, String> = BTreeMap::new();
    for target in arguments.target.all(&arguments.folder)? {
        let outcome = Request::prepare(&arguments.folder, &target).and_then(|request| {
            let file = request.default_output();
            let folder = arguments.output.as_ref();
            let output = folder.map_or(file.clone(), |folder| folder.join(&file));
            request.check_output(&output)?;
            Ok((request, output))
        });
        let (request, output) = match outcome.map_err(anyhow::Error::downcast::<InputError>) {
            Ok(prepared) => prepared,
            Err(Ok(more)) => {
                Problem::add(&mut mistakes, more.into_problems());
                continue;
            }
            Err(Err(other)) => return Err(other),
        };
        if let Some(other) = outputs.insert(output.clone(), request.label()) {
            mistakes.push(Problem::plain(format!(
                "{other} and {} would both be {}; give them names of their own by outfile: in their variants, or leave \
                 outfile: out",
                request.label(),
                output.display()
            )));
        }
        requests.push((request, target, output));
    }
    Ok(InputError::unless_none(mistakes, requests)?)
}

/// Builds inside the sandbox.
pub fn run_inside(arguments: &InSandbox) -> Result<ExitCode> {
    sandbox::begin();
    let mut request = Request::prepare(&arguments.folder, &arguments.target.one()?)?;
    request.locked = arguments.locked;
    let (work, products) = (&arguments.work, &arguments.products);
    let cache = request.cache.folder();
    let is_full = |error: &anyhow::Error| command::is_disk_full(&format!("{error:#}"));
    // Debian's packages have none; what comes from elsewhere may.
    let user_attributes = !matches!(request.blueprint.base, Base::Debian { .. });
    let place = Workplace::in_memory(work, user_attributes)?;
    let outcome = match super::run(&request, &place, products) {
        Err(error) if place.is_in_memory() && is_full(&error) && !room::is_short(work, cache, products) => {
            eprintln!("the memory for this build is full; it begins again on disk");
            for product in fs::read_dir(products)? {
                fs::remove_file(product?.path())?;
            }
            super::run(&request, &place.leave_memory()?, products)
        }
        outcome => outcome,
    };
    match outcome {
        Err(error) if is_full(&error) => Err(room::explain(error, work, cache, products)),
        outcome => outcome
            .map(|()| ExitCode::SUCCESS)
            .map_err(|error| request.locate(error)),
    }
}
