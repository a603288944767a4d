//! The command line of `genpack-config`.

/// What `--help` prints.
pub const USAGE: &str = "\
genpack-config status [--json]     Says how the device is, and which settings hold
genpack-config check FILE          Says what the device would make of a file; changes nothing
               [--json]
genpack-config apply FILE          Makes a file the settings of the device, on its card too
               [--revert-after SECONDS]   takes them back unless confirmed in time (60); 0: they are kept at once
genpack-config confirm             Keeps the settings that were applied
genpack-config revert              Takes them back
genpack-config reload              Reads system.ini on the card again
genpack-config edit                Opens the settings in an editor, checks them, and applies them

FILE is - for standard input. Ends with 1 when something of the file is not used as written, with 2 when nothing was done.
Only root and members of the group genpack may use more than status.";

/// Seconds after which settings are taken back unless the command line says otherwise: from far away a mistake may cut
/// off whoever made it.
const REVERT_AFTER: u32 = 60;

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
pub enum Command {
    /// Print [`USAGE`].
    Help,
    /// How is the device?
    Status {
        /// As JSON.
        json: bool,
    },
    /// What would the device make of a file?
    Check {
        /// Which.
        file: String,
        /// As JSON.
        json: bool,
    },
    /// Make a file the settings.
    Apply {
        /// Which.
        file: String,
        /// After how many seconds they are taken back.
        revert_after: u32,
    },
    /// Keep them.
    Confirm,
    /// Take them back.
    Revert,
    /// Read the card again.
    Reload,
    /// Edit them.
    Edit,
}

/// Reads the arguments, without the program's name. The error is a sentence that names the argument.
pub fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Command, String> {
    let mut words = Vec::new();
    let (mut json, mut revert_after) = (false, None);
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--help" | "-h" | "help" => return Ok(Command::Help),
            "--json" => json = true,
            "--revert-after" => revert_after = Some(seconds(arguments.next())?),
            other if other.starts_with("--revert-after=") => {
                revert_after = Some(seconds(
                    other.split_once('=').map(|(_, value)| value.to_string()),
                )?);
            }
            other if other.len() > 1 && other.starts_with('-') => {
                return Err(format!("{other} is not understood"));
            }
            _ => words.push(argument),
        }
    }
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let command = match words.as_slice() {
        [] => return Err("say what to do".into()),
        ["status"] => Command::Status { json },
        ["check", file] => Command::Check {
            file: file.to_string(),
            json,
        },
        ["apply", file] => Command::Apply {
            file: file.to_string(),
            revert_after: revert_after.take().unwrap_or(REVERT_AFTER),
        },
        ["confirm"] => Command::Confirm,
        ["revert"] => Command::Revert,
        ["reload"] => Command::Reload,
        ["edit"] => Command::Edit,
        [command @ ("check" | "apply")] => return Err(format!("{command} needs a file")),
        [
            "status" | "check" | "apply" | "confirm" | "revert" | "reload" | "edit",
            ..,
            last,
        ] => {
            return Err(format!("{last} is too much"));
        }
        [other, ..] => return Err(format!("{other} is not understood")),
    };
    match &command {
        _ if revert_after.is_some() => Err("--revert-after goes with apply only".into()),
        Command::Status { .. } | Command::Check { .. } => Ok(command),
        _ if json => Err("--json goes with status and check only".into()),
        _ => Ok(command),
    }
}

fn seconds(text: Option<String>) -> Result<u32, String> {
    let text = text.ok_or("--revert-after needs a number of seconds")?;
    text.parse()
        .map_err(|_| format!("--revert-after needs a number of seconds, not {text}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Command, String> {
        parse(line.split_whitespace().map(String::from))
    }

    #[test]
    fn commands_and_options() {
        let apply = |seconds| {
            Ok(Command::Apply {
                file: "x.ini".into(),
                revert_after: seconds,
            })
        };
        assert_eq!(parsed("apply x.ini"), apply(60));
        assert_eq!(parsed("apply x.ini --revert-after 5"), apply(5));
        assert_eq!(parsed("--revert-after=0 apply x.ini"), apply(0));
        let file = "-".to_string();
        assert_eq!(parsed("check - --json"), Ok(Command::Check { file, json: true }));
        assert_eq!(parsed("status"), Ok(Command::Status { json: false }));
        assert_eq!(parsed("revert --help"), Ok(Command::Help));
    }

    #[test]
    fn mistakes_are_named() {
        for (line, want) in [
            ("", "say what to do"),
            ("aply x", "aply is not understood"),
            ("apply", "apply needs a file"),
            ("apply x y", "y is too much"),
            ("confirm now", "now is too much"),
            (
                "apply x --revert-after soon",
                "--revert-after needs a number of seconds, not soon",
            ),
            (
                "apply x --revert-after",
                "--revert-after needs a number of seconds",
            ),
            ("check x --revert-after 5", "--revert-after goes with apply only"),
            ("confirm --json", "--json goes with status and check only"),
            ("check x -y", "-y is not understood"),
        ] {
            assert_eq!(parsed(line), Err(want.into()), "{line}");
        }
    }
}
