//! The command line.

use std::io::{ErrorKind, IsTerminal, Write};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};

use crate::blueprint::{self, InputError, Problem};
use crate::{build, cache, check, config, diff, inspect, scaffold, vm};

/// Exit status for mistakes in the developer's input, as for a wrong command line.
pub const INPUT_MISTAKE: u8 = 2;

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
    Build(build::command::BuildArguments),
    /// Choose the newest versions of all packages, and say what changes
    Update(build::update::UpdateArguments),
    /// Say what is in an image: packages, sizes, licences, services, ports
    Inspect(inspect::InspectArguments),
    /// Say what changed from one image to another; ends with 0 for no difference, 1 for some, 2 for trouble
    Diff(diff::DiffArguments),
    /// Look for mistakes in a blueprint's folder without building; ends with 2 when there are any
    Check(check::CheckArguments),
    /// Make the folder of a new blueprint
    Init(scaffold::InitArguments),
    /// Print the JSON Schema of genpack.json5, for editors
    Schema {
        /// That of a profile's file
        #[arg(long)]
        profile: bool,
    },
    /// Try an image in a virtual machine
    #[command(subcommand)]
    Vm(vm::VmCommand),
    /// Look at settings of a device, on a card or in an image, and change them
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Look at what builds keep for the next one, and remove it
    #[command(subcommand)]
    Cache(cache::command::CacheCommand),
    /// The part of a build that runs in namespaces of its own
    #[command(hide = true, name = "__build-in-sandbox")]
    BuildInSandbox(build::command::InSandbox),
    /// The part of an update that runs in namespaces of its own
    #[command(hide = true, name = "__update-in-sandbox")]
    UpdateInSandbox(build::update::InSandbox),
}

/// Runs the program and returns its exit status: 0, 1 when something failed, 2 for a mistake in the input, 130 when
/// interrupted.
pub fn run() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Build(arguments) => build::command::run(&arguments),
        Command::Update(arguments) => build::update::run(&arguments),
        Command::Cache(command) => cache::command::run(&command),
        Command::Inspect(arguments) => inspect::run(&arguments),
        Command::Diff(arguments) => {
            // 1 says that the images differ.
            return diff::run(&arguments).unwrap_or_else(|error| {
                report(&error);
                ExitCode::from(INPUT_MISTAKE)
            });
        }
        Command::Check(arguments) => check::run(&arguments),
        Command::Init(arguments) => scaffold::run(&arguments),
        Command::Schema { profile } => schema(profile),
        Command::Vm(command) => vm::run(&command),
        Command::Config(command) => config::run(&command),
        Command::BuildInSandbox(inside) => build::command::run_inside(&inside),
        Command::UpdateInSandbox(inside) => build::update::run_inside(&inside),
    };
    outcome.unwrap_or_else(|error| report(&error))
}

fn schema(profile: bool) -> Result<ExitCode> {
    let schema = match profile {
        true => blueprint::profile_schema(),
        false => blueprint::blueprint_schema(),
    };
    print(&format!("{schema:#}\n"))?;
    Ok(ExitCode::SUCCESS)
}

/// Prints a text to standard output. Whoever stops reading has seen enough, which is no error.
pub fn print(text: &str) -> Result<()> {
    print_to(std::io::stdout().lock(), text)
}

fn print_to(mut out: impl Write, text: &str) -> Result<()> {
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written.context("writing to standard output"),
    }
}

/// Prints warnings to standard error.
pub fn warn(warnings: &[Problem]) {
    let colours = std::io::stderr().is_terminal();
    for warning in warnings {
        let text = warning.render_warning(colours);
        eprintln!("genpack: warning: {}", text.trim());
    }
}

/// Prints an error and returns the exit status that it stands for.
pub fn report(error: &anyhow::Error) -> ExitCode {
    if let Some(mistake) = error.chain().find_map(|cause| cause.downcast_ref::<InputError>()) {
        let text = mistake.render(std::io::stderr().is_terminal());
        eprintln!("genpack: error: {}", text.trim());
        return ExitCode::from(INPUT_MISTAKE);
    }
    let causes: Vec<_> = error.chain().map(ToString::to_string).collect();
    eprintln!("genpack: error: {}", causes.join(":\n  "));
    ExitCode::FAILURE
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_reader_that_has_seen_enough_is_no_error() {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        super::print_to(writer, "a line\n").unwrap();
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let error = format!("{:#}", super::print_to(full, "a line\n").unwrap_err());
        assert!(
            error.starts_with("writing to standard output: No space left"),
            "{error}"
        );
    }
}
