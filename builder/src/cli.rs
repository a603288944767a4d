//! The command line.

use std::ffi::OsString;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::blueprint::InputError;
use crate::build::{self, Arch, Request, Target};
use crate::cache::{self, Kind};
use crate::draft::Draft;
use crate::source::apt;
use crate::{command, config, room, sandbox, vm};

/// Exit status for mistakes in the developer's input, as for a wrong command line.
const INPUT_MISTAKE: u8 = 2;

/// Turns a Linux OS into an appliance.
#[derive(Parser)]
#[command(name = "genpack", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Build a disk image from a blueprint
    Build(BuildArguments),
    /// Try an image in a virtual machine
    #[command(subcommand)]
    Vm(vm::VmCommand),
    /// Look at what builds keep for the next one, and remove it
    #[command(subcommand)]
    Cache(cache::command::CacheCommand),
    /// Look at settings of a device, on a card or in an image, and change them
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// The part of a build that runs in namespaces of its own
    #[command(hide = true, name = "__build-in-sandbox")]
    BuildInSandbox {
        folder: PathBuf,
        #[command(flatten)]
        target: TargetArguments,
        #[arg(long)]
        locked: bool,
        products: PathBuf,
        work: PathBuf,
    },
}

/// Which of the images that a blueprint describes.
#[derive(Clone, clap::Args)]
struct TargetArguments {
    /// Kind of machine to build for, in place of the blueprint's own
    #[arg(long, value_name = "PROFILE")]
    profile: Option<String>,
    /// Architecture to build for: x86_64 or aarch64 [default: this machine's]
    #[arg(long, value_name = "ARCH")]
    arch: Option<Arch>,
}

impl TargetArguments {
    fn target(&self) -> Target {
        Target {
            profile: self.profile.clone(),
            arch: self.arch.unwrap_or(Arch::of_host()),
        }
    }

    /// As one would type them.
    fn flags(target: &Target) -> Vec<OsString> {
        let mut flags = vec!["--arch".into(), target.arch.to_string().into()];
        if let Some(profile) = &target.profile {
            flags.extend(["--profile".into(), profile.into()]);
        }
        flags
    }
}

#[derive(clap::Args)]
struct BuildArguments {
    /// Folder of the blueprint, genpack.json5
    #[arg(default_value = ".", value_name = "DIR")]
    folder: PathBuf,
    #[command(flatten)]
    target: TargetArguments,
    /// The disk image to write [default: NAME-PROFILE.img]; OUT.manifest.json appears beside it
    #[arg(short, long, value_name = "OUT")]
    output: Option<PathBuf>,
    /// Fail rather than choose versions that genpack.lock does not have
    #[arg(long)]
    locked: bool,
    /// Print the stages and do nothing
    #[arg(long)]
    plan: bool,
}

/// Runs the program and returns its exit status: 0, 1 when something failed, 2 for a mistake in the input, 130 when
/// interrupted.
pub fn run() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Build(arguments) => build(&arguments),
        Command::Vm(command) => vm::run(&command),
        Command::Cache(command) => cache::command::run(&command),
        Command::Config(command) => config::run(&command),
        Command::BuildInSandbox {
            folder,
            target,
            locked,
            products,
            work,
        } => build_here(&folder, &target.target(), locked, &work, &products),
    };
    outcome.unwrap_or_else(|error| report(&error))
}

fn build(arguments: &BuildArguments) -> Result<ExitCode> {
    let target = arguments.target.target();
    let request = Request::prepare(&arguments.folder, &target)?;
    if arguments.plan {
        for (number, title) in build::plan(&request).iter().enumerate() {
            println!("{}. {title}", number + 1);
        }
        return Ok(ExitCode::SUCCESS);
    }
    request.check_programs()?;
    let output = arguments
        .output
        .clone()
        .unwrap_or_else(|| request.default_output());
    let signals = sandbox::catch_signals()?;
    let draft = Draft::beside(&output)?;
    let mut inner = vec!["__build-in-sandbox".into()];
    inner.extend(TargetArguments::flags(&target));
    inner.extend(arguments.locked.then(|| "--locked".into()));
    inner.extend([
        "--".into(),
        std::path::absolute(&request.folder)?.into_os_string(),
    ]);
    inner.push(draft.folder().into());
    let code = sandbox::run(&inner, &build::temporary_folder(), signals)?;
    if code == ExitCode::SUCCESS {
        for place in draft.publish()? {
            println!("{}", place.display());
        }
    } else {
        request.cache.discard_partial();
        apt::discard_unfinished(&request.cache.folder_of(Kind::Lists));
    }
    Ok(code)
}

/// Builds inside the sandbox.
fn build_here(
    folder: &Path,
    target: &Target,
    locked: bool,
    work: &Path,
    products: &Path,
) -> Result<ExitCode> {
    sandbox::begin();
    let mut request = Request::prepare(folder, target)?;
    request.locked = locked;
    match build::run(&request, work, products) {
        Err(error) if command::is_disk_full(&format!("{error:#}")) => {
            Err(error.context(room::shortage(work, request.cache.folder(), products)))
        }
        outcome => outcome.map(|()| ExitCode::SUCCESS),
    }
}

/// Prints an error and returns the exit status that it stands for.
fn report(error: &anyhow::Error) -> ExitCode {
    if let Some(mistake) = error.chain().find_map(|cause| cause.downcast_ref::<InputError>()) {
        let text = mistake.render(std::io::stderr().is_terminal());
        eprintln!("genpack: error: {}", text.trim());
        return ExitCode::from(INPUT_MISTAKE);
    }
    let causes: Vec<_> = error.chain().map(ToString::to_string).collect();
    eprintln!("genpack: error: {}", causes.join(":\n  "));
    ExitCode::FAILURE
}
