//! The command line.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::blueprint::InputError;
use crate::build::{self, Outputs, Request, Sources};
use crate::draft::Draft;
use crate::source::apt;
use crate::{command, config, diff, inspect, room, sandbox, vm};

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
    /// Say what is in an image: packages, sizes, licences, services, ports
    Inspect(inspect::InspectArguments),
    /// Say what changed from one image to another; ends with 0 for no difference, 1 for some, 2 for trouble
    Diff(diff::DiffArguments),
    /// Try an image in a virtual machine
    #[command(subcommand)]
    Vm(vm::VmCommand),
    /// Look at settings of a device, on a card or in an image, and change them
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// The part of a build that runs in namespaces of its own
    #[command(hide = true, name = "__build-in-sandbox")]
    BuildInSandbox {
        #[arg(long)]
        folder: PathBuf,
        #[arg(long)]
        profile: String,
        #[arg(long)]
        image: PathBuf,
        work: PathBuf,
    },
}

#[derive(clap::Args)]
struct BuildArguments {
    /// Folder of the blueprint, genpack.json5
    #[arg(default_value = ".", value_name = "DIR")]
    folder: PathBuf,
    /// Kind of machine to build for, in place of the blueprint's own
    #[arg(long, value_name = "PROFILE")]
    profile: Option<String>,
    /// The disk image to write [default: NAME-PROFILE.img]; manifest and SBOMs appear beside it, as OUT.manifest.json, OUT.cdx.json, OUT.spdx.json
    #[arg(short, long, value_name = "OUT")]
    output: Option<PathBuf>,
    /// Print the stages and do nothing
    #[arg(long)]
    plan: bool,
}

/// Runs the program and returns its exit status: 0, 1 when something failed, 2 for a mistake in the input, 130 when
/// interrupted.
pub fn run() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Build(arguments) => build(&arguments),
        Command::Inspect(arguments) => inspect::run(&arguments),
        Command::Diff(arguments) => {
            // 1 says that the images differ.
            return diff::run(&arguments).unwrap_or_else(|error| {
                report(&error);
                ExitCode::from(INPUT_MISTAKE)
            });
        }
        Command::Vm(command) => vm::run(&command),
        Command::Config(command) => config::run(&command),
        Command::BuildInSandbox {
            folder,
            profile,
            image,
            work,
        } => {
            let sources = Sources {
                folder,
                profile: Some(profile),
            };
            build_here(&sources, &work, &Outputs::beside(&image))
        }
    };
    outcome.unwrap_or_else(|error| report(&error))
}

fn build(arguments: &BuildArguments) -> Result<ExitCode> {
    let sources = Sources {
        folder: arguments.folder.clone(),
        profile: arguments.profile.clone(),
    };
    let request = Request::prepare(&sources)?;
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
    let drafts = draft.outputs();
    let flags = [
        ("--folder", std::path::absolute(&request.folder)?.into_os_string()),
        ("--profile", request.profile.name.clone().into()),
        ("--image", drafts.image.clone().into_os_string()),
    ];
    let mut inner = vec!["__build-in-sandbox".into()];
    inner.extend(flags.into_iter().flat_map(|(flag, value)| [flag.into(), value]));
    let code = sandbox::run(&inner, &build::temporary_folder(), signals)?;
    if code == ExitCode::SUCCESS {
        draft.publish()?;
        for file in Outputs::beside(&output).all() {
            println!("{}", file.display());
        }
    } else {
        apt::discard_unfinished(&request.cache);
    }
    Ok(code)
}

/// Builds inside the sandbox.
fn build_here(sources: &Sources, work: &Path, outputs: &Outputs) -> Result<ExitCode> {
    sandbox::end_with_parent();
    let request = Request::prepare(sources)?;
    match build::run(&request, work, outputs) {
        Err(error) if command::is_disk_full(&format!("{error:#}")) => {
            Err(error.context(room::shortage(work, &request.cache, outputs)))
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
