//! `genpack-config-agent`: see the library for what it does.

use std::process::ExitCode;

use genpack_config_agent::args::{self, Command};
use genpack_config_agent::{agent, wait_online};

fn main() -> ExitCode {
    let command = match args::parse(std::env::args().skip(1)) {
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
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("<3>{error:#}");
            ExitCode::FAILURE
        }
    }
}
