//! The command line.

use std::path::PathBuf;
use std::time::Duration;

/// What `--help` prints.
pub const USAGE: &str = "\
genpack-config-agent [--root DIR] [--patience SECONDS]
    Sets up the network and the services as /run/genpack/settings.json says, and reports; runs until stopped.
genpack-config-agent wait-online [--root DIR] [--timeout SECONDS]
    Waits until some port has an address. Succeeds even when none gets one in time.
genpack-config-agent tell-ports FILE [--root DIR]
    Waits until the machine has started, then writes to FILE which ports are open, as one line of JSON.

--root DIR          take DIR for / when reading settings and writing reports
--patience SECONDS  how long an address, or the system bus, may be missing before that is reported (20); with the
                    settings of a stick an address may be missing three times as long
--timeout SECONDS   how long to wait (30)";

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
pub enum Command {
    /// Print [`USAGE`].
    Help,
    /// Be the agent.
    Run(Options),
    /// Wait for an address.
    WaitOnline(Options),
    /// Say which ports are open.
    TellPorts(Options, PathBuf),
}

/// Options of the commands; each reads those that it needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Directory that stands for `/`.
    pub root: PathBuf,
    /// How long an address, or the system bus, may be missing before that is reported.
    pub patience: Duration,
    /// How long `wait-online` waits.
    pub timeout: Duration,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            root: PathBuf::from("/"),
            patience: Duration::from_secs(20),
            timeout: Duration::from_secs(30),
        }
    }
}

/// Reads the arguments, without the program's name. The error is a sentence that names the argument.
pub fn parse(args: impl IntoIterator<Item = String>) -> Result<Command, String> {
    let mut args = args.into_iter();
    let mut options = Options::default();
    let mut wait_online = false;
    let mut tell_ports = None;
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or_else(|| format!("{arg} needs a value"));
        match arg.as_str() {
            "wait-online" => wait_online = true,
            "tell-ports" => tell_ports = Some(PathBuf::from(value()?)),
            "--help" | "-h" => return Ok(Command::Help),
            "--root" => options.root = PathBuf::from(value()?),
            "--patience" => options.patience = seconds(&arg, &value()?)?,
            "--timeout" => options.timeout = seconds(&arg, &value()?)?,
            _ => return Err(format!("{arg} is not understood")),
        }
    }
    Ok(match tell_ports {
        Some(file) => Command::TellPorts(options, file),
        None if wait_online => Command::WaitOnline(options),
        None => Command::Run(options),
    })
}

fn seconds(arg: &str, text: &str) -> Result<Duration, String> {
    text.parse()
        .map(Duration::from_secs)
        .map_err(|_| format!("{arg} needs a number of seconds, not {text}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Command, String> {
        parse(line.split_whitespace().map(String::from))
    }

    #[test]
    fn commands_and_options() {
        assert_eq!(parsed(""), Ok(Command::Run(Options::default())));
        assert_eq!(
            parsed("wait-online --timeout 5 --root /x"),
            Ok(Command::WaitOnline(Options {
                root: "/x".into(),
                timeout: Duration::from_secs(5),
                ..Options::default()
            }))
        );
        assert_eq!(
            parsed("tell-ports /dev/x"),
            Ok(Command::TellPorts(Options::default(), "/dev/x".into()))
        );
        assert_eq!(parsed("--help"), Ok(Command::Help));
    }

    #[test]
    fn mistakes_are_named() {
        assert_eq!(parsed("--root"), Err("--root needs a value".into()));
        assert_eq!(
            parsed("--patience soon"),
            Err("--patience needs a number of seconds, not soon".into())
        );
        assert_eq!(parsed("start"), Err("start is not understood".into()));
    }
}
