//! The command line.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::{Parser, Subcommand};

use crate::blueprint::InputError;
use crate::build::{self, Outputs, Request, Sources};
use crate::{sandbox, vm};

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
    /// The part of a build that runs in namespaces of its own
    #[command(hide = true)]
    BuildInSandbox {
        #[arg(long)]
        folder: PathBuf,
        #[arg(long)]
        profile: String,
        #[arg(long)]
        image: PathBuf,
        #[arg(long)]
        manifest: PathBuf,
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
    /// The disk image to write [default: NAME-PROFILE.img]; OUT.manifest.json appears beside it
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
        Command::Vm(command) => vm::run(&command),
        Command::BuildInSandbox {
            folder,
            profile,
            image,
            manifest,
            work,
        } => {
            let sources = Sources {
                folder,
                profile: Some(profile),
            };
            Request::prepare(&sources)
                .and_then(|request| build::run(&request, &work, &Outputs { image, manifest }))
                .map(|()| ExitCode::SUCCESS)
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
    let draft = Draft::beside(&output)?;
    let flags = [
        ("--folder", std::path::absolute(&request.folder)?.into_os_string()),
        ("--profile", request.profile.name.clone().into()),
        ("--image", draft.outputs.image.clone().into_os_string()),
        ("--manifest", draft.outputs.manifest.clone().into_os_string()),
    ];
    let mut inner = vec!["build-in-sandbox".into()];
    inner.extend(flags.into_iter().flat_map(|(flag, value)| [flag.into(), value]));
    let code = sandbox::run(&inner, &build::temporary_folder())?;
    if code == ExitCode::SUCCESS {
        let manifest = draft.publish(&output)?;
        println!("{}\n{}", output.display(), manifest.display());
    }
    Ok(code)
}

/// The outputs under temporary names in a folder beside their final place; gone with the value.
struct Draft {
    _folder: tempfile::TempDir,
    outputs: Outputs,
}

impl Draft {
    fn beside(output: &Path) -> Result<Draft> {
        if output.is_dir() {
            bail!(InputError::plain(format!(
                "{} is a folder; name the image to write",
                output.display()
            )));
        }
        let absolute = std::path::absolute(output)?;
        let parent = absolute.parent().context("the image needs a folder")?;
        if !parent.is_dir() {
            bail!(InputError::plain(format!(
                "there is no folder {} to write the image to",
                parent.display()
            )));
        }
        let folder = tempfile::Builder::new().prefix(".genpack-").tempdir_in(parent);
        let folder = folder.with_context(|| format!("the image can't be written to {}", parent.display()))?;
        let outputs = Outputs {
            image: folder.path().join("image"),
            manifest: folder.path().join("manifest.json"),
        };
        Ok(Draft {
            _folder: folder,
            outputs,
        })
    }

    /// Gives the outputs their final names and returns the manifest's.
    fn publish(&self, output: &Path) -> Result<PathBuf> {
        let mut manifest = output.as_os_str().to_os_string();
        manifest.push(".manifest.json");
        let manifest = PathBuf::from(manifest);
        for (from, to) in [
            (&self.outputs.image, output),
            (&self.outputs.manifest, manifest.as_path()),
        ] {
            fs::File::open(from)
                .and_then(|file| file.sync_all())
                .with_context(|| format!("writing {}", to.display()))?;
            fs::rename(from, to).with_context(|| format!("writing {}", to.display()))?;
        }
        Ok(manifest)
    }
}

/// Prints an error and returns the exit status that it stands for.
fn report(error: &anyhow::Error) -> ExitCode {
    use std::io::IsTerminal;
    if let Some(mistake) = error.chain().find_map(|cause| cause.downcast_ref::<InputError>()) {
        eprint!(
            "genpack: error: {}",
            mistake.render(std::io::stderr().is_terminal()).trim_start()
        );
        return ExitCode::from(INPUT_MISTAKE);
    }
    let text = format!("{error:#}");
    eprintln!("genpack: error: {text}");
    if text.contains("No space left on device") {
        eprintln!(
            "genpack: a build needs about 2 GB in {}; TMPDIR names another folder",
            build::temporary_folder().display()
        );
    }
    ExitCode::FAILURE
}
