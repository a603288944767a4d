//! `genpack-config-agent`, and `genpack-config` under that name: see the library for what they do.

use std::path::Path;
use std::process::ExitCode;

use genpack_config_agent::args::{self, Command};
use genpack_config_agent::{agent, client, tell_ports, wait_online};

fn main() -> ExitCode {
    let mut arguments = std::env::args();
    let called = arguments.next().unwrap_or_default();
    if Path::new(&called)
        .file_name()
        .is_some_and(|name| name == client::NAME)
    {
        return client::run(arguments);
    }
    let command = match args::parse(arguments) {
        Ok(command) => command,
        Err(problem) => {
            eprintln!("genpack-config-agent: {problem}\n\n{}", args::USAGE);
            return ExitCode::from(2);
        }
    };
    let outcome = match command {
        Command::Help => {
            println!("{}", args::USAGE);
            Ok(())
        }
        Command::Run(options) => agent::run(options),
        Command::WaitOnline(options) => wait_online::run(options),
        Command::TellPorts(options, file) => tell_ports::run(&options.root, &file),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("<3>{error:#}");
            ExitCode::FAILURE
        }
    }
}
